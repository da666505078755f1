"""The doubt: whether what is remembered of a host stands for every way that leads there.

Theory. A host's step is worked out once for a canonical form, on the first host that had it. That
is right only if all hosts of one form do the same for every input, and come to one form again. So
of a form the latest other way is kept beside the first, every step is taken on both, and where they
part the form leaves something out. Every search does that with one step in eight.
"""

from __future__ import annotations

from typing import Any

from tests.search.canon import canonical
from tests.search.host import Host, Input, Outcome
from tests.search.locals import Locals, Look, Step, Way, form_of, parts_of

# Taking one in so many steps twice costs a tenth of a search's time.
DOUBTED_EVERY = 8


class Doubting(Locals):
    """Locals that take one in `every` steps twice; raises `AssertionError` where two hosts part.

    compared  how many steps were taken twice
    """

    def __init__(self, every: int = DOUBTED_EVERY) -> None:
        super().__init__()
        self.compared = 0
        self._every = every
        self._others: dict[int, Way] = {}

    def _work_out(self, number: int, what: Input) -> Step:
        step = super()._work_out(number, what)
        other = self._others.get(number)
        if other is not None and self.steps % self._every == 0:
            self.compared += 1
            host = other.go()
            self._compare(number, what, step, host, host.do(what))
        return step

    def _compare(self, number: int, what: Input, step: Step, host: Host, outcome: Outcome) -> None:
        sends = tuple([(peer, self.message(frame)) for peer, frame in outcome.sends])
        to = self._numbers.get(form_of(host)) if host.alive else self.dead(host.index, host.kept)
        mine = (to, sends, tuple(outcome.dropped), outcome.refusal)
        first = (step.to, step.sends, step.dropped, step.refusal)
        assert mine == first, (
            f"{what!r}: {first}, and {mine} in another way; {self._part(number, host, what)}"
        )

    def _part(self, number: int, other: Host, what: Input) -> str:
        """Say where the forms of two hosts part that were one before an input."""
        way = self._ways[number]
        assert way is not None
        host = way.go()
        host.do(what)
        if not (host.alive and other.alive):
            return "one has ended"
        return part(canonical(parts_of(host), host.now), canonical(parts_of(other), other.now))

    def _arrive(
        self, host: Host, before: Look, outcome: Outcome, way: Way | None, what: Input
    ) -> Step:
        step = super()._arrive(host, before, outcome, way, what)
        first = self._ways[step.to]
        if host.alive and first is not None and way is not None:
            mine = way.then(what, host)
            if mine != first:
                self._others[step.to] = mine
        return step


def part(one: Any, other: Any, path: str = "") -> str:
    """Return where two canonical forms differ first, and how; "" if they do not."""
    if not (isinstance(one, tuple) and isinstance(other, tuple)):
        return "" if one == other else f"{path}: {one!r}, {other!r}"
    name = one[0] if one and isinstance(one[0], str) else ""
    if len(one) != len(other):
        return f"{path}.{name}: {one!r}, {other!r}"
    found = (
        part(a, b, f"{path}.{name}[{at}]") for at, (a, b) in enumerate(zip(one, other, strict=True))
    )
    return next((told for told in found if told), "")
