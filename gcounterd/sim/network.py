"""The network: connections as TCP has them, and the ways in which they fail.

Theory. A connection is two ordered streams of frames. Frames are never lost inside one, nor
repeated, nor overtaken: they are late, or the stream ends. So the faults are a route that lets
nothing through one way while the connection stays open, or loses some of it, which makes what
follows late; a stream that stalls; a reset that takes with it what was under way; a sender that
gives up after `STUCK_S` without an answer, which the other side may learn much later; a queue
that is full, which drops the newest frame; a host that vanishes without a word.

What a kernel does it does also for a process that stands still: it takes connections up to a
backlog, and answers for data that nobody has read. A port that nobody listens on refuses at once.

Streams carry encoded frames, hellos included. The network refuses to know what frames say.
Processes are told through `Process`.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

import attrs

from gcounterd.node.grades import Grade
from gcounterd.node.messages import Channel, Refusal
from gcounterd.sim.routes import SYN_RTO_S, Routes
from gcounterd.sim.world import World

if TYPE_CHECKING:
    from gcounterd.sim.process import Process

# As the real links: a dial with its hellos, and how long unanswered data keeps a connection.
DIAL_S_MAX = 2.0
HELLO_S_MAX = 5.0
STUCK_S = {Channel.CONTROL: 2.0, Channel.BULK: 10.0}
# Connections that a kernel holds for a process that does not accept; beyond, it is silent.
BACKLOG_CONNECTIONS = 512

# What a dial that ended so tells; an end without a word looks like a port that refuses.
_GRADES = {
    "timeout": Grade.TIMEOUT,
    "refused by us": Grade.UNWANTED,
    "stuck": Grade.TIMEOUT,
    "unresolved": Grade.NAME,
}


@attrs.define
class Limits:
    """Bytes that wait on one link at most; the newest frame beyond is dropped, as on real links."""

    control_bytes: int = 64 * 1024
    bulk_bytes: int = 4 * 1024 * 1024


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


class Network(Routes):
    """All connections, and the routes between hosts; `frames` is how many arrived."""

    def __init__(self, world: World, tally: Counter[str]) -> None:
        super().__init__(world, tally)
        self._waiting: dict[End, None] = {}
        self._links = 0
        self.limits = Limits()
        self.listening: dict[str, Process] = {}
        self.ends: dict[int, End] = {}
        self.frames = 0

    def release(self) -> None:
        """Look again at streams that waited for a route or a reader."""
        waiting, self._waiting = self._waiting, {}
        for end in waiting:
            if end.frames and not end.pumping:
                end.pumping = True
                self._world.after(self.delay(), self._pump, end)

    # -- dialling ---------------------------------------------------------------------------

    def dial(self, process: Process, address: str, channel: Channel) -> None:
        """Connect a process to an address; ends in its `linked` or `dial_failed`."""
        end = self._end(process, channel, address)
        self._world.after(DIAL_S_MAX, process.call, self._give_up, end)
        self._world.after(self.delay(), self._connect, end, address, SYN_RTO_S)

    def _end(self, process: Process, channel: Channel, dialled: str | None) -> End:
        self._links += 1
        end = End(self._links, process, channel, dialled)
        self.ends[end.link] = end
        return end

    def _give_up(self, end: End) -> None:
        if not (end.opened or end.closed):
            self._tally["dial timed out"] += 1
            self.close(end, "timeout")

    def _connect(self, end: End, address: str, timeout: float) -> None:
        """Let the first segment arrive, or be sent again after `timeout`."""
        if end.closed:
            return
        address = self.names.get(address, address)
        if not address:
            end.process.hear(self.close, end, "unresolved")
            return
        source, target = end.process.host, self.hosts.get(address, "")
        listener = self.listening.get(address)
        reached = self._reaches(source, target, end.channel)
        if not reached or (listener is not None and listener.is_crowded):
            self._world.after(timeout, self._connect, end, address, 2 * timeout)
        elif listener is None:
            self._tally["dial refused"] += 1
            end.process.hear(self.close, end, "refused")
        else:
            listener.knocked()
            other = self._end(listener, end.channel, None)
            end.peer, other.peer = other, end
            self._world.after(HELLO_S_MAX, listener.call, self._give_up_hello, other)
            self.send(end, end.process.hello_frame(end.channel))

    def _reaches(self, source: str, target: str, channel: Channel) -> bool:
        """Say whether a first segment and its answer get through; to no host they do, unheard."""
        ways = ((source, target), (target, source)) if target else ()
        return all(self.is_open(*way, channel) and not self.is_lost(*way) for way in ways)

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
        end.process.sent_frames += 1
        end.process.sent_bytes += len(frame)
        self._queue(end, frame)
        return True

    def _queue(self, end: End, frame: bytes) -> None:
        peer = end.peer
        assert peer is not None
        now, way = self._world.now, (end.process.host, peer.process.host)
        rate = self._rates.get(way) if self._rates else None
        end.free_at = max(now, end.free_at) + (len(frame) / rate if rate else 0.0)
        repeats = self.repeats(*way)
        if repeats > STUCK_S[end.channel]:
            self._world.after(STUCK_S[end.channel], self._give_up_sending, end)
        end.ready_at = max(end.ready_at, end.free_at + self.delay() + repeats)
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
        source, target = end.process.host, peer.process.host
        if not self.is_open(source, target, end.channel):
            self._waiting[end] = None
            world.after(STUCK_S[end.channel], self._expire, end, end.moved_at)
            return
        if not self.is_open(target, source, end.channel):  # it arrives, but the answer does not
            world.after(STUCK_S[end.channel], self._miss_answer, end, target, world.now)
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
                world.after(self.delay(), self._reset, end, peer.process.host)
        elif not frame:
            peer.process.hear(self.close, peer, "end of stream")
        else:
            self.frames += 1
            peer.process.hear(peer.process.arrived, peer, frame)

    def _reset(self, end: End, source: str) -> None:
        if self.is_open(source, end.process.host, end.channel):
            end.process.hear(self.close, end, "reset")

    # -- patience of senders ------------------------------------------------------------------

    def _expire(self, end: End, moved_at: float) -> None:
        if end.frames and end.moved_at == moved_at:
            self._give_up_sending(end)

    def _miss_answer(self, end: End, target: str, since: float) -> None:
        if self.is_shut_since(target, end.process.host, since):
            self._give_up_sending(end)

    def _give_up_sending(self, end: End) -> None:
        # A host that is switched off counts no time; its streams are looked at when it is back.
        if not end.closed and end.process.host not in self.down:
            self._tally["sender gave up"] += 1
            self._drop_frames(end)
            self.close(end, "stuck")

    # -- ends -------------------------------------------------------------------------------

    def close(self, end: End, reason: str) -> None:
        """Close an end; the other side is told in order, when it can be."""
        if end.closed:
            return
        self._forget(end, reason)
        if end.peer is not None and not end.peer.closed:
            self._queue(end, b"")

    def abort(self, end: End, reason: str) -> None:
        """Close an end and drop what it had to say; the other side learns that it is gone.

        A hello is on its way already, since nothing else is said before it.
        """
        if end.closed:
            return
        hello = None if end.moved_at or not end.frames else end.frames[0]
        self._drop_frames(end)
        if hello is not None:
            end.frames.append(hello)
            end.ready_at, end.queued = hello[0], len(hello[1])
        self.close(end, reason)

    def _drop_frames(self, end: End) -> None:
        end.frames.clear()
        end.queued = 0
        end.free_at = end.ready_at = self._world.now

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
