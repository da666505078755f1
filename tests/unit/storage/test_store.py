"""The store as the daemon uses it."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest
import trio
import trio.testing
from storehouse import COLUMN, SETTINGS, body_of, fill, image, read_all, read_directory, serving

from gcounterd.counters.images import Image, Kind
from gcounterd.errors import StorageError
from gcounterd.storage.schema import LOG_FILE, PART_BYTES_MAX
from gcounterd.storage.store import Store
from gcounterd.storage.thread import TICKETS_MAX


def test_a_new_directory_is_private_and_holds_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "data"
    found = read_directory(directory)
    assert (found.settings, found.images, found.groups, found.damage) == (None, [], [], [])
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((directory / "store.db").stat().st_mode) == 0o600


async def test_what_was_written_comes_back_in_order(tmp_path: Path) -> None:
    async with serving(tmp_path) as store:
        await store.save_settings(SETTINGS)
        await store.append(3, b"three")
        await store.put_images(
            [
                image(1),
                Image(Kind.NAMES, b"", 0, b"names"),
                Image(Kind.COLUMN, COLUMN, 0, b""),
                image(0),
            ]
        )
        await store.append(7, b"")
        await store.append(8, b"eight")
    found = read_directory(tmp_path)
    assert found.settings == SETTINGS
    assert found.groups == [(3, b"three"), (7, b""), (8, b"eight")]
    keys = [(one.kind, one.number) for one in found.images]
    assert keys == [(Kind.COLUMN, 0), (Kind.NAMES, 0), (Kind.SEGMENT, 0), (Kind.SEGMENT, 1)]
    assert found.images[3] == image(1)
    assert found.damage == []
    assert found.torn == ""


def test_settings_and_values_written_at_the_start_come_back(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    store.put_settings(SETTINGS)
    store.put_value("peers", b"\x00\xff")
    assert store.get_value("others") is None
    store.close()
    store = Store.open(tmp_path)
    assert store.recover().settings == SETTINGS
    assert store.get_value("peers") == b"\x00\xff"
    store.close()


async def test_an_image_replaces_the_one_under_its_key(tmp_path: Path) -> None:
    async with serving(tmp_path) as store:
        await store.put_images([image(0, b"a"), image(1, b"b")])
        await store.put_images([image(0, b"c", 9000), image(0, b"d", 8000)])
        assert store.image_bytes == 13_000
    assert read_directory(tmp_path).images == [image(0, b"d", 8000), image(1, b"b")]


async def test_images_of_owners_that_are_gone_are_deleted_with_what_is_put(tmp_path: Path) -> None:
    async with serving(tmp_path) as store:
        await store.put_images([image(0), image(1), Image(Kind.COLUMN, COLUMN, 0, b"state")])
        names = Image(Kind.NAMES, b"", 0, b"names")
        await store.put_images([names], [COLUMN, b"nobody"])
        assert store.image_bytes == len(names.body)
    found = read_directory(tmp_path)
    assert found.images == [names]
    assert found.damage == []


async def test_a_group_of_several_rows_comes_back_as_one(tmp_path: Path) -> None:
    big = body_of(1, 2 * PART_BYTES_MAX + 17)
    exact = body_of(2, PART_BYTES_MAX)
    async with serving(tmp_path) as store:
        await store.append(1, big)
        await store.append(2, exact)
        await store.append(3, b"after")
        assert store.journal_bytes == len(big) + len(exact) + 5
    assert read_directory(tmp_path).groups == [(1, big), (2, exact), (3, b"after")]


async def test_a_checkpoint_trims_the_journal_and_numbers_go_on(tmp_path: Path) -> None:
    await fill(tmp_path, groups=1500)
    async with serving(tmp_path) as store:
        assert store.last_seq == 1500
        await store.finish_checkpoint([image(9)], 1498)
        assert store.journal_bytes == 600
        assert store.image_bytes == 4 * 5000 + 5000
        await store.finish_checkpoint([], 1500)
        assert store.journal_bytes == 0
    async with serving(tmp_path) as store:
        assert store.last_seq == 1500
        await store.append(1501, b"next")
    found = read_directory(tmp_path)
    assert found.groups == [(1501, b"next")]
    assert found.damage == []
    assert image(9) in found.images


async def test_groups_under_a_checkpoint_do_not_return_if_deleting_them_was_cut_short(
    tmp_path: Path,
) -> None:
    await fill(tmp_path, groups=20)
    store = Store.open(tmp_path)
    store._contents.put_images([image(5)], upto=12)
    store.close()
    found = read_directory(tmp_path)
    assert [seq for seq, _ in found.groups] == list(range(13, 21))
    assert found.damage == []
    async with serving(tmp_path) as store:
        await store.finish_checkpoint([], 12)
        assert store.journal_bytes == 8 * 300


async def test_relaxed_groups_are_there_after_a_clean_stop(tmp_path: Path) -> None:
    async with serving(tmp_path) as store:
        await store.append(1, b"one", durable=False)
        await store.append(2, b"two", durable=True)
        await store.append(3, b"three", durable=False)
    assert [seq for seq, _ in read_directory(tmp_path).groups] == [1, 2, 3]


async def test_more_callers_than_places_are_all_answered(tmp_path: Path) -> None:
    images = [image(number, b"x", 20) for number in range(3 * TICKETS_MAX)]
    async with serving(tmp_path) as store, trio.open_nursery() as nursery:
        for each in images:
            nursery.start_soon(store.put_images, [each])
    assert read_directory(tmp_path).images == images


async def test_stopping_finishes_what_was_handed_over_and_leaves_no_log(tmp_path: Path) -> None:
    gate = threading.Event()
    answered = []
    store = Store.open(tmp_path)

    async def append(seq: int) -> None:
        await store.append(seq, body_of(seq))
        answered.append(seq)

    async with trio.open_nursery() as clients:
        async with trio.open_nursery() as nursery:
            await nursery.start(store.run)
            clients.start_soon(store._thread.do, gate.wait)
            await trio.testing.wait_all_tasks_blocked()
            for seq in range(1, 9):
                clients.start_soon(append, seq)
                await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
            nursery.start_soon(_open_once_blocked, gate)
        assert not (tmp_path / LOG_FILE).exists()
    assert answered == list(range(1, 9))
    assert [seq for seq, _ in read_directory(tmp_path).groups] == answered
    with pytest.raises(StorageError, match="not open") as caught:
        await store.append(9, b"late")
    assert caught.value.definite


async def _open_once_blocked(gate: threading.Event) -> None:
    with trio.CancelScope(shield=True):
        await trio.testing.wait_all_tasks_blocked()
    gate.set()


async def test_a_call_before_run_is_refused(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with pytest.raises(StorageError, match="not open"):
        await store.append(1, b"early")
    store.close()


async def test_a_group_out_of_order_is_our_own_mistake_and_writes_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path) as store:
        await store.append(5, b"five")
        with pytest.raises(AssertionError):
            await store.append(5, b"again")
        await store.append(6, b"six")
    assert read_directory(tmp_path).groups == [(5, b"five"), (6, b"six")]


def test_recovering_twice_gives_the_same(tmp_path: Path) -> None:
    trio.run(fill, tmp_path)
    store = Store.open(tmp_path)
    assert read_all(store) == read_all(store)
    store.close()
