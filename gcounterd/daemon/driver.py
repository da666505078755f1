"""The driver: the one owner of the node, between links, disk and clock.

Theory. Every input reaches the node from here, on the one loop, with the time; every effect it
returns is carried out here, in order. Nothing else calls the node's control plane, so there are
no locks. The driver sleeps until the node's one deadline, and is nudged when an input has moved
that deadline forward. It refuses to know what any of it means.
"""

from __future__ import annotations

import collections
import gc
from collections.abc import Callable, Sequence
from functools import partial
from typing import assert_never

import attrs
import trio

from gcounterd.counters.columns import Column
from gcounterd.daemon.acknowledgements import Acknowledgements
from gcounterd.daemon.cold import ColdColumns
from gcounterd.daemon.commits import Commits
from gcounterd.daemon.events import WARNINGS, History
from gcounterd.daemon.identity import Identity
from gcounterd.daemon.logs import get_logger
from gcounterd.daemon.mistrusts import Mistrusts
from gcounterd.daemon.turning import Turning
from gcounterd.daemon.waiting import Waiting
from gcounterd.daemon.watchdog import LOOKED_AT_S, Watchdog
from gcounterd.errors import RefusedError, RemovedError, StorageError
from gcounterd.ids import ColumnId, Epoch, show
from gcounterd.links.limits import Limits
from gcounterd.links.mistrust import Mistrust
from gcounterd.links.transport import Transport
from gcounterd.node.effects import (
    AckDone,
    Carry,
    Dial,
    Drop,
    Effect,
    Exit,
    Keep,
    Load,
    Notice,
    ReadDone,
    Redraw,
    Send,
)
from gcounterd.node.grades import Grade
from gcounterd.node.leaving import EXIT_REMOVED
from gcounterd.node.messages import Channel, Hello, Message, Part, Push, Refusal
from gcounterd.node.node import Node
from gcounterd.node.returning import EXIT_RETURNED
from gcounterd.storage.schema import Durability
from gcounterd.storage.store import Store

log = get_logger("gcounterd.peers")


# The collector looks once at each name of a tuple of names that is new to it, some 25 ns each. Left
# to itself it waits for hundreds of messages with thousands of names each, and then holds the loop
# for 20 ms.
NAMES_PER_COLLECTION = 16_384


@attrs.define(eq=False)
class _Read:
    """A consistent read that somebody waits for."""

    done: trio.Event = attrs.Factory(trio.Event)
    missing: tuple[str, ...] = ()


