"""Stores with bytes changed: refused, damage told, or what was written; never other content.

Theory. One store is made with the real room, and copied as a kill leaves it: images that were
replaced, groups in the file and groups only in the log. A backup of it is a third file. Any byte
of them may change, and many at once; what comes back is compared with what was written.

Only the last transaction of a log may go with nothing but a sentence (`torn`): nobody can tell its
damage from a write that a power cut interrupted.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from functools import cache
from pathlib import Path

import attrs
import trio

from gcounterd.counters.images import Image, Kind
from gcounterd.errors import StorageError
from gcounterd.storage.schema import (
    DAMAGED_LOG_FILE,
    LOCK_FILE,
    LOG_FILE,
    STORE_FILE,
    Recovered,
    Settings,
)
from gcounterd.storage.store import Store

COLUMN = b"c" * 32
IDENTITY = Settings(b"s" * 16, b"n" * 16, "n1", "local", b"e" * 16, "active")
FILES = (STORE_FILE, LOG_FILE, LOCK_FILE)


@attrs.frozen
class Content:
    """What was written."""

    settings: Settings | None
    images: tuple[Image, ...]
    groups: tuple[tuple[int, bytes], ...]


@attrs.frozen
class Original:
    """A store, as a kill left it and as a backup, and what is in it."""

    killed: Path
    backup: Path
    content: Content


@cache
def folder() -> Path:
    """Return a folder of this process, in memory if there is some."""
    memory = Path("/dev/shm")
    parent = memory if os.access(memory, os.W_OK) else None
    return Path(tempfile.mkdtemp(prefix="gcounterd-fuzz-", dir=parent))


def sweep() -> None:
    """Remove what was written."""
    shutil.rmtree(folder(), ignore_errors=True)
    folder.cache_clear()
    original.cache_clear()


def _image(number: int, fill: bytes) -> Image:
    return Image(Kind.SEGMENT, COLUMN, number, fill * 300)


@cache
def original() -> Original:
    """Make the store, once."""
    live, killed, backup = (folder() / name for name in ("live", "killed", "backup"))
    opened = Store.open(live)
    opened.put_settings(IDENTITY)
    opened.close()
    backup.mkdir()
    trio.run(_fill, live, killed, backup)
    (killed / LOCK_FILE).write_bytes(b"12345\n")
    shutil.copytree(killed, folder() / "read")
    opened = Store.open(folder() / "read")
    content = _read(opened.recover())
    opened.close()
    return Original(killed, backup, content)


async def _fill(live: Path, killed: Path, backup: Path) -> None:
    opened = Store.open(live)
    async with trio.open_nursery() as nursery:
        await nursery.start(opened.run)
        await opened.put_images([_image(0, b"old"), _image(1, b"one")])
        for seq in range(1, 12):
            await opened.append(seq, b"group %d;" % seq * 40)
        await opened.put_images([_image(0, b"new")])
        await opened.append(12, b"the last")
        await trio.to_thread.run_sync(shutil.copytree, live, killed)
        await opened.backup(backup / STORE_FILE)
        nursery.cancel_scope.cancel()


def _read(recovered: Recovered) -> Content:
    return Content(recovered.settings, tuple(recovered.images), tuple(recovered.groups))


def copy(source: Path) -> Path:
    """Return a copy of a directory that may be changed; the one before is gone."""
    directory = folder() / "edited"
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(source, directory)
    return directory


def judge(directory: Path, whole: Content) -> str:
    """Open a changed store: refused, damage, torn or whole; `AssertionError`: other content."""
    try:
        opened = Store.open(directory)
    except StorageError:
        return "refused"
    try:
        recovered = opened.recover()
        found = _read(recovered)
    except StorageError:
        return "refused"
    finally:
        opened.close()
    assert set(found.groups) <= set(whole.groups)
    assert set(found.images) <= {*whole.images, _image(0, b"old")}
    assert found.settings in (None, whole.settings)
    if recovered.damage:
        return "damage"
    assert not (directory / DAMAGED_LOG_FILE).exists()
    if recovered.torn:
        assert found.groups == whole.groups[: len(found.groups)]
        assert (found.settings, found.images) == (whole.settings, whole.images)
        return "torn"
    assert found == whole
    return "whole"


def flip(stride: int) -> tuple[Counter[str], list[str]]:
    """Change a bit of every `stride`-th byte of each file; return outcomes, and what is wrong."""
    made, outcomes, problems = original(), Counter[str](), list[str]()
    for source, name in [*((made.killed, name) for name in FILES), (made.backup, STORE_FILE)]:
        body = (source / name).read_bytes()
        for at in range(0, len(body), stride):
            directory = copy(source)
            changed = bytearray(body)
            changed[at] ^= 1 << (at % 8)
            (directory / name).write_bytes(changed)
            where = f"{source.name}/{name}"
            try:
                outcomes[f"{where}: {judge(directory, made.content)}"] += 1
            except AssertionError as error:
                problems.append(f"{where}, byte {at}: {str(error) or 'other content'}")
    return outcomes, problems
