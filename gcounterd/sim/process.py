"""A process: one life of a node, driven as the daemon drives it.

Theory. The shell around `Node` is small: every input with the time, every effect carried out in
order, group commits, one wake-up at the node's deadline. A process can stand still (SIGSTOP, or a
loop that something blocks), and then whatever would reach it waits; it can be starved, and then
it reads all of its input late, while its timers are on time; its host can sleep, and then its
clock stands still as well; or it is killed, and then nothing of it is left but its disk.

Process refuses to judge: what it sees goes to the `Witness`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, assert_never

from gcounterd.errors import PeerError, StorageError
from gcounterd.ids import ColumnId
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
from gcounterd.node.messages import Channel, Refusal
from gcounterd.node.node import Node
from gcounterd.sim.clients import Clients
from gcounterd.sim.commits import Commits
from gcounterd.sim.disk import Disk
from gcounterd.sim.network import BACKLOG_CONNECTIONS, End, Network
from gcounterd.sim.witness import Witness
from gcounterd.sim.world import World
from gcounterd.wire.codec import decode, encode
from gcounterd.wire.hellos import decode_hello, encode_hello, encode_refusal

# A step of the node takes this long.
STEP_S = 0.0001
# Reading a closed column from disk takes this long.
LOAD_S = 0.001
# What is not committed by then does not hold up a stop.
STOP_S_MAX = 10.0


class Process:
    """One life; `alive` until it is killed or ends.

    paused                    it does nothing at all
    stopping                  it takes no increments, commits what waits, and ends
    began                     when it did, in the world's time
    sent_frames, sent_bytes   what it said on links, hellos included
    """

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
        self.paused = self.stopping = False
        self.ends: dict[int, End] = {}
        self.wakes = self.sent_frames = self.sent_bytes = 0
        self._world, self._network = world, network
        self._witness, self._tally = witness, tally
        self._backlog: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self._knocks = 0
        self.began = self._slept_s = self._paused_at = self._heard_until = 0.0
        self._lag: Callable[[], float] | None = None
        self._wake_at = float("inf")
        self.clients = Clients(self, witness, tally)
        self._commits = Commits(
            self, world, disk, witness, tally, rows_per_checkpoint, names_on_disk
        )
        self.note = self._commits.note

    @property
    def now(self) -> float:
        """Return the time by this process's clock, which does not count its host's sleep."""
        return self._world.now - self._slept_s

    @property
    def column(self) -> ColumnId:
        """Return the column that this process writes."""
        return self.node.config.column

    @property
    def applying(self) -> bool:
        """Say whether a group is being taken in."""
        return self._commits.applying

    @property
    def refused(self) -> list[tuple[bytes, bytes, int]]:
        """Return what was set aside in this life: columns, names and counts."""
        return self._commits.turning.refused

    @property
    def deaf(self) -> bool:
        """Say whether this process reads nothing from its links at present."""
        return self.paused or self.node.intake.full

    def begin(self) -> None:
        """Listen and run."""
        self.began = self._world.now
        self._network.listening[self.node.config.address] = self
        self.carry_out(self.node.wake(self.now))

    # -- being called -----------------------------------------------------------------------

    def call(self, act: Callable[..., None], *arguments: Any) -> None:
        """Let something reach this process: now, after a pause, or never."""
        if self.paused:
            self._backlog.append((act, arguments))
        elif self.alive:
            act(*arguments)

    def hear(self, act: Callable[..., None], *arguments: Any) -> None:
        """Let input from the network reach this process: now, or late where it is starved."""
        now = self._world.now
        if self._lag is None and self._heard_until <= now:
            self.call(act, *arguments)
            return
        due = now + self._lag() if self._lag is not None else now
        self._heard_until = max(self._heard_until, due)
        self._world.at(self._heard_until, self.call, act, *arguments)

    # -- faults -----------------------------------------------------------------------------

    def pause(self) -> None:
        """Stop, as SIGSTOP does."""
        self.paused = True
        self._paused_at = self._world.now

    def resume(self, *, slept: bool = False) -> None:
        """Go on: whatever came meanwhile comes now. `slept`: the clock stood still as well."""
        self.paused = False
        if slept:
            self._slept_s += self._world.now - self._paused_at
        self._knocks = 0
        backlog, self._backlog = self._backlog, []
        for act, arguments in backlog:
            self.call(act, *arguments)
        self.listen_again()
        self._turn()

    def block(self, seconds: float) -> None:
        """Let something hold the loop for so long: nothing is done meanwhile, timers included."""
        self.pause()
        self._world.after(seconds, self._unblock, self._paused_at)

    def _unblock(self, since: float) -> None:
        if self.alive and self.paused and self._paused_at == since:
            self.resume()

    def starve(self, lag: Callable[[], float] | None) -> None:
        """Read each input so many seconds late from now on, in order; None ends it."""
        self._lag = lag

    @property
    def is_crowded(self) -> bool:
        """Say whether the kernel takes no more connections for this process."""
        return self._knocks >= BACKLOG_CONNECTIONS

    def knocked(self) -> None:
        """Note a connection that the kernel took."""
        if self.paused:
            self._knocks += 1

    def listen_again(self) -> None:
        """Read again what waits on links."""
        self._network.release()

    def stop(self) -> None:
        """Begin to stop, as on TERM: what waits is committed, the column closed for good."""
        if not self.stopping:
            self.stopping = True
            self._tally["stop"] += 1
            self._world.after(STOP_S_MAX, self.call, self._leave)
            self._commits.note(self._finish)
            self.turn()

    def _finish(self) -> None:
        """Declare the running column final, and leave when that is durable."""
        if not self.alive:
            return
        if not self.node.counters.writer.idle:
            self._leave()  # the disk takes no more
            return
        self.node.settlement.closings.finish()
        self._commits.note(self._leave)
        self.turn()

    def _leave(self) -> None:
        """Say goodbye and end."""
        if not self.alive:
            return
        line = self.node.counters.settled.get(self.column)
        self._tally["column final"] += line is not None and line.final > 0
        self.carry_out(self.node.leave())
        self._hang_up()
        self._witness.ended(self, 0, "stopped")

    def _hang_up(self) -> None:
        """End after what is queued on links is out, as the daemon does."""
        for end in list(self.ends.values()):
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
        return self.clients.add(key, amount)

    def turn(self) -> None:
        """See to commits and the next wake-up, after `add`."""
        self.call(self._turn)

    def read(self, seconds: float, done: Callable[[tuple[str, ...]], None]) -> None:
        """Read consistently; `done` gets the names of members missed."""
        self.clients.read(seconds, done)

    def join(self, addresses: list[str]) -> None:
        """Try more addresses."""
        self.call(lambda: self.carry_out(self.node.join(addresses, self.now)))

    # -- links ------------------------------------------------------------------------------

    def hello_frame(self, channel: Channel) -> bytes:
        """Return our first frame."""
        return encode_hello(self.node.hello(channel))

    def arrived(self, end: End, frame: bytes) -> None:
        """Take a frame from a link, or its hello."""
        if not end.opened:
            if not end.closed:
                self._greeted(end, frame[4:])
            return
        self._world.note(self.host.encode(), frame)
        try:
            message = decode(frame[4:])
        except PeerError as error:
            if error.reason != "out_of_place":  # the dialler refused us after all
                raise
            refusal = decode_hello(frame[4:])
            if isinstance(refusal, Refusal):
                self.carry_out(self.node.refused(end.link, refusal, self.now))
            self._network.abort(end, "refused")
            return
        self.carry_out(self.node.received(end.link, message, self.now))

    def _greeted(self, end: End, body: bytes) -> None:
        hello = decode_hello(body)
        network = self._network
        if isinstance(hello, Refusal):
            self._tally[f"hello refused: {hello.reason}"] += 1
            end.refusal = hello
            network.close(end, "refused")
            return
        refusal, effects = self.node.judge(hello, self.now)
        self.carry_out(effects)
        if refusal is not None:
            network.send(end, encode_refusal(refusal))
            network.close(end, "refused by us")
            return
        if end.dialled is None:
            network.send(end, self.hello_frame(end.channel))
        end.opened = True
        self.ends[end.link] = end
        self._tally["link opened"] += 1
        self.carry_out(self.node.opened(end.link, hello, end.dialled, self.now))

    def dial_failed(self, end: End) -> None:
        """Take note that a dial came to nothing."""
        assert end.dialled is not None
        now = self.now
        self.carry_out(self.node.dial_failed(end.dialled, end.channel, end.grade, end.refusal, now))

    def lost(self, end: End, reason: str) -> None:
        """Take note that a link is gone."""
        self.ends.pop(end.link, None)
        self._tally[f"link lost: {reason}"] += 1
        self.carry_out(self.node.closed(end.link, self.now))

    # -- effects ----------------------------------------------------------------------------

    def carry_out(self, effects: list[Effect]) -> None:
        """Do what the node asks for, in order, then what is due."""
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
                    self.clients.read_done(number, missing)
                case AckDone():
                    self.clients.held(effect)
                case Redraw(above):
                    self._commits.redraw(above)
                case Load(column):
                    self._world.after(LOAD_S, self.call, self._load, column)
                case Carry(turn):
                    self._commits.turning.carry(turn)
                case Keep():
                    self._commits.turning.keep(effect)
                case Exit(code, text):
                    self.carry_out(self.node.acknowledging.give_up())
                    self.end(code, text)
                case _:
                    assert_never(effect)
        self._turn()

    def _load(self, column: ColumnId) -> None:
        self._tally["cold column read"] += 1
        read, damaged = None, False
        try:
            read = self._commits.read_cold(column)
        except StorageError:
            self._tally["cold column damaged"] += 1
            damaged = True
        self.carry_out(self.node.settlement.loaded(column, read, self.now, damaged=damaged))

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
        self._hang_up()
        self._witness.ended(self, code, text)

    def _turn(self) -> None:
        if not self.alive or self.paused:
            return
        self._commits.turn()
        due = self.node.next_wake(self.now)
        if due < self._wake_at:
            self._wake_at = max(due, self.now + STEP_S)
            self._world.at(self._wake_at + self._slept_s, self.call, self._wake, self._wake_at)

    def _wake(self, due: float) -> None:
        if due != self._wake_at:
            return  # a nearer deadline took its place
        self._wake_at = float("inf")
        now = self.now
        if self.node.next_wake(now) <= now:
            self.wakes += 1
            self.carry_out(self.node.wake(now))
        else:
            self._turn()
