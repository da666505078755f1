"""Copies of a running store."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest
import trio
import trio.testing
from storehouse import SETTINGS, body_of, fill, image, read_directory, serving

from gcounterd.errors import StorageError
from gcounterd.storage.backup import Copying
from gcounterd.storage.schema import STORE_FILE
from gcounterd.storage.store import Store


async def test_a_copy_opens_as_a_store_and_holds_the_same(tmp_path: Path) -> None:
    await fill(tmp_path / "data")
    copy = tmp_path / "copy" / STORE_FILE
    copy.parent.mkdir()
    async with serving(tmp_path / "data") as store:
        await store.append(21, b"in the log")
        size = await store.backup(copy)
    assert size == copy.stat().st_size
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert os.listdir(copy.parent) == [STORE_FILE]
    found = read_directory(copy.parent)
    assert found == read_directory(tmp_path / "data")
    assert found.settings == SETTINGS
    assert found.damage == []


async def test_commits_between_steps_leave_a_copy_that_is_a_prefix(tmp_path: Path) -> None:
    await fill(tmp_path / "data", groups=200, images=200)
    (tmp_path / "copy").mkdir()
    store = Store.open(tmp_path / "data")
    copying = Copying(tmp_path / "copy" / STORE_FILE)
    seq = 200

    def commit() -> None:
        nonlocal seq
        seq += 1
        store._contents.append(seq, body_of(seq, 9000), durable=True)
        store._contents.put_images([image(seq % 40, b"%d" % (seq % 7), 20_000)])
        store._database.relieve(resting=False)

    copying.prepare()
    copying.fill(store._database.connection, commit)
    copying.finish()
    between = seq
    commit()
    store.close()
    assert between > 203, "the store must be large enough for several steps"
    found = read_directory(tmp_path / "copy")
    assert found.damage == []
    whole = read_directory(tmp_path / "data")
    assert len(whole.groups) == between + 1
    assert found.groups == whole.groups[: len(found.groups)]
    assert between - 1 <= len(found.groups) <= between


async def test_a_running_store_commits_while_it_is_copied(tmp_path: Path) -> None:
    await fill(tmp_path / "data", images=400)
    acked = [20]

    async def write() -> None:
        while True:
            await store.append(acked[-1] + 1, body_of(acked[-1] + 1))
            acked.append(acked[-1] + 1)

    async with serving(tmp_path / "data") as store, trio.open_nursery() as nursery:
        nursery.start_soon(write)
        await store.backup(tmp_path / STORE_FILE)
        nursery.cancel_scope.cancel()
    groups = read_directory(tmp_path).groups
    assert groups == [(seq, body_of(seq)) for seq in range(1, len(groups) + 1)]
    assert 20 <= len(groups) <= len(read_directory(tmp_path / "data").groups)


async def test_an_existing_file_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("mine")
    async with serving(tmp_path / "data") as store:
        with pytest.raises(StorageError, match="exists already") as caught:
            await store.backup(path)
        assert caught.value.definite
        with pytest.raises(StorageError, match="No such file or directory"):
            await store.backup(tmp_path / "nowhere" / "copy")
        await store.append(1, b"the store goes on")
    assert path.read_text() == "mine"


async def test_a_cancelled_copy_leaves_nothing_and_the_store_goes_on(tmp_path: Path) -> None:
    await fill(tmp_path / "data", images=100)
    entered, gate = threading.Event(), threading.Event()

    def hold() -> None:
        entered.set()
        gate.wait()

    async with serving(tmp_path / "data") as store, trio.open_nursery() as clients:
        clients.start_soon(store._thread.do, hold)
        await trio.to_thread.run_sync(entered.wait)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.backup, tmp_path / "copy")
            while store._thread._tickets.empty():
                await trio.lowlevel.checkpoint()
            assert (tmp_path / "copy.partial").exists()
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                await trio.testing.wait_all_tasks_blocked()
            gate.set()
        assert os.listdir(tmp_path) == ["data"]
        await store.append(21, b"on")


async def test_two_copies_at_once_take_turns(tmp_path: Path) -> None:
    await fill(tmp_path / "data", images=100)
    async with serving(tmp_path / "data") as store, trio.open_nursery() as nursery:
        nursery.start_soon(store.backup, tmp_path / "one")
        nursery.start_soon(store.backup, tmp_path / "two")
        nursery.start_soon(store.verify)
    assert sorted(os.listdir(tmp_path)) == ["data", "one", "two"]
    assert sorted(os.listdir(tmp_path / "data")) == ["lock", STORE_FILE]


async def test_what_a_crash_left_of_a_copy_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "copy.partial").write_bytes(b"half")
    async with serving(tmp_path / "data") as store:
        await store.backup(tmp_path / "copy")
    assert sorted(os.listdir(tmp_path)) == ["copy", "data"]
