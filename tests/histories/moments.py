"""Moments: what was known of one key when each of its operations began and ended.

Theory. A history of one key is swept once, in the order of its moments; of two at one moment,
beginnings come first, so that nothing is taken for certain that is not. On the way are kept:

    attempted     what was invoked and not certainly refused: no more can ever be shown
    answered      by place, what was answered there and survives: a consistent read includes it
    floor         by place, the least that it may show from now on

The floor of a place is more than the largest value it showed: what it answered after that value was
shown comes on top. For a value v that was shown at moment r, the place shows at moment t at least

    v + everything invoked there after r and answered by t  ≥  v - C(r) - open(r) + C(t)

where C is the sum of what the place answered, and open(r) what it was still asked for at r and
answered later. So two numbers per place suffice: the best v, and the best v - C(r) - open(r).

A lost disk ends the floor of its place. What was answered there is forgiven once as many disks are
lost since as held it. Operations with one token are one increment: it is answered where and when
its first answer came, and asked for when it was first asked for.

This module refuses to judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import attrs

from tests.histories.history import Loss, Operation, Outcome


@attrs.define(eq=False)
class Increment:
    """One increment: all operations with its token, or the one without.

    forgiven  since when it may be missing: all disks that surely held it are lost
    """

    attempts: list[Operation]
    forgiven: float = float("inf")

    @property
    def amount(self) -> int:
        """Return what it adds, if it counts."""
        return self.attempts[0].amount

    @property
    def invoked(self) -> float:
        """Return when it was asked for first."""
        return self.attempts[0].invoked

    @property
    def outcome(self) -> Outcome:
        """Return what is known of it: one answer tells, and only refusals all over are one."""
        outcomes = [attempt.outcome for attempt in self.attempts]
        if Outcome.OK in outcomes:
            return Outcome.OK
        return Outcome.UNKNOWN if Outcome.UNKNOWN in outcomes else Outcome.REFUSED

    @property
    def answer(self) -> Operation | None:
        """Return its first answer."""
        answers = [each for each in self.attempts if each.outcome is Outcome.OK]
        return min(answers, key=lambda each: each.returned, default=None)


def find_increments(operations: Iterable[Operation]) -> list[Increment]:
    """Return the increments of one key, in the order in which they were first asked for."""
    found: dict[str, Increment] = {}
    for number, each in enumerate(operations):
        if each.amount:
            name = f"token {each.token}" if each.token else f"{number}"
            found.setdefault(name, Increment([])).attempts.append(each)
    return list(found.values())


@attrs.define(eq=False)
class Moment:
    """What was known when `operation` began, but for `attempted`: when it ended.

    attempted  the most that anybody may have shown by then; `with_refused` if refusals were lies
    floor      the least that its place may show
    to_all     what its place holds because it was answered with `ack=all`
    answered   by place, what was answered there and survives to the operation's end
    floors     by place, the least that each may show; both of an operation that asks others
    """

    operation: Operation
    floor: int
    to_all: int
    answered: dict[str, int]
    floors: dict[str, int]
    attempted: int = 0
    with_refused: int = 0


@attrs.define(eq=False)
class _Place:
    """What is known of one place. `own` is C of the theory above, `open` what is asked for."""

    own: int = 0
    open: int = 0
    shown: int = 0
    ahead: int = 0
    answered: int = 0
    to_all: int = 0

    def floor(self) -> int:
        return max(self.shown, self.ahead + self.own)

    def show(self, value: int) -> None:
        self.shown = max(self.shown, value)
        self.ahead = max(self.ahead, value - self.own - self.open)

    def lose(self) -> None:
        self.shown, self.ahead, self.to_all = 0, -self.own, 0


class Sweep:
    """The sweep over one key; `increments` are as it left them."""

    def __init__(
        self, operations: Sequence[Operation], losses: Sequence[Loss], places: Iterable[str]
    ) -> None:
        self.increments = find_increments(operations)
        self._operations = operations
        self._losses = losses
        self._places = {place: _Place() for place in places}
        self._lost: list[Loss] = []
        self._attempted = self._refused = 0
        self._begun: dict[int, Moment] = {}
        self._first = {id(each.attempts[0]): each for each in self.increments}
        self._answers = {id(each.answer): each for each in self.increments if each.answer}
        self._acknowledged: list[Increment] = []

    def run(self) -> Iterator[Moment]:
        """Yield each operation's moment, in the order in which they ended."""
        timed: list[tuple[float, int, Operation | Loss]] = []
        timed += [(each.invoked, 0, each) for each in self._operations]
        timed += [(each.returned, 1, each) for each in self._operations]
        timed += [(loss.at, 2, loss) for loss in self._losses]
        for *_, happened in sorted(timed, key=lambda each: each[:2]):
            if isinstance(happened, Loss):
                self._lose(happened)
            elif id(happened) in self._begun:
                yield self._end(happened)
            else:
                self._begin(happened)

    def _begin(self, operation: Operation) -> None:
        increment = self._first.get(id(operation))
        place = self._places[operation.place]
        asks_others = operation.consistent or operation.final > 0
        asked = self._places if asks_others else {}
        self._begun[id(operation)] = Moment(
            operation,
            place.floor(),
            place.to_all,
            {name: each.answered for name, each in asked.items()},
            {name: each.floor() for name, each in asked.items()},
        )
        if increment is None:
            return
        if increment.outcome is Outcome.REFUSED:
            self._refused += increment.amount
        else:
            self._attempted += increment.amount
        if increment.answer is not None:
            self._places[increment.answer.place].open += increment.amount

    def _end(self, operation: Operation) -> Moment:
        moment = self._begun.pop(id(operation))
        moment.attempted = self._attempted
        moment.with_refused = self._attempted + self._refused
        increment = self._answers.get(id(operation))
        place = self._places[operation.place]
        if increment is not None:
            place.open -= increment.amount
            place.own += increment.amount
            place.answered += increment.amount
            self._acknowledged.append(increment)
            if operation.to_all:
                self._hold_at_all(operation)
        if operation.value is not None:
            place.show(operation.value)
        return moment

    def _hold_at_all(self, operation: Operation) -> None:
        lost = {loss.place: None for loss in self._lost if loss.at >= operation.invoked}
        for name in self._places if operation.covers is None else operation.covers:
            if name not in lost:
                self._places[name].to_all += operation.amount

    def _lose(self, loss: Loss) -> None:
        self._lost.append(loss)
        self._places[loss.place].lose()
        for moment in self._begun.values():
            if moment.floors:
                moment.floors[loss.place] = 0
            if moment.operation.place == loss.place:
                moment.floor = moment.to_all = 0
        for increment in self._acknowledged:
            if increment.forgiven == float("inf") and self._is_lost(increment):
                increment.forgiven = loss.at
                answer = increment.answer
                assert answer is not None
                self._places[answer.place].answered -= increment.amount
                for moment in self._begun.values():
                    if moment.answered:
                        moment.answered[answer.place] -= increment.amount

    def _is_lost(self, increment: Increment) -> bool:
        """Say whether its own disk is lost, and as many as held it when it was answered."""
        answer = increment.answer
        assert answer is not None
        lost = {loss.place: None for loss in self._lost if loss.at >= increment.invoked}
        return answer.place in lost and len(lost) >= answer.holders
