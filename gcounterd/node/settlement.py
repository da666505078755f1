"""Settlement: what becomes of columns whose process has ended.

Theory. A column is written by one process, then it is closed, and its counts stay where they are
(`counters`). Which columns are over is decided in `closings`, learnt from others in `settling`, and
how long they stay in memory is the business of `warming`; when they go for good that of
`forgetting`, what others have forgotten that of `taking`, and copies that a disk has spoilt that of
`mending`. This module composes them, and
refuses to know how each of them works.
"""

from __future__ import annotations

from collections.abc import Iterable

from gcounterd.counters.columns import Column
from gcounterd.counters.counters import Counters
from gcounterd.counters.mends import AnyTurn, Mend
from gcounterd.counters.settled import Closing
from gcounterd.errors import ClientError
from gcounterd.ids import ColumnId, show
from gcounterd.members.roster import Entry, Roster
from gcounterd.node.closings import Closings
from gcounterd.node.config import Config
from gcounterd.node.conflicts import Conflicts
from gcounterd.node.effects import Effect, Notice
from gcounterd.node.exchange import Exchange
from gcounterd.node.forgetting import Forgetting
from gcounterd.node.intake import Intake
from gcounterd.node.joining import Joining
from gcounterd.node.late import Late
from gcounterd.node.mending import Mending
from gcounterd.node.messages import Channel, SettledMessage, Want
from gcounterd.node.peers import Link, Peers
from gcounterd.node.records import Group, TakeBatch
from gcounterd.node.releasing import Releasing
from gcounterd.node.settled_messages import Settled, SettledDiffer, SettledSums
from gcounterd.node.settling import Settling
from gcounterd.node.taking import Taking
from gcounterd.node.warming import Warming


