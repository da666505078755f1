"""One byte of a store changes: it is found, or it does not matter. Never other content."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
import trio
from storehouse import Found, image, leave_as_killed, read_directory

from gcounterd.errors import StorageError
from gcounterd.storage.log import FRAME_BYTES, HEADER_BYTES
from gcounterd.storage.schema import LOG_FILE, STORE_FILE

SAMPLES = 200
SEED = 7


@pytest.fixture(scope="module")
def closed_and_killed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return, by the file that holds the newest content, a directory closed and one killed."""
    root = tmp_path_factory.mktemp("flips")
    trio.run(leave_as_killed, root / "live", root / "dead")
    return {STORE_FILE: root / "live", LOG_FILE: root / "dead"}


def read_flipped(directory: Path, copy: Path, file: str, offset: int, bits: int) -> Found | str:
    """Read `directory` with one byte changed; a refusal is returned as its text."""
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(directory, copy)
    with (copy / file).open("r+b") as target:
        target.seek(offset)
        old = target.read(1)[0]
        target.seek(offset)
        target.write(bytes([old ^ bits]))
    try:
        return read_directory(copy)
    except StorageError as error:
        return str(error)


def judge(found: Found | str, whole: Found) -> str:
    """Sort an outcome; raise where content changed in silence."""
    if isinstance(found, str):
        return "refused"
    # Whatever is handed out was written, damaged or not.
    assert set(found.groups) <= set(whole.groups)
    assert set(found.images) <= {*whole.images, image(0, b"0")}  # which a later one replaced
    if found.settings is not None:
        assert found.settings == whole.settings
    if found.damage:
        return "damage"
    if found.torn:
        # Only the last commit may be missing, and it is said that something is.
        assert found.groups == whole.groups[:-1]
        assert found.images == whole.images
        return "torn"
    assert (found.settings, found.images, found.groups) == (
        whole.settings,
        whole.images,
        whole.groups,
    )
    return "harmless"


@pytest.mark.slow
@pytest.mark.parametrize("file", [STORE_FILE, LOG_FILE])
def test_no_single_byte_changes_content_in_silence(
    closed_and_killed: dict[str, Path], tmp_path: Path, file: str
) -> None:
    directory = closed_and_killed[file]
    shutil.copytree(directory, tmp_path / "whole")
    whole = read_directory(tmp_path / "whole")
    chance = random.Random(SEED)
    size = (directory / file).stat().st_size
    # Headers of pages and frames steer everything, so they get a share beyond their size.
    starts = range(0, size, 4096) if file == STORE_FILE else range(HEADER_BYTES, size, FRAME_BYTES)
    offsets = [chance.randrange(size) for _ in range(SAMPLES // 2)]
    offsets += [
        min(size - 1, chance.choice(starts) + chance.randrange(32)) for _ in range(SAMPLES // 2)
    ]
    outcomes = [
        judge(
            read_flipped(directory, tmp_path / "copy", file, offset, chance.randrange(1, 256)),
            whole,
        )
        for offset in offsets
    ]
    assert outcomes.count("damage") + outcomes.count("refused") > SAMPLES // 4


@pytest.mark.slow
def test_every_byte_of_the_logs_last_commit_and_header_is_missed_aloud(
    closed_and_killed: dict[str, Path], tmp_path: Path
) -> None:
    killed = closed_and_killed[LOG_FILE]
    shutil.copytree(killed, tmp_path / "whole")
    whole = read_directory(tmp_path / "whole")
    size = (killed / LOG_FILE).stat().st_size
    last = size - FRAME_BYTES
    for offset in [*range(HEADER_BYTES), *range(last, last + 24), last + 24, size - 1]:
        found = read_flipped(killed, tmp_path / "copy", LOG_FILE, offset, 0x01)
        assert judge(found, whole) != "harmless", f"byte {offset} of the log"
