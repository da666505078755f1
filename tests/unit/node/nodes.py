"""Helpers for tests of the node: nodes by letter, commits without a disk, links by hand."""

from __future__ import annotations

from random import Random

import attrs

from gcounterd.counters.counters import Counters
from gcounterd.ids import Epoch, NodeId
from gcounterd.members.approvals import Approval
from gcounterd.members.roster import Entry, Roster, State
from gcounterd.node.config import Config
from gcounterd.node.effects import Effect, Send
from gcounterd.node.messages import PROTOCOL_VERSION, Channel, Hello, Message, Push, Refusal
from gcounterd.node.node import Node

# What every clock of the wall shows.
WALL_MS = 1_800_000_000_000


def node_id(letter: str) -> NodeId:
    """Return the id of node `letter`."""
    return NodeId(letter.encode() * 16)


def config(letter: str, *, life: int = 1, seeds: tuple[str, ...] = ()) -> Config:
    """Return the identity of node `letter`, which listens at `letter:1`."""
    epoch = Epoch(bytes([life]) * 16)
    nonce = letter.encode() * 7 + bytes([life])
    address = f"{letter}:1"
    return Config(
        "test", node_id(letter), letter, epoch, nonce, address, seeds, wall_ms=lambda: WALL_MS
    )


def entry(letter: str, *, state: State = State.ACTIVE, life: int = 1) -> Entry:
    """Return the roster entry of node `letter`."""
    mine = config(letter, life=life)
    return Entry(mine.node, mine.epoch, 0, mine.name, mine.address, state)


def node(
    letter: str,
    *members: str,
    life: int = 1,
    seeds: tuple[str, ...] = (),
    approvals: tuple[Approval, ...] = (),
    **changes: object,
) -> Node:
    """Return a node whose disk holds a roster of `members`; its first commit is done.

    `changes` are made to its `config`.
    """
    mine = attrs.evolve(config(letter, life=life, seeds=seeds), **changes)
    roster = Roster(map(entry, members))
    roster.approvals.merge(approvals, mine.wall_ms())
    made = Node(mine, Counters(mine.column, 1000), roster, Random(1), 0.0)
    commit(made)
    return made


def commit(of: Node, now: float = 0.0) -> list[Effect]:
    """Make all that waits durable and take it in; return the effects."""
    effects: list[Effect] = []
    while group := of.cut():
        for _ in of.applying(group):
            pass
        effects += of.committed(group, now)
    return effects


def hello(letter: str, channel: Channel = Channel.BULK, **changes: object) -> Hello:
    """Return the hello of an active node `letter`."""
    mine = config(letter)
    values = {
        "version": PROTOCOL_VERSION,
        "cluster": mine.cluster,
        "node": mine.node,
        "name": mine.name,
        "epoch": mine.epoch,
        "nonce": mine.nonce,
        "channel": channel,
        "address": mine.address,
        "joining": False,
    }
    return Hello(**{**values, **changes})


def judge(by: Node, said: Hello, now: float = 0.0) -> Refusal | None:
    """Return why `by` refuses a hello, if it does."""
    return by.judge(said, now)[0]


def sent(effects: list[Effect], link: int) -> list[Message]:
    """Return the messages that effects put on a link."""
    return [e.message for e in effects if isinstance(e, Send) and link in e.links]


def batches_of(letter: str, *flushes: dict[bytes, int]) -> list[Push]:
    """Return the pushes that node `letter` makes of its flushes."""
    writer, pushes = node(letter, letter), []
    writer.opened(1, hello("z"), None, 0.0)
    for at, amounts in enumerate(flushes, 1):
        for key, amount in amounts.items():
            writer.add(key, amount)
        pushes += [m for m in sent(commit(writer, float(at)), 1) if isinstance(m, Push)]
    return pushes
