"""Beliefs: what this node holds of each member, and how what others say changes it.

Theory. One claim per member is believed, the greatest heard (see `claims`); a change of it is told
on, shown to operators, and told to the member itself if it is bad, so that it can refute before
anyone else believes it (Lifeguard's buddy system, for every connection instead of pings only).

A life is believed from the roster or from the member's own hello, never from a rumour, and an
incarnation may leap only in the member's own words: so a forged claim can always be refuted. But
what is said of a later life of this node is kept in mind (`later`): whoever believes in one, as of
a clone that said hello and ended, believes nothing more of the life that is still here.

This module refuses to know probes; time comes in as the loop's, see `clock`.
"""

from __future__ import annotations

from collections import Counter

import attrs

from gcounterd.ids import Epoch, NodeId
from gcounterd.members.actions import Action, Happened, Tell
from gcounterd.members.claims import INCARNATION_MAX, Claim, Evidence, Liveness
from gcounterd.members.clock import Clock
from gcounterd.members.health import Health
from gcounterd.members.rumours import Rumours
from gcounterd.members.suspicions import Accusation, Suspicion
from gcounterd.members.table import Member, MemberView, Table
from gcounterd.members.timing import Timing

# How far a rumour may be ahead of us: a member refutes at most a few times a minute.
LEAP_MAX = 2**16
_LIVING = (Liveness.ALIVE, Liveness.SUSPECT)


