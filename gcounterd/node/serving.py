"""Serving: columns given out in parts, as peers ask for them.

Theory. A `Want` names a part; a window of parts is sent for it, one a step. The asker asks on when
half of the window is in, so that the rest of it is under way while its question is. What was sent
before on the same link is then not sent again: a want for a later part than the last one is taken
as progress, one for the same part as a loss. (An asker that lost parts after some progress asks
twice.) What was gathered is kept for a while, so that a peer can go on after a lost link. A closed
column may have to be read from disk first (`node.warming`); whoever asks for it waits.

This module refuses to know why a peer wants a column.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import attrs

from gcounterd.counters.counters import Counters
from gcounterd.counters.deltas import Gathering
from gcounterd.counters.residues import lines_of
from gcounterd.errors import PeerError
from gcounterd.ids import ColumnId, NodeId, node_of
from gcounterd.node.config import Config
from gcounterd.node.effects import Effect, Send
from gcounterd.node.messages import Part, Want
from gcounterd.node.peers import Link

# Parts served for one want: 2 wants of a link x 8 x 205 KiB stay below a bulk queue's 4 MiB.
PARTS_PER_WANT = 8
# Gatherings kept to be resumed; the oldest is forgotten, and its receiver starts again.
GATHERINGS_MAX = 256
# A closed column stays in memory for a receiver that has not got all of it, and for so long after
# it last asked: as long as that one keeps the parts it has (`node.exchange`).
KEPT_S = 30.0
# Wants waiting to be served; more are dropped, and asked again by their askers.
SERVING_MAX = 4096


@attrs.define(eq=False)
class _Kept:
    """A gathering, when it was last asked for, and whether its last part was sent.

    link, part, sent  on which link, from which part on it was last wanted, and the part after those
                      sent there
    """

    name: bytes
    gathering: Gathering
    asked: float
    ended: bool = False
    link: int = 0
    part: int = 0
    sent: int = 0

    def resume(self, link: int, part: int) -> int:
        """Take note that `part` and what follows is wanted; return with which part to begin."""
        goes_on = self.link == link and self.part < part <= self.sent
        self.link, self.part = link, part
        if not goes_on:
            self.sent = part
        return self.sent


@attrs.define(eq=False)
class _Window:
    """A window of parts to send."""

    link: Link
    column: ColumnId
    kept: _Kept
    next: int
    until: int


class Serving:
    """What is served; one per node."""

    def __init__(self, config: Config, counters: Counters) -> None:
        self._config = config
        self._counters = counters
        self._windows: deque[_Window] = deque()
        self._gatherings: dict[tuple[NodeId, ColumnId], _Kept] = {}
        self._gathered = 0
        # By column that lies on disk, who waits for it.
        self._cold: dict[ColumnId, dict[int, tuple[Link, Want]]] = {}

    def serve(self, link: Link, want: Want, now: float) -> None:
        """Queue a window of parts for a peer; `step` sends them.

        A sum of forgotten columns that is another one by now is not served. Raises `PeerError` for
        a part that cannot follow what was sent.
        """
        column = want.column
        if not (self._is_known(column) or lines_of(self._counters.settled, node_of(column))):
            raise PeerError("bad_want", "a column that was never offered")
        self._forget(link, column)
        is_full = len(self._windows) + len(self._cold) >= SERVING_MAX
        if is_full or self._counters.head(column) <= want.head:
            return
        if self._counters.is_cold(column):
            self._cold.setdefault(column, {})[link.id] = link, want
        elif self._counters.held(column) is not None:
            self._begin(link, want, now)

    def _is_known(self, column: ColumnId) -> bool:
        return self._counters.held(column) is not None or self._counters.is_closed(column)

    def _forget(self, link: Link, column: ColumnId) -> None:
        """Forget what the peer of a link wanted of a column before."""
        self._windows = deque(s for s in self._windows if s.link is not link or s.column != column)
        self._cold.get(column, {}).pop(link.id, None)

    def _begin(self, link: Link, want: Want, now: float) -> None:
        kept = self._keep(link.peer, want, now)
        part = want.part if kept.name == want.gathering else 0
        if part > kept.gathering.next:
            raise PeerError("bad_want", "a part beyond the next one")
        start, until = kept.resume(link.id, part), part + PARTS_PER_WANT
        if start < until and not (kept.ended and start > part):
            self._windows.append(_Window(link, want.column, kept, start, until))

    def _keep(self, peer: NodeId, want: Want, now: float) -> _Kept:
        kept = self._gatherings.pop((peer, want.column), None)
        if kept is None or kept.name != want.gathering:
            self._gathered += 1
            name = self._config.nonce[:5] + (self._gathered % 2**24).to_bytes(3, "big")
            kept = _Kept(name, self._counters.gather(want.column, want.head, want.size), now)
            while len(self._gatherings) >= GATHERINGS_MAX:
                del self._gatherings[next(iter(self._gatherings))]
        kept.asked = now
        self._gatherings[peer, want.column] = kept
        return kept

    @property
    def gatherings(self) -> int:
        """Return how many gatherings are kept to be resumed."""
        return len(self._gatherings)

    # -- cold columns -----------------------------------------------------------------------

    @property
    def cold_wanted(self) -> list[ColumnId]:
        """Return the columns that have to be read from disk for somebody."""
        return [column for column, waiting in self._cold.items() if waiting]

    def warmed(self, column: ColumnId, now: float) -> None:
        """Serve those who waited for a column, which is in memory now or cannot be had."""
        waiting = self._cold.pop(column, {})
        if self._counters.held(column) is not None:
            for link, want in waiting.values():
                # Nothing of it was gathered for this peer, or it was let go meanwhile.
                self._begin(link, attrs.evolve(want, gathering=b"", part=0), now)

    def columns(self, now: float) -> dict[ColumnId, None]:
        """Return the columns of which somebody is likely to ask for more parts."""
        served = dict.fromkeys(window.column for window in self._windows)
        for (_, column), kept in self._gatherings.items():
            if not kept.ended and now < kept.asked + KEPT_S:
                served[column] = None
        return served

    def chilled(self, column: ColumnId) -> None:
        """Let go of what was gathered of a column that leaves memory."""
        self._windows = deque(s for s in self._windows if s.column != column)
        kept = self._gatherings.items()
        self._gatherings = {key: held for key, held in kept if key[1] != column}

    def let_go(self, columns: Iterable[ColumnId]) -> None:
        """Let go of columns that are not kept any more."""
        for column in columns:
            self.chilled(column)
            self._cold.pop(column, None)

    # -- sending ----------------------------------------------------------------------------

    @property
    def can_serve(self) -> bool:
        """Say whether a step of serving could do something now."""
        return any(not self._is_busy(window.column) for window in self._windows)

    def _is_busy(self, column: ColumnId) -> bool:
        held = self._counters.held(column)
        return held is not None and held.busy

    def step(self) -> list[Effect]:
        """Gather and send one part (or a whole last part) of one window; bounded work."""
        for _ in range(len(self._windows)):
            window = self._windows.popleft()
            if not self._is_busy(window.column):
                return self._send(window)
            self._windows.append(window)  # its turn comes after the apply
        return []

    def _send(self, window: _Window) -> list[Effect]:
        gathering, name = window.kept.gathering, window.kept.name
        pieces = gathering.pieces(window.next)
        window.next += len(pieces)
        window.kept.sent = window.next
        window.kept.ended = bool(pieces[-1].version)
        if not pieces[-1].version and window.next < window.until:
            self._windows.append(window)
        since, link = gathering.since, window.link.id
        return [
            Send((link,), Part(window.column, name, p.number, since, p.version, p.block))
            for p in pieces
        ]

    def closed(self, link: int) -> None:
        """Forget what was served on a link; gatherings stay, to be resumed."""
        self._windows = deque(s for s in self._windows if s.link.id != link)
        for waiting in self._cold.values():
            waiting.pop(link, None)
