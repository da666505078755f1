"""Mutants of forgetting: when a column becomes part of a sum, and which sum replaces another."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, by_tests

_SEARCH = "search/test_small_residues.py"
_ENDED_WELL = f"{_SEARCH}::test_what_ended_well_is_forgotten_without_any_loss"
_NEVER_DOWN = f"{_SEARCH}::test_no_version_goes_down_but_what_is_set_aside"
_RULES = "unit/counters/test_residue.py"
_WHEN = "unit/node/test_when_to_forget.py"
_TURNS = "unit/counters/test_turns.py"
_TURN_LAWS = "properties/test_turn_laws.py"
_RESIDUE = "gcounterd/counters/residue.py"
_TURN = "gcounterd/counters/turns.py"

_AGREE = "return all(shown == mine for shown in others)"

EARLY = (
    Mutant(
        "forgets-without-the-silent",
        "early",
        "A column is forgotten although a member has shown nothing.",
        _RESIDUE,
        _AGREE,
        "return all(shown is None or shown == mine for shown in others)",
        (by_tests(_ENDED_WELL),),
    ),
    Mutant(
        "forgets-with-other-versions",
        "early",
        "A column is forgotten although a member holds other versions.",
        _RESIDUE,
        _AGREE,
        "return all(shown is not None and shown.roster == mine.roster for shown in others)",
        (by_tests(_ENDED_WELL),),
    ),
    Mutant(
        "forgets-with-other-rosters",
        "early",
        "A column is forgotten although a member knows other members.",
        _RESIDUE,
        _AGREE,
        "return all(shown is not None and shown.settled == mine.settled for shown in others)",
        (by_tests(f"{_RULES}::test_with_another_roster_nobody_agrees"),),
    ),
    Mutant(
        "forgets-below-the-final-version",
        "early",
        "A column is forgotten at a version below the one that its writer called final.",
        _RESIDUE,
        "return version > 0 and (released or version == final)",
        "return version > 0 and (released or final > 0)",
        (by_tests(f"{_RULES}::test_what_may_be_forgotten_is_final_or_released"),),
    ),
    Mutant(
        "forgets-without-those-not-heard",
        "early",
        "A node that forgets asks only the members that it has heard.",
        "gcounterd/node/forgetting.py",
        "others = [shown for _, shown in self._others()]",
        "others = [shown for _, shown in self._others() if shown is not None]",
        (by_tests(_WHEN),),
    ),
    Mutant(
        "forgets-whatever-the-rosters",
        "early",
        "A node that forgets takes the rosters of others for its own.",
        "gcounterd/node/forgetting.py",
        "Shown(message.roster, message.settled)",
        "Shown(self._roster.hash(), message.settled)",
        (by_tests(_WHEN),),
    ),
)

NOT_DOMINATING = (
    Mutant(
        "replaced-by-one-that-knows-less",
        "not-dominating",
        "A residue is replaced by one whose giver holds lower versions of what mine has.",
        _RESIDUE,
        "        if given.version(column) < version:\n            return None\n",
        "        if given.version(column) < version:\n            continue\n",
        (by_tests(_NEVER_DOWN),),
    ),
    Mutant(
        "united-though-they-overlap",
        "not-dominating",
        "Two sums that share a column are added up.",
        _RESIDUE,
        "keeps = not any(column in mine.residue for column in given.residue)",
        "keeps = bool(mine.residue or given.residue)",
        (by_tests(_TURN_LAWS),),
    ),
    Mutant(
        "copies-beside-the-residue",
        "not-dominating",
        "Copies that a new residue covers stay, and count beside it.",
        _RESIDUE,
        "covered = tuple(c for c in given.residue if c in mine.columns and c not in above)",
        "covered: tuple[ColumnId, ...] = ()",
        (by_tests(_NEVER_DOWN), by_tests(_TURNS)),
    ),
    Mutant(
        "old-sum-beside-the-new",
        "not-dominating",
        "What a replaced residue held stays in the totals.",
        _TURN,
        "_add(rise, read_sum(self._old, images[self._old.id], size), -1)",
        "pass",
        (by_tests(_TURNS), by_tests(_TURN_LAWS)),
    ),
)

LATE = (
    Mutant(
        "forgotten-below-what-came-late",
        "late",
        "What a column rose by while its turn was prepared is dropped with it.",
        _TURN,
        "            and line.version == version\n",
        "            and version\n",
        (by_tests(f"{_TURNS}::test_a_turn_does_not_count_once_its_column_has_risen"),),
    ),
)

ADDED = (
    Mutant(
        "forgotten-column-raised",
        "added",
        "A delta to a forgotten column is counted beside the sum that holds it.",
        "gcounterd/counters/counters.py",
        "if batch.version <= self.head(batch.column) or self.is_forgotten(batch.column):",
        "if batch.version <= self.head(batch.column):",
        (by_tests(f"{_TURNS}::test_a_late_batch_of_a_forgotten_column_counts_nothing"),),
    ),
    Mutant(
        "forgotten-column-replayed",
        "added",
        "Rows of the journal that speak of a forgotten column are counted again at a start.",
        "gcounterd/storage/recovery.py",
        "case TakeBatch(batch) if counters.is_forgotten(batch.column):",
        "case TakeBatch(batch) if not counters:",
        (by_tests(_TURNS),),
    ),
)
