"""Removals in every mix with crashes, splits, slow disks and newcomers, drawn by seed."""

from __future__ import annotations

import contextlib
from random import Random

import pytest
from stories import SETTLED_S_MAX, address, form

from gcounterd.errors import ClientError
from gcounterd.members.roster import State
from gcounterd.sim.cluster import Cluster

NAMES = ("n1", "n2", "n3", "n4", "n5")
STEPS = 60


class Storm:
    """One run: what may be done to a cluster, in an order drawn by chance."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.cluster: Cluster = form(*NAMES, seed=seed)
        self.started = len(NAMES)
        self.asked = 0

    def running(self) -> list[str]:
        return [each.host for each in self.cluster.running]

    def step(self) -> None:
        acts = [self.count] * 6 + [self.remove] * 2 + [self.kill, self.start, self.split, self.heal]
        acts += [self.join, self.slow, self.comes_back]
        self.rng.choice(acts)()
        self.cluster.run(self.rng.choice((0.001, 0.01, 0.1, 1.0, 5.0)))

    def count(self) -> None:
        for name in self.running():
            self.cluster.add(name, b"k%d" % self.rng.randrange(3), self.rng.randrange(1, 1000))

    def remove(self) -> None:
        """Ask anybody to remove anybody; most of what is asked for is refused."""
        at = self.rng.choice(self.running())
        entries = [e.node.hex() for e in self.cluster.node(at).roster.belonging()]
        targets = self.rng.sample(entries, 1)
        for dead in (False, True):
            with contextlib.suppress(ClientError):
                self.cluster.remove(at, *targets, dead=dead)
                self.asked += 1
                return

    def kill(self) -> None:
        running = self.running()
        if len(running) > 2:
            self.cluster.kill(self.rng.choice(running), power=self.rng.random() < 0.3)

    def start(self) -> None:
        for name, host in self.cluster.hosts.items():
            if host.process is None and not host.exits and self.rng.random() < 0.5:
                self.cluster.start(name)

    def comes_back(self) -> None:
        """Start a node again that ended because it was removed."""
        for name, host in self.cluster.hosts.items():
            if host.process is None and host.exits and self.rng.random() < 0.3:
                self.cluster.start(name)

    def split(self) -> None:
        left = [name for name in self.cluster.hosts if self.rng.random() < 0.4]
        self.cluster.split(left, [name for name in self.cluster.hosts if name not in left])

    def heal(self) -> None:
        self.cluster.network.heal()

    def slow(self) -> None:
        for host in self.cluster.hosts.values():
            host.disk.pace.append_s = self.rng.choice((0.0003, 0.005, 0.05))

    def join(self) -> None:
        if self.started < 9:
            self.started += 1
            name = f"n{self.started}"
            self.cluster.add_host(name, seeds=[address(each) for each in self.running()])
            self.cluster.start(name)

    def end(self) -> None:
        """Let all faults be over, and every disk that may hold something be started once more."""
        self.cluster.network.heal()
        for name, host in self.cluster.hosts.items():
            host.disk.pace.append_s = 0.0003
            if host.process is None:
                self.cluster.start(name)
        for second in range(180):
            for each in self.cluster.running if second % 30 == 0 else ():
                each.join([host.address for host in self.cluster.hosts.values()])
            self.cluster.run(1)
            if not self.unfinished():
                return
            if second == 90 and not self.is_anybody_active():
                self.start_anew()
        raise AssertionError(self.unfinished())

    def is_anybody_active(self) -> bool:
        rosters = [each.node.roster for each in self.cluster.running]
        return any(e.state is State.ACTIVE for roster in rosters for e in roster.belonging())

    def start_anew(self) -> None:
        """Do what all nodes ask for where they have removed each other."""
        for name in self.running():
            self.cluster.stop(name)
            self.cluster.hosts[name].new_identity = True
            self.cluster.start(name)

    def unfinished(self) -> list[str]:
        """Return what keeps removals from having ended; it must be nothing in the end."""
        found = []
        for each in self.cluster.running:
            mine = each.node.roster.get(each.node.config.node)
            if mine is not None and mine.state >= State.REMOVING:
                found.append(f"{each.host} is {mine.state.name.lower()} and runs")
            reports = each.node.removing.reports()
            found += [
                f"{each.host}: {r.entry.name} {r.phase}" for r in reports if r.phase != "done"
            ]
        return found


@pytest.mark.parametrize("seed", range(12))
def test_every_removal_ends_and_nothing_is_lost_or_counted_twice(seed: int) -> None:
    storm = Storm(seed)
    for _ in range(STEPS):
        storm.step()
    storm.end()
    storm.cluster.settle(2 * SETTLED_S_MAX)
    storm.cluster.check_everything()


def test_storms_do_remove_nodes() -> None:
    storms = [Storm(seed) for seed in range(4)]
    for storm in storms:
        for _ in range(STEPS):
            storm.step()
    assert sum(storm.asked for storm in storms) >= 4
