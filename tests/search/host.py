"""A host of the search whose process runs, and what can happen to it.

Theory. The shell is what the daemon and the simulator are, without time: every input is a step,
`now` is always 0 and every patience is 0, so whatever waits for time is done at `wake`, and what
must not rest on time is seen not to. A commit is `cut` and `land`, with anything between them;
`commit` is both. A crash leaves what had landed, and, as chance has it, the group that was under
way.

Host refuses to judge, and to know other hosts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, assert_never

import attrs

from gcounterd.counters.checkpoint import Checkpoint
from gcounterd.counters.columns import SEGMENT_BITS, SEGMENT_SIZE, Column
from gcounterd.counters.counters import Counters
from gcounterd.counters.images import Image
from gcounterd.errors import ClientError
from gcounterd.ids import ColumnId, Epoch
from gcounterd.node.effects import (
    Carry,
    Dial,
    Drop,
    Effect,
    Exit,
    Load,
    Notice,
    ReadDone,
    Redraw,
    Send,
)
from gcounterd.node.messages import Channel, Hello
from gcounterd.node.node import Node
from gcounterd.node.records import Group, TakeBatch
from gcounterd.storage.records import encode_group
from gcounterd.storage.recovery import roster_images
from gcounterd.wire.codec import decode, encode
from gcounterd.wire.hellos import decode_hello, encode_hello
from tests.search.ground import (
    CHOOSER,
    INCREMENTS_MAX,
    KEYS,
    Content,
    Held,
    Kept,
    Line,
    config_of,
    epoch_id,
    place_of,
)

Input = tuple[Any, ...]


@attrs.define
class Outcome:
    """What an input led to, beside the host's new state.

    sends    frames by host
    dropped  hosts to which the link was dropped, with the reason
    refused  why a hello was refused, "" if it was not
    exits    the exit status with which the process ended by itself
    """

    sends: list[tuple[int, bytes]] = attrs.Factory(list)
    dropped: list[tuple[int, str]] = attrs.Factory(list)
    refused: str = ""
    exits: int | None = None


class Host:
    """A host whose process runs; what can happen to it is `do`."""

    def __init__(self, index: int, kept: Kept) -> None:
        self.index = index
        self.kept = attrs.evolve(kept, life=kept.life + 1)
        self.alive = True
        self.flight: Group | None = None
        self.loads: tuple[ColumnId, ...] = ()
        self.above: Epoch | None = None
        self._round: tuple[Checkpoint, Iterator[Image], int, tuple[Image, ...]] | None = None
        self._images = 0
        self._first = len(kept.added)
        self._outcome = Outcome()
        config = config_of(index, self.kept.life)
        restored = kept.disk.recover(config.column)
        self._names_on_disk = restored.names_on_disk
        self.node = Node(config, restored.counters, restored.roster, CHOOSER, 0.0)
        self._carry_out(self.node.wake(0.0))

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
                self._carry_out(self.node.received(peer + 1, decode(frame[4:]), 0.0))
                self._serve()
            case ("wake", pick):
                CHOOSER.pick = pick
                self._carry_out(self.node.wake(0.0))
                self._serve()
            case ("open", peer, hello, dialled):
                self._open(peer, hello, dialled=dialled)
            case ("close", peer):
                self._carry_out(self.node.closed(peer + 1, 0.0))
            case ("checkpoint",):
                while self._image():
                    pass
            case ("image",):
                self._image()
            case ("load",):
                self._load()
            case ("finish",):
                self.node.settlement.closings.finish()
            case ("reopen",):
                self._reopen()
            case ("crash", survives):
                self._crash(survives=survives)
            case _:
                raise AssertionError(f"nobody can {what!r}")
        return self._outcome

    @property
    def is_whole(self) -> bool:
        """Say whether it is in the middle of nothing that only it can go on with."""
        return self._round is None

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
            self._outcome.refused = "the increment"
            return
        self.kept = attrs.evolve(kept, added=(*kept.added, key))

    def _cut(self) -> None:
        assert self.flight is None
        self.flight = self.node.cut()
        if self.flight is None:
            return
        written = dict(self.kept.written)
        own = self.node.counters.writer.own
        life = place_of(own)[1]
        for record in self.flight.records:
            if isinstance(record, TakeBatch) and record.batch.column == own:
                before = written.get((life, record.batch.version - 1), (0,) * len(KEYS))
                content = _written(self.node.counters.columns.get(own), record, before, self.node)
                written[life, record.batch.version] = content
        self.kept = attrs.evolve(self.kept, written=tuple(sorted(written.items())))

    def _land(self) -> None:
        """Make the group durable and take it in."""
        group, self.flight = self.flight, None
        if group is None:
            return
        self.kept = attrs.evolve(self.kept, disk=self.kept.disk.with_row(encode_group(group)))
        settlement = self.node.settlement
        for column in settlement.lacking(group):
            settlement.warm(column, self._read_cold(column), 0.0)
        for _ in self.node.applying(group):
            pass
        self._carry_out(self.node.committed(group, 0.0))
        self._serve()

    # -- columns ----------------------------------------------------------------------------

    def _load(self) -> None:
        """Read the closed column that was asked for first, and hand it over."""
        column, *others = self.loads
        self.loads = tuple(others)
        read = self._read_cold(column)
        self._carry_out(self.node.settlement.loaded(column, read, 0.0))
        self._serve()

    def _read_cold(self, column: ColumnId) -> Column | None:
        counters = self.node.counters
        if not counters.is_cold(column):
            return None
        return counters.read_cold(column, self.kept.disk.read_column(column))

    def _reopen(self) -> None:
        """Go on in a new epoch."""
        assert self.flight is None
        self.above = None
        self.kept = attrs.evolve(self.kept, life=self.kept.life + 1)
        self._carry_out(self.node.reopen(epoch_id(self.kept.life), 0.0))

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
        kept = attrs.evolve(self.kept, shown=self.values(), crashes=self.kept.crashes + 1)
        if survives:
            assert self.flight is not None
            kept = attrs.evolve(kept, disk=kept.disk.with_row(encode_group(self.flight)))
        self.kept = kept
        self.alive = False

    # -- links ------------------------------------------------------------------------------

    def hello(self) -> bytes:
        """Return the first frame on a bulk link."""
        return encode_hello(self.node.hello(Channel.BULK))

    def _open(self, peer: int, frame: bytes, *, dialled: bool) -> None:
        hello = decode_hello(frame[4:])
        assert isinstance(hello, Hello)
        refusal, effects = self.node.judge(hello, 0.0)
        self._carry_out(effects)
        if refusal is not None:
            self._outcome.refused = str(refusal.reason)
            return
        address = hello.address if dialled else None
        self._carry_out(self.node.opened(peer + 1, hello, address, 0.0))

    def _serve(self) -> None:
        """Send what was wanted: that it comes later makes no difference that order does not."""
        while self.node.exchange.serving.can_serve:
            self._carry_out(self.node.exchange.serving.step())

    def _carry_out(self, effects: list[Effect]) -> None:
        outcome = self._outcome
        for effect in effects:
            match effect:
                case Send(links, message):
                    frame = encode(message)
                    outcome.sends += [(link - 1, frame) for link in links]
                case Drop(link, reason):
                    outcome.dropped.append((link - 1, reason))
                case Exit(code):
                    outcome.exits = code
                case Load(column):
                    self.loads = (*self.loads, column)
                case Redraw(above):
                    self.above = above
                case Dial() | Notice() | ReadDone():
                    pass
                case Carry():
                    raise AssertionError("nothing is forgotten where time stands still")
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

    def heads(self) -> dict[tuple[int, int], int]:
        """Return what is taken in of every column, by host and life."""
        heads = self.node.counters.all_heads()
        return {place_of(column): heads[column] for column in sorted(heads)}

    def lines(self) -> tuple[Line, ...]:
        """Return what is known of settled columns."""
        settled = self.node.counters.settled
        found = ((column, settled.get(column)) for column in settled)
        return tuple((*place_of(c), line.version, line.final) for c, line in found if line)

    def columns(self) -> tuple[Held, ...]:
        """Return the columns in memory."""
        counters = self.node.counters
        return tuple(
            sorted(
                (*place_of(column.id), column.head, content_of(counters, column))
                for column in counters.columns.values()
            )
        )


def content_of(counters: Counters, column: Column) -> Content:
    """Return what a column holds of each key."""
    found = dict.fromkeys(KEYS, 0)
    for position in range(column.size):
        segment = column.segments[position >> SEGMENT_BITS]
        offset = position & (SEGMENT_SIZE - 1)
        found[counters.keys.names[segment.rows.item(offset)]] += segment.counts.item(offset)
    return tuple(found.values())


def _written(column: Column | None, record: TakeBatch, before: Content, node: Node) -> Content:
    """Return the content of a version as its writer cut it, above that of the version before."""
    names = node.counters.keys.names
    known = (
        [names[row] for segment in column.segments for row in segment.rows[: segment.size]]
        if column
        else []
    )
    content = dict(zip(KEYS, before, strict=True))
    for block in record.batch.blocks:
        known[block.first :] = block.names
        for position, count in zip(block.positions.tolist(), block.counts.tolist(), strict=True):
            content[known[position]] = count
    return tuple(content.values())
