"""What scenarios of removals have in common: asking for them, and waiting for their end."""

from __future__ import annotations

from collections.abc import Iterable

from stories import SETTLED_S_MAX

from gcounterd.ids import NodeId
from gcounterd.members.roster import State
from gcounterd.node.removing import Report
from gcounterd.sim.cluster import Cluster

# The specification asks for 5 s from the command to the end; faults may take a retry or two more.
REMOVED_S_MAX = 5.0
STEP_S = 0.05


def node_id(cluster: Cluster, name: str) -> NodeId:
    return cluster.hosts[name].node


def state(cluster: Cluster, at: str, name: str) -> State:
    """Return how far a node has come as a member, as another one's roster has it."""
    entry = cluster.node(at).roster.get(node_id(cluster, name))
    assert entry is not None
    return entry.state


def report(cluster: Cluster, at: str, name: str) -> Report:
    return cluster.node(at).removing.report(node_id(cluster, name))


def is_removed(cluster: Cluster, names: Iterable[str]) -> bool:
    """Say whether all others that run know that these are removed, and are done with it."""
    gone = {node_id(cluster, name): None for name in names}
    nodes = [each.node for each in cluster.running if each.node.config.node not in gone]
    return all(_is_done(node.removing.reports(), gone) for node in nodes)


def _is_done(reports: list[Report], gone: dict[NodeId, None]) -> bool:
    done = {each.entry.node: None for each in reports if each.phase == "done"}
    return all(node in done for node in gone)


def wait_removed(cluster: Cluster, *names: str, seconds: float = REMOVED_S_MAX) -> float:
    """Run until these are removed everywhere; return how long that took."""
    began = cluster.world.now
    while not is_removed(cluster, names):
        cluster.run(STEP_S)
        took = cluster.world.now - began
        assert took < seconds, [_show(cluster, each.host) for each in cluster.running]
    return cluster.world.now - began


def _show(cluster: Cluster, at: str) -> list[str]:
    node = cluster.node(at)
    return [
        f"{at}: {each.entry.name} {each.phase} waits for "
        f"{[(node.roster.label(who), why) for who, why in each.waiting]}"
        for each in node.removing.reports()
    ]


def wait_exit(cluster: Cluster, name: str, seconds: float = REMOVED_S_MAX) -> tuple[int, str]:
    """Run until a host's process has ended by itself; return how."""
    began = cluster.world.now
    while cluster.hosts[name].process is not None:
        cluster.run(STEP_S)
        waiting = report(cluster, name, name) if cluster.hosts[name].process else None
        assert cluster.world.now - began < seconds, waiting
    return cluster.hosts[name].exits[-1]


def finish(cluster: Cluster, *names: str) -> None:
    """Let removals end and all nodes agree; check that they hold exactly what was counted."""
    wait_removed(cluster, *names, seconds=SETTLED_S_MAX)
    cluster.settle(SETTLED_S_MAX)
    cluster.check_everything()
