"""The tree of a crowd: beacons cut cycles at their second arrival, and reach what was cut off."""

from __future__ import annotations

from random import Random

from nodes import config, hello, node_id, sent

from gcounterd.node.effects import Effect
from gcounterd.node.peers import Link, Peers
from gcounterd.node.tree import BEACON_EVERY_S, BEACONS_MISSED_MAX, FIRST_LINKS, GRACE_S, Tree
from gcounterd.node.tree_messages import Beacon, Graft, Prune

OWN = config("m").column
ROOT = config("a").column
SMALLER = config("A").column


class Rig:
    """A tree of node `m` with a link to each of `b`, `c`, …; `eager` names some by their letter."""

    def __init__(self, letters: str, eager: str) -> None:
        peers = Peers(node_id("m"))
        self.links = {c: Link(n, hello(c), None, 0.0) for n, c in enumerate(letters, 1)}
        for letter, link in self.links.items():
            link.eager = letter in eager
            peers.put(link)
        self.peers = peers
        self.tree = Tree(peers, Random(1), 0.0)

    def hear(self, letter: str, beacon: Beacon, now: float = 0.0) -> list[Effect]:
        return self.tree.take(self.links[letter], beacon, now)

    def wake(self, now: float, root: str = "a") -> list[Effect]:
        return self.tree.wake(OWN, lambda: node_id(root), now)

    @property
    def eager(self) -> str:
        return "".join(letter for letter, link in self.links.items() if link.eager)

    def told(self, effects: list[Effect], kind: type) -> str:
        return "".join(
            letter
            for letter, link in self.links.items()
            if any(isinstance(message, kind) for message in sent(effects, link.id))
        )


def test_a_node_of_a_crowd_begins_with_a_few_eager_links_and_says_so() -> None:
    rig = Rig("bcdefg", "")
    effects = rig.tree.news()
    assert len(rig.eager) == FIRST_LINKS
    assert rig.told(effects, Graft) == rig.eager
    assert rig.tree.news() == []


def test_a_beacon_goes_on_along_the_tree_and_to_some_others_but_not_back() -> None:
    rig = Rig("bcdefghi", "bc")
    told = rig.told(rig.hear("b", Beacon(ROOT, 1)), Beacon)
    assert "b" not in told
    assert "c" in told
    assert len(told) == 4


def test_a_beacon_that_comes_twice_along_the_tree_cuts_the_second_way() -> None:
    rig = Rig("bcd", "bcd")
    rig.hear("b", Beacon(ROOT, 1))
    assert rig.told(rig.hear("c", Beacon(ROOT, 1)), Prune) == "c"
    assert rig.eager == "bd"
    assert rig.hear("c", Beacon(ROOT, 1)) == []  # beside the tree it may come as often as it likes


def test_a_beacon_beside_the_tree_is_waited_for_along_it() -> None:
    rig = Rig("bc", "b")
    assert rig.hear("c", Beacon(ROOT, 1)) == []
    assert rig.told(rig.hear("b", Beacon(ROOT, 1), GRACE_S / 2), Beacon) == "c"
    assert rig.wake(2 * GRACE_S) == []
    assert rig.eager == "b"


def test_where_a_beacon_comes_beside_the_tree_only_that_link_is_grafted_and_it_goes_on() -> None:
    rig = Rig("bcd", "b")
    rig.hear("c", Beacon(ROOT, 1))
    rig.hear("d", Beacon(ROOT, 1), GRACE_S / 2)
    assert rig.tree.next_wake() == GRACE_S
    effects = rig.wake(GRACE_S)
    assert (rig.told(effects, Graft), rig.told(effects, Beacon), rig.eager) == ("c", "bd", "bc")


def test_a_link_that_closed_before_it_could_be_grafted_is_left_alone() -> None:
    rig = Rig("bc", "b")
    rig.hear("c", Beacon(ROOT, 1))
    rig.peers.remove(rig.links["c"].id)
    assert rig.wake(GRACE_S) == []


def test_the_smallest_root_counts_until_it_falls_silent() -> None:
    rig = Rig("bc", "bc")
    rig.hear("b", Beacon(ROOT, 5))
    assert rig.hear("b", Beacon(ROOT, 4)) == []
    assert rig.hear("b", Beacon(OWN, 9)) == []
    assert rig.told(rig.hear("c", Beacon(SMALLER, 1)), Beacon) == "b"
    assert rig.hear("b", Beacon(ROOT, 6)) == []
    silent = BEACONS_MISSED_MAX * BEACON_EVERY_S + 1
    assert rig.told(rig.hear("b", Beacon(ROOT, 7), silent), Beacon) == "c"


def test_a_later_life_of_the_root_begins_to_count_anew() -> None:
    rig = Rig("bc", "bc")
    rig.hear("b", Beacon(ROOT, 5))
    assert rig.told(rig.hear("b", Beacon(config("a", life=2).column, 1)), Beacon) == "c"


def test_only_the_smallest_living_member_sends_beacons_and_only_while_there_are_news() -> None:
    rig = Rig("bc", "bc")
    assert rig.wake(1.0, "m") == []
    rig.tree.news()
    assert rig.wake(1.0, "a") == []
    rig.tree.news()
    assert rig.wake(1.0 + BEACON_EVERY_S, "m")
    rig.tree.news()
    assert rig.wake(2.0 + BEACON_EVERY_S, "m") == []
    effects = rig.wake(1.0 + 2 * BEACON_EVERY_S, "m")
    assert sent(effects, 1) == [Beacon(OWN, 2)]


def test_an_eager_link_that_closes_is_replaced_when_there_are_news() -> None:
    rig = Rig("bcdefg", "")
    rig.tree.news()
    gone = rig.links[rig.eager[0]]
    rig.peers.remove(gone.id)
    rig.tree.closed(gone)
    gone.eager = False
    assert len(rig.told(rig.tree.news(), Graft)) == 1
    assert len(rig.eager) == FIRST_LINKS


def test_whoever_is_pruned_by_all_grafts_another_link() -> None:
    rig = Rig("bcdefg", "")
    rig.tree.news()
    for letter in rig.eager:
        rig.tree.take(rig.links[letter], Prune(), 0.0)
    assert rig.eager == ""
    assert len(rig.told(rig.tree.news(), Graft)) == 1


def test_a_peer_that_grafts_makes_the_link_eager_at_both_ends() -> None:
    rig = Rig("bc", "b")
    assert rig.tree.take(rig.links["c"], Graft(), 0.0) == []
    assert rig.eager == "bc"


def test_what_others_say_is_our_beacon_does_not_change_its_number() -> None:
    rig = Rig("bc", "bc")
    rig.hear("b", Beacon(OWN, 2**62), 1.0)
    rig.tree.news()
    effects = rig.wake(1.0 + (BEACONS_MISSED_MAX + 1) * BEACON_EVERY_S, "m")
    assert [message for message in sent(effects, 1) if isinstance(message, Beacon)] == [
        Beacon(OWN, 1)
    ]
