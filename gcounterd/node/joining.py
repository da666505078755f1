"""Joining and catching up: when this node may count, and when it may be read.

Theory. A newcomer takes increments only when a majority of the others on its roster hold its
entry durably: from then on, whoever asks that majority learns of it, and no consistent read can
miss what it counts. A confirmation counts with the confirmer's members: whoever it knew when it
held our entry, we know, and they take part in the majority from that moment, also while their
entries still wait for a commit here.

It may be read when it has taken in what those members had when it met them; otherwise a client that
is moved to it would see numbers go down. After a restart on a whole disk neither question arises;
after damage, every member must have been heard first.
"""

from __future__ import annotations

from gcounterd.counters.counters import Counters
from gcounterd.ids import ColumnId, Epoch, NodeId
from gcounterd.members.roster import Roster, State
from gcounterd.node.config import Config
from gcounterd.node.intake import Intake

# Columns that a newcomer waits for; a cluster has at most 1,024 open ones, islands merged a few
# times that. Beyond it a column is caught up with like any other news.
TARGETS_MAX = 4096


class Joining:
    """What this node waits for; `damaged` says that its disk may have lost something.

    last_refusal   why a member did not let us in, in words, or ""
    """

    def __init__(
        self,
        config: Config,
        roster: Roster,
        counters: Counters,
        intake: Intake,
        *,
        fresh: bool,
        damaged: bool,
    ) -> None:
        self._own = config.node
        self._roster = roster
        self._counters = counters
        self._intake = intake
        self._catching_up = fresh or damaged
        self._damaged = damaged
        self._confirmed: dict[NodeId, None] = {}
        self._heard: dict[NodeId, None] = {}
        self._heard_settled: dict[NodeId, None] = {}
        self._lives: dict[NodeId, Epoch] = {}
        # By column, what each peer that has it said.
        self._targets: dict[ColumnId, dict[NodeId, int]] = {}
        self.last_refusal = ""

    @property
    def is_catching_up(self) -> bool:
        """Say whether this node has still to take in what its join saw."""
        return self._catching_up

    def confirm(self, peer: NodeId) -> None:
        """Note that `peer` holds our entry durably, and knows nobody that we do not know."""
        if self.is_joining:
            self._confirmed[peer] = None

    def is_confirmed_by(self, peer: NodeId) -> bool:
        """Say whether `peer` has confirmed this node."""
        return peer in self._confirmed

    def met(self, peer: NodeId, epoch: Epoch) -> None:
        """Take note of a link to a process of `peer`.

        What an earlier one said may be lost with its disk, and nobody could ever reach it.
        """
        if not self._catching_up or self._lives.get(peer) == epoch:
            return
        self._lives[peer] = epoch
        self._heard.pop(peer, None)
        self._heard_settled.pop(peer, None)
        for told in self._targets.values():
            told.pop(peer, None)

    def give_up(self, peer: NodeId) -> None:
        """Wait no longer for what `peer` holds: its sums and ours can never be joined."""
        for told in self._targets.values():
            told.pop(peer, None)

    def hear(self, peer: NodeId, heads: dict[ColumnId, int]) -> None:
        """Note what `peer` has.

        What it said before and does not repeat is to be reached as well: it may have been closed.
        """
        if not self._catching_up:
            return
        self._heard[peer] = None
        for column, head in heads.items():
            if column in self._targets or len(self._targets) < TARGETS_MAX:
                self._targets.setdefault(column, {})[peer] = head

    def hear_settled(self, peer: NodeId) -> None:
        """Note that `peer` has told us of all its settled columns."""
        if self._catching_up:
            self._heard_settled[peer] = None

    @property
    def counting(self) -> bool:
        """Say whether this node takes increments: its entry is durably active."""
        mine = self._roster.get(self._own)
        return mine is not None and mine.state is State.ACTIVE

    @property
    def is_joining(self) -> bool:
        """Say whether this node has still to become a member."""
        mine = self._roster.get(self._own)
        return mine is None or mine.state is State.JOINING

    def may_activate(self) -> bool:
        """Say whether a joining node is confirmed by a majority of the others."""
        mine = self._roster.get(self._own)
        if mine is None or mine.state is not State.JOINING:
            return False
        waiting = sum(node not in self._roster for node in self._intake.members)
        others = len(self._roster.belonging()) - 1 + waiting
        if 2 * len(self._confirmed) <= others:
            return False
        return 2 * sum(node in self._confirmed for node in self._others()) > others

    def _others(self) -> list[NodeId]:
        return [entry.node for entry in self._roster.belonging() if entry.node != self._own]

    def _is_majority(self, nodes: dict[NodeId, None]) -> bool:
        others = self._others()
        return 2 * sum(node in nodes for node in others) > len(others)

    def behind(self) -> list[ColumnId]:
        """Return the columns in which this node has less than it was told when it joined."""
        head = self._counters.head
        return [
            column
            for column, told in self._targets.items()
            if head(column) < max(told.values(), default=0)
        ]

    def reasons(self) -> list[str]:
        """Return why this node is not ready, in words; empty when it is.

        Once it has caught up, it has for the rest of its life: what it was told to reach is
        forgotten then, and later news cannot make it unready.
        """
        if self.is_joining:
            return [self._why_not_counting()]
        if not self._catching_up:
            return []
        heard = {node: None for node in self._heard if node in self._heard_settled}
        unheard = [node for node in self._others() if node not in heard]
        if self._damaged and unheard:
            names = ", ".join(self._roster.label(node) for node in unheard)
            return [f"this disk may lack counts that {names} may hold: not heard yet"]
        if unheard and not self._is_majority(heard):
            return ["waiting for the state of a majority of the members"]
        behind = self.behind()
        if behind:
            done = len(self._targets) - len(behind)
            return [f"catching up: {done} of {len(self._targets)} columns taken in"]
        self._catching_up = False
        self._targets.clear()
        return []

    def _why_not_counting(self) -> str:
        others = self._others()
        last = f"; {self.last_refusal}" if self.last_refusal else ""
        if not others:
            return f"joining: no member has answered yet{last}"
        done = sum(node in self._confirmed for node in others)
        told = f"{done} of {len(others)} members have confirmed this node, a majority must"
        return f"joining: {told}{last}"
