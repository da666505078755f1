"""Watching: a cluster that keeps what its members say of each other.

Theory. An experiment asks when who believed what of whom; the notices that an operator would see
say exactly that, at every node, at the moment of the change. What was true is known beside it:
who is down, who is slow.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from gcounterd.members.timing import LAN, Timing
from gcounterd.node.effects import Notice
from gcounterd.sim.cluster import Cluster
from gcounterd.sim.process import Process
from gcounterd.sim.routes import Conditions

# Mean delay of a segment one way in all experiments: a data centre with some queueing.
DELAY_S = 0.002
# Time for a cluster that was just put up to connect and become quiet.
SETTLE_S = 15.0


@attrs.frozen
class Change:
    """At one node the belief about a member changed; `life` and `incarnation` are the member's."""

    at: float
    where: str
    event: str
    member: str
    life: bytes
    incarnation: int


class Watched(Cluster):
    """A cluster with its changes of belief, and what is known to be true.

    down   hosts whose process does not run, by since when
    slow   hosts that are not well
    """

    def __init__(self, seed: int, timing: Timing = LAN, loss: float = 0.0) -> None:
        super().__init__(seed, timing)
        self.network.conditions = Conditions(delay_s=DELAY_S, loss=loss)
        self.changes: list[Change] = []
        self.false_deaths: list[Change] = []
        self.false_suspicions: list[Change] = []
        self.down: dict[str, float] = {}
        self.slow: dict[str, None] = {}
        self._names: dict[str, str] = {}
        self.rng = self.world.derive("experiment")

    def noticed(self, process: Process, notice: Notice) -> None:
        """See what an operator would, and keep what is about members."""
        super().noticed(process, notice)
        if "id" not in notice.fields:
            return
        member = self._name(str(notice.fields["id"]))
        host = self.hosts[member]
        view = process.node.detector.view(host.node)
        life, incarnation = (view.epoch, view.incarnation) if view else (b"", 0)
        now = self.world.now
        change = Change(now, process.host, notice.name, member, life, incarnation)
        self.changes.append(change)
        if member not in self.down and self._is_present(member, life):
            if notice.name == "dead":
                self.false_deaths.append(change)
            elif notice.name == "suspect":
                self.false_suspicions.append(change)

    def _name(self, node: str) -> str:
        if node not in self._names:
            self._names = {host.node.hex(): name for name, host in self.hosts.items()}
        return self._names[node]

    def _is_present(self, member: str, life: bytes) -> bool:
        process = self.hosts[member].process
        return process is not None and process.node.config.epoch == life

    def crash(self, name: str, *, power: bool = True) -> float:
        """Let a host vanish without a word, or its process only; return when."""
        self.down[name] = self.world.now
        self.kill(name, power=power)
        return self.world.now

    def revive(self, name: str) -> None:
        """Start a crashed host again, as a new life."""
        self.start(name)
        del self.down[name]

    def since(self, at: float, event: str, member: str) -> dict[str, float]:
        """Return who noted an event about a member from then on, and when first."""
        found: dict[str, float] = {}
        for change in self.changes:
            if change.at >= at and change.event == event and change.member == member:
                found.setdefault(change.where, change.at)
        return found

    @property
    def living(self) -> list[str]:
        """Return the hosts whose process runs."""
        return [process.host for process in self.running]

    def traffic(self) -> dict[str, tuple[int, int]]:
        """Return frames and bytes sent so far, by host."""
        return {process.host: (process.sent_frames, process.sent_bytes) for process in self.running}


def count_lives(changes: Iterable[Change]) -> int:
    """Count what was noted once per member and incarnation, as kinship counts."""
    return len(dict.fromkeys((each.member, each.life, each.incarnation) for each in changes))
