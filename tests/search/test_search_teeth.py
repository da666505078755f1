"""The search is no ornament: each deliberate bug is found, and in how few steps."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

import attrs
import pytest

from gcounterd.counters.batches import Batch
from gcounterd.counters.columns import Column
from gcounterd.counters.counters import Counters
from gcounterd.counters.deltas import Gathering, Stage
from gcounterd.node.exchange import Exchange
from gcounterd.node.intake import Intake
from gcounterd.node.saving import Savings
from gcounterd.storage import recovery
from tests.search import ground, host
from tests.search.__main__ import search
from tests.search.locals import Locals
from tests.search.play import ScheduleError, begin, play
from tests.search.quiet import Quiet
from tests.search.scale import small
from tests.search.scopes import BEHIND, SCOPES

# b lacks two versions of a's column, and has asked for the first part of them.
ASKED = f"{BEHIND}; a>b hash?; b>a digest*:; a>b digest:a1@2; b>a want:a1>0#0"


@pytest.fixture(autouse=True)
def _small() -> Iterator[None]:
    with small():
        yield


def find(name: str, steps_most: int, begin: str = "") -> str:
    """Return the complaint that a search ends with, after at most so many steps from `begin`."""
    scope = next(each for each in SCOPES if each.name == name)
    found = search(attrs.evolve(scope, begin=begin or scope.begin), inf, steps_most)
    print(len(found.schedule), "steps:", "; ".join(found.schedule), "->", found.complaint)
    return found.complaint


def test_a_gap_that_is_applied_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    take = Intake.take_batch

    def bridge(self: Intake, batch: Batch) -> bool:
        head = self.expected(batch.column)[0]
        return take(self, attrs.evolve(batch, since=min(batch.since, head)))

    monkeypatch.setattr(Intake, "take_batch", bridge)
    # Twice count and commit; the second push comes first, and names a position without a name.
    assert find("spreading", 5).startswith("peer error: b drops the link to a")


def test_counts_that_are_added_and_not_raised_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    write = Column._write_each

    def add(self: Column, positions: Any, counts: Any, version: int, totals: Any) -> None:
        write(self, positions, self.counts_at(positions) + counts, version, totals)

    monkeypatch.setattr(Column, "_write_each", add)
    assert find("spreading", 3).startswith("at rest: I1")


def test_a_torn_gathering_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Gathering._known

    def tear(self: Gathering, span: Any) -> Any:
        return known(self, span) if span.round.since == self.since else []

    monkeypatch.setattr(Gathering, "_known", tear)
    assert find("deltas", 4, ASKED).startswith("at rest: I4")


def test_a_stage_that_takes_any_part_for_the_next_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    take = Stage.take

    def any_part(self: Stage, column: Any, number: int, version: int, block: Any) -> Any:
        return take(self, column, self.next, version, block)

    monkeypatch.setattr(Stage, "take", any_part)
    # The first part comes twice; what was asked for again is not sent again by itself.
    assert find("deltas", 2, f"{ASKED}; add a x; add c x").startswith("at rest: peer error")


def test_a_recovery_that_leaves_out_the_last_row_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    restore = recovery.restore

    def forget(own: Any, most: int, images: Any, groups: Any) -> Any:
        return restore(own, most, images, list(groups)[:-1])

    monkeypatch.setattr(ground, "restore", forget)
    assert find("crashes", 3).startswith("at rest: I6")


def test_an_epoch_that_is_used_again_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    config = ground.config_of
    monkeypatch.setattr(host, "config_of", lambda index, life: config(index, 1))
    assert find("lives", 2, "add a x; crash a").startswith("at rest: I3")


def test_an_increment_that_is_answered_and_lost_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    cutting = Counters.cutting

    def lose(self: Counters) -> Any:
        batches = yield from cutting(self)
        return batches if not self.columns else []

    monkeypatch.setattr(Counters, "cutting", lose)
    assert find("spreading", 3).startswith("at rest: I7")


def test_a_total_that_misses_a_rise_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    write = Column.write

    def forget(self: Column, positions: Any, counts: Any, version: int, totals: Any) -> None:
        write(self, positions, counts, version, totals.copy() if self.id[0] == 2 else totals)

    monkeypatch.setattr(Column, "write", forget)
    assert find("spreading", 1).startswith("at rest: I7")


def test_nodes_that_do_not_tell_each_other_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Exchange, "compare", lambda *_: [])
    assert find("crashes", 1).startswith("at rest: I3")


def test_a_removal_that_does_not_end_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Savings, "_look", lambda self: None)
    assert find("removal", 1, "remove c at a; crash c").endswith("the removal of c does not end")


def test_three_that_remove_each_other_are_left_to_their_operator() -> None:
    states = Locals()
    all_ = "remove b at a; remove a at b forced; remove c at b; crash b"
    state, complaint = play(states, begin(states), all_, fused=True)
    assert not complaint
    assert not Quiet(states).check(state)


def test_a_schedule_is_played_as_it_is_printed() -> None:
    states = Locals()
    state, complaint = play(states, begin(states), "add a x; commit a; a>b push:a1@1; commit b")
    assert not complaint
    assert states.looks[state.hosts[1]].values == (1, 0)
    with pytest.raises(ScheduleError):
        play(states, state, "a>b push:a1@2")
