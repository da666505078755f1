"""Whom to connect to, and when to try again."""

from itertools import pairwise
from random import Random

from nodes import config, entry, hello, node_id

from gcounterd.ids import NodeId
from gcounterd.members.roster import Entry
from gcounterd.node.dialling import (
    BULK_PATIENCE_S,
    EXCHANGE_EVERY_S,
    GONE_EVERY_S,
    WARM_LINKS_MAX,
    Dialler,
)
from gcounterd.node.messages import Channel
from gcounterd.node.peers import Link, Peers

CONTROL, BULK = Channel.CONTROL, Channel.BULK


def dialler(seeds: tuple[str, ...] = ()) -> Dialler:
    return Dialler(config("a", seeds=seeds), Random(2), 0.0)


def lives(_: NodeId) -> bool:
    return True


def dials(d: Dialler, members: list[Entry], peers: Peers, now: float) -> list[tuple[str, Channel]]:
    return d.dials(members, peers, lives, now, joining=False)


def linked(*letters: str, dialled: bool = True) -> Peers:
    peers = Peers(node_id("a"))
    for number, letter in enumerate(letters):
        address = f"{letter}:1" if dialled else None
        peers.put(Link(number, hello(letter, CONTROL), address, 0.0))
    return peers


def test_absent_members_and_unmet_seeds_are_dialled_once_at_a_time() -> None:
    d = dialler(("s:1",))
    members = [entry("a"), entry("b"), entry("c")]
    expected = [("s:1", CONTROL), ("b:1", CONTROL), ("c:1", CONTROL)]
    assert dials(d, members, linked(), 0.0) == expected
    assert dials(d, members, linked(), 100.0) == []  # all under way


def test_a_failed_dial_is_tried_again_ever_more_slowly_but_for_ever() -> None:
    d, now, waits = dialler(), 0.0, []
    for _ in range(12):
        assert dials(d, [entry("b")], linked(), now) == [("b:1", CONTROL)]
        d.ended("b:1", CONTROL, now)
        d.surplus([], linked(), now)
        assert dials(d, [entry("b")], linked(), now) == []
        waits.append(d.next_wake() - now)
        now = max(now + 5.0, d.next_wake())
    most = config("a").redial_most
    assert waits[0] < 0.2 < 1.0 < waits[-1] <= most


def test_the_side_that_dialled_control_dials_bulk_at_once_and_the_other_after_a_while() -> None:
    members = [entry("a"), entry("b")]
    assert dials(dialler(), members, linked("b"), 0.0) == [("b:1", BULK)]
    passive = linked("b", dialled=False)
    assert dials(dialler(), members, passive, 0.0) == []
    assert dials(dialler(), members, passive, BULK_PATIENCE_S) == [("b:1", BULK)]


def test_a_seed_that_was_met_is_not_dialled_again() -> None:
    d = dialler(("s:1",))
    d.met("s:1")
    assert dials(d, [], linked(), 0.0) == []
    d.add_seeds(["t:1", "t:1"])
    assert dials(d, [], linked(), 0.0) == [("t:1", CONTROL)]


def crowd(number: int) -> list[Entry]:
    letters = [chr(300 + n) for n in range(number)]
    return [
        Entry(node_id("a")[:14] + n.to_bytes(2, "big"), b"\1" * 16, 0, f"m{n}", f"{c}:1", 1)
        for n, c in enumerate(letters)
    ]


def test_in_a_crowd_only_so_many_links_are_kept_warm() -> None:
    started = dials(dialler(), crowd(100), linked(), 0.0)
    assert len(started) == WARM_LINKS_MAX


def test_in_a_crowd_dials_under_way_take_room_too() -> None:
    d, members = dialler(), crowd(100)
    assert len(dials(d, members, Peers(node_id("a")), 0.0)) == WARM_LINKS_MAX
    assert dials(d, members, Peers(node_id("a")), 0.0) == []


def test_in_a_crowd_a_peer_is_let_go_now_and_then_so_that_others_get_their_turn() -> None:
    d = dialler()
    letters = [chr(65 + n) for n in range(WARM_LINKS_MAX)]
    peers = linked(*letters)
    assert d.surplus(crowd(100), peers, 1.0) is None
    assert d.surplus(crowd(100), peers, EXCHANGE_EVERY_S) in {node_id(c) for c in letters}
    assert d.surplus(crowd(100), peers, EXCHANGE_EVERY_S + 1) is None
    assert d.surplus(crowd(3), peers, 3 * EXCHANGE_EVERY_S) is None


def test_a_peer_that_hangs_up_at_once_is_dialled_ever_more_slowly() -> None:
    d, now, dialled_at = dialler(), 0.0, []
    while len(dialled_at) < 8:
        d.surplus([], linked(), now)
        if ("b:1", CONTROL) in dials(d, [entry("b")], linked(), now):
            dialled_at.append(now)
            d.ended("b:1", CONTROL, now)
            d.dials(
                [entry("b")], linked("b"), lives, now, joining=False
            )  # connected, and closed at once
            assert dials(d, [entry("b")], linked(), now) == []
        now = d.next_wake()
    waits = [later - earlier for earlier, later in pairwise(dialled_at)]
    assert waits[0] < 0.2 < 1.0 < waits[-1]


def test_a_link_that_lasted_is_dialled_anew_at_once_when_it_is_lost() -> None:
    d = dialler()
    dials(d, [entry("b")], linked(), 0.0)
    d.ended("b:1", CONTROL, 0.0)
    assert dials(d, [entry("b")], linked("b"), 10.0) == [("b:1", BULK)]
    assert ("b:1", CONTROL) in dials(d, [entry("b")], linked(), 10.0)


def test_members_that_are_gone_are_tried_one_at_a_time_for_ever() -> None:
    d, now, dialled = dialler(), 0.0, []
    while len(dialled) < 60:
        for address, _ in d.dials(crowd(20), linked(), lambda _: False, now, joining=False):
            dialled.append((now, address))
            d.ended(address, CONTROL, now)
        now += GONE_EVERY_S / 4
    assert all(later - before >= GONE_EVERY_S for (before, _), (later, _) in pairwise(dialled))
    assert len({address for _, address in dialled}) == 20


def test_a_probe_is_dialled_at_once_whatever_the_back_off_but_once_at_a_time() -> None:
    d = dialler()
    assert d.hurry("b:1", node_id("b"), 0.0)
    assert not d.hurry("b:1", node_id("b"), 0.0)
    assert dials(d, [entry("b")], linked(), 0.0) == []
    d.ended("b:1", CONTROL, 0.0)
    assert d.hurry("b:1", node_id("b"), 0.0)


def test_in_a_crowd_a_connection_for_a_probe_passes_and_carries_no_state() -> None:
    d = dialler()
    dials(d, crowd(100), linked(), 0.0)
    d.hurry("b:1", node_id("b"), 0.0)
    assert d.is_passing(node_id("b"))
    assert ("b:1", BULK) not in dials(d, crowd(100), linked("b"), 9.0)


def test_a_node_that_hears_nobody_tries_its_seeds_again() -> None:
    d = dialler(("s:1", "a:1"))
    d.met("s:1")
    d.met("a:1")
    d.retry_seeds()
    assert d.unmet == ["s:1"]  # a:1 is its own address
