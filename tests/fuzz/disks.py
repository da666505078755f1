"""What a disk can give back: journal rows, a whole store, a backup, a configuration file.

Theory. Nothing on a disk is believed. A row is a group that comes back from its own encoding, or
an error; whatever is replayed, totals are the sum of what they are made of. A store with bytes
changed is refused, or says what is damaged, or gives back what was written: never other content.
Settings that were read come back from what they are printed as.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

import trio

from gcounterd.counters.images import Image, Kind
from gcounterd.daemon.settings import load_settings, print_settings
from gcounterd.errors import ConfigError, StorageError
from gcounterd.ids import ColumnId
from gcounterd.node.records import Group
from gcounterd.storage.records import decode_group, encode_group
from gcounterd.storage.recovery import restore
from gcounterd.storage.schema import DAMAGED_LOG_FILE, LOG_FILE, STORE_FILE, Settings
from gcounterd.storage.store import Store
from tests.properties.test_wire_laws import plain

OWN = ColumnId(b"o" * 32)
COUNTERS_MAX = 1000
# An edit of a store is its place, in three bytes, and what is mixed into the byte there.
EDIT_BYTES, EDITS_MAX = 4, 16
COLUMN = b"c" * 32
IDENTITY = Settings(b"s" * 16, b"n" * 16, "n1", "local", b"e" * 16, "active")
Content = tuple[Settings | None, tuple[Image, ...], tuple[tuple[int, bytes], ...]]


def journal(data: bytes) -> None:
    """A row is a group that comes back and can be replayed, or an error of the store."""
    try:
        records = decode_group(data)
    except StorageError:
        return
    again = decode_group(encode_group(Group(tuple(records), True, False)))
    assert plain(tuple(again)) == plain(tuple(records))
    try:
        counters = restore(OWN, COUNTERS_MAX, [], [(1, data), (2, data)]).counters
    except StorageError:
        return
    assert (counters.recount() == counters.totals).all()


def store(data: bytes) -> None:
    """A store, with its log or as a backup, in which bytes were changed: never other content."""
    killed, whole = _original()
    directory = _folder() / "edited"
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(killed, directory)
    for file, edits in ((STORE_FILE, data[::2]), (LOG_FILE, data[1::2])):
        _edit(directory / file, edits)
    _check(directory, whole)


def _edit(path: Path, edits: bytes) -> None:
    body = bytearray(path.read_bytes())
    for at in range(0, min(len(edits), EDITS_MAX * EDIT_BYTES), EDIT_BYTES):
        edit = edits[at : at + EDIT_BYTES]
        if len(edit) == EDIT_BYTES:
            body[int.from_bytes(edit[:3], "big") % len(body)] ^= edit[3]
    path.write_bytes(body)


def _check(directory: Path, whole: Content) -> None:
    try:
        opened = Store.open(directory)
    except StorageError:
        return
    try:
        recovered = opened.recover()
        images, groups = tuple(recovered.images), tuple(recovered.groups)
        damaged, torn = bool(recovered.damage), bool(recovered.torn)
        identity = recovered.settings
    except StorageError:
        return
    finally:
        opened.close()
    assert set(groups) <= set(whole[2])
    assert set(images) <= {*whole[1], _image(0, b"old")}
    assert identity is None or identity == whole[0]
    if torn and not damaged:
        assert groups == whole[2][: len(groups)]
    elif not damaged:
        assert (identity, images, groups) == whole
    kept = directory / DAMAGED_LOG_FILE
    assert damaged or not kept.exists()


@cache
def _folder() -> Path:
    memory = Path("/dev/shm")
    parent = memory if os.access(memory, os.W_OK) else None
    return Path(tempfile.mkdtemp(prefix="gcounterd-fuzz-", dir=parent))


def sweep() -> None:
    """Remove what was written."""
    shutil.rmtree(_folder(), ignore_errors=True)
    _folder.cache_clear()
    _original.cache_clear()


def _image(number: int, fill: bytes) -> Image:
    return Image(Kind.SEGMENT, COLUMN, number, fill * 300)


@cache
def _original() -> tuple[Path, Content]:
    """Make a store as a kill leaves it, once; return where it is and what is in it."""
    live, dead = _folder() / "live", _folder() / "dead"
    opened = Store.open(live)
    opened.put_settings(IDENTITY)
    opened.close()
    trio.run(_fill, live, dead)
    shutil.copytree(dead, live / "copy")
    opened = Store.open(live / "copy")
    recovered = opened.recover()
    content = recovered.settings, tuple(recovered.images), tuple(recovered.groups)
    opened.close()
    return dead, content


async def _fill(live: Path, dead: Path) -> None:
    opened = Store.open(live)
    async with trio.open_nursery() as nursery:
        await nursery.start(opened.run)
        await opened.put_images([_image(0, b"old"), _image(1, b"one")])
        for seq in range(1, 12):
            await opened.append(seq, b"group %d;" % seq * 40)
        await opened.put_images([_image(0, b"new")])
        await opened.append(12, b"the last")
        await trio.to_thread.run_sync(shutil.copytree, live, dead)
        nursery.cancel_scope.cancel()


def config(data: bytes) -> None:
    """A file is settings that come back from what is printed of them, or an error of settings."""
    path = _folder() / "config.toml"
    path.write_bytes(data)
    try:
        settings, origins = _load(path)
    except ConfigError:
        return
    path.write_text(print_settings(settings, origins))
    assert _load(path)[0] == settings


def _load(path: Path) -> tuple[object, dict[str, str]]:
    return load_settings(
        {"config": str(path)}, {"HOME": "/home/n"}, host_name="host", terminal=False
    )
