"""Whom to connect to, and when to try again."""

from itertools import pairwise
from random import Random

from nodes import config, entry, hello, node_id

from gcounterd.ids import NodeId
from gcounterd.members.roster import Entry, Roster, State
from gcounterd.node.dialling import (
    BULK_PATIENCE_S,
    DIALLING_MAX,
    EXCHANGE_EVERY_S,
    GONE_EVERY_S,
    JOINING_EXCHANGE_S,
    SHED_EVERY_S,
    SPARE_LINKS_MAX,
    WARM_LINKS_MAX,
    Dialler,
)
from gcounterd.node.messages import Channel
from gcounterd.node.peers import Link, Peers

CONTROL, BULK = Channel.CONTROL, Channel.BULK


def dialler(seeds: tuple[str, ...] = ()) -> Dialler:
    return Dialler(config("a", seeds=seeds), Random(2), 0.0)


class Members:
    """A detector that believes all of a number of members alive, or all dead."""

    def __init__(self, number: int, *, alive: bool = True) -> None:
        self.living = number if alive else 1
        self._alive = alive

    def lives(self, _: NodeId) -> bool:
        return self._alive


def dials(
    d: Dialler, members: list[Entry], peers: Peers, now: float, *, alive: bool = True
) -> list[tuple[str, Channel]]:
    believed = Members(len(members), alive=alive)
    return d.dials(Roster(members), peers, believed, now, joining=False)


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
        d.surplus(Roster(), linked(), now)
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
    ids = [node_id("a")[:14] + n.to_bytes(2, "big") for n in range(number)]
    return [
        Entry(node, b"\1" * 16, 0, f"m{n}", f"{chr(300 + n)}:1", State.ACTIVE)
        for n, node in enumerate(ids)
    ]


def test_in_a_crowd_only_so_many_links_are_kept_warm_and_a_few_dialled_at_a_time() -> None:
    d, peers, most = dialler(), linked(), 0
    for step in range(100):
        started = dials(d, crowd(100), peers, float(step))
        most = max(most, len([channel for _, channel in started if channel is CONTROL]))
        for address, channel in started:
            d.ended(address, channel, float(step))
            letter = address.partition(":")[0]
            number = len(peers.on(CONTROL)) + len(peers.on(BULK))
            peers.put(Link(number, hello(letter, channel), address, float(step)))
    assert len(peers.on(CONTROL)) == WARM_LINKS_MAX
    assert most == DIALLING_MAX


def test_in_a_crowd_of_which_hardly_anyone_lives_the_living_are_found() -> None:
    d, members = dialler(), crowd(500)
    alive = {entry.node for entry in members[::100]}
    believed = Members(len(alive) + 1)
    believed.lives = alive.__contains__
    found: dict[str, None] = {}
    for step in range(400):
        for address, channel in d.dials(
            Roster(members), linked(), believed, float(step), joining=False
        ):
            found[address] = None
            d.ended(address, channel, float(step))
    assert {entry.address for entry in members[::100]} <= set(found)


def test_links_that_others_made_far_above_the_number_kept_are_let_go_sooner() -> None:
    d = dialler()
    few, many = (
        linked(*[chr(200 + n) for n in range(number)], dialled=False)
        for number in (WARM_LINKS_MAX + SPARE_LINKS_MAX, WARM_LINKS_MAX + SPARE_LINKS_MAX + 1)
    )
    assert d.surplus(Roster(crowd(100)), many, EXCHANGE_EVERY_S) is not None
    assert d.surplus(Roster(crowd(100)), few, EXCHANGE_EVERY_S + SHED_EVERY_S) is not None
    assert d.surplus(Roster(crowd(100)), few, EXCHANGE_EVERY_S + 2 * SHED_EVERY_S) is None


def test_a_newcomer_that_is_not_confirmed_for_long_meets_others_faster() -> None:
    d = dialler()
    peers = linked(*[chr(200 + n) for n in range(WARM_LINKS_MAX)])
    members = Roster(crowd(100))
    assert d.surplus(members, peers, EXCHANGE_EVERY_S, joining=True) is not None
    later = EXCHANGE_EVERY_S + JOINING_EXCHANGE_S
    assert d.surplus(members, peers, later, joining=True) is not None
    assert d.surplus(members, peers, later + JOINING_EXCHANGE_S, joining=False) is not None
    assert d.surplus(members, peers, later + 2 * JOINING_EXCHANGE_S, joining=False) is None


