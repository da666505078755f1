"""The network: connections as TCP has them, and the ways in which they fail.

Theory. A connection is two ordered streams of frames. Frames are never lost inside one, nor
repeated, nor overtaken: they are late, or the stream ends. So the faults are a route that lets
nothing through one way while the connection stays open; a stream that stalls; a reset that takes
with it what was under way; a sender that gives up after `STUCK_S` without an answer, which the
other side may learn much later; a queue that is full, which drops the newest frame; a host that
vanishes without a word. Streams carry encoded frames, hellos included.

The network refuses to know what frames say. Processes are told through `Process`.
"""

from __future__ import annotations

from collections import Counter, deque
from random import Random
from typing import TYPE_CHECKING

import attrs

from gcounterd.node.grades import Grade
from gcounterd.node.messages import Channel, Refusal
from gcounterd.sim.world import World

if TYPE_CHECKING:
    from gcounterd.sim.process import Process

# As the real links: a dial with its hellos, and how long unanswered data keeps a connection.
DIAL_S_MAX = 2.0
HELLO_S_MAX = 5.0
STUCK_S = {Channel.CONTROL: 2.0, Channel.BULK: 10.0}

# What a dial that ended so tells; an end without a word looks like a port that refuses.
_GRADES = {"timeout": Grade.TIMEOUT, "refused by us": Grade.UNWANTED, "stuck": Grade.TIMEOUT}


@attrs.define
class Limits:
    """Bytes that wait on one link at most; the newest frame beyond is dropped, as on real links."""

    control_bytes: int = 64 * 1024
    bulk_bytes: int = 4 * 1024 * 1024


@attrs.define
class Conditions:
    """How the network behaves now; delays are means of exponential distributions."""

    delay_s: float = 0.0005
    tail_chance: float = 0.0
    tail_s: float = 0.2


class End:
    """One process's end of a connection, with the stream that leads away from it.

    opened   the node was told of it; closed  nothing more comes from it or goes into it
    refusal  what the other side answered to our hello, if it refused
    grade    what its end says, if it ended before it was opened
    """

    __slots__ = (
        "channel",
        "closed",
        "dialled",
        "frames",
        "free_at",
        "grade",
        "link",
        "moved_at",
        "opened",
        "peer",
        "process",
        "pumping",
        "queued",
        "ready_at",
        "refusal",
        "stalled_until",
    )

    def __init__(self, link: int, process: Process, channel: Channel, dialled: str | None) -> None:
        self.link = link
        self.process = process
        self.channel = channel
        self.dialled = dialled
        self.peer: End | None = None
        self.refusal: Refusal | None = None
        self.grade = Grade.TIMEOUT
        self.opened = False
        self.closed = False
        self.frames: deque[tuple[float, bytes]] = deque()  # b"" is the end of the stream
        self.queued = 0
        self.pumping = False
        self.free_at = self.ready_at = self.moved_at = self.stalled_until = 0.0


