"""Rates: how often each client may ask, as buckets that fill at a steady pace.

Theory. A client's bucket holds what it may ask at once, and fills with the time; whoever finds it
empty is told to come back. Buckets that are full again are those of new clients, so they need not
be kept: the table is bounded by letting go of those untouched for longest, and at worst somebody
who shares the node with very many others gets a full one too early.

This module refuses to know the clock, and who clients are.
"""

from __future__ import annotations

from collections import OrderedDict

# Seconds of asking that may come at once, after silence.
BURST_S = 2
# Some 10 MB. More clients than this at once, and the table forgets who asked last.
BUCKETS_MAX = 65_536


class Rates:
    """One bucket for each client; `per_s` may be asked in a second."""

    def __init__(self, per_s: int) -> None:
        self.per_s = per_s
        self._most = float(per_s * BURST_S)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, client: str, number: int, now_s: float) -> bool:
        """Take so much from a client's bucket, or nothing; say whether it was there."""
        left, at = self._buckets.get(client, (self._most, now_s))
        left = min(self._most, left + max(0.0, now_s - at) * self.per_s)
        granted = number <= left
        self._buckets[client] = (left - number if granted else left, max(at, now_s))
        self._buckets.move_to_end(client)
        if len(self._buckets) > BUCKETS_MAX:
            self._buckets.popitem(last=False)
        return granted


def place_of(address: object) -> str:
    """Return what one client is known by: an IPv4 address, or the /64 that an IPv6 host has.

    "" for who comes by a Unix socket. `address` is that of a socket.
    """
    if not isinstance(address, tuple):
        return ""
    host = str(address[0]).partition("%")[0]
    if ":" not in host:
        return host
    mapped = host.rpartition(":")[2]
    if "." in mapped:
        return mapped
    head, gap, tail = host.partition("::")
    groups = head.split(":") if head else []
    if gap:
        after = tail.split(":") if tail else []
        groups += ["0"] * (8 - len(groups) - len(after)) + after
    return ":".join(groups[:4]) + "::/64"
