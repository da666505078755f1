"""A process: one life of a node, driven as the daemon drives it.

Theory. The shell around `Node` is small: every input with the time, every effect carried out in
order, one group commit at a time (cut → the disk → applying, in slices → committed), checkpoint
images made between applies, one wake-up at the node's deadline. A process can be paused, and then
whatever would reach it waits; or killed, and then nothing of it is left but its disk.

Process refuses to judge: what it sees goes to the `Witness`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol, assert_never

from gcounterd.counters.checkpoint import Checkpoint
from gcounterd.counters.images import Image
from gcounterd.errors import ClientError, PeerError, StorageError
from gcounterd.ids import ColumnId
from gcounterd.node.effects import Dial, Drop, Effect, Exit, Notice, ReadDone, Send
from gcounterd.node.messages import Channel, Refusal
from gcounterd.node.node import Node
from gcounterd.node.records import Group, TakeBatch
from gcounterd.sim.disk import Disk
from gcounterd.sim.network import End, Network
from gcounterd.sim.world import World
from gcounterd.storage.records import encode_group
from gcounterd.storage.recovery import roster_image
from gcounterd.wire.codec import decode, decode_hello, encode, encode_hello, encode_refusal

# Between two slices of an apply other things happen; a step of the node takes this long.
SLICE_S = 0.001
STEP_S = 0.0001
# After a full disk the next commit is tried this much later.
FULL_PAUSE_S = 0.5


class Witness(Protocol):
    """Whoever watches processes."""

    def attempted(self, process: Process, key: bytes, amount: int) -> None:
        """See an increment accepted for the next commit."""

    def turned_away(self, process: Process, error: ClientError) -> None:
        """See an increment refused at once."""

    def cut(self, process: Process, group: Group) -> None:
        """See a group before it goes to the disk."""

    def refused(self, process: Process, adds: list[tuple[bytes, int]], group: Group) -> None:
        """See increments refused for certain."""

    def applied(self, process: Process, before: dict[ColumnId, int], group: Group) -> None:
        """See a group applied; `before` are the heads that its columns had."""

    def acknowledged(self, process: Process) -> None:
        """See that all of the own column's versions up to its head are answered."""

    def noticed(self, process: Process, notice: Notice) -> None:
        """See what an operator would."""

    def ended(self, process: Process, code: int, text: str) -> None:
        """See a process end by itself."""


