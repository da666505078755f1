"""One message of each type, with its frame as it is kept in `golden/`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import numpy as np

from gcounterd.counters.batches import Batch, Block, make_block
from gcounterd.counters.imports import source_node
from gcounterd.counters.settled import Line
from gcounterd.ids import ColumnId, Epoch, NodeId
from gcounterd.members.approvals import Approval
from gcounterd.members.claims import Claim, Evidence, Liveness
from gcounterd.members.roster import Entry, State
from gcounterd.node.kept_messages import AskKept, Kept
from gcounterd.node.messages import (
    PROTOCOL_VERSION,
    Ack,
    Approvals,
    Bye,
    Channel,
    Digest,
    Gossip,
    Hello,
    Here,
    Holders,
    Message,
    Nack,
    Part,
    Ping,
    PingFor,
    Push,
    Refusal,
    Refused,
    Roster,
    RosterDigest,
    RosterList,
    StateHash,
    Survey,
    Want,
    Who,
)
from gcounterd.node.reading_messages import Answer, Ask
from gcounterd.node.removal_messages import HandOver, Held, Saved
from gcounterd.node.settled_messages import AskLines, Lines, Settled, SettledDiffer, SettledSums
from gcounterd.node.tree_messages import Beacon, Graft, PassOn, Prune

GOLDEN = Path(__file__).parent / "golden"

NODE = NodeId(bytes(range(16)))
OTHER = NodeId(bytes(range(16, 32)))
EPOCH = Epoch(bytes(range(32, 48)))
COLUMN = ColumnId(NODE + EPOCH)
OTHER_COLUMN = ColumnId(OTHER + EPOCH)
IMPORTED = ColumnId(source_node("the old système") + EPOCH)
BLOCK = make_block(
    7, [b"apples", "p\u00e4rs".encode()], np.array([0, 7, 300]), np.array([1, 2, 70000])
)
ENTRY = Entry(NODE, EPOCH, 3, "n1", "10.0.0.1:7700", State.ACTIVE)
HEIRED = Entry(OTHER, EPOCH, 2**40, "n-2.example", "[::1]:7700", State.REMOVED, NODE, True, EPOCH)
TOKEN = bytes(range(48, 80))
APPROVED = Approval("n2", bytes(range(80, 112)), 1_800_000_000_000)
USED = attrs.evolve(APPROVED, name="n3", used_by=NODE)
HELLO = Hello(
    PROTOCOL_VERSION,
    "local",
    NODE,
    "n1",
    EPOCH,
    b"nonce678",
    Channel.BULK,
    "127.0.0.1:7700",
    joining=True,
    provisional=True,
    yielding=False,
    token=TOKEN,
    returning=False,
    take_over=True,
    settled=b"settled8",
)
REFUSAL = Refusal(Refused.TWIN, "this id answers elsewhere", "10.0.0.2:7700", EPOCH)
ALIVE = Claim(NODE, EPOCH, 1, Liveness.ALIVE)
SUSPECTED = Claim(OTHER, EPOCH, 2**53, Liveness.SUSPECT, NODE, Evidence.REFUSED)

MESSAGES: dict[str, Message] = {
    "ping": Ping(1, b"digest78", (SUSPECTED,)),
    "ack": Ack(2**63 - 1, (ALIVE,)),
    "ping_for": PingFor(2, OTHER),
    "nack": Nack(2, refused=True),
    "gossip": Gossip((ALIVE, SUSPECTED)),
    "who": Who(7),
    "here": Here(7, EPOCH),
    "survey": Survey(bytes(range(256)) * 2, reply=True),
    "bye": Bye(),
    "approvals": Approvals((APPROVED, USED)),
    "roster": Roster((ENTRY, HEIRED)),
    "digest": Digest({COLUMN: 5, OTHER_COLUMN: 0}, whole=False),
    "state_hash": StateHash(
        b"0123456789abcdef", b"fedcba9876543210", b"settledsettled16", asks=True
    ),
    "roster_digest": RosterDigest(3, bytes(range(256)) * 2),
    "roster_list": RosterList(3, 2**63 + 16, True, False, 1, (ENTRY, HEIRED)),
    "roster_list_of_nothing": RosterList(4, 0, True, True, 0, ()),
    "holders": Holders(b"0123456789abcdef", 2**40 + 5, asks=False),
    "push": Push(Batch(COLUMN, 4, 5, (BLOCK,))),
    "want": Want(COLUMN, 5, 301, b"gather78", 2),
    "want_new": Want(COLUMN, 0, 0, b"", 0),
    "part": Part(COLUMN, b"gather78", 2, 5, 0, BLOCK),
    "last_part": Part(COLUMN, b"gather78", 3, 5, 9, BLOCK),
    "hand_over": HandOver(11, {COLUMN: 5, OTHER_COLUMN: 2**40}),
    "hand_over_of_nothing": HandOver(12, {}),
    "held": Held(11, {COLUMN: 4, OTHER_COLUMN: 0}, b"0123456789abcdef", (COLUMN,)),
    "saved": Saved(OTHER, b"fedcba9876543210", removed=True, asks=False),
    "ask_kept": AskKept({COLUMN: 7}),
    "kept": Kept({COLUMN: 8, OTHER_COLUMN: 2**40}),
    "pass_on": PassOn((Batch(COLUMN, 4, 5, (BLOCK,)), Batch(OTHER_COLUMN, 0, 300, (BLOCK,)))),
    "beacon": Beacon(COLUMN, 2**40),
    "prune": Prune(),
    "graft": Graft(),
    "ask": Ask(9, {COLUMN: 5}, b"settledsettled16", b"membersmembers16", NODE),
    "settled": Settled(
        COLUMN,
        OTHER_COLUMN,
        {OTHER_COLUMN: Line(7, 9), COLUMN: Line(2**40, 0, forgotten=True)},
        asks=True,
    ),
    "settled_imports": Settled(
        b"",
        b"",
        {IMPORTED: Line(1, 1, source="the old système"), COLUMN: Line(3)},
        asks=False,
    ),
    "ask_lines": AskLines(NODE),
    "lines": Lines(NODE, 1, True, False, {COLUMN: Line(2, 2, forgotten=True)}),
    "settled_sums": SettledSums(b"", (COLUMN, OTHER_COLUMN), b"sumssumsmoremore"),
    "settled_differ": SettledDiffer(COLUMN, OTHER_COLUMN, 5),
    "settled_news": Settled(b"", b"", {}, asks=False),
    "answer": Answer(9, {OTHER_COLUMN: 6}, (ENTRY,), OTHER_COLUMN),
}


def golden(name: str) -> bytes:
    return bytes.fromhex((GOLDEN / f"{name}.txt").read_text())


def plain(value: Any) -> Any:
    """Make a message comparable: batches and blocks are equal where their bytes are."""
    if isinstance(value, Block):
        return (value.first, value.names, list(value.positions), list(value.counts), value.encoded)
    if isinstance(value, tuple):
        return tuple(plain(item) for item in value)
    if attrs.has(type(value)):
        return (
            type(value),
            *(plain(getattr(value, field.name)) for field in attrs.fields(type(value))),
        )
    return value
