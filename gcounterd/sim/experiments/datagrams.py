"""E0: the detector over datagrams, where SWIM's own formula says how often a probe fails.

Theory. Over TCP loss is delay, so SWIM's formula cannot be held against a simulated cluster. But
the detector knows no transport: here many of them talk by messages that arrive at once with a given
chance, or never. All members live; a probe fails when no way of it works, of which the chance is
(1 - m^2) (1 - m^4)^k. What is told in rumours is left out, since it has no part in a probe.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import attrs

from gcounterd.ids import Epoch, NodeId
from gcounterd.members.actions import Action, AskRelays, Contact, Happened
from gcounterd.members.claims import Claim, Liveness
from gcounterd.members.detector import Detector
from gcounterd.members.timing import LAN, Timing
from gcounterd.sim.experiments.oracles import failed_probe, false_detection
from gcounterd.sim.experiments.plan import Plan
from gcounterd.sim.experiments.tables import Table

ROUNDS = 400
NODES = 20
STEP_S = 0.001
_EPOCH = Epoch(b"\1" * 16)


@attrs.frozen
class Setting:
    """`delivered` is the chance that one message arrives."""

    nodes: int
    delivered: float
    relays: int


@attrs.frozen
class Finding:
    """How many probes there were, and how many of them failed."""

    probes: int
    failed: int


class Bus:
    """Detectors, and the messages between them."""

    def __init__(self, setting: Setting, rng: Random) -> None:
        self._delivered, self._rng = setting.delivered, rng
        # No suspicion, no self-doubt: every round probes one member, as the formula has it.
        timing = attrs.evolve(LAN, relays=setting.relays, health_max=0, buddy=False)
        nodes = [NodeId(number.to_bytes(16, "big")) for number in range(setting.nodes)]
        self.detectors = {node: _detector(node, nodes, timing, rng) for node in nodes}

    def arrives(self, messages: int) -> bool:
        """Draw whether so many messages, one after the other, all arrive."""
        return all(self._rng.random() < self._delivered for _ in range(messages))

    def perform(self, node: NodeId, actions: Sequence[Action], now: float) -> None:
        """Let probes take their ways, and let a suspect refute; nothing else is told."""
        detector = self.detectors[node]
        for action in actions:
            if isinstance(action, Contact) and self.arrives(2):
                detector.acked(action.number, action.target, now)
            elif isinstance(action, AskRelays):
                for relay in action.relays:
                    if self.arrives(4):
                        detector.acked(action.number, relay, now)
            elif isinstance(action, Happened) and action.event == "suspect" and action.claim:
                said = action.claim
                refuted = Claim(said.node, said.epoch, said.incarnation + 1, Liveness.ALIVE)
                detector.heard((refuted,), said.node, now)


def _detector(own: NodeId, nodes: list[NodeId], timing: Timing, rng: Random) -> Detector:
    found = Detector(own, _EPOCH, timing, rng, 0.0, label=str, linked=lambda _: True)
    for node in nodes:
        found.know(node, _EPOCH, 0.0, joined=False)
    return found


def run(setting: Setting, seed: int) -> Finding:
    """Let all detectors probe each other for `ROUNDS` intervals."""
    bus = Bus(setting, Random(seed))
    due = dict.fromkeys(bus.detectors, 0.0)
    while True:
        node = min(due, key=due.__getitem__)
        now, detector = due[node], bus.detectors[node]
        if now >= ROUNDS:
            break
        bus.perform(node, detector.wake(now), now)
        due[node] = max(detector.next_wake(now), now + STEP_S)
    tallies = [detector.tally for detector in bus.detectors.values()]
    failed = sum(tally["failed"] for tally in tallies)
    return Finding(failed + sum(tally["acked"] + tally["indirect"] for tally in tallies), failed)


def settings(nodes: Sequence[int]) -> list[Setting]:
    """Return the losses and relays of SWIM's own examples, as far as failures are not too rare."""
    return [
        Setting(number, 1 - loss, relays)
        for number in nodes or (NODES,)
        for relays in (1, 3)
        for loss in (0.05, 0.10, 0.17, 0.25)
    ]


def runs(_: Setting) -> int:
    """Return how many runs there are."""
    return 10


def tabulate(found: list[tuple[Setting, list[Finding]]]) -> Table:
    """Return one row per setting."""
    head = ("loss", "relays", "probes", "failed", "share", "by the formula", "SWIM's PM")
    return Table(head, tuple([_row(setting, findings) for setting, findings in found]))


def _row(setting: Setting, findings: list[Finding]) -> tuple[str | int | float, ...]:
    probes = sum(finding.probes for finding in findings)
    failed = sum(finding.failed for finding in findings)
    return (
        f"{1 - setting.delivered:.0%}",
        setting.relays,
        probes,
        failed,
        f"{failed / max(1, probes):.2e}",
        f"{failed_probe(setting.delivered, setting.relays):.2e}",
        f"{false_detection(setting.delivered, setting.relays):.2e}",
    )


PLAN = Plan("E0", "Failed probes over datagrams", settings, runs, run, tabulate)
