"""What the scenarios of the membership found: each as the shortest story that shows it.

The seeds that found them are named; seeds move when something new is learnt, a story stays.
"""

from __future__ import annotations

from random import Random

from gcounterd.ids import Epoch, NodeId
from gcounterd.members.actions import Action, Happened
from gcounterd.members.claims import Claim, Liveness
from gcounterd.members.detector import Detector
from gcounterd.members.timing import LAN

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
