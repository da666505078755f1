"""Departures: members that are removed, come back and are replaced, in any weather.

Theory. A removal is a merge of facts that anything may interrupt, so it is asked for while faults
go on, at any member, of living members and of dead ones, of several at once, and again. A dead
member's disk is started again some time later, as if nobody had told it. New members are added
meanwhile, so that the cluster never runs out of them. Now and then somebody gives up what may still
come of a removed one (`gcounterctl forget`).

This module refuses to know what removing means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

from gcounterd.errors import ClientError
from gcounterd.ids import show
from gcounterd.members.roster import State
from gcounterd.sim.cluster import Cluster
from gcounterd.sim.host import Host

# Members that are never removed, so that somebody is left to hold everything.
LEFT_MIN = 3
# Removals asked for, hosts added, and nodes released, in one seed.
REMOVALS_MAX = 6
ADDED_MAX = 4
RELEASES_MAX = 3
# How often somebody asks for the removal of a dead member, and how long after a refusal.
TRIES = 4
ASK_AGAIN_S = 3.0
# How long a dead member's disk lies about before it is started again.
AWAY_S = (1.0, 60.0)


class Departures:
    """Removals of one seed."""

    def __init__(self, cluster: Cluster, rng: Random) -> None:
        self._cluster = cluster
        self._rng = rng
        self._asked = 0
        self._added = 0
        self._released = 0

    @property
    def kinds(self) -> tuple[Callable[[], None], ...]:
        """Return what may happen, beside faults."""
        return self.remove_live, self.remove_dead, self.add_node, self.release

    def remove_live(self) -> None:
        """Ask for the removal of a member that runs."""
        self._remove(1, dead=False)

    def remove_dead(self) -> None:
        """Let one member or two die, and ask for their removal; their disks come back."""
        self._remove(self._rng.choice([1, 1, 2]), dead=True)

    def _remove(self, number: int, *, dead: bool) -> None:
        names = list(self._members())
        if len(names) - number < LEFT_MIN or self._asked >= REMOVALS_MAX:
            return
        self._asked += 1
        at, *targets = self._rng.sample(names, number + 1)
        if not dead:
            self._ask(at, targets, dead=False)
            return
        for name in targets:
            self._cluster.kill(name, power=True)
            self._cluster.world.after(self._rng.uniform(*AWAY_S), self._bring_back, name)
        self._cluster.world.after(self._rng.uniform(5.0, 12.0), self._ask_later, at, targets, TRIES)

    def _ask_later(self, at: str, targets: list[str], times: int) -> None:
        """Ask for the removal of the dead; again where it is refused: nobody has found out yet."""
        gone = all(self._cluster.hosts[name].process is None for name in targets)
        if not times or not gone or self._cluster.hosts[at].process is None:
            return
        if not self._ask(at, targets, dead=True):
            self._cluster.world.after(ASK_AGAIN_S, self._ask_later, at, targets, times - 1)

    def _ask(self, at: str, targets: list[str], *, dead: bool) -> bool:
        ids = [show(self._cluster.hosts[name].node) for name in targets]
        forced = self._rng.random() < 0.3
        try:
            self._cluster.remove(at, *ids, dead=dead, forced=forced)
        except ClientError as error:
            self._cluster.tally[f"removal refused: {error.code}"] += 1
            return False
        return True

    def _bring_back(self, name: str) -> None:
        host = self._cluster.hosts[name]
        if host.process is None and not host.sent_away:
            self._cluster.tally["old disk brought back"] += 1
            self._cluster.start(name)

    def add_node(self) -> None:
        """Put up a newcomer."""
        if self._added >= ADDED_MAX:
            return
        self._added += 1
        seeds = [host.address for host in self._cluster.hosts.values()]
        name = f"x{self._added}"
        self._cluster.add_host(name, seeds=seeds)
        self._cluster.tally["newcomer"] += 1
        self._cluster.start(name)

    def release(self) -> None:
        """Give up what may still come of a removed node, at some member that knows of it."""
        names = list(self._members())
        if not names or self._released >= RELEASES_MAX:
            return
        process = self._cluster.process(self._rng.choice(names))
        removed = [e.node for e in process.node.roster if e.state is State.REMOVED]
        if removed:
            self._released += 1
            self._cluster.release(process.host, self._rng.choice(removed))

    def _members(self) -> Iterator[str]:
        """Yield the hosts whose processes run as members, and are their node's only one."""
        hosts = self._cluster.hosts.values()
        lives = [host.node for host in hosts if host.process is not None]
        for name, host in self._cluster.hosts.items():
            if host.process is not None and lives.count(host.node) == 1 and _is_member(host):
                yield name


def _is_member(host: Host) -> bool:
    process = host.process
    if process is None or process.paused or process.stopping:
        return False
    node = process.node
    removing = node.removing
    return node.joining.counting and not (removing.returning.active or removing.leaving.is_mute)
