"""The ledger of a replay: what was answered, what was lost, and which totals that allows.

Theory. Each request of the log adds one to a key. Answered: it counts. Answered with a definite
error, or never sent: it does not, and is sent again until it does. Lost: it may count or not, and
is not sent again. So at the end a key's right total is an interval, [acknowledged, acknowledged +
lost], which is one number wherever nothing was lost; and both ends add up to what the log says.

This module refuses to know how requests are sent, and reads no clock.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

# Field 7 of Apache's combined format, counted from 1 as awk does: the request target.
TARGET_FIELD = 7
# Wrong keys shown of a node; the rest are only counted.
SHOWN_MAX = 5


def read_log(path: Path, limit: int | None = None) -> list[str]:
    """Return the request targets of a gzipped access log, in its order, at most `limit`."""
    with gzip.open(path, "rt", encoding="ascii") as lines:
        targets = [line.split()[TARGET_FIELD - 1] for line in lines]
    return targets[:limit]


@attrs.define
class Ledger:
    """Outcomes by key."""

    acknowledged: Counter[str] = attrs.field(factory=Counter)
    lost: Counter[str] = attrs.field(factory=Counter)

    def check_log(self, targets: Sequence[str]) -> list[str]:
        """Return what is wrong with the replay itself: keys that were not sent as often as logged.

        A check of the replay, not of the cluster: every request ended in one of two ways.
        """
        logged = Counter(targets)
        sent = self.acknowledged + self.lost
        return [
            f"{key}: {sent[key]} sent, {logged[key]} in the log"
            for key in sorted({**logged, **sent})
            if sent[key] != logged[key]
        ]

    def check_node(self, name: str, counters: Mapping[str, int]) -> list[str]:
        """Return what is wrong with a node's counters, all of them: `name: key: value, …`."""
        wrong = []
        for key in sorted({**self.acknowledged, **self.lost, **counters}):
            low = self.acknowledged[key]
            high = low + self.lost[key]
            value = counters.get(key, 0)
            if not low <= value <= high:
                allowed = str(low) if low == high else f"{low} to {high}"
                wrong.append(f"{name}: {key}: {value}, not {allowed}")
        if len(wrong) > SHOWN_MAX:
            more = len(wrong) - SHOWN_MAX
            wrong[SHOWN_MAX:] = [f"{name}: and {more} other keys are wrong"]
        return wrong

    def exact(self) -> int:
        """Return how many keys have one right total."""
        return sum(1 for key in {**self.acknowledged, **self.lost} if not self.lost[key])

    def ranges(self) -> int:
        """Return how many keys have an interval of right totals."""
        return sum(1 for key in self.lost if self.lost[key])
