"""Handling: which part of a node a message is for.

Theory. Control messages and bulk messages have links of their own, so that state never delays a
probe; one on the wrong link breaks the protocol, as does whatever a part refuses by raising. On the
link of a guest, which only hands over what it holds, nothing else is heard.

This module refuses to know what any message means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from gcounterd.counters.batches import Batch
from gcounterd.errors import PeerError
from gcounterd.node.answers import answer
from gcounterd.node.effects import Effect, Send
from gcounterd.node.kept_messages import AskKept, Kept
from gcounterd.node.messages import (
    CONTROL_MESSAGES,
    KEPT_MESSAGES,
    MEMBERSHIP_MESSAGES,
    PROBE_MESSAGES,
    REMOVAL_MESSAGES,
    TREE_MESSAGES,
    Approvals,
    Channel,
    Digest,
    Here,
    KeptMessage,
    Message,
    Part,
    Push,
    StateHash,
    TreeMessage,
    Want,
    Who,
)
from gcounterd.node.peers import Link
from gcounterd.node.reading_messages import Answer, Ask
from gcounterd.node.settled_messages import AskLines, Lines, Settled, SettledDiffer, SettledSums
from gcounterd.node.tree_messages import PassOn

if TYPE_CHECKING:
    from gcounterd.node.node import Node


def handle(node: Node, link: Link, message: Message, now: float) -> list[Effect]:
    """Handle a message of an open link; raise `PeerError` where it breaks the protocol."""
    node.linking.guarding.heard(link, now)
    return [*_handle(node, link, message, now), *node.linking.guarding.alarms()]


def _handle(node: Node, link: Link, message: Message, now: float) -> list[Effect]:
    if isinstance(message, CONTROL_MESSAGES) != (link.channel is Channel.CONTROL):
        raise PeerError("wrong_channel", type(message).__name__)
    node.removing.hear(link, now)
    if link.guest:
        effects = node.removing.guests.handle(link, message, now)
        return [*effects, *node.settlement.warming.need(now)]
    if isinstance(message, PROBE_MESSAGES):
        effects = node.linking.tidied(node.probing.handle(link, message, now), now)
        return [*effects, *node.twins.look(node.detector.later, now)]
    if isinstance(message, StateHash):
        node.settlement.forgetting.hear(link, message)
    if isinstance(message, MEMBERSHIP_MESSAGES):
        return node.membership.handle(link, message, now)
    if isinstance(message, REMOVAL_MESSAGES):
        return node.removing.handle(link, message, now)
    if isinstance(message, KEPT_MESSAGES):
        return _handle_kept(node, link, message, now)
    if node.removing.leaving.is_mute and isinstance(message, Push | PassOn | Digest):
        return []  # what it brought would have to be handed over, for ever
    if isinstance(message, TREE_MESSAGES):
        return _handle_tree(node, link, message, now)
    match message:
        case Push(batch):
            return _take_push(node, link, batch, now)
        case Part():
            effects = node.exchange.take_part(link, message, now)
            settlement = node.settlement
            effects += [*settlement.taking.look(now), *settlement.late.look(now)]
            effects += settlement.mending.look(now)
            return node.linking.tidied(effects, now)
        case Want():
            node.exchange.serving.serve(link, message, now)
            return [*node.settlement.warming.need(now), *node.settlement.wanted(link, message)]
        case Settled() | SettledSums() | SettledDiffer():
            return node.settlement.take(link, message, now)
        case AskLines():
            return node.settlement.taking.answer(link, message)
        case Lines():
            return node.linking.tidied(node.settlement.taking.take(link, message, now), now)
        case Digest():
            node.joining.hear(link.peer, message.heads)
            return node.exchange.compare(link, message, now)
        case Who() | Here():
            return node.twins.answer(link, message, now)
        case Approvals():
            return node.approving.take(message)
        case Ask():
            return [Send((link.id,), answer(message, node.counters, node.roster))]
        case Answer():
            return _take_answer(node, link, message, now)
        case _:
            assert_never(message)


def _handle_kept(node: Node, link: Link, message: KeptMessage, now: float) -> list[Effect]:
    match message:
        case AskKept():
            mute = node.removing.leaving.is_mute
            return node.keeping.take(link, message, now, mute=mute)
        case Kept():
            node.linking.comparing.take(link, message)
            return node.acknowledging.take(link, message)
        case _:
            assert_never(message)


def _handle_tree(node: Node, link: Link, message: TreeMessage, now: float) -> list[Effect]:
    if not isinstance(message, PassOn):
        return node.pushes.tree.take(link, message, now)
    return [e for batch in message.batches for e in _take_push(node, link, batch, now)]


def _take_push(node: Node, link: Link, batch: Batch, now: float) -> list[Effect]:
    is_new, effects = node.exchange.take_push(link, batch, now)
    if is_new:
        node.pushes.came(link, batch)
    return effects


def _take_answer(node: Node, link: Link, message: Answer, now: float) -> list[Effect]:
    if not node.reading.expects(link, message.number):
        return []
    for column, head in message.heads.items():
        node.exchange.ahead(link, column, head)
    node.membership.take(link, message.entries)
    effects = node.reading.answered(link, message, now)
    effects += [*node.exchange.ask(now), *node.settlement.taking.look(now)]
    return [*effects, *node.linking.visit(now)]
