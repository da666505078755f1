"""The node: what composes counters, roster, links and exchange; inputs in, effects out.

Theory. A node is a state machine without I/O. Its shell tells it what happened (`opened`,
`received`, `closed`, `dial_failed`, `wake`), each with the time, and carries out the effects that
come back, in order. One deadline comes out (`next_wake`). All durable state changes go through
one door: `cut` gives a group of records, the shell makes it durable, `applying` takes it in, and
`committed` says what follows. So a simulator and a daemon run the same code, and nothing is
shown, acknowledged or sent that a crash could take back.

The data plane (`counters.add`, `counters.value`) is plain calls, since it must run at hundreds of
thousands a second. The node refuses to know sockets, disks, clocks and global randomness.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from random import Random

import attrs

from gcounterd.counters.batches import COUNT_MAX
from gcounterd.counters.counters import Counters
from gcounterd.counters.mends import AnyTurn
from gcounterd.counters.ones import Rows
from gcounterd.counters.slices import finish
from gcounterd.counters.writer import LookedUp
from gcounterd.errors import ClientError, PeerError
from gcounterd.ids import Epoch, NodeId
from gcounterd.members.roster import Entry, Roster, State
from gcounterd.node import admission
from gcounterd.node.acknowledging import Acknowledging
from gcounterd.node.approving import Approving
from gcounterd.node.asking import Verdict
from gcounterd.node.config import Config
from gcounterd.node.dialbacks import DialBacks
from gcounterd.node.dialling import Dialler
from gcounterd.node.effects import Effect
from gcounterd.node.exchange import Exchange
from gcounterd.node.grades import Grade
from gcounterd.node.handling import handle
from gcounterd.node.importing import Importing
from gcounterd.node.inquiries import Inquiries
from gcounterd.node.intake import Intake
from gcounterd.node.joining import Joining
from gcounterd.node.keeping import Keeping
from gcounterd.node.levels import Level, Mark
from gcounterd.node.linking import Linking
from gcounterd.node.membership import Membership
from gcounterd.node.messages import Channel, Hello, Message, Refusal
from gcounterd.node.newcomers import Newcomers
from gcounterd.node.peers import Peers
from gcounterd.node.probing import Probing
from gcounterd.node.pushes import Pushes
from gcounterd.node.reading import READS_MAX, Reading
from gcounterd.node.receipts import Claim, Receipt, Receipts
from gcounterd.node.records import (
    Group,
    TakeApprovals,
    TakeBatch,
    TakeClosings,
    TakeEntries,
    TakeReceipts,
)
from gcounterd.node.removing import Removing
from gcounterd.node.settlement import Settlement
from gcounterd.node.twins import Twins

# Small batches taken in between two pauses; about 10 us each.
RECORDS_PER_SLICE = 128


class Node:
    """One process of gcounterd, without its I/O."""

    def __init__(
        self,
        config: Config,
        counters: Counters,
        roster: Roster,
        rng: Random,
        now: float,
        *,
        damaged: bool = False,
        receipts: Receipts | None = None,
    ) -> None:
        """`counters`, `roster` and `receipts` are what the disk gave back; `damaged` if it gave
        less."""
        self.config = config
        self.counters = counters
        self.roster = roster
        self.receipts = receipts or Receipts()
        self.intake = Intake(counters)
        self.peers = Peers(config.node)
        mine = roster.get(config.node)
        # A newcomer stays one over restarts: what its join saw is still to be caught up with.
        fresh = bool(config.seeds) if mine is None else mine.state is State.JOINING
        intake, peers = self.intake, self.peers
        self.joining = Joining(config, roster, counters, intake, fresh=fresh, damaged=damaged)
        self.exchange = Exchange(config, counters, roster, intake, rng, now)
        self.settlement = Settlement(
            config, counters, roster, intake, peers, self.exchange, self.joining, now
        )
        inquiries = Inquiries(config, counters, roster, peers, self.exchange)
        self.reading = Reading(config.node, roster, inquiries)
        self.acknowledging = Acknowledging(config.node, counters, roster, peers)
        self.keeping = Keeping(counters, self.exchange)
        self.dialler = Dialler(config, rng, now)
        self._rng = rng
        self.probing = Probing(config, roster, self.peers, self.dialler, rng, now)
        self.detector = self.probing.detector
        self.dialbacks = DialBacks(config.address, self.peers)
        self.twins = Twins(config, roster, counters, self.peers, self.dialler)
        self.approving = Approving(config, roster, intake, peers, self.joining)
        joining, exchange, settling = self.joining, self.exchange, self.settlement.settling
        self.membership = Membership(
            config, roster, intake, peers, joining, exchange, self.approving, settling, rng
        )
        self.removing = Removing(self, now)
        self.linking = Linking(self, damaged=damaged)
        self.importing = Importing(self)
        self.newcomers = Newcomers(config, roster, counters, intake, peers, self.removing, now)
        self.refusals = admission.Refusals(config, roster)
        self.pushes = Pushes(counters, roster, self.peers, rng, now)

    # -- the data plane ---------------------------------------------------------------------

    def add(self, key: bytes, amount: int) -> None:
        """Gather an increment; raise `ClientError` if it cannot be counted here now."""
        self.check_counting()
        self.counters.add(key, amount)

    def add_each(self, keys: Sequence[bytes]) -> tuple[Rows, dict[int, ClientError]]:
        """Gather an increment of one for each key; see `Writer.add_each`.

        Raises `ClientError` where nothing can be counted here now.
        """
        self.check_counting()
        return self.counters.add_each(keys)

    def add_all(self, counts: Mapping[bytes, int], found: LookedUp | None = None) -> None:
        """Gather many increments for one commit, all or none; raise `ClientError`.

        `found` is what `Counters.looking_up` found for them.
        """
        self.check_counting()
        self.counters.add_all(counts, found)

    def add_once(
        self, claim: Claim, counts: Mapping[bytes, int], found: LookedUp | None = None
    ) -> None:
        """Gather the increments of a keyed request that has no receipt, as `add_all` does."""
        self.check_counting()
        self.receipts.check_room(len(counts))
        self.counters.add_all(counts, found)
        gathered = self.counters.writer.gathered
        self.receipts.gather(claim, {key: gathered(key) for key in counts})

    def check_counting(self) -> None:
        """Raise `ClientError` where nothing can be counted here now."""
        self.twins.check()
        self.removing.check()
        self.settlement.check()
        if not self.joining.counting:
            raise ClientError(503, "not_active", "; ".join(self.joining.reasons()))

    def raise_by(self, key: bytes, amount: int) -> None:
        """Gather an increment above 2^31, to raise this node's share; like `add` otherwise."""
        self.check_counting()
        self.counters.add(key, amount, COUNT_MAX)

    @property
    def has_work(self) -> bool:
        """Say whether the shell should see to a commit although no client asks for one."""
        return bool(self.intake or (self.settlement.refuses and self.counters.writer))

    def cut(self) -> Group | None:
        """Return what waits for durability, or None, in one go; see `cutting`."""
        return finish(self.cutting()) if self.counters.writer or self.intake else None

    def cutting(self) -> Generator[None, None, Group | None]:
        """Return what waits for durability, or None; to be applied or abandoned before the next.

        It pauses between slices; of increments only those are taken that waited when it began.
        """
        writer, value, now_ms = self.counters.writer, self.counters.value, self.config.wall_ms()
        receipts: tuple[Receipt, ...] = ()
        if writer and not self.counters.is_closed(writer.own):
            self.pushes.cut()
            self.receipts.begin()
        own = yield from self.counters.cutting()
        if own:
            last = own[-1]
            receipts = yield from self.receipts.cutting(value, last.column, last.version, now_ms)
        if not (own or self.intake):
            return None
        group = self.intake.cut(own)
        records = (*group.records, TakeReceipts(receipts))
        return attrs.evolve(group, records=records) if receipts else group

    def drop(self) -> None:
        """Forget the increments that wait: whoever added them is told that they were refused."""
        self.counters.writer.drop()
        self.receipts.drop()

    def applying(self, group: Group) -> Iterator[None]:
        """Take in a group that is durable, yielding between slices."""
        for number, record in enumerate(group.records, 1):
            match record:
                case TakeBatch(batch) if batch.since <= self.counters.head(batch.column):
                    yield from self.counters.applying(batch)
                case TakeClosings(closings):
                    yield from self.counters.closing(closings)
            if number % RECORDS_PER_SLICE == 0:
                yield
        self._settle()
        for record in group.records:
            if isinstance(record, TakeReceipts):  # told from now on: their values show
                self.receipts.take(record.receipts)

    def _settle(self) -> None:
        self.counters.writer.settle()
        self.receipts.settle()

    def committed(self, group: Group, now: float) -> list[Effect]:
        """Tell peers and waiting reads of a group that is applied; return the effects."""
        self.intake.committed()
        batches = [record.batch for record in group.records if isinstance(record, TakeBatch)]
        columns = dict.fromkeys(batch.column for batch in batches)
        self.settlement.grown(columns, now)
        self.removing.grown(columns, now)
        self.twins.established |= group.own
        self.pushes.queue(batches)
        awaited = self.pushes.urgent
        effects = [*self.pushes.send(now), *self.keeping.grown(columns)]
        if awaited:
            effects += self.acknowledging.committed(self.config.column)
        for record in group.records:
            match record:
                case TakeClosings(closings):
                    effects += self.settlement.closed(closings, now)
                    self.removing.closed([closing.column for closing in closings], now)
                case TakeEntries(entries):
                    effects += self._merged(entries, now)
                case TakeApprovals(approvals):
                    effects += self.approving.merge(approvals)
        self.membership.activate()
        effects += self.twins.look(self.detector.later, now)
        effects += self.linking.dial(now) if group.facts else []
        effects += [*self.exchange.ask(now), *self.reading.finish(now)]
        return [*effects, *self.removing.look(now)]

    def _merged(self, entries: tuple[Entry, ...], now: float) -> list[Effect]:
        """Take note of roster entries that are durable."""
        effects = self.membership.merge(entries, now)
        self.settlement.merged(entries, now)
        effects += self.linking.tidied(self.probing.roster_changed(entries, now), now)
        effects += self.linking.tidied(self.removing.merged(entries, now), now)
        effects += [*self.reading.merged(entries, now), *self.acknowledging.merged()]
        return [*effects, *self.linking.depart(now)]

    def abandoned(self, group: Group) -> None:
        """Forget a group that is certainly not durable."""
        self._settle()
        self.settlement.closings.undecide(self.intake.abandoned(group))
        self.exchange.telling.abandoned()
        self.pushes.abandoned()

    def reopen(self, epoch: Epoch, now: float) -> list[Effect]:
        """Go on in a new column of `epoch`, which is durable; no commit may be under way."""
        self.config = attrs.evolve(self.config, epoch=epoch)
        self.counters.reopen(self.config.column)
        self.detector.renew(epoch)
        self.membership.reopen(self.config)
        self.settlement.reopened(self.config)
        self.twins.reopened(self.config)
        self.linking.guarding.reopened(self.config)
        return self.linking.part(self.peers.all(), "new_epoch", now)  # a hello names the epoch

    def turned(self, turn: AnyTurn, now: float, *, done: bool) -> list[Effect]:
        """Take note that a turn was carried out, or could not be."""
        effects = self.linking.tidied(self.settlement.turned(turn, now, done=done), now)
        self.removing.turned(turn.node, now)
        return [*effects, *self.exchange.ask(now), *self.reading.finish(now)]

    # -- links ------------------------------------------------------------------------------

    def hello(self, channel: Channel) -> Hello:
        """Return our first frame."""
        returning, settled = self.removing.returning, self.counters.settled
        return admission.introduce(
            self.config, channel, self.joining, self.twins, returning, settled
        )

    def judge(self, hello: Hello, now: float) -> Verdict:
        """Return why a peer's hello is refused, or None if it is accepted; and what to do."""
        return self.linking.judge(hello, now)

    def opened(self, link: int, hello: Hello, dialled: str | None, now: float) -> list[Effect]:
        """Take note of a link whose peer's hello we accepted, and ours the peer if we dialled."""
        return self.linking.opened(link, hello, dialled, now)

    def closed(self, link: int, now: float) -> list[Effect]:
        """Take note that a link is gone."""
        return self.linking.closed(link, now)

    def dial_failed(
        self, address: str, channel: Channel, grade: Grade, refusal: Refusal | None, now: float
    ) -> list[Effect]:
        """Take note that a dial ended without a link, with the refusal if there was one."""
        return self.linking.dial_failed(address, channel, grade, refusal, now)

    def join(self, addresses: Iterable[str], now: float) -> list[Effect]:
        """Try more addresses until each has been a member's once."""
        return self.linking.join(addresses, now)

    def refused(self, link: int, refusal: Refusal, now: float) -> list[Effect]:
        """Take note that the peer of an open link wants no more of us; the link ends."""
        return self.linking.refused(link, refusal, now)

    # -- messages ---------------------------------------------------------------------------

    def received(self, link: int, message: Message, now: float) -> list[Effect]:
        """Handle a message; whoever breaks the protocol loses the link."""
        source = self.peers.get(link)
        if source is None:
            return []
        self.linking.met(source)
        try:
            return [*self.twins.heard(source), *handle(self, source, message, now)]
        except PeerError as error:
            return self.linking.broke(source, error, now)

    # -- reads ------------------------------------------------------------------------------

    def read(self, now: float, seconds: float) -> tuple[int, list[Effect]]:
        """Begin a consistent read; it ends in one `ReadDone` of the number returned."""
        self.removing.check_read()
        if len(self.reading) >= READS_MAX:
            raise ClientError(503, "busy", f"{READS_MAX} consistent reads are under way")
        number, effects = self.reading.start(now, seconds)
        return number, [*effects, *self.linking.visit(now)]

    def acknowledge(
        self, mark: Mark, level: Level, now: float, seconds: float, others: int = 0
    ) -> tuple[int, list[Effect]]:
        """Wait until members hold what is committed; it ends in one `AckDone` of that number."""
        before = len(self.acknowledging)
        number, effects = self.acknowledging.wait(mark, level, now, seconds, others)
        if len(self.acknowledging) > before:
            effects += self.linking.visit(now)
        return number, effects

    # -- time -------------------------------------------------------------------------------

    def wake(self, now: float) -> list[Effect]:
        """Do what is due; waking late or early is always legal."""
        effects = self.linking.tidied(self.removing.wake(now), now)
        if not self.removing.returning.active:
            effects += self.linking.tidied(self.probing.wake(now), now)
            effects += self.twins.wake(now)
            effects += self._exchange_peer(now)
        effects += self.pushes.wake(self._first_living, now)
        effects += [*self.membership.wake(now), *self.linking.dial(now)]
        effects += self.linking.guarding.wake(now)
        effects += [*self.exchange.serving.step(), *self.exchange.retry(now)]
        stays = not (self.twins.yielding or self.removing.returning.active)
        effects += self.linking.tidied(self.settlement.wake(now, stays=stays), now)
        effects += self.reading.wake(now)
        return [*effects, *self.acknowledging.wake(now), *self.linking.end_visits(now)]

    def _exchange_peer(self, now: float) -> list[Effect]:
        """Let one of many peers go, now and then, so that another takes its place."""
        peer = self.dialler.surplus(self.roster, self.peers, now, joining=self.joining.is_joining)
        return self.linking.part(self.peers.of(peer), "exchanged", now) if peer is not None else []

    def _first_living(self) -> NodeId:
        """Return the member of the smallest id that lives, or this one."""
        living = [e.node for e in self.roster.belonging() if self.detector.lives(e.node)]
        return min([self.config.node, *living])

    def leave(self) -> list[Effect]:
        """Say goodbye: this process stops, and will come back or not; the roster stays."""
        return self.probing.leave()

    def next_wake(self, now: float) -> float:
        """Return when to wake this node at the latest; `now` if there is something to do."""
        # Asked also while we serve: the detector takes a call long after it asked for one for a
        # time in which this process stood still.
        due = self.removing.next_wake()
        if not self.removing.returning.active:
            due = min(due, self.twins.next_wake(), self.dialler.next_wake())
            due = min(due, self.probing.next_wake(now))
        if self.exchange.serving.can_serve:
            return now
        due = min(due, self.pushes.next_wake(), self.settlement.next_wake())
        due = min(due, self.exchange.next_wake(), self.reading.next_wake())
        due = min(due, self.membership.next_wake(), self.acknowledging.next_wake())
        return min(due, self.linking.next_wake())
