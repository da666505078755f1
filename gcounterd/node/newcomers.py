"""Newcomers: who may become a member, as judged by one.

Theory. A newcomer's hello is the only moment at which it can be told to choose another name or to
fetch an approval, so everything that would be in its way is looked at here: its name, the room
left, its approval where the operator asks for one, and how many others came just now. What a
member has accepted is a fact for all others: the entry spreads with the roster and is not judged
again. Of two newcomers of one name the smaller node id stays.

A token is good for one node. It is marked as used where it was shown, with the next commit, so
before or with the entry of whoever showed it: a crash that takes the mark has taken the entry.
On both sides of a split it may let in one node each; then the operator sees two of one name.

A node that is still joining knows no approvals, so it lets in nobody who needs one; else whoever
meets an approved newcomer early would become a member along with it. It does not send them away
for good either. Nor does it, or one that is being removed, over a name that is not its own: what
it knows of others may come from an old disk, and the holder have been removed long ago.
"""

from __future__ import annotations

from typing import Protocol

import attrs

from gcounterd.counters.counters import OPEN_COLUMNS_MAX, Counters
from gcounterd.ids import NodeId, show
from gcounterd.members.approvals import Key, Verdict, judge
from gcounterd.members.removals import Objection
from gcounterd.members.roster import MEMBERS_MAX, Entry, Roster, State
from gcounterd.node.config import Config
from gcounterd.node.intake import Intake
from gcounterd.node.messages import Channel, Hello, Refusal, Refused
from gcounterd.node.peers import Peers

# New node ids that one member lets in: so many at once, and so many a second from then on. More
# are refused for now and try again. A thousand hosts that start together are in within seconds.
JOIN_BURST_MAX = 256
JOINS_PER_S_MAX = 100
# Room on the roster for what several members let in at the same moment; a peer that brings more
# than MEMBERS_MAX entries loses its link, so newcomers are refused before.
MEMBERS_FULL = MEMBERS_MAX - 2 * JOIN_BURST_MAX


class Remover(Protocol):
    """What newcomers ask of removals."""

    def object_to(self, holder: Entry) -> Objection | None:
        """Return why a member cannot be removed as dead, or None."""

    def take_over(self, holder: Entry, heir: NodeId) -> None:
        """Remove a member into a newcomer."""


