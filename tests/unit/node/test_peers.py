"""Two ends of a pair keep the same connection of two."""

from nodes import hello, node_id

from gcounterd.ids import Epoch
from gcounterd.node.messages import Channel
from gcounterd.node.peers import Link, Peers


def link(number: int, peer: str, *, dialled: bool, **changes: object) -> Link:
    address = f"{peer}:1" if dialled else None
    return Link(number, hello(peer, **changes), address, 0.0, 0.0)


def test_of_two_connections_dialled_by_both_sides_the_smaller_ids_stays() -> None:
    small, large = Peers(node_id("a")), Peers(node_id("b"))
    # a dialled connection 1, b dialled connection 2; both arrive at both ends in either order
    assert small.put(link(1, "b", dialled=True)) == []
    refused = link(2, "b", dialled=False)
    assert small.put(refused) == [refused]

    second = link(2, "a", dialled=True)
    assert large.put(second) == []
    assert large.put(link(1, "a", dialled=False)) == [second]

    assert small.to(node_id("b"), Channel.BULK).id == large.to(node_id("a"), Channel.BULK).id == 1


def test_who_dials_again_has_given_the_old_connection_up() -> None:
    peers = Peers(node_id("a"))
    old = link(1, "b", dialled=False)
    peers.put(old)
    assert peers.put(link(2, "b", dialled=False)) == [old]
    assert peers.get(1) is None


def test_a_newer_life_replaces_every_link_of_the_older() -> None:
    peers = Peers(node_id("a"))
    control = link(1, "b", dialled=True, channel=Channel.CONTROL)
    bulk = link(2, "b", dialled=True)
    peers.put(control)
    peers.put(bulk)

    losers = peers.put(link(3, "b", dialled=False, epoch=Epoch(b"\2" * 16)))

    assert losers == [control, bulk]
    assert peers.on(Channel.CONTROL) == []
    assert peers.epoch_of(node_id("b")) == b"\2" * 16


def test_a_link_that_is_gone_leaves_room_for_the_next() -> None:
    peers = Peers(node_id("b"))
    peers.put(link(1, "a", dialled=False))
    peers.remove(1)
    assert peers.remove(1) is None
    assert peers.put(link(2, "a", dialled=True)) == []
