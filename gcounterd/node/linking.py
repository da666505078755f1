"""Linking: what follows when links open and end, and which are dialled.

Theory. A link is evidence in many ways at once: of a life for the twins, of an answer for the
detector, of a state to compare for the exchange. Whoever keeps something by link must hear of its
end in the same step, or what is said next goes to nobody; so there is one place where links come
and one where they go. The same holds for effects that drop a link: it is forgotten here before the
shell closes it.

Linking refuses to know what any message says.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gcounterd.errors import PeerError
from gcounterd.ids import NodeId
from gcounterd.node import admission
from gcounterd.node.asking import Verdict
from gcounterd.node.comparing import Comparing
from gcounterd.node.dialling import Target
from gcounterd.node.effects import Dial, Drop, Effect, Notice, Send
from gcounterd.node.grades import Grade
from gcounterd.node.guarding import Guarding
from gcounterd.node.messages import Bye, Channel, Hello, Refusal, Refused
from gcounterd.node.peers import Link
from gcounterd.node.removing import hands_over
from gcounterd.node.visits import Visits

if TYPE_CHECKING:
    from gcounterd.node.node import Node


class Linking:
    """The links of one node; what `Node` promises of them is kept here.

    guarding   what is believed of whom
    comparing  what linked peers hold, for those who watch
    """

    def __init__(self, node: Node, *, damaged: bool = False) -> None:
        """`damaged`: the disk gave back less than it was given."""
        self._node = node
        self.guarding = Guarding(
            node.config, node.counters, node.roster, node.peers, damaged=damaged
        )
        node.exchange.source_of = self.guarding.source_of
        node.exchange.check_growth = self.guarding.check_growth
        self.guarding.compare = node.membership.compare
        self.guarding.believe = node.exchange.ahead
        self.comparing = Comparing(node.counters, node.peers)
        self._visits = Visits(node.roster, node.peers, node.dialler)

    def judge(self, hello: Hello, now: float) -> Verdict:
        """Return why a peer's hello is refused, or None if it is accepted; and what to do."""
        node = self._node
        refusal = admission.judge_cluster(hello, node.config) or self.guarding.judge(hello, now)
        refusal = refusal or node.removing.judge(hello)
        if refusal is not None or hands_over(hello):
            return refusal, []
        refusal, effects = admission.judge(hello, node.twins, node.newcomers, now)
        leaves = node.removing.returning.active or node.twins.yielding
        if refusal is None and not (leaves or hello.yielding):
            refusal = node.settlement.conflicts.judge(hello)
        return refusal or node.dialbacks.judge(hello), self.tidied(effects, now)

    def opened(self, link: int, hello: Hello, dialled: str | None, now: float) -> list[Effect]:
        """Take note of a link whose peer's hello we accepted, and ours the peer if we dialled."""
        node = self._node
        new = Link(link, hello, dialled, now)
        new.guest = node.removing.guests.is_guest(new)
        if dialled is not None:
            node.dialler.ended(dialled, hello.channel, now)
            self.met(new)
        losers = node.peers.put(new)
        effects: list[Effect] = [Drop(old.id, "replaced") for old in losers]
        for old in losers:
            self._forget(old)
        if new in losers:
            return effects
        if new.guest:
            return effects + self.tidied(node.removing.guests.opened(new, now), now)
        effects += node.twins.opened(new)
        if node.removing.returning.active:
            return effects + self.depart(now)
        if node.joining.is_joining and admission.yields_name(node.config, hello):
            return [*effects, admission.leave_name(hello)]
        if hello.channel is Channel.BULK:
            self._visits.opened(new, now)
            effects += [*node.membership.greet(new, now), *node.reading.linked(new.peer, now)]
            effects += node.acknowledging.opened(new)
        else:
            effects += self.tidied(node.probing.opened(new, now), now)
        return [*effects, *self.dial(now)]

    def met(self, link: Link) -> None:
        """Dial the seeds no more that the peer of a link answers at: it has accepted us."""
        node = self._node
        if not link.guest:
            node.dialler.met(link.hello.address)
            if link.dialled is not None:
                node.dialler.met(link.dialled)

    def _forget(self, link: Link) -> None:
        """Let go of what was under way on a link that is gone."""
        node = self._node
        node.exchange.closed(link.id)
        node.pushes.closed(link)
        node.keeping.closed(link.id)
        node.acknowledging.closed(link.id)
        self.comparing.closed(link)
        node.settlement.link_closed(link.id)
        node.membership.closed(link.id)
        node.twins.closed(link.id)
        node.removing.link_closed(link)

    def closed(self, link: int, now: float) -> list[Effect]:
        """Take note that a link is gone."""
        node = self._node
        gone = node.peers.remove(link)
        if gone is None:
            return []
        self._forget(gone)
        effects: list[Effect] = []
        if gone.channel is Channel.CONTROL:
            effects = self.tidied(node.probing.closed(gone, now), now)
        return effects + self.dial(now)

    def broke(self, link: Link, error: PeerError, now: float) -> list[Effect]:
        """Part with a peer that broke the protocol, for a while if that was no accident."""
        fields: dict[str, str | int | float] = {"peer": link.hello.name, "why": str(error)}
        told: list[Effect] = [Drop(link.id, error.reason), Notice("peer_error", fields)]
        told += self.closed(link.id, now)
        return [*told, *self.tidied(self.guarding.punish(link, error.reason, now), now)]

    def dial_failed(
        self, address: str, channel: Channel, grade: Grade, refusal: Refusal | None, now: float
    ) -> list[Effect]:
        """Take note that a dial ended without a link, with the refusal if there was one."""
        node = self._node
        lasted = node.dialler.ended(address, channel, now, refusal)
        effects: list[Effect] = []
        if channel is Channel.CONTROL:
            effects = self.tidied(node.probing.dial_failed(address, grade, now), now)
            effects += node.twins.dial_failed(address, refusal, lasted, now)
        else:
            effects = self.tidied(node.dialbacks.failed(address, grade), now)
            node.removing.returning.dial_failed(address)
        return effects + self._refused(address, refusal, now)

    def _refused(self, address: str, refusal: Refusal | None, now: float) -> list[Effect]:
        node = self._node
        if refusal is None:
            return []
        if refusal.reason is Refused.SELF:
            node.dialler.met(address)
            node.membership.is_self(address)
            return []
        if refusal.reason is Refused.REMOVED:
            return [*node.removing.returning.told(address, now), *self.depart(now)]
        joining = node.joining.is_joining
        node.joining.last_refusal = f"{address} refuses: {refusal.text}"
        return [node.refusals.take(address, refusal, joining, node.twins.established, now)]

    def dial(self, now: float) -> list[Effect]:
        """Return the dials that are due, which count as under way from now on."""
        node = self._node
        if node.removing.returning.active:
            return []  # it dials by itself
        joining = node.joining.is_joining
        targets = node.dialler.dials(node.roster, node.peers, node.detector, now, joining=joining)
        return [*_dial(targets), *self.visit(now)]

    def visit(self, now: float) -> list[Effect]:
        """Return the dials of members of a crowd that a read waits for and no link leads to."""
        node = self._node
        lacking = [*node.reading.unlinked(), *node.acknowledging.unlinked()]
        return _dial(self._visits.dials(dict.fromkeys(lacking), now))

    def end_visits(self, now: float) -> list[Effect]:
        """Let go of links that were opened for reads, when none needs them any more."""
        return self.part(self._visits.over(self._uses, now), "visited", now)

    def _uses(self, peer: NodeId) -> bool:
        return self._node.reading.uses(peer) or self._node.acknowledging.uses(peer)

    def next_wake(self) -> float:
        """Return when to wake at the latest: a link may be let go, or a claim is in doubt."""
        return min(self._visits.next_wake(), self.guarding.next_wake())

    def tidied(self, effects: list[Effect], now: float) -> list[Effect]:
        """Forget the links that `effects` drop, so that nothing else is sent on them."""
        dropped = [effect for effect in effects if isinstance(effect, Drop)]
        for effect in dropped:
            gone = self._node.peers.remove(effect.link)
            if gone is not None:
                self._forget(gone)
        return [*effects, *(self.dial(now) if dropped else [])]

    def join(self, addresses: Iterable[str], now: float) -> list[Effect]:
        """Try more addresses until each has been a member's once."""
        node = self._node
        known = {entry.address for entry in node.roster.belonging()} | {node.config.address}
        node.dialler.add_seeds(address for address in addresses if address not in known)
        return self.dial(now)

    def refused(self, link: int, refusal: Refusal, now: float) -> list[Effect]:
        """Take note that the peer of an open link wants no more of us; the link ends."""
        node = self._node
        source = node.peers.get(link)
        if source is None:
            return []
        address = source.dialled or source.hello.address
        if refusal.reason is not Refused.REMOVED:
            joining, established = node.joining.is_joining, node.twins.established
            return [node.refusals.take(address, refusal, joining, established, now)]
        return [*node.removing.returning.told(address, now), *self.depart(now)]

    def depart(self, now: float) -> list[Effect]:
        """Let go of everyone where this node is removed: from now on it is a guest."""
        node = self._node
        if not node.removing.returning.active:
            return []
        links = [link for link in node.peers.all() if not link.guest]
        given_up = [*node.reading.give_up(), *node.acknowledging.give_up()]
        return [*self.part(links, "removed", now), *given_up]

    def part(self, links: list[Link], reason: str, now: float) -> list[Effect]:
        """Close links that nothing is wrong with, with a word on those that are probed."""
        effects: list[Effect] = []
        for link in links:
            last = [Send((link.id,), Bye())] if link.channel is Channel.CONTROL else []
            effects += [*last, Drop(link.id, reason, gently=True)]
        return self.tidied(effects, now)


def _dial(targets: Iterable[Target]) -> list[Effect]:
    return [Dial(address, channel) for address, channel in targets]
