"""The join token: what may stand in its file, and when the file may be gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from gcounterd.daemon.join_token import FILE_BYTES_MAX, read_join_token
from gcounterd.daemon.settings import Settings, load_settings
from gcounterd.errors import ConfigError
from gcounterd.storage.schema import STORE_FILE

DIGITS = "0123456789abcdef" * 4


def settings(folder: Path, name: str = "token") -> Settings:
    flags = {"join_token_file": str(folder / name), "data_dir": str(folder / "data")}
    return load_settings(flags, {}, host_name="h", terminal=False)[0]


def put(folder: Path, text: str, mode: int = 0o600) -> Settings:
    path = folder / "token"
    path.write_text(text)
    path.chmod(mode)
    return settings(folder)


@pytest.mark.parametrize("text", [DIGITS, f"{DIGITS}\n", f"  {DIGITS.upper()}\r\n\n"])
def test_a_token_is_read_as_editors_leave_it(
    text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert read_join_token(put(tmp_path, text)) == bytes.fromhex(DIGITS)
    assert caplog.messages == []


def test_no_file_is_no_token() -> None:
    none, _ = load_settings({"data_dir": "/d"}, {}, host_name="h", terminal=False)
    assert read_join_token(none) == b""


@pytest.mark.parametrize(
    "text", ["", DIGITS[:-1], f"{DIGITS}0", f"{DIGITS} {DIGITS}", "x" * 64, " " * FILE_BYTES_MAX]
)
def test_what_is_no_token_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not hold a token, which is 64 hexadecimal digits"):
        read_join_token(put(tmp_path, text))


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "token").mkdir()
    with pytest.raises(ConfigError, match="token cannot be read: Is a directory"):
        read_join_token(settings(tmp_path))


def test_a_file_that_is_not_there_is_refused_at_the_first_start_only(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not there; gcounterctl add-node prints a token"):
        read_join_token(settings(tmp_path))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / STORE_FILE).touch()
    assert read_join_token(settings(tmp_path)) == b""


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_token_that_others_can_read_is_said(
    mode: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert read_join_token(put(tmp_path, DIGITS, mode)) == bytes.fromhex(DIGITS)
    assert "join_token_exposed" in caplog.text
