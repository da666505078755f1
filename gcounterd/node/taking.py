"""Taking: residues that this node lacks, from the peer that has them.

Theory. What a peer has forgotten, or what it holds above a column that we have forgotten, no delta
can bring. Where lines show that (`node.settling`), the peer is asked for all its lines of that
node, and `counters.residue` says what to do: take its sum, with columns that have to come along;
let it take ours; or neither, and then something has to be set aside, or the two refuse each other.
What is taken is fetched whole, like any column, and put in place in one step (`counters.turns`).
Both may have gone on meanwhile, so everything is decided again with what has arrived.

One residue is taken at a time, since each may be large; what else is lacking shows again in the
next comparison. Members that refuse each other part (`node.conflicts`). What cannot be taken of a
guest, who is about to end, is kept in a file (`node.late`): so is a sum with a version in it that
was released meanwhile, and one for which we would have to set something aside.

This module refuses to know how a sum is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from gcounterd.counters.counters import Counters
from gcounterd.counters.residue import Holding, Plan, Step, decide, plan_taking
from gcounterd.counters.residues import VERSION, holding_of, lines_of, residue_id
from gcounterd.counters.settled import Line
from gcounterd.counters.turns import Given, Turn
from gcounterd.errors import PeerError
from gcounterd.ids import ColumnId, NodeId, node_of
from gcounterd.node.config import Config
from gcounterd.node.conflicts import Conflicts
from gcounterd.node.effects import Carry, Effect, Send
from gcounterd.node.exchange import Exchange
from gcounterd.node.peers import Link
from gcounterd.node.settled_messages import LINES_OF_NODE_PER_MESSAGE, AskLines, Lines

Keeper = Callable[[Link, NodeId, Mapping[ColumnId, Line], float], list[Effect]]

# Lines of one node that a peer may tell; each takes some 300 bytes while it is compared.
LINES_OF_NODE_MAX = 1 << 18
# Nodes of which something is lacking and not asked for yet; others show again later.
LACKING_MAX = 1024
# A residue of which nothing more arrives for so many patiences is given up until it shows again.
PATIENCES = 4


@attrs.define(eq=False)
class _Taking:
    """What is being taken: of which node, from whom, what is known of it, until when."""

    link: Link
    node: NodeId
    due: float
    lines: dict[ColumnId, Line] = attrs.Factory(dict)
    plan: Plan | None = None
    wanted: tuple[ColumnId, ...] = ()
    came: int = 0
    carried: bool = False


class Taking:
    """Residues that are lacking; one per node.

    keep  has a guest's sum kept in a file: the link, the node, the lines of its columns, the time
    """

    def __init__(
        self, config: Config, counters: Counters, exchange: Exchange, conflicts: Conflicts
    ) -> None:
        self._config = config
        self._counters = counters
        self._exchange = exchange
        self._lacking: dict[NodeId, Link] = {}
        self._told: dict[tuple[int, NodeId], dict[ColumnId, Line]] = {}
        self._now: _Taking | None = None
        self._conflicts = conflicts
        self.keep: Keeper = lambda link, node, lines, now: []

    # -- what is lacking --------------------------------------------------------------------

    def hear(self, link: Link, lines: dict[ColumnId, Line], now: float) -> list[Effect]:
        """Look for what a peer's lines show that no delta can bring."""
        for column, line in lines.items():
            mine = self._counters.settled.get(column)
            forgotten = line.forgotten or (mine is not None and mine.forgotten)
            if forgotten and line.version > self._counters.head(column):
                self._note(node_of(column), link)
        return self.look(now)

    def _note(self, node: NodeId, link: Link) -> None:
        if node in self._lacking or len(self._lacking) < LACKING_MAX:
            self._lacking[node] = link

    def look(self, now: float) -> list[Effect]:
        """Go on with what is being taken, or begin with the next."""
        behind, self._exchange.behind = self._exchange.behind, {}
        for column, link in behind.items():
            self._note(node_of(column), link)
        if self._now is None and self._lacking:
            node = next(iter(self._lacking))
            link = self._lacking.pop(node)
            self._now = _Taking(link, node, now + self._config.want_patience)
            return [Send((link.id,), AskLines(node))]
        return self._go_on(now)

    # -- lines ------------------------------------------------------------------------------

    def answer(self, link: Link, message: AskLines) -> list[Effect]:
        """Tell a peer all our lines of a node."""
        return self._tell(link, message.node, reply=True)

    def _tell(self, link: Link, node: NodeId, *, reply: bool) -> list[Effect]:
        items = list(lines_of(self._counters.settled, node).items())
        starts = range(0, max(1, len(items)), LINES_OF_NODE_PER_MESSAGE)
        pages = [dict(items[at : at + LINES_OF_NODE_PER_MESSAGE]) for at in starts]
        last = len(pages) - 1
        return [
            Send((link.id,), Lines(node, number, number == last, reply, page))
            for number, page in enumerate(pages)
        ]

    def take(self, link: Link, message: Lines, now: float) -> list[Effect]:
        """Take a peer's lines in, and decide when all are there."""
        key = link.id, message.node
        if message.number == 0:
            self._told[key] = {}
        lines = self._told.get(key)
        if lines is None:
            return []
        if any(node_of(column) != message.node for column in message.lines):
            raise PeerError("bad_lines", "a column of another node")
        lines |= message.lines
        if len(lines) > LINES_OF_NODE_MAX:
            raise PeerError("too_many_columns", f"more than {LINES_OF_NODE_MAX} of one node")
        if not message.last:
            return []
        del self._told[key]
        taking = self._now
        if message.reply:
            if taking is None or taking.link is not link or taking.node != message.node:
                return []
        elif taking is not None:
            self._note(message.node, link)
            return []
        self._now = _Taking(link, message.node, now, lines)
        return self._decide(self._now, now, told=not message.reply)

    def _decide(self, taking: _Taking, now: float, *, told: bool) -> list[Effect]:
        plan = self._plan(taking)
        if plan.step is not Step.REFUSE:
            self._conflicts.joined(taking.link.peer, taking.node)
        match plan.step:
            case Step.NOTHING:
                return self._end(now)
            case Step.WAIT:
                # It may not have seen what we see; if it told us, it has.
                hint = [] if told else self._tell(taking.link, taking.node, reply=False)
                return [*hint, *self._end(now)]
            case Step.REFUSE:
                return [*self._refuse(taking, now), *self._end(now)]
        taking.plan = plan
        taking.due = now + PATIENCES * self._config.want_patience
        wanted = self._wanted(taking, plan)
        taking.wanted = tuple(wanted)
        return [*self._exchange.fetch(taking.link, wanted, now), *self._go_on(now)]

    def _plan(self, taking: _Taking) -> Plan:
        """Decide, without versions of which nothing more is taken from this peer."""
        theirs, peer = holding_of(taking.lines), taking.link.peer
        refuses, head = self._exchange.refuses, self._counters.head
        if any(v > head(c) and refuses(c, peer) for c, v in theirs.residue.items()):
            return Plan(Step.REFUSE)
        columns = {c: v for c, v in theirs.columns.items() if v <= head(c) or not refuses(c, peer)}
        plan = decide(self._mine(taking.node), Holding(columns, theirs.residue))
        # No value goes down for the sake of whoever is no member any more.
        yields_to_guest = plan.step is Step.YIELD and _hands_over(taking.link)
        return Plan(Step.REFUSE) if yields_to_guest else plan

    def _mine(self, node: NodeId) -> Holding:
        return holding_of(lines_of(self._counters.settled, node))

    def _wanted(self, taking: _Taking, plan: Plan) -> dict[ColumnId, int]:
        """Return what has to be fetched, with versions."""
        theirs = holding_of(taking.lines).residue
        sum_ = {residue_id(taking.node, theirs): VERSION} if theirs else {}
        return {**sum_, **{column: taking.lines[column].version for column in plan.along}}

    def _refuse(self, taking: _Taking, now: float) -> list[Effect]:
        link, node = taking.link, taking.node
        if _hands_over(link):
            forgotten = {c: line for c, line in taking.lines.items() if line.forgotten}
            return self.keep(link, node, forgotten, now)
        if link.guest:
            return []  # our host keeps what it cannot take
        mine, theirs = self._mine(node).residue, holding_of(taking.lines).residue
        return self._conflicts.find(link, node, mine, theirs)

    # -- taking -----------------------------------------------------------------------------

    def _go_on(self, now: float) -> list[Effect]:
        taking = self._now
        if taking is None or taking.carried:
            return []
        wholes, came = self._exchange.wholes, self._exchange.came(taking.wanted)
        if came > taking.came:
            taking.came = came
            taking.due = now + PATIENCES * self._config.want_patience
        if taking.plan is None or any(wholes.get(column) is None for column in taking.wanted):
            return self._end(now) if now >= taking.due else []
        return self._carry(taking, now)

    def _carry(self, taking: _Taking, now: float) -> list[Effect]:
        """Decide again with what has arrived, and have it put in place."""
        assert taking.plan is not None
        theirs = holding_of(taking.lines)
        fetched = [self._exchange.wholes[column] for column in taking.wanted]
        wholes = {batch.column: batch for batch in fetched if batch is not None}
        content = wholes.pop(residue_id(taking.node, theirs.residue), None)
        arrived = Holding({c: batch.version for c, batch in wholes.items()}, theirs.residue)
        yielding = taking.plan.step is Step.YIELD
        plan = plan_taking(self._mine(taking.node), arrived, yielding=yielding)
        self._exchange.release(taking.wanted)
        if plan is None or dict(plan.along).keys() != wholes.keys():
            return self._end(now)
        forgotten = {c: line for c, line in taking.lines.items() if line.forgotten}
        finals = {column: taking.lines[column].final for column in wholes}
        given = Given(forgotten, content, wholes, finals)
        taking.carried = True
        return [Carry(Turn(self._counters, taking.node, plan, given))]

    def turned(self, turn: Turn, now: float) -> list[Effect]:
        """Take note of what came of a turn, ours or another."""
        if self._now is not None and self._now.carried and turn.node == self._now.node:
            return self._end(now)
        return []

    def _end(self, now: float) -> list[Effect]:
        if self._now is not None:
            self._exchange.release(self._now.wanted)
        self._now = None
        return self.look(now)

    def closed(self, link: int) -> None:
        """Take note that a link is gone."""
        self._told = {key: lines for key, lines in self._told.items() if key[0] != link}
        self._lacking = {node: at for node, at in self._lacking.items() if at.id != link}
        if self._now is not None and self._now.link.id == link and not self._now.carried:
            self._exchange.release(self._now.wanted)
            self._now = None

    def next_wake(self) -> float:
        """Return when to look at the latest (`inf` if nothing is taken)."""
        if self._now is None or self._now.carried:
            return float("inf")
        return self._now.due


def _hands_over(link: Link) -> bool:
    """Say whether a link is that of a guest of ours."""
    return link.guest and (link.hello.yielding or link.hello.returning)
