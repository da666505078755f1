"""Inquiries: what consistent reads ask of each member, and what its answers oblige us to have.

Theory. An answer covers whatever its giver had acknowledged when the question was put; so it serves
every read that began before that, and reads share questions: at most one is under way to a member,
and the next goes when its answer is there. *Moments* count the beginnings of reads. A question
*serves* the moment at which it was put; a member is *covered* up to that moment when all that its
answer named is taken in. Answers that are not yet taken in wait in their order, so one cannot be
put off for ever by those after it.

A question is put again only where nothing came of it for a while, later each time: a frame may have
been dropped from a full queue, but a member that stands still should not find a heap of questions.
This module refuses to know the reads.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable

import attrs

from gcounterd.counters.counters import OPEN_COLUMNS_MAX, Counters
from gcounterd.errors import PeerError
from gcounterd.ids import ColumnId, NodeId
from gcounterd.members.roster import Roster
from gcounterd.node.config import Config
from gcounterd.node.effects import Effect, Send
from gcounterd.node.exchange import AHEAD_MAX, Exchange
from gcounterd.node.messages import Channel
from gcounterd.node.peers import Link, Peers
from gcounterd.node.reading_messages import Answer, Ask
from gcounterd.node.settling import SETTLED_MAX

# Answers of one member that wait to be taken in; with so many it is not asked on. Three are asked
# for in the time of a slow commit, and each keeps up to 100 bytes for every column that it named.
ANSWERS_WAITING_MAX = 4
# A question is put again after the patience of a delta, then after twice that, and so on up to
# this: a member may stand still for as long as the longest read waits, or forever.
ASK_AGAIN_S_MAX = 32.0


@attrs.define(eq=False)
class Inquiry:
    """What is asked of one member.

    link, number   of the question under way, None for none
    serves         the moment of that question, or of the one that is to be asked on
    after          where it is asked on, b"" from the beginning
    due            when to ask again, or to remind the exchange of what is still to come
    found          what the parts so far have named above us
    waiting        answers not yet taken in: the moment each serves, the nonce of the process that
                   gave it, and what it named
    covered        the moment up to which reads have all they need of this member
    agrees         its last answer named no members: it knew those that the question knew
    """

    patience: float
    link: int | None = None
    number: int = 0
    serves: int = 0
    after: bytes = b""
    due: float = float("inf")
    found: dict[ColumnId, int] = attrs.Factory(dict)
    waiting: deque[tuple[int, bytes, dict[ColumnId, int]]] = attrs.Factory(deque)
    covered: int = 0
    agrees: bool = False

    @property
    def answered(self) -> int:
        """Return the moment up to which it has answered."""
        return self.waiting[-1][0] if self.waiting else self.covered

    @property
    def asked(self) -> int:
        """Return the moment up to which nothing more has to be asked now."""
        return self.serves if self.link is not None or self.after else self.answered

    def lose(self) -> None:
        """Forget the question under way: its link is gone, or it is to be put again."""
        self.link, self.after, self.found = None, b"", {}


class Inquiries:
    """The questions of one node's reads, by member."""

    def __init__(
        self, config: Config, counters: Counters, roster: Roster, peers: Peers, exchange: Exchange
    ) -> None:
        self._patience = config.want_patience
        self._counters = counters
        self._roster = roster
        self._peers = peers
        self._exchange = exchange
        self._number = 0
        # Those with an answer that is not taken in, or a part that is still to be asked for.
        self._unfinished: dict[NodeId, Inquiry] = {}
        self.members: dict[NodeId, Inquiry] = {}
        self.due = float("inf")

    # -- whom to ask ------------------------------------------------------------------------

    def attend(self, nodes: Iterable[NodeId]) -> None:
        """Ask these members from now on, and no others."""
        known, self.members = self.members, {}
        for node in nodes:
            self.members[node] = known.get(node) or Inquiry(self._patience)
        self._unfinished = {n: i for n, i in self._unfinished.items() if n in self.members}

    def add(self, node: NodeId) -> bool:
        """Ask this member too; return whether it was not asked before."""
        if node in self.members:
            return False
        self.members[node] = Inquiry(self._patience)
        return True

    def remove(self, node: NodeId) -> bool:
        """Ask a member no more; return whether it was asked."""
        self._unfinished.pop(node, None)
        return self.members.pop(node, None) is not None

    def unlinked(self, newest: int) -> list[NodeId]:
        """Return those to be asked for a moment to whom no link leads."""
        to = self._peers.to
        return [
            node
            for node, inquiry in self.members.items()
            if inquiry.asked < newest and to(node, Channel.BULK) is None
        ]

    def uses(self, node: NodeId) -> bool:
        """Say whether something is expected of a member that it was asked for."""
        inquiry = self.members.get(node)
        return inquiry is not None and (inquiry.link is not None or node in self._unfinished)

    # -- asking -----------------------------------------------------------------------------

    def ask(self, nodes: Iterable[NodeId], newest: int, moment: int, now: float) -> list[Effect]:
        """Ask those of `nodes` that can be asked, as far as reads begun up to `newest` need it."""
        asked: dict[bytes, list[int]] = {}
        for node in nodes:
            inquiry, link = self.members[node], self._peers.to(node, Channel.BULK)
            if inquiry.answered >= newest:
                continue
            self._give_up(inquiry, link, now)
            if link is not None and self._may_ask(inquiry, newest):
                if not inquiry.after:
                    inquiry.serves = moment
                inquiry.link, inquiry.number = link.id, self._number + 1
                self._wait(inquiry, now)
                asked.setdefault(inquiry.after, []).append(link.id)
        return self._put(asked)

    def _give_up(self, inquiry: Inquiry, link: Link | None, now: float) -> None:
        """Forget a question that will not be answered, or probably not."""
        if inquiry.link is None:
            return
        if link is None or link.id != inquiry.link:
            inquiry.lose()
        elif inquiry.due <= now:
            inquiry.lose()
            inquiry.patience = min(2 * inquiry.patience, ASK_AGAIN_S_MAX)

    def _may_ask(self, inquiry: Inquiry, newest: int) -> bool:
        if inquiry.link is not None:
            return False
        if inquiry.after:
            return not self._exchange.is_behind
        return inquiry.asked < newest and len(inquiry.waiting) < ANSWERS_WAITING_MAX

    def _wait(self, inquiry: Inquiry, now: float) -> None:
        inquiry.due = now + inquiry.patience
        self.due = min(self.due, inquiry.due)

    def _put(self, asked: dict[bytes, list[int]]) -> list[Effect]:
        """Put one question to many, by the part that is asked for."""
        if not asked:
            return []
        self._number += 1
        counters = self._counters
        # What a frame cannot name counts as lacking.
        heads = dict(itertools.islice(counters.heads().items(), OPEN_COLUMNS_MAX))
        settled, members = counters.settled.hash(), self._roster.members_hash()
        return [
            Send(tuple(links), Ask(self._number, heads, settled, members, after))
            for after, links in asked.items()
        ]

    # -- answers ----------------------------------------------------------------------------

    def expects(self, link: Link, number: int) -> bool:
        """Say whether an answer of that number is waited for on a link."""
        inquiry = self.members.get(link.peer)
        return inquiry is not None and (inquiry.link, inquiry.number) == (link.id, number)

    def answered(self, link: Link, answer: Answer, now: float) -> None:
        """Take in an answer that is expected; raise `PeerError` where it names too many columns."""
        inquiry = self.members[link.peer]
        head = self._counters.head
        if not inquiry.after:
            inquiry.agrees = not answer.entries
        inquiry.link, inquiry.after, inquiry.patience = None, answer.upto, self._patience
        inquiry.found |= {c: h for c, h in answer.heads.items() if head(c) < h}
        if len(inquiry.found) > SETTLED_MAX:
            raise PeerError("too_many_columns", f"an answer of more than {SETTLED_MAX} columns")
        if not answer.upto:
            inquiry.waiting.append((inquiry.serves, link.hello.nonce, inquiry.found))
            inquiry.found = {}
        self._unfinished[link.peer] = inquiry
        self._wait(inquiry, now)

    def reach(self) -> list[NodeId]:
        """See how far what answers named is taken in; return of whom something was waited for."""
        looked_at = list(self._unfinished.items())
        for node, inquiry in looked_at:
            while inquiry.waiting and self._has(inquiry.waiting[0][-1]):
                inquiry.covered = inquiry.waiting.popleft()[0]
            if not (inquiry.waiting or inquiry.after):
                del self._unfinished[node]
        return [node for node, _ in looked_at]

    def _has(self, named: dict[ColumnId, int]) -> bool:
        """Say whether all that was named is taken in; what is, is forgotten."""
        head = self._counters.head
        while named:
            column = next(iter(named))
            if head(column) < named[column]:
                return False
            del named[column]
        return True

    # -- time -------------------------------------------------------------------------------

    def wake(self, newest: int, moment: int, now: float) -> list[Effect]:
        """Ask again where nothing came for too long, and for what is still to come of answers."""
        if now < self.due:
            return []
        self.due = float("inf")
        late = [node for node, inquiry in self.members.items() if inquiry.due <= now]
        effects = self.ask(late, newest, moment, now)
        for node in late:
            inquiry = self.members[node]
            if inquiry.link is None and inquiry.waiting:
                _, nonce, named = inquiry.waiting[0]
                self._remind(node, nonce, named)
                self._wait(inquiry, now)
        dues = [inquiry.due for inquiry in self.members.values() if inquiry.due > now]
        self.due = min(dues, default=float("inf"))
        return effects

    def _remind(self, node: NodeId, nonce: bytes, named: dict[ColumnId, int]) -> None:
        """Let the exchange ask for what it may have forgotten with a link, or had no room for.

        Only of the process that named it: another one of that node may have an older disk.
        """
        link = self._peers.to(node, Channel.BULK)
        if link is not None and link.hello.nonce == nonce:
            for column, head in itertools.islice(named.items(), AHEAD_MAX):
                self._exchange.ahead(link, column, head)
