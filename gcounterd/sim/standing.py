"""A cluster that stands already: nodes that know each other from their disks.

Theory. Joining is a story of its own and its traffic grows with the square of the nodes; whoever
wants to look at something else begins after it. Every disk gets the same roster, in which each
node has the epoch that it is about to start with, so that nobody has anything new to say. What is
left of the beginning is that all dial each other at once.
"""

from __future__ import annotations

from gcounterd.ids import draw_epoch
from gcounterd.members.roster import Entry, Roster, State
from gcounterd.sim.cluster import Cluster
from gcounterd.sim.host import MAX_COUNTERS
from gcounterd.sim.world import WALL_START_MS
from gcounterd.storage.recovery import roster_images


def stand(cluster: Cluster, nodes: int, counters: int = MAX_COUNTERS) -> list[str]:
    """Put up and start `n1`, `n2`, …, each an active member to all; return their names.

    `counters` is how many each has room for.
    """
    names = [f"n{number}" for number in range(1, nodes + 1)]
    rng = cluster.world.derive("standing")
    entries = []
    for name in names:
        host = cluster.add_host(name)
        host.max_counters = counters
        host.drawn = draw_epoch(WALL_START_MS, rng.getrandbits(80))
        entries.append(Entry(host.node, host.drawn, 0, name, host.address, State.ACTIVE))
    images = {(i.kind.value, i.column, i.number): i for i in roster_images(Roster(entries))}
    for name in names:
        cluster.hosts[name].disk.content.images.update(images)
    for name in names:
        cluster.start(name)
    return names
