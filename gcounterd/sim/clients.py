"""Clients: what is asked of a simulated process from outside, and what it answers.

Theory. A request reaches a process, waits for what it waits for, and is answered, unless the
process ends first: then whoever asked is told nothing, and cannot know what became of it. An
increment is answered after the commit that holds it, or refused for certain; a consistent read
when it has heard everybody, or at its deadline. One that other members are to hold is answered when
they do, or at its deadline with those that do.

This module refuses to know who asks, and how long a request is on its way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import attrs

from gcounterd.errors import ClientError
from gcounterd.node.effects import AckDone
from gcounterd.node.levels import Level, Mark
from gcounterd.node.receipts import Claim
from gcounterd.sim.witness import Witness

if TYPE_CHECKING:
    from gcounterd.sim.process import Process


def _tell_nobody(_: object) -> None:
    """Answer a client that does not listen."""


@attrs.frozen(eq=False)
class Add:
    """An increment that a node accepted for its next commit.

    answered  called once: with True when it counts durably, with False when it certainly does not
    """

    key: bytes
    amount: int
    answered: Callable[[bool], None] = _tell_nobody


class Clients:
    """What clients asked of one process and were not answered yet.

    adds  increments accepted since the last commit was cut
    """

    def __init__(self, process: Process, witness: Witness, tally: Counter[str]) -> None:
        self.adds: list[Add] = []
        self._process = process
        self._witness, self._tally = witness, tally
        self._reads: dict[int, Callable[[tuple[str, ...]], None]] = {}
        self._waits: dict[int, list[tuple[Mark, float, Callable[[AckDone], None]]]] = {}

    def add(
        self,
        key: bytes,
        amount: int,
        answered: Callable[[bool], None] | None = None,
        claim: Claim | None = None,
    ) -> bool:
        """Count; return False where it was refused at once, which must be definite.

        A `claim` is that of a keyed request which has no receipt and is not under way.
        """
        node = self._process.node
        try:
            if self._process.stopping:
                raise ClientError(503, "draining", "this node is stopping")
            if claim is None:
                node.add(key, amount)
            else:
                node.add_once(claim, {key: amount})
        except ClientError as error:
            self._witness.turned_away(self._process, error)
            self._tally["increment refused"] += 1
            return False
        self.adds.append(Add(key, amount, answered or _tell_nobody))
        self._witness.attempted(self._process, key, amount)
        return True

    def keep(
        self,
        key: bytes,
        amount: int,
        level: Level,
        seconds: float,
        answered: Callable[[AckDone], None] | None = None,
    ) -> bool:
        """Count, and be answered when members hold it as `level` says; False where it is refused.

        It is answered once it counts, and not at all where it is refused later.
        """
        tell = answered or _tell_nobody
        if not self.add(key, amount, partial(self._counted, level, seconds, tell)):
            return False
        self._process.node.pushes.hurry()
        return True

    def _counted(
        self, level: Level, seconds: float, answered: Callable[[AckDone], None], counts: bool
    ) -> None:
        if not counts:
            return
        process = self._process
        mark = ((process.column, process.node.counters.head(process.column)),)
        number, effects = process.node.acknowledge(mark, level, process.now, seconds)
        self._waits.setdefault(number, []).append((mark, process.now, answered))
        process.carry_out(effects)

    def held(self, outcome: AckDone) -> None:
        """Answer those who waited for members to hold what they counted."""
        self._tally[f"held by: {outcome.reached.name.lower()}"] += 1
        for mark, since, answered in self._waits.pop(outcome.number):
            self._witness.held(self._process, mark, since, outcome)
            answered(outcome)

    def take(self) -> list[Add]:
        """Return the increments of the next commit."""
        adds, self.adds = self.adds, []
        return adds

    def read(self, seconds: float, done: Callable[[tuple[str, ...]], None]) -> None:
        """Read consistently; `done` gets the names of members missed."""
        process = self._process
        number, effects = process.node.read(process.now, seconds)
        self._reads[number] = done
        process.carry_out(effects)

    def read_done(self, number: int, missing: tuple[str, ...]) -> None:
        """Take note that a consistent read has ended."""
        self._reads.pop(number)(missing)


def answer_all(adds: list[Add], *, counted: bool) -> None:
    """Tell clients what became of their increments."""
    for add in adds:
        add.answered(counted)