def test_in_a_crowd_dials_under_way_take_room_too() -> None:
    d, members = dialler(), crowd(100)
    assert len(dials(d, members, linked(), 0.0)) == DIALLING_MAX
    assert dials(d, members, linked(), 0.0) == []


def test_in_a_crowd_a_peer_is_let_go_now_and_then_so_that_others_get_their_turn() -> None:
    d = dialler()
    letters = [chr(65 + n) for n in range(WARM_LINKS_MAX)]
    peers = linked(*letters)
    assert d.surplus(Roster(crowd(100)), peers, 1.0) is None
    assert d.surplus(Roster(crowd(100)), peers, EXCHANGE_EVERY_S) in {node_id(c) for c in letters}
    assert d.surplus(Roster(crowd(100)), peers, EXCHANGE_EVERY_S + 1) is None
    assert d.surplus(Roster(crowd(3)), peers, 3 * EXCHANGE_EVERY_S) is None


def test_a_peer_that_hangs_up_at_once_is_dialled_ever_more_slowly() -> None:
    d, now, dialled_at = dialler(), 0.0, []
    while len(dialled_at) < 8:
        d.surplus(Roster(), linked(), now)
        if ("b:1", CONTROL) in dials(d, [entry("b")], linked(), now):
            dialled_at.append(now)
            d.ended("b:1", CONTROL, now)
            dials(d, [entry("b")], linked("b"), now)  # connected, and closed at once
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
        for address, _ in dials(d, crowd(20), linked(), now, alive=False):
            dialled.append((now, address))
            d.ended(address, CONTROL, now)
        now += GONE_EVERY_S / 4
    assert all(later - before >= GONE_EVERY_S for (before, _), (later, _) in pairwise(dialled))
    assert len({address for _, address in dialled}) == 20


def test_a_probe_is_dialled_at_once_whatever_the_back_off_but_once_at_a_time() -> None:
    d = dialler()
    assert d.hurry("b:1", 0.0)
    assert not d.hurry("b:1", 0.0)
    assert dials(d, [entry("b")], linked(), 0.0) == []
    d.ended("b:1", CONTROL, 0.0)
    assert d.hurry("b:1", 0.0)


def test_in_a_crowd_a_connection_for_a_probe_passes_and_carries_no_state() -> None:
    d = dialler()
    dials(d, crowd(100), linked(), 0.0)
    d.hurry("b:1", 0.0)
    (link,) = linked("b").on(CONTROL)
    assert d.is_passing(link)
    assert ("b:1", BULK) not in dials(d, crowd(100), linked("b"), 9.0)


def test_in_a_crowd_a_newcomer_that_was_probed_is_dialled_back_when_it_dials_us() -> None:
    d, peers = dialler(), Peers(node_id("a"))
    dials(d, crowd(100), linked(), 0.0)
    d.hurry("b:1", 0.0)
    d.ended("b:1", CONTROL, 0.1)
    link = Link(1, hello("b", CONTROL, joining=True), None, 5.0)
    peers.put(link)
    assert not d.is_passing(link)
    assert ("b:1", BULK) in dials(d, crowd(100), peers, 5.0)


def test_in_a_crowd_a_probe_that_finds_a_dial_under_way_makes_no_passing_one_of_it() -> None:
    d = dialler()
    dials(d, crowd(100), linked(), 0.0)
    d.start("b:1", 0.0)
    assert not d.hurry("b:1", 0.0)
    assert ("b:1", BULK) in dials(d, crowd(100), linked("b"), 9.0)


def test_a_node_that_hears_nobody_tries_its_seeds_again() -> None:
    d = dialler(("s:1", "a:1"))
    d.met("s:1")
    d.met("a:1")
    d.retry_seeds()
    assert d.unmet == ["s:1"]  # a:1 is its own address