class Process:
    """One life; `alive` until it is killed or ends."""

    def __init__(
        self,
        world: World,
        network: Network,
        disk: Disk,
        node: Node,
        host: str,
        witness: Witness,
        tally: Counter[str],
        rows_per_checkpoint: int,
        names_on_disk: int,
    ) -> None:
        self.node = node
        self.host = host
        self.disk = disk
        self.alive = True
        self.paused = False
        self.ends: dict[int, End] = {}
        self.applying = False
        self.wakes = 0
        self._world, self._network = world, network
        self._witness, self._tally = witness, tally
        self._backlog: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self._wake_at = float("inf")
        self._committing = False
        self._retry_at = 0.0
        self._adds: list[tuple[bytes, int]] = []
        self._applied_row = disk.last_row
        self._reads: dict[int, Callable[[tuple[str, ...]], None]] = {}
        self._rows_per_checkpoint = rows_per_checkpoint
        self._names_on_disk = names_on_disk
        self._round: tuple[Checkpoint, Iterator[Image], int, Image] | None = None
        self._imaging = False

    @property
    def column(self) -> ColumnId:
        """Return the column that this process writes."""
        return self.node.config.column

    @property
    def deaf(self) -> bool:
        """Say whether this process reads nothing from its links at present."""
        return self.paused or self.node.intake.full

    def begin(self) -> None:
        """Listen and run."""
        self._network.listening[self.node.config.address] = self
        self._do(self.node.wake(self._world.now))

    # -- being called -----------------------------------------------------------------------

    def call(self, act: Callable[..., None], *arguments: Any) -> None:
        """Let something reach this process: now, after a pause, or never."""
        if self.paused:
            self._backlog.append((act, arguments))
        elif self.alive:
            act(*arguments)

    def pause(self) -> None:
        """Stop, as SIGSTOP does."""
        self.paused = True

    def resume(self) -> None:
        """Go on: whatever came meanwhile comes now."""
        self.paused = False
        backlog, self._backlog = self._backlog, []
        for act, arguments in backlog:
            self.call(act, *arguments)
        self._network.release()
        self._turn()

    def stop(self) -> None:
        """Say goodbye and end, as on TERM."""
        self._do(self.node.leave())
        for end in list(self.ends.values()):
            if end.channel is Channel.CONTROL:
                self._network.close(end, "stopped")
        self.kill(power=False)

    def kill(self, *, power: bool) -> None:
        """End at once; without power, links vanish without a word."""
        self.alive = self.paused = False
        address = self.node.config.address
        if self._network.listening.get(address) is self:
            del self._network.listening[address]
        for end in [end for end in self._network.ends.values() if end.process is self]:
            if power:
                self._network.vanish(end)
            else:
                self._network.abort(end, "killed")
        self.disk.crash()

    # -- the client's side ------------------------------------------------------------------

    def add(self, key: bytes, amount: int) -> bool:
        """Count; return False where it was refused, which must be definite."""
        try:
            self.node.add(key, amount)
        except ClientError as error:
            self._witness.turned_away(self, error)
            self._tally["increment refused"] += 1
            return False
        self._adds.append((key, amount))
        self._witness.attempted(self, key, amount)
        return True

    def turn(self) -> None:
        """See to commits and the next wake-up, after `add`."""
        self.call(self._turn)

    def read(self, seconds: float, done: Callable[[tuple[str, ...]], None]) -> None:
        """Read consistently; `done` gets the names of members missed."""
        number, effects = self.node.read(self._world.now, seconds)
        self._reads[number] = done
        self._do(effects)

    def join(self, addresses: list[str]) -> None:
        """Try more addresses."""
        self.call(lambda: self._do(self.node.join(addresses, self._world.now)))

    # -- links ------------------------------------------------------------------------------

    def hello_frame(self, channel: Channel) -> bytes:
        """Return our first frame."""
        return encode_hello(self.node.hello(channel))

    def arrived(self, end: End, frame: bytes) -> None:
        """Take a frame from a link, or its hello."""
        if not end.opened:
            self._greeted(end, frame[4:])
            return
        self._world.note(self.host.encode(), frame)
        try:
            message = decode(frame[4:])
        except PeerError as error:
            if error.reason != "out_of_place":  # the dialler refused us after all
                raise
            self._network.abort(end, "refused")
            return
        self._do(self.node.received(end.link, message, self._world.now))

    def _greeted(self, end: End, body: bytes) -> None:
        hello = decode_hello(body)
        network, now = self._network, self._world.now
        if isinstance(hello, Refusal):
            self._tally[f"hello refused: {hello.reason}"] += 1
            end.refusal = hello
            network.close(end, "refused")
            return
        refusal = self.node.judge(hello)
        if refusal is not None:
            network.send(end, encode_refusal(refusal))
            network.close(end, "refused by us")
            return
        if end.dialled is None:
            network.send(end, self.hello_frame(end.channel))
        end.opened = True
        self.ends[end.link] = end
        self._tally["link opened"] += 1
        self._do(self.node.opened(end.link, hello, end.dialled, now))

    def dial_failed(self, end: End) -> None:
        """Take note that a dial came to nothing."""
        assert end.dialled is not None
        now = self._world.now
        self._do(self.node.dial_failed(end.dialled, end.channel, end.grade, end.refusal, now))

    def lost(self, end: End, reason: str) -> None:
        """Take note that a link is gone."""
        self.ends.pop(end.link, None)
        self._tally[f"link lost: {reason}"] += 1
        self._do(self.node.closed(end.link, self._world.now))

    # -- effects ----------------------------------------------------------------------------

    def _do(self, effects: list[Effect]) -> None:
        for effect in effects:
            if not self.alive:
                return
            match effect:
                case Send(links, message):
                    frame = encode(message)
                    for link in links:
                        end = self.ends.get(link)
                        if end is not None:
                            self._network.send(end, frame)
                case Dial(address, channel):
                    self._network.dial(self, address, channel)
                case Drop(link, reason, refusal, gently):
                    self._drop(link, reason, refusal, gently=gently)
                case Notice():
                    self._witness.noticed(self, effect)
                case ReadDone(number, missing):
                    self._reads.pop(number)(missing)
                case Exit(code, text):
                    self.end(code, text)
                case _:
                    assert_never(effect)
        self._turn()

    def _drop(self, link: int, reason: str, refusal: Refusal | None, *, gently: bool) -> None:
        end = self.ends.get(link)
        if end is None:
            return
        if refusal is not None:
            self._network.send(end, encode_refusal(refusal))
        if refusal is not None or gently:
            self._network.close(end, reason)
        else:
            self._network.abort(end, reason)

    def end(self, code: int, text: str) -> None:
        """End by itself."""
        self.kill(power=False)
        self._witness.ended(self, code, text)

    def _turn(self) -> None:
        if not self.alive or self.paused:
            return
        self._begin_commit()
        self._step_checkpoint()
        due = self.node.next_wake(self._world.now)
        if due < self._wake_at:
            self._wake_at = max(due, self._world.now + STEP_S)
            self._world.at(self._wake_at, self.call, self._wake, self._wake_at)

    def _wake(self, due: float) -> None:
        if due != self._wake_at:
            return  # a nearer deadline took its place
        self._wake_at = float("inf")
        now = self._world.now
        if self.node.next_wake(now) <= now:
            self.wakes += 1
            self._do(self.node.wake(now))
        else:
            self._turn()

    # -- commits ----------------------------------------------------------------------------

    def _begin_commit(self) -> None:
        now = self._world.now
        if self._committing or now < self._retry_at:
            return
        group = self.node.cut()
        if group is None:
            return
        self._committing = True
        self._witness.cut(self, group)
        adds, self._adds = self._adds, []
        done = partial(self.call, self._appended, group, adds)
        self.disk.append(self.disk.last_row + 1, encode_group(group), done)

    def _appended(
        self, group: Group, adds: list[tuple[bytes, int]], error: StorageError | None
    ) -> None:
        if error is None:
            head = self.node.counters.head
            batches = [r.batch for r in group.records if isinstance(r, TakeBatch)]
            before = {batch.column: head(batch.column) for batch in batches}
            self._apply(group, before, self.node.applying(group))
        elif error.definite:
            self.node.abandoned(group)
            self._committing = False
            self._witness.refused(self, adds, group)
            self._retry_at = self._world.now + FULL_PAUSE_S
            self._world.at(self._retry_at, self.turn)
        else:
            self.end(3, str(error))

    def _apply(self, group: Group, before: dict[ColumnId, int], slices: Iterator[None]) -> None:
        was_deaf = self.deaf
        self.applying = True
        for _ in slices:
            self._tally["apply in slices"] += 1
            self._world.after(SLICE_S, self.call, self._apply, group, before, slices)
            return
        self.applying = False
        self._applied_row = self.disk.last_row
        self._witness.applied(self, before, group)
        effects = self.node.committed(group, self._world.now)
        self._committing = False
        self._witness.acknowledged(self)
        self._do(effects)
        if was_deaf:
            self._network.release()

    # -- checkpoints ------------------------------------------------------------------------

    def _step_checkpoint(self) -> None:
        """Begin a round when enough rows lie there, or write its next image."""
        if self.applying or self._imaging:
            return
        if self._round is None:
            if len(self.disk.content.rows) < self._rows_per_checkpoint:
                return
            counters, roster = self.node.counters, self.node.roster
            turn = Checkpoint(counters, self._names_on_disk)
            self._round = turn, turn.images(), self._applied_row, roster_image(roster)
        turn, images, upto, roster_now = self._round
        self._imaging = True
        image = next(images, None)
        done = partial(self.call, self._imaged, image is None)
        if image is not None:
            self.disk.put_images([image], None, done)
        else:
            self.disk.put_images([*turn.columns(), roster_now], upto, done)

    def _imaged(self, last: bool, error: StorageError | None) -> None:
        assert self._round is not None
        self._imaging = False
        if error is not None and not error.definite:
            self.end(3, str(error))
            return
        if error is not None:
            self._round[0].undo()
            self._round = None
            return  # tried again at the next turn
        if last:
            self._tally["checkpoint"] += 1
            self._names_on_disk = self._round[0].names
            self._round = None
        self._turn()
