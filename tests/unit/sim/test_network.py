"""The simulated network fails as TCP fails: what is lost is late, what is silent is given up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from gcounterd.node.messages import Channel
from gcounterd.sim.network import BACKLOG_CONNECTIONS, DIAL_S_MAX, STUCK_S, End, Network
from gcounterd.sim.routes import RTO_S, SYN_RTO_S
from gcounterd.sim.world import World


class Listener:
    """A process as the network sees it, that says hello and keeps what it hears."""

    def __init__(self, rig: Rig, host: str) -> None:
        self.rig = rig
        self.host = host
        self.deaf = self.is_crowded = False
        self.sent_frames = self.sent_bytes = self.knocks = 0
        self.heard: list[tuple[float, bytes]] = []
        self.failed: list[float] = []
        self.ended: list[tuple[float, str]] = []

    def call(self, act: Callable[..., None], *arguments: Any) -> None:
        act(*arguments)

    hear = call

    def knocked(self) -> None:
        self.knocks += 1

    def hello_frame(self, channel: Channel) -> bytes:
        return b"hello"

    def arrived(self, end: End, frame: bytes) -> None:
        if not end.opened:
            end.opened = True
            self.rig.opened[self.host] = end
            if end.dialled is None:
                self.rig.network.send(end, b"hello")
        else:
            self.heard.append((self.rig.world.now, frame))

    def dial_failed(self, end: End) -> None:
        self.failed.append(self.rig.world.now)

    def lost(self, end: End, reason: str) -> None:
        self.ended.append((self.rig.world.now, reason))


class Rig:
    """Two hosts, and the ends that were opened on them."""

    def __init__(self, seed: int = 1) -> None:
        self.world = World(seed)
        self.tally: Counter[str] = Counter()
        self.network = Network(self.world, self.tally)
        self.opened: dict[str, End] = {}
        self.a: Any = Listener(self, "a")
        self.b: Any = Listener(self, "b")
        for process in (self.a, self.b):
            self.network.hosts[f"{process.host}:1"] = process.host
            self.network.listening[f"{process.host}:1"] = process

    def run(self, seconds: float) -> None:
        self.world.run_until(self.world.now + seconds)

    def dial(self, channel: Channel = Channel.CONTROL) -> None:
        self.network.dial(self.a, "b:1", channel)

    def connect(self, channel: Channel = Channel.CONTROL) -> End:
        """Open a connection from a to b; return the end of a."""
        self.dial(channel)
        self.run(0.1)
        return self.opened["a"]


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_what_is_lost_comes_late_and_nothing_overtakes_it(rig: Rig) -> None:
    end = rig.connect(Channel.BULK)
    rig.network.conditions.loss = 0.3
    said = [b"%d" % number for number in range(100)]
    waits: list[float] = []
    for frame in said:
        start = rig.world.now
        rig.network.send(end, frame)
        rig.run(30.0)
        waits.append(rig.b.heard[-1][0] - start)
    assert [frame for _, frame in rig.b.heard] == said
    late = [wait for wait in waits if wait >= RTO_S]
    assert 15 < len(late) < 45
    assert max(waits) >= 3 * RTO_S  # lost twice: the second timeout is twice the first


def test_what_is_sent_behind_a_lost_frame_waits_for_it(rig: Rig) -> None:
    end = rig.connect()
    rig.network.lose("a", "b", 0.999999)
    rig.network.send(end, b"lost")
    rig.network.lose("a", "b", 0.0)
    rig.network.send(end, b"behind")
    rig.run(0.9 * STUCK_S[Channel.CONTROL])
    assert rig.b.heard == []


@pytest.mark.parametrize("channel", list(Channel))
def test_a_sender_gives_up_when_its_frame_is_lost_for_too_long(rig: Rig, channel: Channel) -> None:
    end = rig.connect(channel)
    start = rig.world.now
    rig.network.lose("a", "b", 0.999999)
    rig.network.send(end, b"lost")
    rig.run(60.0)
    assert rig.a.ended == [(start + STUCK_S[channel], "stuck")]


def test_a_sender_whose_answers_are_cut_off_gives_up_although_its_frames_arrive(rig: Rig) -> None:
    end = rig.connect()
    rig.network.block("b", "a")
    rig.network.send(end, b"heard")
    rig.run(10.0)
    assert [frame for _, frame in rig.b.heard] == [b"heard"]
    ((_, reason),) = rig.a.ended
    assert reason == "stuck"


def test_a_sender_whose_answers_come_in_time_after_all_goes_on(rig: Rig) -> None:
    end = rig.connect()
    rig.network.block("b", "a")
    rig.network.send(end, b"heard")
    rig.run(1.0)
    rig.network.unblock("b", "a")
    rig.run(10.0)
    assert rig.a.ended == []


def test_a_port_that_nobody_listens_on_refuses_at_once(rig: Rig) -> None:
    del rig.network.listening["b:1"]
    rig.dial()
    rig.run(0.1)
    assert len(rig.a.failed) == 1
    assert rig.tally["dial refused"] == 1


def test_a_host_that_is_switched_off_is_silent(rig: Rig) -> None:
    rig.network.switch_off("b")
    rig.dial()
    rig.run(1.9)
    assert rig.a.failed == []
    rig.run(0.2)
    assert rig.a.failed == [DIAL_S_MAX]


def test_a_first_segment_that_meets_a_closed_route_is_sent_again_after_a_second(rig: Rig) -> None:
    rig.network.block("a", "b")
    rig.dial()
    rig.run(0.5)
    rig.network.unblock("a", "b")
    rig.run(0.4)
    assert rig.opened == {}
    rig.run(SYN_RTO_S)
    assert list(rig.opened) == ["b", "a"]


def test_the_kernel_takes_connections_for_a_process_that_stands_still(rig: Rig) -> None:
    rig.b.deaf = True
    rig.dial()
    rig.run(10.0)
    assert rig.b.knocks == 1
    assert rig.tally["dial refused"] == 0
    assert rig.a.failed == [DIAL_S_MAX]
    assert BACKLOG_CONNECTIONS > 1


def test_a_kernel_whose_backlog_is_full_is_silent(rig: Rig) -> None:
    rig.b.is_crowded = True
    rig.dial()
    rig.run(10.0)
    assert (rig.b.knocks, rig.a.failed) == (0, [DIAL_S_MAX])


def test_a_hello_that_was_said_arrives_although_the_link_is_dropped_at_once(rig: Rig) -> None:
    rig.dial()
    while "b" not in rig.opened:
        rig.run(0.0001)
    rig.network.abort(rig.opened["b"], "replaced")
    rig.run(0.1)
    assert "a" in rig.opened
    ((_, reason),) = rig.a.ended
    assert reason == "end of stream"
    assert rig.a.failed == []


def test_frames_and_bytes_are_counted_by_who_sent_them(rig: Rig) -> None:
    rig.network.send(rig.connect(), b"123")
    assert (rig.a.sent_frames, rig.a.sent_bytes) == (2, len(b"hello" + b"123"))
    assert (rig.b.sent_frames, rig.b.sent_bytes) == (1, len(b"hello"))
