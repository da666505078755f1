"""A host of the search whose process runs, and what can happen to it.

Theory. The shell is what the daemon and the simulator are, but for time, which passes only when
the process wakes, and then so much that nearly every patience is over: a schedule says when. A
commit is `cut` and `land`, with anything between them; `commit` is both. A crash leaves what had
landed, and, as chance has it, the group that was under way.

Host refuses to judge, and to know other hosts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, assert_never

import attrs

from gcounterd.counters.checkpoint import Checkpoint, name_images
from gcounterd.counters.columns import Column
from gcounterd.counters.images import Image
from gcounterd.counters.mends import AnyTurn
from gcounterd.errors import ClientError
from gcounterd.ids import ColumnId, Epoch
from gcounterd.members.claims import Liveness
from gcounterd.members.removals import Wish
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
from gcounterd.node.messages import Channel, Hello, Refusal
from gcounterd.node.node import Node
from gcounterd.node.records import Group, TakeBatch
from gcounterd.storage.records import encode_group
from gcounterd.storage.recovery import roster_images
from gcounterd.wire.codec import decode, encode
from gcounterd.wire.hellos import decode_hello, encode_hello, encode_refusal
from tests.search.facts import written
from tests.search.ground import (
    CHOOSER,
    HOSTS,
    INCREMENTS_MAX,
    KEYS,
    Content,
    Kept,
    config_of,
    epoch_id,
    node_id,
    place_of,
)

Input = tuple[Any, ...]

# How much time has passed when a process wakes: more than it waits for parts (`config_of`).
WAKE_S = 1.0


@attrs.define
class Outcome:
    """What an input led to, beside the host's new state.

    sends    frames by host
    dropped  hosts to which the link was dropped
    error    how a peer broke the protocol, "" if none did
    refusal  what a peer's hello was answered with instead, or None
    refused  the operation was refused
    """

    sends: list[tuple[int, bytes]] = attrs.Factory(list)
    dropped: list[int] = attrs.Factory(list)
    error: str = ""
    refusal: bytes | None = None
    refused: bool = False


class Host:
    """A host whose process runs; what can happen to it is `do`."""

    def __init__(self, index: int, kept: Kept) -> None:
        self.index = index
        self.kept = attrs.evolve(kept, life=kept.life + 1)
        self.alive = True
        self.now = 0.0
        self.flight: Group | None = None
        self.loads: tuple[ColumnId, ...] = ()
        self.above: Epoch | None = None
        self.turns: tuple[AnyTurn, ...] = ()
        self.staged = False
        self._round: tuple[Checkpoint, Iterator[Image], int, tuple[Image, ...]] | None = None
        self._images = 0
        self._first = len(kept.added)
        self._outcome = Outcome()
        config = config_of(index, self.kept.life)
        restored = kept.disk.recover(config.column)
        self._names_on_disk = restored.names_on_disk
        self.node = Node(config, restored.counters, restored.roster, CHOOSER, self.now)
        self._carry_out(self.node.wake(self.now))

    def do(self, what: Input) -> Outcome:
        """Let something happen."""
        self._outcome = Outcome()
        match what:
            case ("add", key):
                self._add(key)
            case ("cut",):
                self._cut()
            case ("land",):
                self._land()
            case ("commit",):
                self._cut()
                self._land()
            case ("hear", peer, frame):
                self._carry_out(self.node.received(peer + 1, decode(frame[4:]), self.now))
                self._serve()
            case ("wake", pick):
                self.now += WAKE_S
                CHOOSER.pick = pick
                self._carry_out(self.node.wake(self.now))
                self._serve()
            case ("open", peer, hello, dialled):
                self._open(peer, hello, dialled=dialled)
            case ("close", peer):
                self._carry_out(self.node.closed(peer + 1, self.now))
            case ("checkpoint",):
                while self._image():
                    pass
            case ("image",):
                self._image()
            case ("load",):
                self._load()
            case ("stage",):
                self._stage()
            case ("turn",):
                self._turn()
            case ("finish",):
                self.node.settlement.closings.finish()
            case ("reopen",):
                self._reopen()
            case ("refused", peer, frame):
                self._refused(peer, frame)
            case ("unreached", peer):
                self._unreached(peer, None)
            case ("remove", target, forced):
                self._remove(target, forced=forced)
            case ("crash", survives):
                self._crash(survives=survives)
            case _:
                raise AssertionError(f"nobody can {what!r}")
        return self._outcome

    @property
    def is_whole(self) -> bool:
        """Say whether it is in the middle of nothing that only it can go on with."""
        return self._round is None and not self.staged

    @property
    def round(self) -> tuple[object, ...]:
        """Return how far a checkpoint has come; empty if none is under way."""
        return (self._round[0], self._round[2], self._images) if self._round else ()

    # -- counting and commits ---------------------------------------------------------------

    def _add(self, key: int) -> None:
        kept = self.kept
        digit = self.index * INCREMENTS_MAX + len(kept.added)
        try:
            self.node.add(KEYS[key], 10**digit)
        except ClientError:
            self._outcome.refused = True
            return
        self.kept = attrs.evolve(kept, added=(*kept.added, key))

    def _cut(self) -> None:
        assert self.flight is None
        self.flight = self.node.cut()
        if self.flight is None:
            return
        known = dict(self.kept.written)
        own = self.node.counters.writer.own
        life = place_of(own)[1]
        for record in self.flight.records:
            if isinstance(record, TakeBatch) and record.batch.column == own:
                before = known.get((life, record.batch.version - 1), (0,) * len(KEYS))
                content = written(self.node.counters, record.batch, before)
                known[life, record.batch.version] = content
        self.kept = attrs.evolve(self.kept, written=tuple(sorted(known.items())))

    def _land(self) -> None:
        """Make the group durable and take it in."""
        group, self.flight = self.flight, None
        if group is None:
            return
        self.kept = attrs.evolve(self.kept, disk=self.kept.disk.with_row(encode_group(group)))
        settlement = self.node.settlement
        for column in settlement.lacking(group):
            settlement.warm(column, self._read_cold(column), self.now)
        for _ in self.node.applying(group):
            pass
        self._carry_out(self.node.committed(group, self.now))
        self._serve()

    # -- columns ----------------------------------------------------------------------------

    def _load(self) -> None:
        """Read the closed column that was asked for first, and hand it over."""
        column, *others = self.loads
        self.loads = tuple(others)
        read = self._read_cold(column)
        self._carry_out(self.node.settlement.loaded(column, read, self.now))
        self._serve()

    def _read_cold(self, column: ColumnId) -> Column | None:
        counters = self.node.counters
        if not counters.is_cold(column):
            return None
        return counters.read_cold(column, self.kept.disk.read_column(column))

    def _stage(self) -> None:
        """Prepare the next turn of a residue, and write what it needs beforehand."""
        turn, kept = self.turns[0], self.kept
        for _ in turn.place():
            pass
        turn.build({column: kept.disk.read_column(column) for column, _ in turn.lacking()})
        counters = self.node.counters
        names = name_images(counters, 0, len(counters.keys))
        disk = kept.disk.with_images([*turn.staged(), *names], None)
        self.kept = attrs.evolve(kept, disk=disk)
        self.staged = True

    def _turn(self) -> None:
        """Put a turn in place in one step, unless something came in between, and show it."""
        assert self.flight is None
        if not self.staged:
            self._stage()
        turn, *others = self.turns
        self.turns, self.staged = tuple(others), False
        done = turn.is_current()
        if done:
            put, gone = turn.flip()
            disk = self.kept.disk.with_images(put, None, gone)
            self.kept = attrs.evolve(self.kept, disk=disk)
            for _ in turn.applying():
                pass
        self._carry_out(self.node.turned(turn, self.now, done=done))
        self._serve()

    def _reopen(self) -> None:
        """Go on in a new epoch."""
        assert self.flight is None
        self.above = None
        self.kept = attrs.evolve(self.kept, life=self.kept.life + 1)
        self._carry_out(self.node.reopen(epoch_id(self.kept.life), self.now))

    # -- checkpoints, crashes ---------------------------------------------------------------

    def _image(self) -> bool:
        """Write the next image of a checkpoint, or end it; return whether there is more."""
        kept, node = self.kept, self.node
        if self._round is None:
            turn = Checkpoint(node.counters, self._names_on_disk)
            self._round = turn, turn.images(), kept.disk.last, roster_images(node.roster)
            self._images = 0
            kept = attrs.evolve(kept, checkpoints=kept.checkpoints + 1)
        turn, images, upto, roster_now = self._round
        image = next(images, None)
        self._images += 1
        if image is not None:
            self.kept = attrs.evolve(kept, disk=kept.disk.with_images([image], None))
            return True
        last = [*turn.columns(), *roster_now]
        self.kept = attrs.evolve(kept, disk=kept.disk.with_images(last, upto))
        self._names_on_disk = turn.names
        turn.done()
        self._round = None
        return False

    def _crash(self, *, survives: bool) -> None:
        """End at once; `survives`: the group under way had reached the disk."""
        kept = attrs.evolve(self.kept, crashes=self.kept.crashes + 1)
        if survives:
            assert self.flight is not None
            kept = attrs.evolve(kept, disk=kept.disk.with_row(encode_group(self.flight)))
        self._end(kept)

    def _end(self, kept: Kept) -> None:
        self.kept = attrs.evolve(kept, shown=self.values())
        self.alive = False

    # -- removal ----------------------------------------------------------------------------

    def _remove(self, target: int, *, forced: bool) -> None:
        """Do what an operator does, who says that it is dead if it does not answer."""
        removing, node = self.node.removing, node_id(target)
        dead = removing.liveness(node) is Liveness.DEAD
        try:
            plan = removing.plan(Wish((node.hex(),), dead=dead, forced=forced))
        except ClientError:
            self._outcome.refused = True
            return
        removing.begin(plan, forced=forced)

    # -- links ------------------------------------------------------------------------------

    def hello(self) -> bytes:
        """Return the first frame on a bulk link."""
        return encode_hello(self.node.hello(Channel.BULK))

    def _open(self, peer: int, frame: bytes, *, dialled: bool) -> None:
        hello = decode_hello(frame[4:])
        assert isinstance(hello, Hello)
        refusal, effects = self.node.judge(hello, self.now)
        self._carry_out(effects)
        if refusal is not None:
            self._outcome.refusal = encode_refusal(refusal)
            return
        address = hello.address if dialled else None
        self._carry_out(self.node.opened(peer + 1, hello, address, self.now))

    def _refused(self, peer: int, frame: bytes) -> None:
        refusal = decode_hello(frame[4:])
        assert isinstance(refusal, Refusal)
        self._unreached(peer, refusal)

    def _unreached(self, peer: int, refusal: Refusal | None) -> None:
        address, grade = f"{HOSTS[peer]}:7700", Grade.REFUSED
        self._carry_out(self.node.dial_failed(address, Channel.BULK, grade, refusal, self.now))

    def _serve(self) -> None:
        """Send what was wanted: that it comes later makes no difference that order does not."""
        while self.alive and self.node.exchange.serving.can_serve:
            self._carry_out(self.node.exchange.serving.step())

    def _carry_out(self, effects: list[Effect]) -> None:
        outcome = self._outcome
        for effect in effects:
            match effect:
                case Send(links, message):
                    frame = encode(message)
                    outcome.sends += [(link - 1, frame) for link in links]
                case Drop(link):
                    outcome.dropped.append(link - 1)
                case Notice("peer_error", fields):
                    outcome.error = f"{fields['peer']}: {fields['why']}"
                case Exit(code):
                    self._end(attrs.evolve(self.kept, exited=code))
                    return
                case Load(column):
                    self.loads = (*self.loads, column)
                case Redraw(above):
                    self.above = above
                case Dial() | Notice() | ReadDone() | AckDone():
                    pass
                case Carry(turn):
                    self.turns = (*self.turns, turn)
                case Keep(batch):
                    late = self.node.settlement.late
                    self._carry_out(late.kept(batch.column, batch.version))
                case _:
                    assert_never(effect)

    # -- what is there ----------------------------------------------------------------------

    def values(self) -> Content:
        """Return what readers see."""
        return tuple([self.node.counters.value(key) for key in KEYS])

    def answered(self) -> tuple[tuple[int, int], ...]:
        """Return (digit, key) of what this life counted, if all of it is said to be committed."""
        if self.flight is not None or self.node.counters.writer:
            return ()
        digit = self.index * INCREMENTS_MAX
        added = list(enumerate(self.kept.added, digit))
        return tuple(added[self._first :])
