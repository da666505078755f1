"""Mutants of gatherings: deltas in parts, while the column goes on."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, by_seeds, by_tests

_LAWS = "properties/test_gathering_laws.py"
_EXCHANGE = "unit/node/test_exchange.py"
_DELTAS = "gcounterd/counters/deltas.py"

TORN = (
    Mutant(
        "gathering-leaves-out-what-changed",
        "torn",
        "What changed while a round was gathered is left out of the next.",
        _DELTAS,
        "self._round = _Round(before.began, column.head",
        "self._round = _Round(column.head, column.head",
        (by_tests(_LAWS), by_seeds(60, 89)),
    ),
    Mutant(
        "gathering-in-the-middle-of-an-apply",
        "torn",
        "A part is gathered while a batch is half applied.",
        "gcounterd/node/serving.py",
        """            if not self._is_busy(window.column):
                return self._send(window)""",
        """            if window.column:
                return self._send(window)""",
        (
            by_tests(
                "unit/node/test_serving.py::test_nothing_is_served_while_an_apply_is_under_way"
            ),
        ),
    ),
    Mutant(
        "part-applied-before-the-last",
        "torn",
        "Parts are taken for the whole before the last one is there.",
        _DELTAS,
        """        if not version:
            return None
        return Batch(column, self.since, version,""",
        """        if not version and number < 1:
            return None
        return Batch(column, self.since, version or self.since + 1,""",
        (by_tests(_LAWS), by_seeds(60, 89)),
    ),
)

MIXED = (
    Mutant(
        "parts-of-two-gatherings",
        "mixed",
        "Parts of another gathering are taken as the next ones.",
        "gcounterd/node/exchange.py",
        "if staged is None or staged.stage.gathering != part.gathering:",
        "if staged is None:",
        (
            by_tests(
                f"{_EXCHANGE}::test_parts_of_a_gathering_that_its_sender_forgot_"
                "are_not_put_with_those_of_the_next"
            ),
        ),
    ),
    Mutant(
        "any-part-is-the-next",
        "mixed",
        "A part that comes twice, or after one that was lost, is taken as the next.",
        _DELTAS,
        "        if number != self.next:\n            return None\n",
        "",
        (by_tests("unit/counters/test_deltas.py"), by_tests(_LAWS)),
    ),
)
