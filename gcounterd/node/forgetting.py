"""Forgetting: when a closed column's copy may go, and only its counts in a sum remain.

Theory. A copy is kept so that a late batch can still be told from what is counted. It is not needed
when there can be none: its writer said that nothing follows the version held (*final*), or an
operator gave it up (*released*, `node.releasing`). And it must not go while anybody lacks some of
it, since a sum cannot be raised. So a node forgets when the newest hashes of every member that is
not removed are its own: equal hashes of settled columns mean that everybody holds exactly these
versions, equal rosters that everybody knows of the same members and releases. Nobody votes and
nobody waits: each forgets by itself, and what one has forgotten and another not yet is equal to
both.

A member that is dead and not removed shows no hash, and one to which there never is a link neither:
then nothing is forgotten. In a large cluster that takes as long as it takes to have met everyone
since the last change. A node that has no other member forgets by itself. Should its disk be a copy,
it gives way to its twin one day, and hands over its sums by the rule of members
(`node.giving_way`).

What was imported is kept for ever: as a column, it can be told whether it is there.

This module refuses to know how a copy is added to a sum.
"""

from __future__ import annotations

from gcounterd.counters.counters import Counters
from gcounterd.counters.residue import Shown, all_agree, may_forget
from gcounterd.counters.settled import LAST_COLUMN
from gcounterd.counters.turns import Turn
from gcounterd.ids import ColumnId, NodeId, node_of
from gcounterd.members.roster import Roster, State
from gcounterd.node.config import Config
from gcounterd.node.effects import Carry, Effect
from gcounterd.node.messages import Channel, StateHash
from gcounterd.node.peers import Link, Peers
from gcounterd.node.releasing import Releasing

# After something changed, and while somebody has not shown our hashes.
LOOK_S = 2.0
ASK_AGAIN_S = 8.0
# Columns of one turn: each is read whole.
COLUMNS_PER_TURN = 64
# Lines looked at in one step.
_LINES_PER_STEP = 4096


class Forgetting:
    """What this node forgets; one per node."""

    def __init__(
        self,
        config: Config,
        counters: Counters,
        roster: Roster,
        peers: Peers,
        releasing: Releasing,
        now: float,
    ) -> None:
        self._config = config
        self._counters = counters
        self._roster = roster
        self._peers = peers
        self._releasing = releasing
        self._shown: dict[NodeId, Shown] = {}
        self._due = now + LOOK_S
        self._after = b""
        self._turn: Turn | None = None

    def hear(self, link: Link, message: StateHash) -> None:
        """Take note of what a member shows."""
        self._shown[link.peer] = Shown(message.roster, message.settled)

    def changed(self, now: float) -> None:
        """Take note that settled columns or the roster changed."""
        self._after = b""
        self._due = min(self._due, now + LOOK_S)

    def turned(self, turn: Turn, now: float) -> None:
        """Take note that a turn was carried out, or could not be."""
        if turn is self._turn:
            self._turn = None
            self._due = now + LOOK_S

    # -- looking ----------------------------------------------------------------------------

    def wake(self, now: float, *, stays: bool = True) -> list[Effect]:
        """Forget something if that is due and everybody agrees, and this process `stays`."""
        if now < self._due or self._turn is not None:
            return []
        if not stays:
            self._due = now + ASK_AGAIN_S
            return []
        if not self._after:
            self._releasing.keep_to_budget()
        found, self._after = self._candidates()
        if not found:
            self._due = now if self._after else float("inf")
            return []
        if not self._everybody_agrees():
            self._after = b""
            self._due = now + ASK_AGAIN_S
            self._ask(now)
            return []
        self._turn = Turn.forgetting(self._counters, node_of(found[0]), found)
        self._due = float("inf")
        return [Carry(self._turn)]

    def _candidates(self) -> tuple[list[ColumnId], bytes]:
        """Return columns of one node that may be forgotten, and after which to look on."""
        settled, found = self._counters.settled, list[ColumnId]()
        after, lines = settled.page(self._after, _LINES_PER_STEP)
        for column, line in lines.items():
            if line.forgotten or (found and node_of(column) != node_of(found[0])):
                continue
            if line.source:
                continue  # a sum of it would be as large as its copy
            released = self._releasing.is_released(column)
            if may_forget(line.version, final=line.final, released=released):
                found.append(column)
                if len(found) == COLUMNS_PER_TURN:
                    break
        return found, after if after != LAST_COLUMN else b""

    def _everybody_agrees(self) -> bool:
        mine = self._roster.get(self._config.node)
        if mine is None or mine.state is not State.ACTIVE:
            return False
        others = [shown for _, shown in self._others()]
        return all_agree(self._own(), others)

    def _own(self) -> Shown:
        return Shown(self._roster.hash(), self._counters.settled.hash())

    def _others(self) -> list[tuple[NodeId, Shown | None]]:
        nodes = [entry.node for entry in self._roster.belonging()]
        self._shown = {node: shown for node, shown in self._shown.items() if node in self._roster}
        return [(node, self._shown.get(node)) for node in nodes if node != self._config.node]

    def _ask(self, now: float) -> None:
        """Have those asked soon that have not shown our hashes, unless somebody is out of reach."""
        late = [node for node, shown in self._others() if shown != self._own()]
        links = [self._peers.to(node, Channel.BULK) for node in late]
        if all(links):
            for link in links:
                if link is not None and link.dialled is not None:
                    link.hash_due = min(link.hash_due, now)

    def waiting_for(self) -> list[NodeId]:
        """Return the members that have not shown our hashes."""
        return [node for node, shown in self._others() if shown != self._own()]

    def next_wake(self) -> float:
        """Return when to look at the latest (`inf` if nothing changed)."""
        return float("inf") if self._turn is not None else self._due
