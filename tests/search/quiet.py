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

from gcounterd.members import roster
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
    """Ends of schedules; one per search.

    done  how many were tried
    """

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
        complaint = cluster.complaint or self._ended(cluster)
        complaint = complaint or self._agree(cluster) or self._nothing_lost(cluster, least)
        return f"at rest: {complaint}" if complaint else ""

    def _survivors(self, state: State) -> dict[tuple[int, int], int]:
        """Return the newest version of each column that a disk holds."""
        newest: dict[tuple[int, int], int] = {}
        for number in state.hosts:
            for column, head in self._locals.durable(number).items():
                newest[column] = max(head, newest.get(column, 0))
        return newest

    def _agree(self, cluster: Cluster) -> str:
        members = [h for h in range(_N) if _is_member(cluster, h)]
        if not members:
            return ""
        first, name = cluster.look(members[0]), HOSTS[members[0]]
        for host in members[1:]:
            look = cluster.look(host)
            if look.values != first.values:
                return f"I3 agreement: {name} shows {first.values}, {HOSTS[host]} {look.values}"
            if look.heads != first.heads:
                return f"I3 agreement: {name} has {first.heads}, {HOSTS[host]} {look.heads}"
            if look.lines != first.lines:
                return f"I3 agreement: {name} has settled {first.lines}, {HOSTS[host]} {look.lines}"
            if look.roster != first.roster:
                return f"I3 agreement: the rosters of {name} and {HOSTS[host]} differ"
        return ""

    def _ended(self, cluster: Cluster) -> str:
        """Say which removal has not ended, with everybody there; "" if all have."""
        members = [h for h in range(_N) if _is_member(cluster, h)]
        states = cluster.look(members[0]).states if members else (None,) * _N
        for host in range(_N):
            name = HOSTS[host]
            if states[host] is roster.State.REMOVING:
                return f"I3 agreement: the removal of {name} does not end"
            if states[host] is roster.State.REMOVED and cluster.look(host).alive:
                return f"I3 agreement: {name} is removed and does not end"
        return ""

    def _nothing_lost(self, cluster: Cluster, least: dict[tuple[int, int], int]) -> str:
        members = [h for h in range(_N) if _is_member(cluster, h)]
        if not members:
            return ""
        held = cluster.look(members[0]).heads
        for column, head in least.items():
            if held.get(column, 0) < head:
                name = name_column(*column)
                return f"I2 never lost: version {head} of {name} was on a disk, {held} is left"
        return ""


def _is_member(cluster: Cluster, host: int) -> bool:
    look = cluster.look(host)
    return look.alive and not look.returning and look.states[host] is roster.State.ACTIVE


def settle(cluster: Cluster) -> None:
    """Start everybody, connect everybody, deliver everything, until nothing changes."""
    for host in range(_N):
        if not cluster.look(host).alive:
            cluster.do(host, ("start",))
        cluster.commit(host)
    for round_ in range(_ROUNDS_MAX):
        _connect_all(cluster, anew=round_ == 0)
        cluster.drain()
        before = tuple(cluster.hosts)
        for host in range(_N):
            for pick in range(max(1, len(cluster.look(host).links))):
                if cluster.look(host).alive:
                    cluster.wake(host, pick)
                cluster.commit(host)
                cluster.drain()
        if tuple(cluster.hosts) == before or cluster.complaint:
            return
    # Where everybody is removed nobody can end: all wait for an operator, and look out meanwhile.
    if any(_is_member(cluster, host) for host in range(_N)):
        cluster.complaint = f"I3 agreement: no rest after {_ROUNDS_MAX} rounds"


def _connect_all(cluster: Cluster, *, anew: bool) -> None:
    """Make the links that are lacking, or all; a node that returns dials, others wait for it."""
    for host in range(_N):
        for peer in range(_N):
            one, other = cluster.look(host), cluster.look(peer)
            dials = one.returning or not other.returning
            lacks = peer not in one.links or (anew and host < peer)
            if one.alive and not other.alive and peer in one.links:
                cluster.part(host, peer)  # it ended by itself: whoever is connected hears of it
            if host != peer and one.alive and other.alive and dials and lacks:
                cluster.connect(host, peer)
