"""The detector: who answers, found out by probing, doubting and telling. SWIM with Lifeguard.

Theory. Each interval one member is probed, directly and then through others; who does not answer is
suspected, which everybody is told and the member may refute; a suspicion that nobody refutes ends
in *dead* (Das, Gupta, Motivala 2002; Dadgar, Phillips, Currey 2017). What decides is in modules of
its own: `claims` (which claim holds), `beliefs` (what follows from it), `rounds` (whom to probe),
`suspicions` (how long), `health` and `clock` (whether it is ourselves), `rumours` and `table` (how
others learn). Nobody is forgotten: a member on the roster can always come back.

Beyond SWIM, evidence hurries: a connection that broke, or a port that refuses, is looked into at
once and not when the member's turn comes.

The detector refuses to know connections: it asks by `actions` and is told what came of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from random import Random

from gcounterd.ids import Epoch, NodeId
from gcounterd.members.actions import Action, AskRelays, Contact, Happened, Tell
from gcounterd.members.beliefs import Beliefs
from gcounterd.members.claims import Claim, Evidence, Liveness
from gcounterd.members.clock import Clock
from gcounterd.members.health import Health
from gcounterd.members.rounds import Numbers, Order, Probe, Reply
from gcounterd.members.table import MemberView
from gcounterd.members.timing import Timing

# Claims that ride on one ping or ack, and in one frame of their own: some 60 bytes each.
PIGGYBACK_MAX = 6
TELL_MAX = 64
# Probes at a time, above which hurried ones wait: as when a rack loses its power.
PROBES_MAX = 8
# Direct attempts of one probe; after so many connections that broke, others are asked instead.
TRIES_MAX = 2


class Detector:
    """What this node believes of the others, and what it does to find out.

    timing   its constants; tally  what it did, by name
    """

    def __init__(
        self,
        own: NodeId,
        epoch: Epoch,
        timing: Timing,
        rng: Random,
        now: float,
        *,
        label: Callable[[NodeId], str],
        linked: Callable[[NodeId], bool],
    ) -> None:
        """`label` names a member for people; `linked` says who can be told something now."""
        self.timing = timing
        self.tally: Counter[str] = Counter()
        self._rng, self._label, self._linked = rng, label, linked
        self._clock = Clock(timing.stall)
        self._health = Health(timing.health_max)
        me = Claim(own, epoch, 0, Liveness.ALIVE)
        self._beliefs = Beliefs(me, timing, self._clock, self._health, self.tally)
        self._order = Order(rng)
        self._probes: dict[int, Probe] = {}
        self._targets: dict[NodeId, Probe] = {}
        self._hurried: dict[NodeId, bool] = {}
        self._numbers = Numbers()
        self._round_due = now + timing.interval * rng.random()
        self._gossip_due = now

    # -- views ------------------------------------------------------------------------------

    @property
    def health(self) -> int:
        """Return how much we doubt ourselves: 0 is well."""
        return self._health.score

    @property
    def me(self) -> Claim:
        """Return what we say of ourselves."""
        return self._beliefs.me

    @property
    def later(self) -> Epoch | None:
        """Return the latest life of this node that was spoken of, if any after the present one."""
        return self._beliefs.later

    @property
    def alone(self) -> bool:
        """Say whether there are other members, and none answers."""
        return self._beliefs.alone

    @property
    def telling(self) -> int:
        """Return how many rumours are still being told."""
        return len(self._beliefs.rumours)

    @property
    def told(self) -> int:
        """Return how often this node told somebody a rumour."""
        return self._beliefs.rumours.tellings

    @property
    def living(self) -> int:
        """Return how many members live, this one included."""
        return self._beliefs.size

    def liveness(self, node: NodeId) -> Liveness:
        """Return what is believed of a member; a stranger is dead."""
        return self._beliefs.liveness(node)

    def lives(self, node: NodeId) -> bool:
        """Say whether a member is alive or suspect."""
        return self._beliefs.lives(node)

    def view(self, node: NodeId) -> MemberView | None:
        """Return a member as this node sees it, itself included; None for a stranger."""
        return self._beliefs.view(node)

    # -- who there is, and what is said -----------------------------------------------------

    def know(self, node: NodeId, epoch: Epoch, now: float, *, joined: bool) -> list[Action]:
        """Take note of a member of the roster; `joined` if it is new to the cluster."""
        if node == self.me.node:
            return []
        if self._beliefs.table.get(node) is None:
            self._order.add(node)
        return self._beliefs.know(node, epoch, now, joined=joined)

    def forget(self, node: NodeId) -> list[Action]:
        """Take note that a member does not belong any more."""
        if self._beliefs.table.get(node) is None:
            return []
        self._order.remove(node)
        self._hurried.pop(node, None)
        self._end(self._targets.get(node))
        return self._beliefs.forget(node)

    def met(self, node: NodeId, epoch: Epoch, now: float) -> list[Action]:
        """Take note of a member's own hello; tell it what is said of it."""
        return [*self._notice(now), *self._beliefs.met(node, epoch, now)]

    def heard(self, claims: Iterable[Claim], source: NodeId, now: float) -> list[Action]:
        """Take in what a peer says of members."""
        actions = self._notice(now)
        for claim in claims:
            actions += self._beliefs.take(claim, source, now)
        return actions

    def renew(self, epoch: Epoch) -> None:
        """Take note that this process goes on in a new epoch."""
        self._beliefs.renew(epoch)

    def leave(self) -> Claim:
        """Say goodbye: return what to tell; from now on nothing is refuted."""
        self._beliefs.leave()
        return self.me

    def piggyback(self, target: NodeId) -> tuple[Claim, ...]:
        """Return what to tell with a ping or ack; what is said of the target itself first."""
        member = self._beliefs.table.get(target)
        first: tuple[Claim, ...] = ()
        if self.timing.buddy and member and member.claim.liveness is not Liveness.ALIVE:
            first = (member.claim,)
        return first + self._tell(PIGGYBACK_MAX - len(first))

    def _tell(self, most: int) -> tuple[Claim, ...]:
        return self._beliefs.rumours.take(most, self.timing.tellings(self._beliefs.size))

    def digest(self) -> bytes:
        """Return what is equal where tables are."""
        return self._beliefs.table.digest()

    def survey(self) -> bytes:
        """Return the table by buckets, for a peer whose digest differs."""
        return self._beliefs.table.survey()

    def differing(self, survey: bytes) -> tuple[Claim, ...]:
        """Return our claims where a peer's survey differs."""
        return self._beliefs.table.differing(survey)

    # -- what came of probes ----------------------------------------------------------------

    def next_number(self) -> int:
        """Return a number for a ping, of our own or for somebody else."""
        return self._numbers.next()

    def acked(self, number: int, source: NodeId, now: float) -> list[Action]:
        """Take an ack in: from the target itself, or handed on by a relay."""
        actions = self._notice(now)
        probe = self._probes.get(number)
        if probe is None or (source != probe.target and source not in probe.relays):
            self.tally["late"] += 1
            return actions
        self._end(probe)
        self._health.change(-1)
        self.tally["acked" if source == probe.target else "indirect"] += 1
        return actions

    def nacked(self, number: int, relay: NodeId, now: float, *, refused: bool) -> list[Action]:
        """Take in that a relay got no answer either."""
        actions = self._notice(now)
        probe = self._probes.get(number)
        if probe is None or relay not in probe.relays:
            self.tally["late"] += 1
            return actions
        probe.relays[relay] = Reply.REFUSED if refused else Reply.NO
        return [*actions, *(self._judge(probe, now) if probe.is_hopeless else [])]

    def unreached(
        self, number: int, now: float, *, refused: bool = False, local: bool = False
    ) -> list[Action]:
        """Take in that no connection to a probe's target came about.

        `local`: for a reason of our own, which never accuses anyone.
        """
        actions = self._notice(now)
        probe = self._probes.get(number)
        if probe is None:
            return actions
        if local:
            self.tally["local"] += 1
            self._health.change(1)
            self._end(probe)
            return actions
        if probe.asked:
            return actions
        probe.direct = Evidence.REFUSED if refused else Evidence.SILENT
        return [*actions, *self._ask(probe, now)]

    def refused(self, node: NodeId, now: float) -> list[Action]:
        """Take in that a member's port refuses us, whatever we wanted there."""
        return [*self._notice(now), *self._hurry(node, now, refused=True)]

    def hint(self, node: NodeId, now: float) -> list[Action]:
        """Take in that a connection to a member broke: look at once whether it is there."""
        actions = self._notice(now)
        probe = self._targets.get(node)
        if probe is None:
            looks = self._looks_again(node, now)
            return [*actions, *(self._hurry(node, now, refused=False) if looks else [])]
        if probe.asked:
            return actions
        if probe.tries >= TRIES_MAX:
            return [*actions, *self._ask(probe, now)]
        probe.tries += 1
        return [*actions, Contact(probe.number, node)]

    def reconnected(self, node: NodeId) -> list[Action]:
        """Contact the target of a probe again: a ping may have gone with an older connection."""
        probe = self._targets.get(node)
        return [] if probe is None else [Contact(probe.number, node)]

    # -- probing ----------------------------------------------------------------------------

    def _looks_again(self, node: NodeId, now: float) -> bool:
        """Say whether to look after a broken connection: of one member once in an interval.

        Whoever answers and hangs up each time would else be dialled as fast as it can do that.
        """
        member, t = self._beliefs.table.get(node), self._clock.time(now)
        if member is None or t < member.looked_after + self.timing.interval:
            return False
        member.looked_after = t
        return True

    def _hurry(self, node: NodeId, now: float, *, refused: bool) -> list[Action]:
        member = self._beliefs.table.get(node)
        if member is None or node in self._targets or not self._beliefs.lives(node):
            return []
        mine = member.suspicion and member.suspicion.accusations.get(self.me.node)
        if mine and (mine.evidence is Evidence.REFUSED or not refused):
            return []
        self._hurried[node] = refused or self._hurried.get(node, False)
        return self._begin_hurried(now)

    def _begin_hurried(self, now: float) -> list[Action]:
        actions: list[Action] = []
        while self._hurried and len(self._probes) < PROBES_MAX:
            node = next(iter(self._hurried))
            refused = self._hurried.pop(node)
            if self._is_probed(node):
                actions += self._begin(node, now, refused=refused)
        return actions

    def _is_probed(self, node: NodeId) -> bool:
        return node not in self._targets and self._beliefs.lives(node)

    def _begin(self, node: NodeId, now: float, *, refused: bool = False) -> list[Action]:
        t, factor, timing = self._clock.time(now), self._health.factor, self.timing
        timeout_at, ends_at = t + timing.timeout * factor, t + timing.interval * factor
        probe = Probe(self.next_number(), node, timeout_at, ends_at)
        self._probes[probe.number] = probe
        self._targets[node] = probe
        if refused:
            probe.direct = Evidence.REFUSED
            return self._ask(probe, now)
        return [Contact(probe.number, node)]

    def _end(self, probe: Probe | None) -> None:
        if probe is not None:
            del self._probes[probe.number]
            del self._targets[probe.target]

    def _ask(self, probe: Probe, now: float) -> list[Action]:
        """Ask others to try; if everybody has refused already, or nobody is there, judge."""
        probe.asked = True
        alive = self._reachable(Liveness.ALIVE)
        others = [node for node in alive if node != probe.target]
        chosen = self._rng.sample(others, min(self.timing.relays, len(others)))
        probe.relays = dict.fromkeys(chosen, Reply.NOTHING)
        if probe.is_hopeless:
            return self._judge(probe, now)
        return [AskRelays(probe.number, probe.target, tuple(chosen))] if chosen else []

    def _reachable(self, worst: Liveness) -> list[NodeId]:
        """Return the connected members that are not believed worse than this."""
        nodes = [each.claim.node for each in self._beliefs.table if each.claim.liveness <= worst]
        return [node for node in nodes if self._linked(node)]

    def _judge(self, probe: Probe, now: float) -> list[Action]:
        """Conclude that nobody reaches the target."""
        self._end(probe)
        evidence = probe.direct or Evidence.SILENT
        self.tally["refused" if evidence is Evidence.REFUSED else "failed"] += 1
        if probe.relays:
            self.tally["nacks_missing"] += probe.missing
            self._health.change(probe.missing)
        elif evidence is Evidence.SILENT:
            self._health.change(1)  # nobody could tell us whether it is our own fault
        member = self._beliefs.table.get(probe.target)
        if member is None or not self._beliefs.lives(probe.target):
            return []
        return self._beliefs.accuse(member, evidence, now, probe.describe(self._label))

    # -- time -------------------------------------------------------------------------------

    def _notice(self, now: float) -> list[Action]:
        """Find out whether this process stood still; judge nobody before it has read its mail."""
        late = self._clock.notice(now)
        if not late:
            return []
        self._health.change(1)
        heard_by = self._clock.time(now) + min(late, self.timing.interval)
        for probe in self._probes.values():
            probe.wait_until(heard_by)
        self._beliefs.wait_until(heard_by)
        return [Happened("slow", seconds=late)]

    def wake(self, now: float) -> list[Action]:
        """Do what is due."""
        actions = self._notice(now)
        t = self._clock.time(now)
        for probe in list(self._probes.values()):
            if t >= probe.ends_at:
                actions += self._judge(probe, now)
            elif t >= probe.timeout_at and not probe.asked:
                actions += self._ask(probe, now)
        if t >= self._round_due:
            self._round_due = t + self.timing.interval * self._health.factor
            target = self._order.next(self._is_probed)
            actions += [] if target is None else self._begin(target, now)
        actions += self._begin_hurried(now)
        actions += self._beliefs.bury(now)
        return actions + self._gossip(t)

    def _gossip(self, t: float) -> list[Action]:
        if t < self._gossip_due or not self._beliefs.rumours:
            return []
        self._gossip_due = t + self.timing.gossip_every
        near = self._reachable(Liveness.SUSPECT)
        if not near:  # nobody to tell: no need to look so often
            self._gossip_due = t + self.timing.interval
        chosen = self._rng.sample(near, min(self.timing.fan_out, len(near)))
        told = [Tell((node,), self._tell(TELL_MAX)) for node in chosen]
        return [tell for tell in told if tell.claims]

    def next_wake(self, now: float) -> float:
        """Return when to wake at the latest, in loop seconds."""
        due = self._round_due
        if self._beliefs.rumours and self._gossip_due < due:
            due = self._gossip_due
        for probe in self._probes.values():
            moment = probe.ends_at if probe.asked else probe.timeout_at
            if moment < due:
                due = moment
        for member in self._beliefs.suspects.values():
            if member.suspicion is not None and member.suspicion.due < due:
                due = member.suspicion.due
        return self._clock.ask_for(due, now)