class Beliefs:
    """The members as this node sees them, and what it says of itself (`me`).

    alone   there are other members, and none answers
    later   the latest life of this node that anybody spoke of, if that is after the present one
    """

    def __init__(
        self, me: Claim, timing: Timing, clock: Clock, health: Health, tally: Counter[str]
    ) -> None:
        self.me = me
        self.table = Table()
        self.table.count(me)
        self.rumours = Rumours()
        self.suspects: dict[NodeId, Member] = {}
        self.alone = False
        self.later: Epoch | None = None
        self._timing, self._clock = timing, clock
        self._health, self._tally = health, tally

    @property
    def size(self) -> int:
        """Return how many members live, this one included."""
        return self.table.living + 1

    def liveness(self, node: NodeId) -> Liveness:
        """Return what is believed of a member; a stranger is dead."""
        if node == self.me.node:
            return self.me.liveness
        member = self.table.get(node)
        return Liveness.DEAD if member is None else member.claim.liveness

    def lives(self, node: NodeId) -> bool:
        """Say whether a member is alive or suspect."""
        return self.liveness(node) in _LIVING

    def view(self, node: NodeId) -> MemberView | None:
        """Return a member as this node sees it, itself included; None for a stranger."""
        member = self.table.get(node)
        if member is None:
            me = self.me
            return _view(me, me.liveness, 0.0, ()) if node == me.node else None
        if member.suspicion is not None:
            accused = tuple(member.suspicion.accusations.values())
            return _view(member.claim, Liveness.SUSPECT, member.since, accused)
        if not member.met and member.claim.liveness is Liveness.ALIVE:
            path = "not heard of since this node started"
            unheard = Accusation(self.me.node, member.since, Evidence.SILENT, path)
            return _view(member.claim, Liveness.SUSPECT, member.since, (unheard,))
        return _view(member.claim, member.claim.liveness, member.since, member.accusations)

    # -- who there is -----------------------------------------------------------------------

    def know(self, node: NodeId, epoch: Epoch, now: float, *, joined: bool) -> list[Action]:
        """Take note of a member of the roster; `joined` if it is new to the cluster."""
        claim = Claim(node, epoch, 0, Liveness.ALIVE)
        member = self.table.get(node)
        if member is not None:
            newer = epoch > member.claim.epoch
            return self.believe(member, claim, now, tell=False) if newer else []
        self.table.put(Member(claim, now, met=joined))
        return [*([Happened("joined", claim)] if joined else []), *self._look_around()]

    def forget(self, node: NodeId) -> list[Action]:
        """Take note that a member does not belong any more."""
        self.table.remove(node)
        self.rumours.forget(node)
        self.suspects.pop(node, None)
        return self._look_around()

    def met(self, node: NodeId, epoch: Epoch, now: float) -> list[Action]:
        """Take note of a member's own hello; tell it what is said of it."""
        member = self.table.get(node)
        if member is None or epoch < member.claim.epoch:
            return []
        member.met = True
        if epoch > member.claim.epoch:
            claim = Claim(node, epoch, 0, Liveness.ALIVE)
            return self.believe(member, claim, now, tell=False)
        if member.claim.liveness is not Liveness.ALIVE:
            return [Tell((node,), (member.claim,))]
        return []

    # -- what others say --------------------------------------------------------------------

    def take(self, claim: Claim, source: NodeId, now: float) -> list[Action]:
        """Take in what a peer says of a member or of ourselves."""
        if claim.node == self.me.node:
            return self._answer(claim, source)
        member = self.table.get(claim.node)
        if member is None or claim.epoch > member.claim.epoch:
            self._tally["claims_unknown"] += 1
            return []
        if claim.epoch < member.claim.epoch:
            return []
        ahead = claim.incarnation - member.claim.incarnation
        if ahead > LEAP_MAX and source != claim.node:
            self._tally["claims_leaping"] += 1
            return []
        claim = self._soften(claim, member, now)
        member.met = True
        if claim.replaces(member.claim):
            return self.believe(member, claim, now)
        if ahead == 0 and claim.liveness is Liveness.SUSPECT and member.suspicion is not None:
            self.confirm(member, claim, now)
        return []

    def _soften(self, claim: Claim, member: Member, now: float) -> Claim:
        """Take a death by hearsay for an accusation, unless the member had time to refute it here.

        When a split heals, each side still calls the other dead; those in between must not believe
        it of members that they hear every second.
        """
        if claim.liveness is not Liveness.DEAD or not member.met:
            return claim
        if member.claim.liveness not in _LIVING:
            return claim
        doubted = member.suspicion.age(self._clock.time(now)) if member.suspicion else 0.0
        if doubted >= self._timing.interval:
            return claim
        return attrs.evolve(claim, liveness=Liveness.SUSPECT)

    def _answer(self, claim: Claim, source: NodeId) -> list[Action]:
        """Refute what is said of ourselves; whoever says it is told at once."""
        me = self.me
        ahead = claim.incarnation - me.incarnation
        if claim.epoch > (self.later or me.epoch):
            self.later = claim.epoch
        if claim.epoch != me.epoch or me.liveness is Liveness.LEFT:
            return []
        if ahead > LEAP_MAX or claim.incarnation >= INCARNATION_MAX:
            self._tally["claims_leaping"] += 1
            return []
        if claim.liveness is Liveness.ALIVE and ahead <= 0:
            return []
        if claim.liveness is not Liveness.ALIVE and ahead >= 0:
            self._tally["refuted_self"] += 1
            self._health.change(1)
        if ahead >= 0:
            self.me = attrs.evolve(me, incarnation=claim.incarnation + 1)
            self.table.count(self.me)
        self.rumours.put(self.me)
        return [Tell((source,), (self.me,))]

    def renew(self, epoch: Epoch) -> None:
        """Go on in a new life of our own."""
        self.me = Claim(self.me.node, epoch, 0, self.me.liveness)
        self.table.count(self.me)
        if self.later is not None and self.later <= epoch:
            self.later = None

    def leave(self) -> None:
        """Say goodbye: from now on nothing is refuted."""
        self.me = attrs.evolve(self.me, liveness=Liveness.LEFT)
        self.table.count(self.me)

    # -- what is believed -------------------------------------------------------------------

    def accuse(self, member: Member, evidence: Evidence, now: float, path: str) -> list[Action]:
        """Believe what we found out ourselves: nobody reaches this member."""
        claim = attrs.evolve(
            member.claim, liveness=Liveness.SUSPECT, accuser=self.me.node, evidence=evidence
        )
        if member.suspicion is not None:
            self.confirm(member, claim, now, path)
            return []
        self._tally["suspicions_raised"] += 1
        return self.believe(member, claim, now, path)

    def bury(self, now: float) -> list[Action]:
        """Believe dead whoever has been suspected for long enough."""
        t = self._clock.time(now)
        actions: list[Action] = []
        for member in list(self.suspects.values()):
            if member.suspicion is not None and t >= member.suspicion.due:
                accused = member.suspicion.accusations.values()
                claim = attrs.evolve(
                    member.claim,
                    liveness=Liveness.DEAD,
                    accuser=self.me.node,
                    evidence=max(accusation.evidence for accusation in accused),
                )
                actions += self.believe(member, claim, now)
        return actions

    def wait_until(self, t: float) -> None:
        """Bury nobody before `t`, in the detector's time, of those suspected now."""
        for member in self.suspects.values():
            if member.suspicion is not None:
                member.suspicion.wait_until(t)

    def confirm(self, member: Member, claim: Claim, now: float, path: str = "told") -> None:
        """Take another accusation in; it is told on if it matters."""
        assert member.suspicion is not None
        accusation = Accusation(claim.accuser or claim.node, now, claim.evidence, path)
        t = self._clock.time(now)
        if member.suspicion.confirm(accusation, t, self._timing, self.size):
            self.rumours.put(claim)

    def believe(
        self, member: Member, claim: Claim, now: float, path: str = "told", *, tell: bool = True
    ) -> list[Action]:
        """Hold a claim that replaces what was believed; say what follows."""
        before, after = member.claim.liveness, claim.liveness
        self._suspect(member, claim, now, path)
        member.claim, member.met = claim, True
        if before is not after:
            member.since = now
        self.table.put(member)
        if tell:
            self.rumours.put(claim)
        else:
            self.rumours.forget(claim.node)  # what was told of its last life
        actions: list[Action] = []
        if self._timing.buddy and after is not Liveness.ALIVE:
            actions.append(Tell((claim.node,), (claim,)))
        event = _event(before, after)
        if event:
            self._tally[f"events_{event}"] += 1
            actions.append(Happened(event, claim, claim.evidence.name.lower()))
        return [*actions, *self._look_around()]

    def _suspect(self, member: Member, claim: Claim, now: float, path: str) -> None:
        """Begin or end the suspicion that a claim begins or ends."""
        ended, member.suspicion = member.suspicion, None
        self.suspects.pop(claim.node, None)
        accusation = Accusation(claim.accuser or claim.node, now, claim.evidence, path)
        member.accusations = ()
        if claim.liveness is Liveness.SUSPECT:
            t = self._clock.time(now)
            member.suspicion = Suspicion(accusation, t, self._timing, self.size)
            self.suspects[claim.node] = member
        elif claim.liveness is Liveness.DEAD:
            accused = tuple(ended.accusations.values()) if ended else ()
            member.accusations = accused or (accusation,)

    def _look_around(self) -> list[Action]:
        alone = len(self.table) > 0 and self.table.living == 0
        if alone is self.alone:
            return []
        self.alone = alone
        return [Happened("alone" if alone else "company")]


def _view(
    claim: Claim, liveness: Liveness, since: float, accusations: tuple[Accusation, ...]
) -> MemberView:
    return MemberView(claim.node, claim.epoch, claim.incarnation, liveness, since, accusations)


def _event(before: Liveness, after: Liveness) -> str:
    """Name what a change of belief means to an operator; "" for nothing new."""
    if before is after:
        return ""
    if after is Liveness.ALIVE:
        return "refuted" if before is Liveness.SUSPECT else "back"
    return after.name.lower()
