"""The stage: a cluster that stands, and what every scenario does to one and asks of it.

Theory. A scenario is over when something holds at every node, so the stage waits for conditions
and says how long they took; and it failed if something happened at any node in between, so the
stage looks that up in the chronicle. Views are those that an operator gets, in which a member that
has not been heard of in this life is no member that is alive.

The bounds of waiting are here, and follow from constants of the protocol; none was chosen to fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import Random

from gcounterd.members.claims import Claim, Liveness
from gcounterd.members.timing import LAN, Timing
from gcounterd.node.dialling import GONE_EVERY_S
from gcounterd.node.messages import Channel, Message
from gcounterd.sim.checkers import check, find_disagreement
from gcounterd.sim.chronicle import Seen
from gcounterd.sim.cluster import Cluster
from gcounterd.sim.host import MAX_COUNTERS, Host
from gcounterd.sim.network import DIAL_S_MAX
from gcounterd.sim.standing import stand
from gcounterd.wire.codec import encode

SETTLED_S_MAX = 60.0
STEP_S = 0.1
# One round of what repairs what pushes and rumours missed, with its jitter.
SYNC_S = 1.2
HITS = b"hits"


class Stage:
    """A cluster of one seed; `names` are its nodes in the order of their starts."""

    def __init__(self, seed: int, nodes: int = 0, timing: Timing = LAN) -> None:
        self.cluster = Cluster(seed, timing)
        self.rng: Random = self.cluster.world.derive("scenario")
        if nodes:
            self.form(nodes)

    def form(self, nodes: int, counters: int = MAX_COUNTERS) -> None:
        """Put up n1, n2, …, which know each other from their disks, and let them meet."""
        stand(self.cluster, nodes, counters)
        self.until(self.is_formed, SETTLED_S_MAX, "the start")
        self.cluster.run(self.rng.uniform(0, 2))

    # -- who ----------------------------------------------------------------------------------

    @property
    def names(self) -> list[str]:
        """Return the hosts, running or not."""
        return list(self.cluster.hosts)

    @property
    def running(self) -> list[str]:
        """Return the hosts whose processes live."""
        return [process.host for process in self.cluster.running]

    @property
    def now(self) -> float:
        """Return virtual seconds."""
        return self.cluster.world.now

    def host(self, name: str) -> Host:
        """Return a host."""
        return self.cluster.hosts[name]

    def others(self, *names: str) -> list[str]:
        """Return all hosts but these."""
        return [name for name in self.names if name not in names]

    def choose(self, number: int, among: Sequence[str] = ()) -> list[str]:
        """Draw so many hosts."""
        return self.rng.sample(list(among or self.names), number)

    # -- what they see ------------------------------------------------------------------------

    def sees(self, name: str, other: str) -> Liveness | None:
        """Return what a node shows of another; None of a stranger."""
        view = self.cluster.node(name).detector.view(self.host(other).node)
        return None if view is None else view.liveness

    def all_see(
        self, liveness: Liveness, whom: Iterable[str], by: Iterable[str] | None = None
    ) -> bool:
        """Say whether all nodes that run, or these, show these hosts so; themselves aside."""
        whom, by = list(whom), self.running if by is None else list(by)
        return all(self.sees(a, b) is liveness for a in by for b in whom if a != b)

    def everyone_sees_everyone(self) -> bool:
        """Say whether every host that runs is shown as alive by every other."""
        return self.all_see(Liveness.ALIVE, self.running)

    def is_formed(self) -> bool:
        """Say whether everyone sees everyone and counts."""
        counting = all(process.node.joining.counting for process in self.cluster.running)
        return counting and self.everyone_sees_everyone()

    def agrees(self) -> bool:
        """Say whether everyone sees everyone, and rosters and counters are equal."""
        nodes = [process.node for process in self.cluster.running]
        return self.everyone_sees_everyone() and not find_disagreement(nodes)

    # -- time ---------------------------------------------------------------------------------

    def until(self, holds: Callable[[], bool], within: float, what: str) -> float:
        """Run until something holds; return how long that took; too long is a violation."""
        start = self.now
        while not holds():
            took = self.now - start
            check(took < within, what, f"not within {within:.1f} s: {self.describe()}")
            self.cluster.run(STEP_S)
        return self.now - start

    def describe(self) -> str:
        """Say who sees whom otherwise than alive, in short."""
        seen = [
            f"{a} sees {b} {'as a stranger' if said is None else said.name.lower()}"
            for a in self.running
            for b in self.names
            if a != b and (said := self.sees(a, b)) is not Liveness.ALIVE
        ]
        nodes = [process.node for process in self.cluster.running]
        return "; ".join([*seen[:5], find_disagreement(nodes)])

    def count(self, *names: str) -> None:
        """Count once at each of these hosts, and let it be committed."""
        for name in names:
            check(self.cluster.add(name, HITS), "I7", f"{name} does not count")
        self.cluster.run(STEP_S)

    def finish(self) -> None:
        """Let all come to rest, and check that they hold exactly what was counted."""
        self.cluster.settle(SETTLED_S_MAX)
        self.cluster.check_everything()

    @property
    def merge_bound(self) -> float:
        """Return how long a heal may take until everyone sees everyone, in seconds.

        A dial under way when the route came back was lost and times out; the next is due after the
        longest back-off, and waits for its turn among those that are gone; then one sync.
        """
        most = self.cluster.running[0].node.config.redial_most
        return DIAL_S_MAX + most + GONE_EVERY_S * len(self.names) + SYNC_S

    @property
    def death_bound(self) -> float:
        """Return how long a silent member may go without being seen as dead, in seconds.

        Two passes of the order in which each probes all others, one failed round, and a suspicion
        that nobody else confirms.
        """
        members = len(self.names)
        rounds = (2 * members + 1) * LAN.interval
        return rounds + LAN.suspected_for(members, 0) + SYNC_S

    # -- what happened ------------------------------------------------------------------------

    def deaths(
        self, of: Iterable[str], *, by: Iterable[str] | None = None, since: float = 0.0
    ) -> list[Seen]:
        """Return where any of these hosts was declared dead, at all nodes or these."""
        of, by = list(of), self.names if by is None else list(by)
        found = self.cluster.chronicle.find("dead", since=since)
        return [seen for seen in found if seen.member in of and seen.host in by]

    def check_no_deaths(
        self,
        of: Iterable[str],
        scenario: str,
        *,
        by: Iterable[str] | None = None,
        since: float = 0.0,
    ) -> None:
        """Check that none of these hosts was declared dead, at all nodes or these."""
        found = self.deaths(of, by=by, since=since)
        check(not found, scenario, f"{len(found)} false deaths, first {found[:1]}")

    # -- what can be done to them -------------------------------------------------------------

    def start_after(self, seconds: float, name: str) -> None:
        """Start a host's process in so many seconds."""

        def start() -> None:
            self.cluster.start(name)

        self.cluster.world.after(seconds, start)

    def isolate(self, name: str) -> None:
        """Cut a host off from all others."""
        self.cluster.split([name], self.others(name))

    def say(self, source: str, target: str, message: Message) -> None:
        """Let a node say something that it would not have said by itself."""
        peer = self.host(target).node
        link = self.cluster.node(source).peers.to(peer, Channel.CONTROL)
        check(link is not None, "stage", f"{source} has no link to {target}")
        assert link is not None
        end = self.cluster.process(source).ends[link.id]
        self.cluster.network.send(end, encode(message))

    def claim(self, of: str, liveness: Liveness, by: str, *, newer: int = 0) -> Claim:
        """Return a claim about a host as it lives now, at its incarnation or a newer one."""
        node = self.cluster.node(of)
        me = node.detector.me
        accused = liveness in (Liveness.SUSPECT, Liveness.DEAD)
        accuser = self.host(by).node if accused else None
        return Claim(me.node, me.epoch, me.incarnation + newer, liveness, accuser)
