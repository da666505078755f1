"""What the scenarios about closed columns have in common: small disks, and who holds what how."""

from __future__ import annotations

from stories import SETTLED_S_MAX, address

from gcounterd.counters.settled import Line
from gcounterd.ids import ColumnId
from gcounterd.sim.cluster import Cluster

# Long enough to write a closed column to disk and to let go of it.
COOLED_S = 8.0


def form(*names: str, seed: int = 1, checkpoint: int = 2) -> Cluster:
    """Return a cluster at rest whose disks make a checkpoint every so many rows."""
    cluster = Cluster(seed)
    for name in names:
        host = cluster.add_host(name, seeds=[address(other) for other in names])
        host.rows_per_checkpoint = checkpoint
        cluster.start(name)
    cluster.settle(SETTLED_S_MAX)
    return cluster


def restart(cluster: Cluster, name: str, *, power: bool = False) -> None:
    """Kill a process and start the next one at once."""
    cluster.kill(name, power=power)
    cluster.start(name)


def open_columns(cluster: Cluster) -> dict[str, int]:
    """Return how many columns are open at each node."""
    return {p.host: len(p.node.counters.heads()) for p in cluster.running}


def lines(cluster: Cluster, column: ColumnId) -> dict[str, Line | None]:
    """Return what each node knows of a settled column, None where it is not settled."""
    return {p.host: p.node.counters.settled.get(column) for p in cluster.running}


def versions(cluster: Cluster, column: ColumnId) -> dict[str, int]:
    """Return the version of a column at each node."""
    return {p.host: p.node.counters.head(column) for p in cluster.running}


def closed_at(cluster: Cluster, column: ColumnId) -> list[str]:
    """Return the nodes at which a column is closed."""
    return [host for host, line in lines(cluster, column).items() if line is not None]


def cold_at(cluster: Cluster, column: ColumnId) -> list[str]:
    """Return the nodes that have a column on disk only."""
    return [p.host for p in cluster.running if p.node.counters.is_cold(column)]