class Settlement:
    """Closed columns; one per node."""

    def __init__(
        self,
        config: Config,
        counters: Counters,
        roster: Roster,
        intake: Intake,
        peers: Peers,
        exchange: Exchange,
        joining: Joining,
        now: float,
    ) -> None:
        self._counters = counters
        self._peers = peers
        self._exchange = exchange
        self.closings = Closings(config, counters, roster, intake, now)
        self.settling = Settling(counters, intake, exchange, joining)
        self.warming = Warming(counters, exchange.serving, now)
        self.mending = Mending(config, counters, exchange, peers)
        self.conflicts = Conflicts(config, counters, roster, peers, joining)
        self.taking = Taking(config, counters, exchange, self.conflicts)
        self.releasing = Releasing(config, counters, roster, intake)
        self.forgetting = Forgetting(config, counters, roster, peers, self.releasing, now)
        exchange.refuses = self.releasing.refuses
        self.late = Late(config, counters, exchange, self.releasing)
        self.taking.keep = self.late.offer_sum

    def check(self) -> None:
        """Raise `ClientError` where this process has no column to count in."""
        if self.closings.finished:
            raise ClientError(503, "draining", "this node is stopping; count at another one")
        if self.closings.refuses:
            raise no_column()

    # -- commits ----------------------------------------------------------------------------

    @property
    def holds_back(self) -> bool:
        """Say whether own increments are not cut now: they wait for a new column."""
        return self.closings.holds_back

    @property
    def refuses(self) -> bool:
        """Say whether own increments that wait are to be refused: no new column comes soon."""
        return self.closings.refuses

    def lacking(self, group: Group) -> list[ColumnId]:
        """Return the cold columns that must be in memory before a group is applied.

        Until it is committed, all closed columns that it raises stay there: reading one may take
        longer than another one is kept.
        """
        batches = [record.batch for record in group.records if isinstance(record, TakeBatch)]
        columns = dict.fromkeys(batch.column for batch in batches)
        self.warming.pin(column for column in columns if self._counters.is_closed(column))
        return [column for column in columns if self._counters.is_cold(column)]

    def warm(self, column: ColumnId, read: Column | None, now: float) -> None:
        """Take one that is lacking into memory, None if it came there meanwhile."""
        if read is not None:
            self._counters.warm(read)
        self.warming.use(column, now)

    def loaded(
        self, column: ColumnId, read: Column | None, now: float, *, damaged: bool = False
    ) -> list[Effect]:
        """Take a closed column into memory that was read from disk, None if it could not be."""
        if read is not None:
            self._counters.warm(read)
        effects = self.warming.loaded(column, now)
        return [*effects, *(self.mending.damaged(column, now) if damaged else [])]

    def grown(self, columns: Iterable[ColumnId], now: float) -> None:
        """Take note that batches of these columns were taken in."""
        grown = list(columns)
        self.warming.unpin()
        self._exchange.telling.changed(grown)
        closed = [column for column in grown if self._counters.is_closed(column)]
        self.settling.changed(closed)
        for column in closed:
            self.warming.use(column, now)
        self.closings.grown(grown, now)
        if closed:
            self.forgetting.changed(now)

    def closed(self, closings: tuple[Closing, ...], now: float) -> list[Effect]:
        """Take note that columns are closed; tell peers of those that this node decided about."""
        columns = [closing.column for closing in closings]
        self._exchange.telling.closed_columns(columns)
        self.settling.changed(columns)
        self.forgetting.changed(now)
        for column in columns:
            if column in self._counters.columns:
                self.warming.use(column, now)
        return self.settling.tell(self._peers.on(Channel.BULK), self.closings.closed(closings, now))

    def merged(self, entries: Iterable[Entry], now: float) -> None:
        """Take note that roster entries were taken in."""
        self.closings.merged(entries)
        self.forgetting.changed(now)

    def turned(self, turn: AnyTurn, now: float, *, done: bool) -> list[Effect]:
        """Take note that a turn was carried out, or could not be."""
        if isinstance(turn, Mend):
            return self.mending.turned(turn, now, done=done)
        effects: list[Effect] = []
        if done:
            self._exchange.serving.let_go(turn.gone)
            self.settling.changed(turn.lines)
            fields: dict[str, str | int | float] = {"node": show(turn.node), **turn.counts()}
            effects.append(Notice("residue", fields))
        self.forgetting.turned(turn, now)
        self.forgetting.changed(now)
        return [*effects, *self.taking.turned(turn, now)]

    def reopened(self, config: Config) -> None:
        """Take note of our new epoch."""
        self.closings.reopened(config)

    # -- peers ------------------------------------------------------------------------------

    def take(self, link: Link, message: SettledMessage, now: float) -> list[Effect]:
        """Take a peer's lines in, or sums over them."""
        if isinstance(message, SettledSums):
            return self.settling.differ(link, message)
        if isinstance(message, SettledDiffer):
            return self.settling.narrow(link, message)
        effects = self.settling.take(link, message, now)
        return [*effects, *self.taking.hear(link, message.lines, now)]

    def take_from_guest(self, link: Link, message: Settled, now: float) -> list[Effect]:
        """Take lines in of a guest: it is no peer that a join waits for."""
        self.settling.learn(message.lines)
        self.late.told(link, message.lines)
        return self.taking.hear(link, message.lines, now)

    def wanted(self, link: Link, want: Want) -> list[Effect]:
        """Tell a peer that what it wants is forgotten here, so that it asks for the sum."""
        forgotten = self._counters.is_forgotten(want.column)
        if not forgotten or self._counters.head(want.column) <= want.head:
            return []
        return self.settling.tell([link], [want.column])

    def gossip(self, now: float) -> list[Effect]:
        """Tell one random peer what changed, heads and lines, if that is due."""
        peer, effects = self._exchange.telling.gossip(self._peers.on(Channel.BULK), now)
        return effects + (self.settling.tell_changes(peer) if peer is not None else [])

    def link_closed(self, link: int) -> None:
        """Take note that a link is gone."""
        self.settling.closed(link)
        self.taking.closed(link)
        self.late.closed(link)
        self.mending.closed(link)

    # -- time -------------------------------------------------------------------------------

    def wake(self, now: float, *, stays: bool) -> list[Effect]:
        """Do what is due; `stays` says that this process does not give way to another.

        Drops among the effects are of links that the caller has to forget.
        """
        self.warming.wake(now)
        effects = [
            *self.gossip(now),
            *self.settling.walk_on(),
            *self.closings.wake(now, stays=stays),
        ]
        effects += [*self.taking.look(now), *self.late.look(now), *self.mending.look(now)]
        return [*effects, *self.forgetting.wake(now, stays=stays)]

    def next_wake(self) -> float:
        """Return when to wake at the latest (`inf` if nothing presses)."""
        return min(
            self.closings.next_wake(),
            self.warming.next_wake(),
            self.taking.next_wake(),
            self.forgetting.next_wake(),
            self.late.next_wake(),
            self.mending.next_wake(),
        )


def no_column() -> ClientError:
    """Return what those are told whose increments have no column to go to."""
    text = "the column of this process was closed and it has no new one yet; count at another node"
    return ClientError(503, "no_column", text)
