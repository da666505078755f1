"""The quiet: what must hold when everybody was connected and everything was heard.

Theory. From any state the cluster must be able to come to rest in agreement (I3) on everything of
which a disk survives (I2), each increment once (I5). So from a state that was reached, all hosts
are started, all links made anew, messages delivered in order, everybody woken in turn, until
nothing changes. This is one schedule and no search: what other orders do, the search sees by
itself.

The messages under way are lost with their links, so what follows depends on the hosts alone. It
takes some forty steps, so of the combinations of hosts the first are tried, then every
so-manieth.
"""

from __future__ import annotations

from tests.search.checks import name_column
from tests.search.cluster import Cluster, State
from tests.search.ground import HOSTS
from tests.search.locals import Locals

# Rounds of waking everybody; a message that begets messages for ever would be a finding too.
_ROUNDS_MAX = 12
# The first ones, which are those of the fewest steps; then one of so many.
_FIRST = 48
_EVERY = 24
_N = len(HOSTS)


class Quiet:
    """Ends of schedules; one per search. `done` says how many were tried."""

    def __init__(self, states: Locals) -> None:
        self._locals = states
        self._seen: set[tuple[int, ...]] = set()
        self.done = 0

    def check(self, state: State) -> str:
        """Return what does not hold after everything was heard; "" if all does."""
        if state.hosts in self._seen:
            return ""
        self._seen.add(state.hosts)
        if len(self._seen) > _FIRST and len(self._seen) % _EVERY:
            return ""
        self.done += 1
        least = self._survivors(state)
        cluster = Cluster(self._locals, state, 0)
        settle(cluster)
        complaint = cluster.complaint or self._agree(cluster) or self._nothing_lost(cluster, least)
        return f"at rest: {complaint}" if complaint else ""

    def _survivors(self, state: State) -> dict[tuple[int, int], int]:
        """Return the newest version of each column that a disk holds."""
        newest: dict[tuple[int, int], int] = {}
        for number in state.hosts:
            for column, head in self._locals.durable(number).items():
                newest[column] = max(head, newest.get(column, 0))
        return newest

    def _agree(self, cluster: Cluster) -> str:
        first = cluster.look(0)
        for host in range(1, _N):
            look = cluster.look(host)
            if look.values != first.values:
                return f"I3 agreement: a shows {first.values}, {HOSTS[host]} {look.values}"
            if look.heads != first.heads:
                return f"I3 agreement: a has {first.heads}, {HOSTS[host]} {look.heads}"
            if look.lines != first.lines:
                return f"I3 agreement: a has settled {first.lines}, {HOSTS[host]} {look.lines}"
            if look.roster != first.roster:
                return f"I3 agreement: the rosters of a and {HOSTS[host]} differ"
        return ""

    def _nothing_lost(self, cluster: Cluster, least: dict[tuple[int, int], int]) -> str:
        held = cluster.look(0).heads
        for column, head in least.items():
            if held.get(column, 0) < head:
                name = name_column(*column)
                return f"I2 never lost: version {head} of {name} was on a disk, {held} is left"
        return ""


def settle(cluster: Cluster) -> None:
    """Start everybody, connect everybody, deliver everything, until nothing changes."""
    for host in range(_N):
        if not cluster.look(host).alive:
            cluster.do(host, ("start",))
        cluster.commit(host)
    for host in range(_N):
        for peer in range(host + 1, _N):
            cluster.connect(host, peer)
    for _ in range(_ROUNDS_MAX):
        cluster.drain()
        before = tuple(cluster.hosts)
        for host in range(_N):
            for pick in range(len(cluster.look(host).links)):
                cluster.do(host, ("wake", pick))
                cluster.drain()
        if tuple(cluster.hosts) == before or cluster.complaint:
            return
    cluster.complaint = f"I3 agreement: no rest after {_ROUNDS_MAX} rounds"