class Driver:
    """Owns the node; is the handler of links and the performer of effects.

    events    how often each named event happened, for metrics
    history   the membership events, for those who watch
    waiting   who waits for which values
    watchdog  who is told how long handling an input took
    """

    def __init__(
        self,
        node: Node,
        store: Store,
        durability: Durability,
        names_on_disk: int,
        identity: Identity,
    ) -> None:
        self.node = node
        self._identity = identity
        self.store = store
        self.watchdog = Watchdog()
        timing = node.config.timing
        limits = Limits.patient(timing.interval, timing.timeout)
        self.transport = Transport(self, limits=limits)
        self.cold = ColdColumns(node.counters, store)
        self.waiting = Waiting(node.counters.value)
        self.commits = Commits(node, store, durability, self.shown, names_on_disk, self.cold.read)
        self.commits.did = self.watchdog.did
        self.acknowledgements = Acknowledgements(node, self.carry_out, self.count)
        self.turning = Turning(node, store, self.commits, self.shown)
        self.events: collections.Counter[str] = collections.Counter()
        # A life is a process, also where that process draws a second epoch.
        self.history = History(show(node.config.epoch))
        self._names = 0
        self._nudge = trio.Event()
        self._sleeping_until = -float("inf")
        self._reads: dict[int, _Read] = {}
        self._ended: Exit | None = None
        # Who is told that counters have risen.
        self.rise: list[Callable[[], None]] = [self.waiting.look]
        self.mistrusts = Mistrusts()
        # Who is told of each notice beside the log.
        self.heeds: list[Callable[[Notice], None]] = []

    # -- effects ----------------------------------------------------------------------------

    def perform(self, effects: Sequence[Effect]) -> None:
        """Carry effects out, in order."""
        for effect in effects:
            match effect:
                case Send(links, message):
                    self.transport.send(links, message)
                case Dial(address, channel):
                    self.transport.dial(address, channel)
                case Drop(link, reason, refusal, gently):
                    self.transport.drop(link, reason, refusal, gently=gently)
                case Notice():
                    self._note(effect)
                case ReadDone(number, missing):
                    waiting = self._reads.pop(number, None)
                    if waiting is not None:
                        waiting.missing = missing
                        waiting.done.set()
                case AckDone():
                    self.acknowledgements.done(effect)
                case Redraw(above):
                    self.commits.between("redraw", partial(self._redraw, above))
                case Load(column):
                    self.cold.ask(column)
                case Carry(turn):
                    self.turning.carry(turn)
                case Keep():
                    self.turning.keep(effect)
                case Exit():
                    self._ended = effect
                    self.perform(self.node.acknowledging.give_up())  # nobody wakes it any more
                    self._nudge.set()
                case _:
                    assert_never(effect)
        if self.node.has_work:
            self.commits.request()

    async def _redraw(self, above: Epoch) -> None:
        """Go on in an epoch above this one; between two commits."""
        try:
            epoch = await self._identity.redraw(above)
        except StorageError as error:
            if not error.full:
                raise
            log.warning("redraw_refused", reason=error)  # the node asks for it again
            return
        log.warning("epoch_redrawn", epoch=show(epoch))
        self.carry_out(self.node.reopen(epoch, trio.current_time()))

    def loaded(self, column: ColumnId, read: Column | None, damaged: bool) -> None:
        """Hand a closed column to the node that it had asked for."""
        now = trio.current_time()
        self._input(self.node.settlement.loaded(column, read, now, damaged=damaged), now, "loaded")

    def _note(self, notice: Notice) -> None:
        for heed in self.heeds:
            heed(notice)
        self.events[notice.name] += 1
        write = log.warning if notice.name in WARNINGS else log.info
        write(notice.name, **notice.fields)
        self.history.keep(notice)

    def carry_out(self, effects: Sequence[Effect]) -> None:
        """Perform effects, and wake the node earlier if what caused them makes that due."""
        self.perform(effects)
        if self.node.next_wake(trio.current_time()) < self._sleeping_until:
            self._nudge.set()

    def shown(self, effects: Sequence[Effect]) -> None:
        """Perform what follows when counts have come to be shown, and wake who waits for them."""
        self.carry_out(effects)
        for tell in self.rise:
            tell()

    def _input(self, effects: Sequence[Effect], started: float, what: str) -> None:
        """Carry out what follows from an input, which came at `started`."""
        self.carry_out(effects)
        seconds = trio.current_time() - started
        if seconds > LOOKED_AT_S:
            self.watchdog.did(what, seconds)

    async def run(self) -> None:
        """Wake the node when it is due, until it ends itself.

        Returns where that is as an operator wanted it; else raises `RefusedError` or
        `RemovedError`.
        """
        while not self._has_ended():
            started = trio.current_time()
            self._input(self.node.wake(started), started, "wake")
            if self.node.has_work:
                self.commits.request()
            now = trio.current_time()
            self._sleeping_until = self.node.next_wake(now)
            if self._sleeping_until <= now:
                await trio.lowlevel.checkpoint()
                continue
            self._nudge = trio.Event()
            if self._has_ended():
                break
            with trio.move_on_at(self._sleeping_until):
                await self._nudge.wait()
        assert self._ended is not None
        if self._ended.code == EXIT_REMOVED:
            log.warning("removed_self", reason=self._ended.text)
            return
        if self._ended.code == EXIT_RETURNED:
            raise RemovedError(self._ended.text)
        raise RefusedError(self._ended.text)

    def _has_ended(self) -> bool:
        return self._ended is not None

    # -- links.Handler ----------------------------------------------------------------------

    def hello(self, channel: Channel) -> Hello:
        """Return our first frame for a new connection."""
        return self.node.hello(channel)

    def judge(self, hello: Hello) -> Refusal | None:
        """Return why a peer's hello is refused, or None."""
        now = trio.current_time()
        refusal, effects = self.node.judge(hello, now)
        self._input(effects, now, "hello")
        return refusal

    def opened(self, link: int, hello: Hello, dialled: str | None) -> None:
        """Take note of a link."""
        log.info("link_opened", peer=hello.name, channel=hello.channel.name.lower())
        now = trio.current_time()
        self._input(self.node.opened(link, hello, dialled, now), now, "opened")

    def closed(self, link: int, reason: str) -> None:
        """Take note that a link is gone."""
        log.info("link_closed", link=link, reason=reason)
        now = trio.current_time()
        self._input(self.node.closed(link, now), now, "closed")

    def refused(self, link: int, refusal: Refusal) -> None:
        """Take note that a peer refuses us after all."""
        now = trio.current_time()
        self._input(self.node.refused(link, refusal, now), now, "refused")

    def received(self, link: int, message: Message) -> None:
        """Hand a message to the node."""
        self._names += _names_in(message)
        if self._names >= NAMES_PER_COLLECTION:
            self._names = 0
            gc.collect(0)
        now = trio.current_time()
        self._input(self.node.received(link, message, now), now, type(message).__name__)

    def dial_failed(
        self, address: str, channel: Channel, grade: Grade, refusal: Refusal | None
    ) -> None:
        """Take note of a dial that did not end in a link."""
        self.events[f"dial_{grade.name.lower()}"] += 1
        log.debug("dial_failed", address=address, grade=grade.name.lower())
        now = trio.current_time()
        theirs = refusal if grade is Grade.REJECTED else None
        self._input(self.node.dial_failed(address, channel, grade, theirs, now), now, "dial_failed")

    def mistrusted(self, where: str, why: Mistrust) -> None:
        """Take note of a handshake that came to nothing."""
        self.mistrusts.note(where, why)

    async def room(self) -> None:
        """Hold a reader back while too much waits for the disk."""
        await self.commits.room()

    def count(self, event: str, n: int = 1) -> None:
        """Count an event for metrics."""
        self.events[event] += n

    # -- for the service --------------------------------------------------------------------

    def join(self, addresses: Sequence[str]) -> None:
        """Try more peer addresses."""
        now = trio.current_time()
        self._input(self.node.join(addresses, now), now, "join")

    async def read(self, seconds: float) -> tuple[str, ...]:
        """Ask every member for what it has answered; return the names of those missed.

        Raises `ClientError` 503 where too many ask, or this node is removed.
        """
        now = trio.current_time()
        number, effects = self.node.read(now, seconds)
        waiting = self._reads[number] = _Read()
        self._input(effects, now, "read")
        await waiting.done.wait()
        self.node.removing.check_read()  # whoever is removed has not asked everyone
        return waiting.missing


def _names_in(message: Message) -> int:
    """Return how many names a message brought."""
    match message:
        case Part():
            return len(message.block.names)
        case Push():
            return sum([len(block.names) for block in message.batch.blocks])
        case _:
            return 0
