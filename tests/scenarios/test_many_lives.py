"""What many lives of a node leave behind: bytes, counted, not timed."""

from __future__ import annotations

from closings import form, restart
from stories import SETTLED_S_MAX, agree

from gcounterd.counters.settled import Closing
from gcounterd.ids import Epoch, column_id
from gcounterd.sim.cluster import Cluster

LIVES = 1000
IDLE_S = 240.0
# A restart is over, and hashes of all that there is were compared since.
RESTART_S = 40.0
MORE_MAX = 1.02


def sent(cluster: Cluster) -> int:
    return sum(process.sent_bytes for process in cluster.running)


def idle_bytes(cluster: Cluster) -> int:
    before = sent(cluster)
    cluster.run(IDLE_S)
    return sent(cluster) - before


def restart_bytes(cluster: Cluster, name: str) -> int:
    """Restart a node that has counted; return what all have sent until that is settled."""
    assert cluster.add(name, b"hits", 1)
    cluster.run(1)
    before = sent(cluster) - cluster.process(name).sent_bytes
    restart(cluster, name)
    cluster.run(RESTART_S)
    return sent(cluster) - before


def live_often(cluster: Cluster, name: str) -> None:
    """Let a node have had so many lives that each ended in a crash."""
    node = cluster.node(name)
    epochs = [Epoch(life.to_bytes(16, "big")) for life in range(1, LIVES + 1)]
    closings = [Closing(column_id(node.config.node, epoch)) for epoch in epochs]
    node.intake.take_closings(tuple(closings))


def test_a_thousand_restarts_leave_idle_traffic_and_the_next_restart_as_they_were() -> None:
    cluster = form("n1", "n2", "n3")
    first, idle = restart_bytes(cluster, "n3"), idle_bytes(cluster)
    live_often(cluster, "n3")
    cluster.settle(SETTLED_S_MAX)
    again, still = restart_bytes(cluster, "n3"), idle_bytes(cluster)
    agree(cluster)
    assert all(len(process.node.counters.settled) == LIVES + 2 for process in cluster.running)
    assert still <= MORE_MAX * idle
    # Two peers, of each the sums that lead to the one line that is new.
    assert again <= first + 2 * 2000
