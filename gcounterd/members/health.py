"""Local health: how much this node doubts itself.

Theory. Lifeguard's local health multiplier (Dadgar, Phillips, Currey 2017, section IV-A): whoever
misses acks and nacks of many, is accused itself, or finds its own loop standing still, is more
likely to be the slow one. It then probes less often and waits longer, so that it accuses nobody
of what is its own fault.
"""

from __future__ import annotations


class Health:
    """A score from 0 (well) to `most`; probes are slower by a factor of score + 1."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.score = 0

    @property
    def factor(self) -> int:
        """Return by what to multiply the interval and the timeout of a probe."""
        return self.score + 1

    def change(self, by: int) -> None:
        """Get worse by so much, or better if negative."""
        self.score = min(self._most, max(0, self.score + by))
