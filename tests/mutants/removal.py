"""Mutants of removal: who goes, or is let go, while nobody else holds what it has."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, by_tests

_DEAD = "scenarios/test_removal_dead.py"
_LIVE = "scenarios/test_removal_live.py"
_RETURNS = "scenarios/test_removal_returns.py"
_SAVING = "gcounterd/node/saving.py"

LET_GO = (
    Mutant(
        "goes-without-the-word-of-others",
        "let-go",
        "A node that is removed ends before others have said that they hold what it has.",
        "gcounterd/node/leaving.py",
        "        waiting = []\n        for node in self._reached():\n",
        "        waiting = list[tuple[NodeId, str]]()\n        for node in self._staying()[:0]:\n",
        (by_tests(f"{_LIVE}::test_it_waits_for_a_member_whose_disk_is_full"),),
    ),
    Mutant(
        "says-it-holds-what-it-was-offered",
        "let-go",
        "A member says that it holds the versions that a node which goes has only offered.",
        "gcounterd/node/guests.py",
        "held = {column: self._counters.head(column) for column, _ in heads}",
        "held = dict(heads)",
        (by_tests("unit/node/test_taking_over.py"),),
    ),
    Mutant(
        "removed-with-other-versions",
        "let-go",
        "A dead node is removed although members hold different versions of its columns.",
        _SAVING,
        "return shown is not None and shown.columns == self.say(",
        "return shown is not None and self.say(",
        (by_tests("unit/node/test_saving.py"),),
    ),
    Mutant(
        "removed-by-a-minority",
        "let-go",
        "A dead node is removed although fewer than half of the active members have answered.",
        _SAVING,
        "if 2 * len(agreeing) <= len(active) and",
        "if not agreeing and",
        (
            by_tests(
                f"{_DEAD}::test_when_those_that_remain_lose_their_majority_"
                "it_waits_and_force_may_be_added"
            ),
        ),
    ),
    Mutant(
        "removed-below-the-final-version",
        "let-go",
        "A dead node is removed although nobody holds the version that it called final.",
        _SAVING,
        "all(final <= v for v, final in ends)",
        "all(final >= 0 for v, final in ends)",
        (by_tests("unit/node/test_saving.py"),),
    ),
    Mutant(
        "comes-back-and-ends-too-soon",
        "let-go",
        "A removed node that is back ends when one member holds what it brought.",
        "gcounterd/node/returning.py",
        "return 2 * sum(node in done for node in members) > len(members)",
        "return any(node in done for node in members)",
        (by_tests(f"{_RETURNS}::test_it_waits_for_a_majority_before_it_ends"),),
    ),
)
