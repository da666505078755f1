"""The group commit: all that waits in one group, honest answers when the disk says no."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest
import trio
import trio.testing

from gcounterd.counters.settled import Closing
from gcounterd.daemon import commits
from gcounterd.daemon.boot import Booted, Wishes, boot
from gcounterd.daemon.cold import ColdColumns
from gcounterd.daemon.commits import Commits
from gcounterd.daemon.condition import Condition
from gcounterd.daemon.service import Service
from gcounterd.errors import ClientError, StorageError
from gcounterd.ids import Epoch, NodeId, column_id, draw_epoch
from gcounterd.node.node import Node
from gcounterd.storage.schema import Durability

# Ends a test that hangs; nothing here takes a tenth of it.
PATIENCE_S = 20


def wishes(directory: Path, **changes: object) -> Wishes:
    values = {
        "data_dir": directory,
        "name": "n1",
        "cluster": "test",
        "max_counters": 10_000,
        "durability": Durability.COMMIT,
        "salvage": False,
        "joins": False,
    }
    return Wishes(**{**values, **changes})


class Bench:
    """A node, its store and its commits, as the daemon has them, without links."""

    def __init__(self, booted: Booted, durability: Durability) -> None:
        self.store = booted.store
        self.node: Node = booted.node("127.0.0.1:1", (), trio.current_time())
        self.node.dialler._rng = Random(1)
        names_on_disk = booted.restored.names_on_disk
        read_cold = ColdColumns(self.node.counters, self.store).read
        self.commits = Commits(
            self.node, self.store, durability, lambda _: None, names_on_disk, read_cold
        )

    async def count(self, key: bytes, amount: int = 1) -> None:
        self.node.add(key, amount)
        await self.commits.wait()


@asynccontextmanager
async def running(directory: Path, **changes: object) -> AsyncIterator[Bench]:
    booted = boot(wishes(directory, **changes))
    async with trio.open_nursery() as outer:
        await outer.start(booted.store.run)
        bench = Bench(booted, wishes(directory, **changes).durability)
        async with trio.open_nursery() as nursery:
            await nursery.start(bench.commits.run)
            await bench.commits.wait()  # the node's own roster entry
            yield bench
            nursery.cancel_scope.cancel()
        outer.cancel_scope.cancel()


async def count_each(bench: Bench, keys: Iterable[bytes]) -> None:
    for key in keys:
        await bench.count(key)


async def limit_pages(bench: Bench, more: int) -> None:
    """Let the store grow by `more` pages only, as a disk that is nearly full."""
    connection = bench.store._database.connection

    def limit() -> None:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count={pages + more}")

    await bench.store._thread.do(limit)


async def test_what_was_answered_is_there_after_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path / "d") as bench:
        await bench.count(b"x", 3)
        assert bench.node.counters.value(b"x") == 3
        first = bench.node.config

    async with running(tmp_path / "d") as bench:
        assert bench.node.counters.value(b"x") == 3
        assert bench.node.config.node == first.node
        assert bench.node.config.epoch > first.epoch
        await bench.count(b"x")
        assert bench.node.counters.value(b"x") == 4
        assert len(bench.node.counters.columns) == 2


async def test_everyone_who_waits_is_answered_by_one_commit(tmp_path: Path) -> None:
    async with running(tmp_path / "d") as bench:
        before = bench.commits.number
        async with trio.open_nursery() as nursery:
            for number in range(500):
                nursery.start_soon(bench.count, b"%d" % (number % 7))
        assert int(bench.node.counters.totals.sum()) == 500
        assert bench.commits.number - before <= 3


async def test_a_full_disk_is_definite_reads_go_on_and_room_cures_it(tmp_path: Path) -> None:
    async with running(tmp_path / "d") as bench:
        await bench.count(b"x", 3)
        await limit_pages(bench, 0)
        refused = 0
        keys = (b"key-%d" % number + b"k" * 900 for number in range(2000))
        with pytest.raises(ClientError) as full:
            await count_each(bench, keys)
        refused = len(bench.node.counters.keys) - 1  # after x
        assert (full.value.status, full.value.definite) == (507, True)
        assert refused
        assert bench.node.counters.value(b"key-%d" % refused + b"k" * 900) == 0
        assert bench.node.counters.value(b"x") == 3
        assert bench.commits.refused == 1

        await limit_pages(bench, 10_000)
        await bench.count(b"x")

    async with running(tmp_path / "d") as bench:
        assert bench.node.counters.value(b"x") == 4
        assert bench.node.counters.value(b"key-%d" % refused + b"k" * 900) == 0
        assert bench.node.counters.value(b"key-%d" % (refused - 1) + b"k" * 900) == 1


async def test_a_disk_that_fails_ends_acknowledging_and_the_answer_says_maybe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = []

    async def fail(seq: int, body: bytes, *, durable: bool = True) -> None:
        raise StorageError("input/output error")

    async def count(bench: Bench) -> None:
        try:
            await bench.count(b"x")
        except ClientError as error:
            answers.append((error.status, error.definite))

    with pytest.RaisesGroup(StorageError, flatten_subgroups=True):
        async with running(tmp_path / "d") as bench, trio.open_nursery() as nursery:
            monkeypatch.setattr(bench.store, "append", fail)
            nursery.start_soon(count, bench)
            await trio.sleep_forever()

    assert answers == [(503, False)]


async def test_a_checkpoint_trims_the_journal_and_loses_nothing(tmp_path: Path) -> None:
    async with running(tmp_path / "d") as bench:
        for number in range(300):
            bench.node.add(b"key-%d" % number, number + 1)
        await bench.count(b"x", 3)
        before = bench.store.journal_bytes
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bench.commits.checkpoints.write)
            for _ in range(50):
                await bench.count(b"x")
        assert bench.store.journal_bytes < before
        assert bench.commits.checkpoints.number == 1
        await bench.commits.checkpoints.write()

    async with running(tmp_path / "d") as bench:
        assert bench.node.counters.value(b"x") == 53
        assert bench.node.counters.value(b"key-299") == 300
        assert bench.node.counters.recount().tolist() == bench.node.counters.totals.tolist()
        assert [entry.name for entry in bench.node.roster] == ["n1"]


async def test_a_checkpoint_that_finds_the_disk_full_is_made_again(tmp_path: Path) -> None:
    async with running(tmp_path / "d") as bench:
        for number in range(3000):
            bench.node.add(b"%d-" % number + b"k" * 500, 1)
        await bench.commits.wait()
        await limit_pages(bench, 3)
        with pytest.raises(StorageError):
            await bench.commits.checkpoints.write()
        await limit_pages(bench, 10_000)
        await bench.commits.checkpoints.write()

    async with running(tmp_path / "d") as bench:
        assert int(bench.node.counters.totals.sum()) == 3000


@pytest.mark.parametrize("durability", [Durability.RELAXED, Durability.MEMORY])
async def test_without_fsync_answers_still_wait_for_their_group(
    tmp_path: Path, durability: Durability
) -> None:
    async with running(tmp_path / "d", durability=durability) as bench:
        await bench.count(b"x", 3)
        assert bench.node.counters.value(b"x") == 3
        node_id = bench.node.config.node

    async with running(tmp_path / "d", durability=durability) as bench:
        kept = 3 if durability is Durability.RELAXED else 0
        assert bench.node.counters.value(b"x") == kept
        assert bench.node.config.node == node_id
        assert [entry.name for entry in bench.node.roster] == ["n1"]


async def outcomes(bench: Bench, number: int, answers: list[object]) -> None:
    try:
        await bench.count(b"%d" % number)
    except ClientError as error:
        answers.append(error.definite)
    else:
        answers.append("counted")


async def hang(seq: int, body: bytes, *, durable: bool = True) -> None:
    await trio.sleep_forever()


async def test_a_flusher_that_is_cancelled_never_says_that_it_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[object] = []
    booted = boot(wishes(tmp_path / "d"))
    async with trio.open_nursery() as outer:
        await outer.start(booted.store.run)
        bench = Bench(booted, Durability.COMMIT)
        async with trio.open_nursery() as clients, trio.open_nursery() as nursery:
            await nursery.start(bench.commits.run)
            await bench.commits.wait()
            monkeypatch.setattr(bench.store, "append", hang)
            clients.start_soon(outcomes, bench, 1, answers)
            await trio.testing.wait_all_tasks_blocked()
            clients.start_soon(outcomes, bench, 2, answers)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        await outcomes(bench, 3, answers)
        outer.cancel_scope.cancel()
    # in flight: unknown; gathering, and after the end: certainly not
    assert sorted(map(str, answers)) == ["False", "True", "True"]


async def test_a_stop_on_a_full_disk_is_a_stop(tmp_path: Path) -> None:
    async with running(tmp_path / "d") as bench:
        await limit_pages(bench, 0)
        for number in range(3000):
            bench.node.add(b"%d-" % number + b"k" * 500, 1)
        await bench.commits.flush()  # says so in the log, and returns
    async with running(tmp_path / "d") as bench:
        assert int(bench.node.counters.totals.sum()) == 0


async def test_a_stop_after_the_column_is_closed_waits_for_nothing_but_what_peers_sent(
    tmp_path: Path,
) -> None:
    async with running(tmp_path / "d") as bench:
        await bench.count(b"x")
        closings = bench.node.settlement.closings
        closings.finish()
        await bench.commits.flush()
        assert closings.holds_back
        bench.node.intake.take_closings((Closing(column_id(NodeId(b"p" * 16), Epoch(b"e" * 16))),))
        with trio.fail_after(PATIENCE_S):
            await bench.commits.flush()
        assert len(bench.node.counters.settled) == 2


async def test_an_error_of_the_disk_that_room_would_not_cure_ends_the_flusher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(seq: int, body: bytes, *, durable: bool = True) -> float:
        raise StorageError("the storage had failed before", definite=True)

    answers: list[object] = []
    with pytest.RaisesGroup(StorageError, flatten_subgroups=True):
        async with running(tmp_path / "d") as bench, trio.open_nursery() as nursery:
            monkeypatch.setattr(bench.store, "append", refuse)
            nursery.start_soon(outcomes, bench, 1, answers)
            await trio.sleep_forever()
    assert answers == [True]


async def test_a_checkpoint_never_looks_into_the_middle_of_an_apply(tmp_path: Path) -> None:
    async with running(tmp_path / "d") as bench:
        for number in range(9000):
            bench.node.add(b"%d" % number, 1)
        await bench.commits.wait()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bench.commits.checkpoints.write)
            for lot in range(20):
                for number in range(lot * 5000, lot * 5000 + 5000):
                    bench.node.add(b"%d" % (number % 9000), 1)
                await bench.commits.wait()
        assert bench.commits.checkpoints.number == 1


async def test_a_share_raised_twice_at_once_is_raised_once(tmp_path: Path) -> None:
    async with running(tmp_path / "d") as bench:
        service = Service.__new__(Service)
        service._node, service._counters = bench.node, bench.node.counters
        service._condition, service._commit = Condition(), bench.commits.wait
        for number in range(60):
            key = b"key-%d" % number
            async with trio.open_nursery() as nursery:
                nursery.start_soon(service.raise_share, key, 100)
                nursery.start_soon(bench.count, key, 10)
                nursery.start_soon(service.raise_share, key, 100)
            assert bench.node.counters.value(key) in (100, 110)


async def test_what_runs_between_two_commits_has_none_under_way_and_loses_no_answer(
    tmp_path: Path,
) -> None:
    """An increment that comes meanwhile belongs to the next commit, and is answered with it."""
    async with running(tmp_path / "d") as bench:
        begun, end = trio.Event(), trio.Event()
        seen: list[bool] = []

        async def act() -> None:
            seen.append(bench.node.counters.writer.idle)
            begun.set()
            await end.wait()

        async with trio.open_nursery() as nursery:
            bench.commits.between("act", act)
            await begun.wait()
            before = bench.commits.number
            nursery.start_soon(bench.count, b"x", 2)
            await trio.testing.wait_all_tasks_blocked()
            assert bench.node.counters.value(b"x") == 0
            end.set()
        assert seen == [True]
        assert (bench.node.counters.value(b"x"), bench.commits.number) == (2, before + 1)


async def test_an_error_between_two_commits_ends_acknowledging(tmp_path: Path) -> None:
    async def fail() -> None:
        raise StorageError("input/output error")

    async def act_between() -> None:
        async with running(tmp_path / "d") as bench:
            bench.commits.between("fail", fail)
            await trio.testing.wait_all_tasks_blocked()

    with pytest.raises(BaseExceptionGroup) as ended:
        await act_between()
    assert ended.group_contains(StorageError)


async def test_who_counts_into_a_closed_column_is_answered_when_the_next_one_holds_it(
    tmp_path: Path,
) -> None:
    async with running(tmp_path / "d") as bench:
        await bench.count(b"x", 1)
        before = bench.node.config.epoch
        bench.node.intake.take_closings((Closing(bench.node.config.column),))
        await bench.commits.wait()
        answered = trio.Event()

        async def count_on() -> None:
            await bench.count(b"x", 2)
            answered.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(count_on)
            await trio.testing.wait_all_tasks_blocked()
            assert not answered.is_set()
            bench.node.reopen(draw_epoch(0, 0, before), trio.current_time())
            bench.commits.request()
        assert bench.node.counters.value(b"x") == 3
        assert len(bench.node.counters.columns) == 2


async def test_names_of_many_small_groups_are_looked_at_by_the_collector_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    monkeypatch.setattr(commits.gc, "collect", looks.append)
    monkeypatch.setattr(commits, "SLICES_PER_COLLECTION", 4)
    async with running(tmp_path / "d") as bench:
        for number in range(4):
            bench.node.add_all({b"%d-%d" % (number, key): 1 for key in range(1100)})
            await bench.commits.wait()
    assert looks == [0] * 5  # 5 slices each
