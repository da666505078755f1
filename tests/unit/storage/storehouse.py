"""What the storage tests share: content to write, and reading a directory back."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio

from gcounterd.counters.images import Image, Kind
from gcounterd.storage.schema import STORE_FILE, Damage, Settings
from gcounterd.storage.store import Store

SETTINGS = Settings(b"s" * 16, b"n" * 16, "n1", "local", b"e" * 16, "active")
COLUMN = b"c" * 32


@attrs.frozen
class Found:
    """A directory, read to the end."""

    settings: Settings | None
    images: list[Image]
    groups: list[tuple[int, bytes]]
    damage: list[Damage]
    torn: str


def body_of(seq: int, size: int = 300) -> bytes:
    """Return bytes that only group `seq` has."""
    return (b"group %d;" % seq * (size // 8 + 1))[:size]


def image(number: int, fill: bytes = b"x", size: int = 5000) -> Image:
    return Image(Kind.SEGMENT, COLUMN, number, fill * size)


def read_all(store: Store) -> Found:
    recovered = store.recover()
    images = list(recovered.images)
    groups = list(recovered.groups)
    return Found(recovered.settings, images, groups, recovered.damage, recovered.torn)


def read_directory(directory: Path) -> Found:
    store = Store.open(directory)
    try:
        return read_all(store)
    finally:
        store.close()


@asynccontextmanager
async def serving(directory: Path) -> AsyncIterator[Store]:
    """Run a store on `directory` while the block lasts; end it as the daemon does."""
    store = Store.open(directory)
    found = read_all(store)
    assert not found.damage
    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        try:
            yield store
        finally:
            nursery.cancel_scope.cancel()


async def fill(directory: Path, *, groups: int = 20, images: int = 4) -> None:
    """Write settings, images and groups into a new directory, and close it."""
    store = Store.open(directory)
    store.put_settings(SETTINGS)
    store.close()
    async with serving(directory) as store:
        await store.put_images([image(number, b"%d" % number) for number in range(images)])
        for seq in range(1, groups + 1):
            await store.append(seq, body_of(seq))


async def leave_as_killed(directory: Path, copy: Path, *, groups: int = 20) -> None:
    """Make `copy` what `directory` would be had its process been killed: the log is pending."""
    await fill(directory, groups=groups)
    async with serving(directory) as store:
        for seq in range(groups + 1, 2 * groups + 1):
            await store.append(seq, body_of(seq))
        await store.put_images([image(0, b"new")])
        await store.append(2 * groups + 1, body_of(2 * groups + 1))
        await trio.to_thread.run_sync(shutil.copytree, directory, copy)


def tamper(directory: Path, sql: str, *arguments: object) -> None:
    """Change a closed store behind its back."""
    connection = sqlite3.connect(directory / STORE_FILE)
    assert connection.execute(sql, arguments).rowcount > 0
    connection.commit()
    connection.close()
