"""All mutants, and the bugs that they are."""

from __future__ import annotations

from tests.mutants import closing, forgetting
from tests.mutants.gatherings import MIXED, TORN
from tests.mutants.removal import LET_GO

BUGS = {
    "relayed": "A closed column's version is relayed without its content",
    "added": "A delta to a cold column is added, instead of its difference",
    "torn": "A gathering is torn",
    "mixed": "Parts of two gatherings are mixed",
    "flight": "The flush in flight is lost when the running column is closed",
    "goes-on": "The writer goes on in a closed column",
    "final": "`final` is claimed for the column of an earlier process",
    "early": "A column is forgotten without everybody's digest, or with different rosters",
    "not-dominating": "A residue is replaced by one that does not dominate",
    "late": "Late increments are dropped",
    "let-go": "A node goes while nobody else holds what it has",
}

MUTANTS = (
    *closing.RELAYED,
    *closing.ADDED,
    *forgetting.ADDED,
    *TORN,
    *MIXED,
    *closing.FLIGHT,
    *closing.GOES_ON,
    *closing.FINAL,
    *forgetting.EARLY,
    *forgetting.NOT_DOMINATING,
    *closing.LATE,
    *forgetting.LATE,
    *LET_GO,
)
