"""Mistrusts: handshakes of links that came to nothing, counted, told and shown for a while.

Theory. A node whose certificate is wrong dials its peers again and again, and a stranger may try
thousands of times a second. So all of them are counted by reason, and few are told: one line of the
log for a reason in ten seconds, with how many there were meanwhile; and for `/healthz` the last of
each place, a few places, for a minute. Nothing that a stranger sent is in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import attrs
import trio

from gcounterd.daemon.logs import get_logger
from gcounterd.links.mistrust import Mistrust, Reason

log = get_logger("gcounterd.peers")

TOLD_EVERY_S = 10.0
SHOWN_S = 60.0
# Places shown; the one that was heard of longest ago goes first.
PLACES_MAX = 8


@attrs.frozen
class _Seen:
    why: Mistrust
    at: float


class Mistrusts:
    """What handshakes failed of; `tally` counts them by reason."""

    def __init__(self, clock: Callable[[], float] = trio.current_time) -> None:
        """`clock` gives seconds that only rise."""
        self.tally: Counter[Reason] = Counter()
        self._clock = clock
        self._told: dict[Reason, float] = {}
        self._untold: Counter[Reason] = Counter()
        self._seen: dict[str, _Seen] = {}

    def note(self, where: str, why: Mistrust) -> None:
        """Take note of one; `where` is the address dialled, or the host that dialled us."""
        now = self._clock()
        self.tally[why.reason] += 1
        if why.reason is Reason.CLOSED:
            return  # what a process does that is going, as it does where nothing is secured
        self._seen.pop(where, None)
        self._seen[where] = _Seen(why, now)
        if len(self._seen) > PLACES_MAX:
            del self._seen[next(iter(self._seen))]
        if now < self._told.get(why.reason, -TOLD_EVERY_S) + TOLD_EVERY_S:
            self._untold[why.reason] += 1
            return
        self._told[why.reason] = now
        more = self._untold.pop(why.reason, 0)
        log.warning(
            "handshake_failed", where=where, reason=str(why.reason), text=why.text, more=more
        )

    @property
    def untold(self) -> int:
        """Return how many the next lines of the log have to tell of."""
        return self._untold.total()

    def warnings(self) -> list[str]:
        """Return what to show of the last minute."""
        now = self._clock()
        recent = [
            (where, seen.why) for where, seen in self._seen.items() if seen.at > now - SHOWN_S
        ]
        return [f"no handshake with {where}: {why.text}" for where, why in recent]
