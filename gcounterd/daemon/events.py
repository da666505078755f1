"""Events: what this node saw happen to the membership, numbered and kept for those who watch.

Theory. Every node changes its mind about members by itself, so a history is one node's, of one
process life: numbers start at 1 with each life, and a reader names both what it has seen last and
in which life, so that a restart can neither repeat nor hide anything from it. Nothing is sent to a
reader; it asks for what follows and may wait for it, so one that reads slowly costs nothing, and
what it missed when the history dropped its oldest is told to it as a number. The log is the lasting
record; this is memory, and bounded.

Which notices are events is a table of names, the same for logs, metrics and readers. This module
refuses to know what they mean, and HTTP.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from itertools import islice

import attrs
import trio

from gcounterd.daemon.logs import stamp
from gcounterd.errors import ClientError
from gcounterd.node.effects import Notice

# At some 200 bytes each a quarter of a MiB, and days of an ordinary cluster. The oldest go first.
EVENTS_KEPT_MAX = 1024
# Readers that wait at a time; each is a connection that may have been given up by its client, for
# as long as it was told to wait. One more is answered `busy` and asks again.
WATCHERS_MAX = 64

# What an operator should look at, although the node goes on.
ALARMS = ("suspect", "dead", "alone", "slow", "twin", "gives_way", "removing", "returns")
GUARDED = ("quarantined", "own_column_claimed", "own_past_ahead")
WARNINGS = (*ALARMS, *GUARDED, "residues_differ", "copy_damaged")
REMOVALS = ("removal_started", "removed", "left_for_good", "returned")
MEMBERSHIP = (
    "member",
    "joined",
    "refuted",
    "back",
    "left",
    "company",
    "goes_on",
    *REMOVALS,
    *ALARMS,
)

_OWN_FIELDS = ("number", "time", "event")


@attrs.frozen
class Event:
    """Something that happened; `time` is this host's, ISO 8601 in UTC with milliseconds."""

    number: int
    time: str
    name: str
    fields: dict[str, str | int | float]

    def shown(self) -> dict[str, object]:
        """Return it as one flat object."""
        return {"number": self.number, "time": self.time, "event": self.name, **self.fields}


class History:
    """The last events of one process life; `life` names it."""

    def __init__(self, life: str, clock: Callable[[], float] = time.time) -> None:
        """`clock` gives seconds since 1970."""
        self.life = life
        self._clock = clock
        self._events: deque[Event] = deque(maxlen=EVENTS_KEPT_MAX)
        self._last = 0
        self._watchers = 0
        self._ended = False
        self._news = trio.Event()

    @property
    def last(self) -> int:
        """Return the number of the last event, 0 if there is none."""
        return self._last

    def keep(self, notice: Notice) -> None:
        """Keep a notice if it is a membership event, and wake those who wait for one."""
        if notice.name not in MEMBERSHIP:
            return
        assert not any(name in _OWN_FIELDS for name in notice.fields), notice
        self._last += 1
        at = stamp(self._clock())
        self._events.append(Event(self._last, at, notice.name, notice.fields))
        self._wake()

    def end(self) -> None:
        """Let nobody wait any more: the process stops."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = trio.Event()

    async def read(self, after: int, life: str, limit: int, seconds: float) -> dict[str, object]:
        """Return up to `limit` events after number `after`, waiting that long for the first.

        `after` counts in `life`; in another one than ours nothing has been seen yet. "" is ours.
        Raises `ClientError` 503 `busy` where too many wait.
        """
        if life not in ("", self.life):
            after = 0
        if seconds > 0 and after == self._last and not self._ended:
            await self._wait(seconds)
        return self._page(min(after, self._last), limit)

    async def _wait(self, seconds: float) -> None:
        if self._watchers >= WATCHERS_MAX:
            raise ClientError(503, "busy", f"{WATCHERS_MAX} readers wait for events already")
        self._watchers += 1
        try:
            with trio.move_on_after(seconds):
                await self._news.wait()
        finally:
            self._watchers -= 1

    def _page(self, after: int, limit: int) -> dict[str, object]:
        dropped = self._last - len(self._events)
        skipped = max(0, after - dropped)
        found = list(islice(self._events, skipped, skipped + limit))
        page: dict[str, object] = {
            "life": self.life,
            "events": [event.shown() for event in found],
            "next": found[-1].number if found else after,
        }
        if dropped > after:
            page["lost"] = dropped - after
        return page
