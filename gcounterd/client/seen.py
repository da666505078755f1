"""What a client has seen: the largest value of each key, so that it never reads a smaller one.

Theory. Counters only grow, so one number per key is a whole session: a read that says "at least
this" (`min`) shows whatever the client counted or read before, at whichever node. It is a maximum,
and so indifferent to the order in which answers come.

The keys are bounded; at the bound the one not used for longest is forgotten, and a later read of
it may show less than an earlier one. This module refuses to know requests.
"""

from __future__ import annotations

from collections.abc import Mapping

from gcounterd.client.limits import SEEN_KEYS_MAX


class Seen:
    """The largest value seen of each key; `keys_max` of them."""

    def __init__(self, keys_max: int = SEEN_KEYS_MAX) -> None:
        self._values: dict[str, int] = {}
        self._keys_max = keys_max

    def least(self, key: str) -> int:
        """Return what a read of the key must show at least."""
        return self._values.get(key, 0)

    def take(self, values: Mapping[str, int]) -> None:
        """Take in what an answer shows."""
        for key, value in values.items():
            # Taken out and put back, so that the order of the dict is that of use.
            self._values[key] = max(value, self._values.pop(key, 0))
        while len(self._values) > self._keys_max:
            del self._values[next(iter(self._values))]
