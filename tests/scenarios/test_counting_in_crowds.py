"""Counting in a cluster too large for links to everyone: what tears the tree loses nothing."""

from __future__ import annotations

from gcounterd.node.dialling import WARM_LINKS_MAX
from gcounterd.node.tree import BEACON_EVERY_S, BEACONS_MISSED_MAX
from gcounterd.sim.checkers import find_disagreement
from gcounterd.sim.cluster import Cluster
from gcounterd.sim.standing import stand

MEMBERS = WARM_LINKS_MAX + 4
# More columns than a sample has heads; all of them change all the time.
RATE = 6
AGREED_S = 40.0


def counting(seed: int) -> Cluster:
    cluster = Cluster(seed)
    stand(cluster, MEMBERS)
    cluster.run(3.0)
    return cluster


def count(cluster: Cluster, seconds: float) -> None:
    """Let nodes that run count at random."""
    rng = cluster.world.derive(f"counting {cluster.world.now}")
    for _ in range(round(seconds * RATE)):
        process = rng.choice(cluster.running)
        cluster.add(process.host, b"hits")
        cluster.run(1 / RATE)


def agree(cluster: Cluster) -> None:
    """Run until all nodes show the same, which must not take long; check everything."""
    end = cluster.world.now + AGREED_S
    while unlike := find_disagreement([process.node for process in cluster.running]):
        assert cluster.world.now < end, unlike
        cluster.run(1.0)
    cluster.check_everything()


def tree_of(cluster: Cluster) -> tuple[int, int]:
    """Return how many eager links there are, and how many parts of the cluster they connect."""
    peers = {
        process.node.config.node: [link.peer for link in process.node.pushes.tree.links]
        for process in cluster.running
    }
    parts, seen = 0, dict.fromkeys(peers, False)
    for first in peers:
        parts += not seen[first]
        reached = [first]
        while reached:
            node = reached.pop()
            if not seen[node]:
                seen[node] = True
                reached += peers[node]
    return sum(map(len, peers.values())) // 2, parts


def test_eager_links_become_a_tree_that_stays_while_counts_go_on() -> None:
    cluster = counting(1)
    count(cluster, BEACON_EVERY_S + 2)
    links, parts = tree_of(cluster)
    assert parts == 1
    assert links <= MEMBERS + 1  # a link that was just grafted may close a cycle
    agree(cluster)


def test_a_root_that_dies_is_replaced_and_nothing_is_lost() -> None:
    cluster = counting(2)
    count(cluster, BEACON_EVERY_S)
    first = min(cluster.running, key=lambda process: process.node.config.node)
    cluster.kill(first.host, power=True)
    count(cluster, (BEACONS_MISSED_MAX + 1) * BEACON_EVERY_S + 3)
    assert tree_of(cluster)[1] == 1
    cluster.start(first.host)
    agree(cluster)


def test_halves_that_counted_apart_agree_soon_after_they_meet() -> None:
    cluster = counting(3)
    names = list(cluster.hosts)
    cluster.split(names[::2], names[1::2])
    count(cluster, 6.0)
    cluster.network.heal()
    count(cluster, 3.0)
    agree(cluster)
