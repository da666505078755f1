"""The checkers are no ornament: each mutant is rejected, and for what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import attrs
import pytest

from gcounterd.counters.batches import Batch
from gcounterd.counters.columns import Column
from gcounterd.counters.counters import Counters
from gcounterd.counters.deltas import Gathering
from gcounterd.errors import StorageError
from gcounterd.node.exchange import Exchange
from gcounterd.node.inquiries import Inquiries
from gcounterd.node.intake import Intake
from gcounterd.node.peers import Link
from gcounterd.node.reading import Reading
from gcounterd.node.reading_messages import Answer
from gcounterd.sim.disk import APPEND_S, Disk
from gcounterd.sim.run import run_seed
from gcounterd.storage import recovery

# Seeds that may be tried until a mutant shows; none of them fails without a mutant.
SEEDS = range(60, 90)
# Of a mutant that shows in one of 15 seeds: too many to miss it whatever the simulator learns.
MANY_SEEDS = range(60, 160)


def violations(seeds: range = SEEDS) -> Iterator[str]:
    for seed in seeds:
        outcome = run_seed(seed, nodes=3, minutes=1.0)
        if outcome.violation:
            print(seed, outcome.violation)  # shown with the failure, should one of these fail
            yield outcome.violation


def first_violation() -> str:
    return next(violations(), "nothing was noticed")


def test_a_disk_that_reports_before_it_has_written_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    submit = Disk._submit

    def lie(self: Disk, operation: Any) -> None:
        done = operation.done
        submit(self, attrs.evolve(operation, done=lambda error: None))
        self._world.after(APPEND_S / 10, done, None)

    monkeypatch.setattr(Disk, "_submit", lie)
    monkeypatch.setattr(Disk, "_put_row", keep_row)
    assert first_violation().startswith(("I6", "I7"))


def keep_row(self: Disk, seq: int, body: bytes) -> None:
    """Write a row although the numbers no longer follow each other."""
    self.content.rows[max(seq, self.last_row + 1)] = body
    self.last_row = max(seq, self.last_row + 1)


def test_a_full_disk_that_has_written_all_the_same_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    perform = Disk._perform

    def lie(self: Disk, operation: Any) -> StorageError | None:
        error = perform(self, operation)
        if error is not None and error.definite:
            operation.perform()
        return error

    monkeypatch.setattr(Disk, "_perform", lie)
    assert any(text.startswith(("I4", "I1", "I7")) for text in violations())


def test_a_recovery_that_leaves_rows_out_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    replay = recovery._replay

    def skip(restored: recovery.Restored, seq: int, *rest: Any) -> None:
        if seq % 3:
            replay(restored, seq, *rest)

    monkeypatch.setattr(recovery, "_replay", skip)
    assert first_violation().startswith(("I6", "I7"))


def test_a_batch_that_counts_twice_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    write = Column._write_each

    def twice(self: Column, positions: Any, counts: Any, version: int, totals: Any) -> None:
        before = totals.copy()
        write(self, positions, counts, version, totals)
        if version % 7 == 0:
            totals += totals - before

    monkeypatch.setattr(Column, "_write_each", twice)
    assert first_violation().startswith(("I1", "I5"))


def test_a_sum_that_forgets_a_column_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    write = Column.write

    def forget(self: Column, positions: Any, counts: Any, version: int, totals: Any) -> None:
        write(self, positions, counts, version, totals.copy() if version == 5 else totals)

    monkeypatch.setattr(Column, "write", forget)
    assert first_violation().startswith(("I5", "I6", "consistent read"))


def test_a_torn_gathering_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Gathering._known

    def tear(self: Gathering, span: Any) -> Any:
        return list(known(self, span))[:1]  # what changed in later segments is left out

    monkeypatch.setattr(Gathering, "_known", tear)
    assert any(text.startswith("I4") for text in violations())


def test_a_gap_that_is_applied_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    take = Intake.take_batch

    def bridge(self: Intake, batch: Batch) -> bool:
        head, size = self.expected(batch.column)
        if batch.blocks[0].first <= size:  # names that leave a hole are refused all the same
            batch = attrs.evolve(batch, since=min(batch.since, head))
        return take(self, batch)

    monkeypatch.setattr(Intake, "take_batch", bridge)
    assert any(text.startswith("I4") for text in violations(MANY_SEEDS))


def test_nodes_that_do_not_tell_each_other_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Exchange, "compare", lambda *_: [])
    assert first_violation().startswith("I3")


def test_a_value_that_falls_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    value = Counters.value
    calls = iter(range(10**9))

    def fall(self: Counters, key: bytes) -> int:
        return value(self, key) - (next(calls) % 50 == 49)

    monkeypatch.setattr(Counters, "value", fall)
    assert first_violation().startswith(("I6", "I5"))


def test_a_consistent_read_that_waits_for_nobody_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Inquiries, "attend", lambda self, nodes: None)
    assert any(text.startswith("consistent read") for text in violations())


def test_an_answer_that_serves_the_reads_to_come_as_well_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered = Inquiries.answered

    def serve_all(self: Inquiries, link: Link, answer: Answer, now: float) -> None:
        self.members[link.peer].serves = 2**62
        answered(self, link, answer, now)

    monkeypatch.setattr(Inquiries, "answered", serve_all)
    assert any(text.startswith("consistent read") for text in violations())


def test_reads_that_never_end_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reading, "finish", lambda self, now: [])
    monkeypatch.setattr(Reading, "next_wake", lambda self: float("inf"))
    assert "still reads" in first_violation()


def test_without_a_mutant_nothing_is_noticed() -> None:
    noticed: Iterable[str] = violations()
    assert list(noticed) == []
