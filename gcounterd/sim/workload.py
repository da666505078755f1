"""The workload: clients that count and read, and operators that let nodes join.

Theory. Few keys get most increments, as everywhere; now and then many new ones come at once. All
clients are honest witnesses: what they were answered goes to the ledger through the process, and
what they read is checked at once. Some wait until other members hold what they counted. A
consistent read is held against everything that was answered before it began by any node that can be
found from the asker's roster.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random

from gcounterd.ids import NodeId
from gcounterd.node.levels import Level
from gcounterd.node.reading import READS_MAX
from gcounterd.sim.chance import draw_exponential, draw_rank
from gcounterd.sim.cluster import Cluster
from gcounterd.sim.process import Process

# Mean seconds between bursts of the whole cluster, drawn per seed.
BURST_EVERY_S = (0.1, 0.8)
READ_EVERY_S = 0.5
CONSISTENT_EVERY_S = 4.0
# How many more come to the same node after one, and within which time: some begin while a question
# that cannot serve them is under way.
FOLLOWERS = (0, 0, 0, 3, 8)
FOLLOWED_S = 0.05
KEEP_EVERY_S = 1.0
KEYS = 60
NEW_KEYS_MAX = 1500


class Workload:
    """What clients do to a cluster."""

    def __init__(self, cluster: Cluster, rng: Random) -> None:
        self._cluster = cluster
        self._rng = rng
        self._reads_rng = cluster.world.derive("reads")
        self._new = 0
        self._every_s = rng.uniform(*BURST_EVERY_S)
        self.ended = False
        self.exact = 0

    def begin(self) -> None:
        """Let clients come."""
        self._again(self._count, self._every_s)
        self._again(self._look, READ_EVERY_S)
        self._again(self._read, CONSISTENT_EVERY_S)
        self._again(self._keep, KEEP_EVERY_S)

    def _again(self, act: Callable[[], None], mean_s: float) -> None:
        def come() -> None:
            if not self.ended:
                act()
                self._again(act, mean_s)

        self._cluster.world.after(draw_exponential(self._rng, mean_s), come)

    def _process(self) -> Process | None:
        awake = [process for process in self._cluster.running if not process.paused]
        return self._rng.choice(awake) if awake else None

    def _key(self) -> bytes:
        return b"page/%d" % draw_rank(self._rng, KEYS)

    def _count(self) -> None:
        process = self._process()
        if process is None:
            return
        for _ in range(self._rng.choice([1, 1, 1, 1, 3, 10])):
            process.add(self._key(), self._rng.choice([1, 1, 1, 7, 300, 70_000]))
        if self._rng.random() < 0.05 and self._new < NEW_KEYS_MAX:
            for _ in range(self._rng.choice([5, 20, 80])):
                self._new += 1
                process.add(b"new/%d" % self._new, 1)
        process.turn()

    def _keep(self) -> None:
        """Count until others hold it; the cluster checks what is answered."""
        rng, process = self._rng, self._process()
        if process is None:
            return
        level = rng.choice([Level.MAJORITY, Level.MAJORITY, Level.ALL])
        for _ in range(rng.choice([1, 1, 3])):
            process.clients.keep(self._key(), 1, level, rng.choice([0.05, 1.0, 5.0, 30.0]))
        process.turn()

    def _look(self) -> None:
        process = self._process()
        if process is not None:
            self._cluster.value(process.host, self._key())

    def _read(self) -> None:
        """Read consistently, now and then with others soon after, which share its questions."""
        process = self._process()
        if process is None:
            return
        self._read_at(process)
        for _ in range(self._reads_rng.choice(FOLLOWERS)):
            soon = self._reads_rng.uniform(0.0, FOLLOWED_S)
            self._cluster.world.after(soon, self._read_at, process)

    def _read_at(self, process: Process) -> None:
        """Read at one node, and check the answer against what was answered before."""
        if not process.alive or process.paused or not process.node.joining.counting:
            return
        if process.node.removing.returning.active:
            return  # it was removed, and is not read any more
        cluster, key = self._cluster, self._key()
        least = cluster.ledger.answered(key, find_reachable(cluster, process))
        restored = len(cluster.rolled_back)

        def done(missing: tuple[str, ...]) -> None:
            cluster.tally["read missed someone" if missing else "read exact"] += 1
            if not missing and len(cluster.rolled_back) == restored:
                value = process.node.counters.value(key)
                cluster.checkers.check_read(process.host, key, value, least)

        if len(process.node.reading) < READS_MAX:
            process.read(self._rng.uniform(0.2, 5.0), done)


def find_reachable(cluster: Cluster, asker: Process) -> dict[NodeId, None]:
    """Return the nodes that a chain of rosters leads to from `asker`, restored disks left out.

    No chain leads on from those either: of two processes of one node only one is asked.
    """
    rosters = {
        process.node.config.node: process.node.roster
        for process in cluster.running
        if process.node.config.node not in cluster.rolled_back
    }
    rosters[asker.node.config.node] = asker.node.roster
    found: dict[NodeId, None] = {asker.node.config.node: None}
    waiting = deque(found)
    while waiting:
        roster = rosters.get(waiting.popleft())
        for entry in roster.belonging() if roster is not None else ():
            if entry.node not in found:
                found[entry.node] = None
                waiting.append(entry.node)
    return {node: None for node in found if node not in cluster.rolled_back}