class JoinRate:
    """A token bucket: `JOIN_BURST_MAX` at once, `JOINS_PER_S_MAX` a second."""

    def __init__(self, now: float) -> None:
        self._left = float(JOIN_BURST_MAX)
        self._at = now

    def take(self, now: float) -> bool:
        """Say whether one more is let in now."""
        gained = max(0.0, now - self._at) * JOINS_PER_S_MAX
        self._left = min(float(JOIN_BURST_MAX), self._left + gained)
        self._at = max(self._at, now)
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Newcomers:
    """Judges newcomers for a member; one per node."""

    def __init__(
        self,
        config: Config,
        roster: Roster,
        counters: Counters,
        intake: Intake,
        peers: Peers,
        remover: Remover,
        now: float,
    ) -> None:
        self._remover = remover
        self._config = config
        self._roster = roster
        self._counters = counters
        self._intake = intake
        self._peers = peers
        self._rate = JoinRate(now)
        # Tokens shown whose use is not durable yet; as many as there are approvals at most.
        self._shown: dict[Key, NodeId] = {}

    def judge(self, hello: Hello, now: float) -> Refusal | None:
        """Return why a joining peer's hello is refused, or None; its token is then used."""
        refusal = self._judge_name(hello)
        if refusal is None and hello.node not in self._roster:
            refusal = self._judge_new(hello, now)
        if refusal is None and hello.take_over:
            for holder in self._holders(hello):
                if self._remover.object_to(holder) is None:
                    self._remover.take_over(holder, hello.node)
        return refusal

    def _judge_new(self, hello: Hello, now: float) -> Refusal | None:
        """Return why a node is refused that no entry is known of, or None."""
        refusal = self._judge_room()
        if refusal is None and self._config.approved_only:
            refusal = self._judge_token(hello)
        if refusal is None and not self._peers.to(hello.node, Channel.CONTROL):
            refusal = self._judge_rate(now)
        if refusal is None and hello.token:
            self._use(hello)
        return refusal

    def _judge_name(self, hello: Hello) -> Refusal | None:
        config = self._config
        mine = self._roster.get(config.node)
        if mine is None and hello.name == config.name and config.node < hello.node:
            return _taken(hello.name, config.node, config.address)  # ours, but not durable yet
        for holder in self._holders(hello):
            refusal = self._judge_take_over(hello, holder)
            if refusal is not None:
                return refusal
        return None

    def _holders(self, hello: Hello) -> list[Entry]:
        """Return the members that have the name of a newcomer, and come before it."""
        holders = []
        for holder in self._roster.named(hello.name):
            both_new = holder.state is State.JOINING and hello.node < holder.node
            both_new = both_new and not hello.take_over  # it wants the other one removed
            # Who was let in to take a name over is no other holder of it.
            is_heir = holder.state is State.REMOVING and holder.heir == hello.node
            if holder.node != hello.node and not both_new and not is_heir:
                holders.append(holder)
        return holders

    def _judge_take_over(self, hello: Hello, holder: Entry) -> Refusal | None:
        """Return why a newcomer may not have the name of a member, or None: it is removed then."""
        mine = self._roster.get(self._config.node)
        active = mine is not None and mine.state is State.ACTIVE
        if not hello.take_over:
            if active or holder is mine:
                return _taken(hello.name, holder.node, holder.address)
            text = f"this node is no active member, and knows of an older '{hello.name}'"
            return Refusal(Refused.YOUNG, f"{text}; ask a member", self._config.address)
        if hello.node in self._roster:
            return None  # it was let in once
        if not active:
            text = "this node is no active member, so it removes nobody; ask one"
            return Refusal(Refused.YOUNG, text, self._config.address)
        objection = self._remover.object_to(holder)
        if objection is None:
            return None
        reason = Refused.BUSY if objection.code == "removal_suspect" else Refused.NAME
        return Refusal(reason, f"--take-over: {objection.text}", holder.address)

    def _judge_room(self) -> Refusal | None:
        if self._config.node not in self._roster:
            return None
        if len(self._counters.heads()) >= OPEN_COLUMNS_MAX:
            text = f"this cluster has its {OPEN_COLUMNS_MAX} open columns"
            return Refusal(Refused.CROWDED, text, self._config.address)
        if len(self._roster) >= MEMBERS_FULL:
            text = f"this cluster's roster has its {MEMBERS_FULL} entries, and forgets none"
            return Refusal(Refused.FULL, text, self._config.address)
        return None

    def _judge_token(self, hello: Hello) -> Refusal | None:
        mine = self._roster.get(self._config.node)
        if mine is None or mine.state is State.JOINING:
            text = "this node is joining itself, so it knows no approvals; ask a member"
            return Refusal(Refused.YOUNG, text, self._config.address)
        if not hello.token:
            text = f"newcomers need an approval here; {_advice(hello.name)}"
            return Refusal(Refused.UNAPPROVED, text, self._config.address)
        verdict = self._verdict(hello)
        if verdict is Verdict.GOOD:
            return None
        if verdict is Verdict.UNKNOWN:
            text = f"your token is not known here; {_advice(hello.name)}"
            return Refusal(Refused.UNKNOWN, text, self._config.address)
        text = f"your token is {verdict.value}; {_advice(hello.name)}"
        return Refusal(Refused.UNAPPROVED, text, self._config.address)

    def _verdict(self, hello: Hello) -> Verdict:
        approval = self._roster.approvals.find(hello.token)
        if approval is not None and approval.used_by is None:
            approval = attrs.evolve(approval, used_by=self._shown.get(approval.key))
        return judge(approval, hello.name, hello.node, self._config.wall_ms())

    def _judge_rate(self, now: float) -> Refusal | None:
        if self._rate.take(now):
            return None
        text = f"more than {JOINS_PER_S_MAX} newcomers a second; try again"
        return Refusal(Refused.BUSY, text, self._config.address)

    def _use(self, hello: Hello) -> None:
        """Mark the approval of a newcomer that is let in, here and with the next commit."""
        approval = self._roster.approvals.find(hello.token)
        if approval is None or self._verdict(hello) is not Verdict.GOOD:
            return  # a member that needs none lets in whoever brings a bad one, too
        unused = dict.fromkeys([each.key for each in self._roster.approvals if not each.used_by])
        self._shown = {key: node for key, node in self._shown.items() if key in unused}
        self._shown[approval.key] = hello.node
        self._intake.take_approvals((attrs.evolve(approval, used_by=hello.node),))


def _taken(name: str, holder: NodeId, address: str) -> Refusal:
    text = f"the name '{name}' belongs to node {show(holder)[:12]} at {address}"
    return Refusal(Refused.NAME, f"{text}; start with another --name", address)


def _advice(name: str) -> str:
    return f'run "gcounterctl add-node {name}" on a member, and start with --join-token-file'
