"""Which daemon is meant by an address, or by none."""

from __future__ import annotations

from pathlib import Path

import pytest

from gcounterd.cli.targets import Target, find_target, parse_target, read_token
from gcounterd.errors import ConfigError


@pytest.mark.parametrize(
    ("address", "target"),
    [
        ("http://127.0.0.1:7777", Target("127.0.0.1", 7777)),
        ("HTTP://example.org/", Target("example.org", 7777)),
        ("http://[::1]:80", Target("::1", 80)),
        ("https://a", Target("a", 7777, secure=True)),
        ("/run/g/admin.sock", Target(socket_path="/run/g/admin.sock")),
        ("admin.sock", Target(socket_path="admin.sock")),
    ],
)
def test_an_address_is_a_url_or_a_path(address: str, target: Target) -> None:
    assert parse_target(address) == target


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1:7777", "write an HTTP address as http://127.0.0.1:7777"),
        ("[::1]:7777", "write an HTTP address as http://"),
        ("ftp://a", "give http://, https:// or a path"),
        ("http://", "is written http://HOST:PORT"),
        ("http://a:0", "is written http://HOST:PORT"),
        ("http://a:99999", "not an address"),
        ("http://a:x", "not an address"),
        ("http://a/path", "only scheme, host and port"),
        ("http://a?b=c", "only scheme, host and port"),
        ("http://me:secret@a", "only scheme, host and port"),
        ("a\0b", "no NUL"),
    ],
)
def test_an_address_that_makes_no_sense_is_refused(address: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words.replace("?", r"\?")):
        parse_target(address)


def test_a_socket_whose_name_looks_like_an_address_is_taken_if_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("node:1").touch()
    assert parse_target("node:1").socket_path == "node:1"


def test_the_address_given_comes_before_that_of_the_environment() -> None:
    environ = {"GCOUNTERCTL_ADDRESS": "http://b:1"}
    assert find_target("http://a:1", environ) == Target("a", 1)
    assert find_target(None, environ) == Target("b", 1)


@pytest.mark.parametrize(
    ("variable", "folder"),
    [
        ("GCOUNTERD_DATA_DIR", "."),
        ("STATE_DIRECTORY", "."),
        ("XDG_STATE_HOME", "gcounterd"),
        ("HOME", ".local/state/gcounterd"),
    ],
)
def test_the_admin_socket_of_the_local_data_directory_is_found(
    tmp_path: Path, variable: str, folder: str
) -> None:
    environ = {variable: str(tmp_path)}
    assert find_target(None, environ) == Target("127.0.0.1", 7777)
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / folder / "admin.sock").touch()
    found = find_target(None, environ).socket_path
    assert found is not None
    assert Path(found) == tmp_path / folder / "admin.sock"


def test_without_a_home_the_default_http_address_is_asked() -> None:
    assert find_target(None, {}) == Target("127.0.0.1", 7777)


def test_a_target_is_shown_as_it_would_be_written() -> None:
    for address in ("http://127.0.0.1:7777", "http://[::1]:80", "/a/b.sock"):
        assert str(parse_target(address)) == address


def test_a_token_comes_from_a_private_file_or_from_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("gct_a\n")
    path.chmod(0o600)
    environ = {"GCOUNTERCTL_TOKEN": "gct_b"}
    assert read_token(str(path), environ) == "gct_a"
    assert read_token(None, environ) == "gct_b"
    assert read_token(None, {}) == ""
    assert "gct_a" not in repr(Target("a", token="gct_a"))
    for text, mode in (("gct_a", 0o644), ("", 0o600), ("a b", 0o600)):
        path.write_text(text)
        path.chmod(mode)
        with pytest.raises(ConfigError):
            read_token(str(path), environ)
