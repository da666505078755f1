"""What scenarios have in common: clusters that stand, made by hand and without weather."""

from __future__ import annotations

from gcounterd.sim.cluster import Cluster
from gcounterd.sim.host import MAX_COUNTERS

SETTLED_S_MAX = 60.0


def address(name: str) -> str:
    return f"{name}:7700"


def form(*names: str, seed: int = 1, max_counters: int = MAX_COUNTERS) -> Cluster:
    """Return a cluster of these nodes, all at rest."""
    cluster = Cluster(seed)
    for name in names:
        host = cluster.add_host(name, seeds=[address(other) for other in names])
        host.max_counters = max_counters
        cluster.start(name)
    cluster.settle(SETTLED_S_MAX)
    return cluster


def join(cluster: Cluster, name: str, *seeds: str) -> None:
    """Put up a newcomer that names these members."""
    cluster.add_host(name, seeds=[address(seed) for seed in seeds])
    cluster.start(name)


def agree(cluster: Cluster) -> None:
    """Let all nodes agree, and check that they hold exactly what was counted."""
    cluster.settle(SETTLED_S_MAX)
    cluster.check_everything()


def values(cluster: Cluster, key: bytes) -> dict[str, int]:
    return {process.host: cluster.value(process.host, key) for process in cluster.running}


def read(cluster: Cluster, name: str, seconds: float = 5.0) -> list[tuple[str, ...]]:
    """Begin a consistent read; the list gets the names it missed, once it has ended."""
    ended: list[tuple[str, ...]] = []
    cluster.process(name).read(seconds, ended.append)
    return ended