class Network:
    """All connections, and the routes between hosts."""

    def __init__(self, world: World, tally: Counter[str]) -> None:
        self._world = world
        self._tally = tally
        self._rng: Random = world.derive("network")
        self._blocked: dict[tuple[str, str], None] = {}
        self._rates: dict[tuple[str, str], float] = {}
        self._waiting: dict[End, None] = {}
        self._links = 0
        self.limits = Limits()
        self.conditions = Conditions()
        self.listening: dict[str, Process] = {}
        self.hosts: dict[str, str] = {}  # address → host
        self.down: dict[str, None] = {}  # hosts without power
        self.ends: dict[int, End] = {}
        self.frames = 0

    # -- routes -----------------------------------------------------------------------------

    def block(self, source: str, target: str) -> None:
        """Let nothing through from one host to another; connections stay open."""
        self._blocked[source, target] = None

    def thin(self, source: str, target: str, bytes_per_s: float | None) -> None:
        """Let only so much through from one host to another; None for all."""
        if bytes_per_s is None:
            self._rates.pop((source, target), None)
        else:
            self._rates[source, target] = bytes_per_s

    def unblock(self, source: str, target: str) -> None:
        """Open a route again; what waited goes on."""
        self._blocked.pop((source, target), None)
        self.release()

    def heal(self) -> None:
        """Open every route."""
        self._blocked.clear()
        self._rates.clear()
        self.release()

    def is_open(self, source: str, target: str) -> bool:
        """Say whether anything gets from one host to another."""
        down = self.down
        return (source, target) not in self._blocked and source not in down and target not in down

    def release(self) -> None:
        """Look again at streams that waited for a route or a reader."""
        waiting, self._waiting = self._waiting, {}
        for end in waiting:
            if end.frames and not end.pumping:
                end.pumping = True
                self._world.after(self._delay(), self._pump, end)

    def _delay(self) -> float:
        conditions = self.conditions
        seconds = self._rng.expovariate(1 / conditions.delay_s)
        if conditions.tail_chance and self._rng.random() < conditions.tail_chance:
            self._tally["late frame"] += 1
            seconds += self._rng.expovariate(1 / conditions.tail_s)
        return seconds

    # -- dialling ---------------------------------------------------------------------------

    def dial(self, process: Process, address: str, channel: Channel) -> None:
        """Connect a process to an address; ends in its `linked` or `dial_failed`."""
        end = self._end(process, channel, address)
        self._world.after(DIAL_S_MAX, self._give_up, end)
        self._world.after(self._delay(), self._connect, end, address)

    def _end(self, process: Process, channel: Channel, dialled: str | None) -> End:
        self._links += 1
        end = End(self._links, process, channel, dialled)
        self.ends[end.link] = end
        return end

    def _give_up(self, end: End) -> None:
        if not (end.opened or end.closed):
            self._tally["dial timed out"] += 1
            self.close(end, "timeout")

    def _connect(self, end: End, address: str) -> None:
        if end.closed:
            return
        source, target = end.process.host, self.hosts.get(address, "")
        if target and not (self.is_open(source, target) and self.is_open(target, source)):
            return
        listener = self.listening.get(address)
        if listener is None:
            self._tally["dial refused"] += 1
            self.close(end, "refused")
            return
        other = self._end(listener, end.channel, None)
        end.peer, other.peer = other, end
        self._world.after(HELLO_S_MAX, self._give_up_hello, other)
        self.send(end, end.process.hello_frame(end.channel))

    def _give_up_hello(self, end: End) -> None:
        if not (end.opened or end.closed):
            self.close(end, "no hello")

    # -- streams ----------------------------------------------------------------------------

    def send(self, end: End, frame: bytes) -> bool:
        """Queue a frame; return False where it was dropped because the queue is full."""
        if end.closed:
            return False
        control = end.channel is Channel.CONTROL
        limit = self.limits.control_bytes if control else self.limits.bulk_bytes
        if end.queued + len(frame) > limit:
            self._tally["frame dropped from a full queue"] += 1
            return False
        self._queue(end, frame)
        return True

    def _queue(self, end: End, frame: bytes) -> None:
        peer = end.peer
        assert peer is not None
        now = self._world.now
        rate = self._rates.get((end.process.host, peer.process.host)) if self._rates else None
        end.free_at = max(now, end.free_at) + (len(frame) / rate if rate else 0.0)
        end.ready_at = max(end.ready_at, end.free_at + self._delay())
        end.queued += len(frame)
        end.frames.append((end.ready_at, frame))
        if not end.pumping and end not in self._waiting:
            end.pumping = True
            self._world.at(end.ready_at, self._pump, end)

    def _pump(self, end: End) -> None:
        """Let the first frame of a stream arrive, if it can."""
        end.pumping = False
        if not end.frames:
            return
        world, peer = self._world, end.peer
        assert peer is not None
        ready = max(end.frames[0][0], end.stalled_until)
        if ready > world.now:
            end.pumping = True
            world.at(ready, self._pump, end)
            return
        if not self.is_open(end.process.host, peer.process.host):
            self._waiting[end] = None
            world.after(STUCK_S[end.channel], self._expire, end, end.moved_at)
            return
        if peer.process.deaf and not peer.closed:
            self._waiting[end] = None
            return
        frame = end.frames.popleft()[1]
        end.queued -= len(frame)
        end.moved_at = world.now
        if end.frames:
            end.pumping = True
            world.at(end.frames[0][0], self._pump, end)
        self._arrive(end, peer, frame)

    def _arrive(self, end: End, peer: End, frame: bytes) -> None:
        if peer.closed:
            if not end.closed:  # the other host says that it knows nothing of this connection
                world = self._world
                world.after(self._delay(), self._reset, end, peer.process.host)
        elif not frame:
            self.close(peer, "end of stream")
        else:
            self.frames += 1
            peer.process.arrived(peer, frame)

    def _reset(self, end: End, source: str) -> None:
        if self.is_open(source, end.process.host):
            self.close(end, "reset")

    def _expire(self, end: End, moved_at: float) -> None:
        if not end.closed and end.frames and end.moved_at == moved_at:
            self._tally["sender gave up"] += 1
            self.abort(end, "stuck")

    # -- ends -------------------------------------------------------------------------------

    def close(self, end: End, reason: str) -> None:
        """Close an end; the other side is told in order, when it can be."""
        if end.closed:
            return
        self._forget(end, reason)
        if end.peer is not None and not end.peer.closed:
            self._queue(end, b"")

    def abort(self, end: End, reason: str) -> None:
        """Close an end and drop what it had to say; the other side learns that it is gone."""
        if end.closed:
            return
        end.frames.clear()
        end.queued = 0
        self.close(end, reason)

    def vanish(self, end: End) -> None:
        """Close an end without a word to anybody."""
        end.frames.clear()
        self._forget(end, "vanished")

    def _forget(self, end: End, reason: str) -> None:
        end.closed = True
        self.ends.pop(end.link, None)
        if end.opened:
            end.process.call(end.process.lost, end, reason)
        elif end.dialled is not None:
            end.grade = Grade.REJECTED if end.refusal else _GRADES.get(reason, Grade.REFUSED)
            end.process.call(end.process.dial_failed, end)

    def reset(self, end: End) -> None:
        """Break a connection in the middle, both ends; what is under way is lost."""
        for each in (end, end.peer):
            if each is not None and not each.closed:
                each.frames.clear()
                self._forget(each, "reset")

    def stall(self, end: End, seconds: float) -> None:
        """Let nothing out of one stream for so long, although the connection stays open."""
        end.stalled_until = self._world.now + seconds
