"""What the scenarios of the membership found: each as the shortest story that shows it.

The seeds that found them are named; seeds move when something new is learnt, a story stays.
"""

from __future__ import annotations

from random import Random

from nodes import hello, node

from gcounterd.ids import Epoch, NodeId
from gcounterd.members.actions import Action, AskRelays, Contact, Happened
from gcounterd.members.claims import Claim, Liveness
from gcounterd.members.detector import Detector
from gcounterd.members.timing import LAN
from gcounterd.node.effects import Dial
from gcounterd.node.messages import Channel

EPOCH = Epoch(b"\1" * 16)
A, B, C = (NodeId(letter * 16) for letter in (b"a", b"b", b"c"))


def detector_of(own: NodeId, *others: NodeId) -> Detector:
    """Return a detector that has met these members, and can tell each of them something."""
    detector = Detector(
        own,
        EPOCH,
        LAN,
        Random(1),
        0.0,
        label=lambda node: node[:1].decode(),
        linked=lambda node: True,
    )
    for other in others:
        detector.know(other, EPOCH, 0.0, joined=True)
    return detector


def events(actions: list[Action]) -> list[str]:
    return [action.event for action in actions if isinstance(action, Happened)]


def test_after_a_split_nobody_believes_the_other_side_that_a_neighbour_is_dead() -> None:
    """Found by P1, seed 0: whoever met the other side first buried its own neighbours."""
    detector = detector_of(A, B, C)
    dead = Claim(B, EPOCH, 0, Liveness.DEAD, accuser=C)
    assert events(detector.heard([dead], C, 1.0)) == ["suspect"]
    assert events(detector.heard([dead], C, 1.5)) == []
    assert detector.liveness(B) is Liveness.SUSPECT
    assert events(detector.heard([Claim(B, EPOCH, 1, Liveness.ALIVE)], B, 1.6)) == ["refuted"]


def test_whoever_was_suspected_here_for_an_interval_dies_by_hearsay() -> None:
    """So that all members bury a dead one together, whoever is the first to be sure."""
    detector = detector_of(A, B, C)
    detector.heard([Claim(B, EPOCH, 0, Liveness.SUSPECT, accuser=C)], C, 1.0)
    dead = Claim(B, EPOCH, 0, Liveness.DEAD, accuser=C)
    assert events(detector.heard([dead], C, 1.0 + LAN.interval)) == ["dead"]


def test_a_node_that_has_just_started_believes_that_a_member_is_dead() -> None:
    """It has heard nothing of it in its own life, so there is nothing to doubt."""
    detector = detector_of(A, C)
    detector.know(B, EPOCH, 0.0, joined=False)
    dead = Claim(B, EPOCH, 0, Liveness.DEAD, accuser=C)
    assert events(detector.heard([dead], C, 1.0)) == ["dead"]


def test_a_probe_is_repeated_over_a_new_connection_also_after_others_were_asked() -> None:
    """Found by S2, seed 10: after a pause the peers' dead connections came before the new ones.

    Two pings went with them, nobody else could be asked yet, and the answer of the third
    connection was never waited for: whoever had stood still suspected those who were well.
    """
    detector = detector_of(A, B, C)
    (ping,) = detector.hint(B, 1.0)
    assert isinstance(ping, Contact)
    detector.hint(B, 1.001)
    asked = detector.hint(B, 1.002)
    assert [type(action) for action in asked] == [AskRelays]
    assert detector.reconnected(B) == [Contact(ping.number, B)]
    detector.acked(ping.number, B, 1.003)
    assert detector.reconnected(B) == []
    detector.wake(4.0)
    assert detector.liveness(B) is Liveness.ALIVE


def test_a_newcomer_whose_links_break_before_it_knows_a_member_dials_its_seeds_again() -> None:
    """Found by N2: whoever had answered once was never tried again, so it waited for ever."""
    newcomer = node("a", seeds=("b:1",))
    newcomer.wake(0.0)
    newcomer.opened(1, hello("b", Channel.CONTROL), "b:1", 0.1)
    assert newcomer.dialler.unmet == []
    effects = newcomer.closed(1, 0.2)
    effects += newcomer.wake(10.0)
    assert Dial("b:1", Channel.CONTROL) in effects
