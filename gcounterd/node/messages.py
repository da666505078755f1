"""Messages: what nodes say to each other, as values.

A closed vocabulary: consumers `match` and end in `assert_never`. `wire` turns them into frames
and back; this module refuses to know bytes. *Control* messages are small and must never wait
behind state; *bulk* messages carry state (DESIGN 3, research on SWIM over TCP: head-of-line
blocking makes healthy nodes look dead).
"""

from __future__ import annotations

import enum

import attrs

from gcounterd.counters.batches import Batch, Block
from gcounterd.counters.settled import STATE_HASH_BYTES
from gcounterd.ids import ColumnId, Epoch, NodeId
from gcounterd.members.approvals import Approval
from gcounterd.members.claims import Claim
from gcounterd.members.roster import Entry
from gcounterd.node.kept_messages import AskKept, Kept
from gcounterd.node.reading_messages import Answer, Ask
from gcounterd.node.removal_messages import HandOver, Held, Saved
from gcounterd.node.settled_messages import AskLines, Lines, Settled, SettledDiffer, SettledSums
from gcounterd.node.tree_messages import Beacon, Graft, PassOn, Prune

PROTOCOL_VERSION = 5


class Channel(enum.IntEnum):
    """The two connections of a pair of peers."""

    CONTROL = 0
    BULK = 1


class Refused(enum.StrEnum):
    """Why a hello is not accepted."""

    CLUSTER = "wrong_cluster"
    VERSION = "wrong_version"
    NAME = "name_in_use"
    TWIN = "twin"
    ASKING = "asking"
    SELF = "self"
    CROWDED = "too_many_columns"
    FULL = "too_many_members"
    BUSY = "too_many_joins"
    UNAPPROVED = "not_approved"
    UNKNOWN = "unknown_token"
    YOUNG = "not_a_member"
    REMOVED = "removed"
    RESIDUES = "residues_differ"
    UNREACHABLE = "unreachable"
    UNSECURED = "not_secured"
    IDENTITY = "wrong_identity"
    QUARANTINED = "quarantined"


@attrs.frozen
class Hello:
    """First frame of both sides of a connection; at most 512 bytes on the wire.

    nonce        8 random bytes per process, tells a process from its clone
    address      where the sender listens for peers, "host:port"
    joining      the sender is not yet an active member
    provisional  the sender has counted nothing and been accepted nowhere in this life
    yielding     the sender gives way to its twin, and only hands over what it holds
    token        what a joining sender was given to show, 32 bytes, or b""
    returning    the sender knows that it was removed, and only hands over what it holds
    take_over    a joining sender was told to replace a dead member of its name
    settled      8 bytes that change with what the sender holds of settled columns
    """

    version: int
    cluster: str
    node: NodeId
    name: str
    epoch: Epoch
    nonce: bytes
    channel: Channel
    address: str
    joining: bool
    provisional: bool = False
    yielding: bool = False
    token: bytes = attrs.field(default=b"", repr=False)  # a traceback must not tell it
    returning: bool = False
    take_over: bool = False
    settled: bytes = bytes(STATE_HASH_BYTES)


@attrs.frozen
class Refusal:
    """Instead of a hello: why not, in words, and whom it concerns (an address or "").

    epoch  the present one of that process, where it is a twin of the refused one
    """

    reason: Refused
    text: str
    address: str = ""
    epoch: Epoch | None = None


@attrs.frozen
class Ping:
    """Control: are you there? `digest` is the sender's table of members, 8 bytes."""

    number: int
    digest: bytes
    claims: tuple[Claim, ...] = ()


@attrs.frozen
class Ack:
    """Control: the answer to the ping of that number, or to a `PingFor` from who was asked."""

    number: int
    claims: tuple[Claim, ...] = ()


@attrs.frozen
class PingFor:
    """Control: I get no answer from `target`; do you? Ends in an `Ack` or a `Nack`."""

    number: int
    target: NodeId


@attrs.frozen
class Nack:
    """Control: I get no answer either; `refused` if its port refuses me."""

    number: int
    refused: bool


@attrs.frozen
class Gossip:
    """Control: what is said of members."""

    claims: tuple[Claim, ...]


@attrs.frozen
class Survey:
    """Control: sums of the table of members by buckets; `reply` if it answers one.

    Its receiver tells the claims of the buckets that differ, and sends its own if it is none.
    """

    sums: bytes
    reply: bool


@attrs.frozen
class Bye:
    """Control: this connection is not needed any more; its end means nothing."""


@attrs.frozen
class Who:
    """Control: do you still answer? Somebody else says hello with your node id."""

    number: int


@attrs.frozen
class Here:
    """Control: yes, to the question of that number, from a process that is not provisional.

    epoch  in which it lives now
    """

    number: int
    epoch: Epoch


@attrs.frozen
class Roster:
    """Bulk: roster entries that the sender holds durably."""

    entries: tuple[Entry, ...]


@attrs.frozen
class Approvals:
    """Bulk: approvals that the sender holds durably."""

    approvals: tuple[Approval, ...]


@attrs.frozen
class Digest:
    """Bulk: heads of open columns; `whole` says that no other column is held."""

    heads: dict[ColumnId, int]
    whole: bool


@attrs.frozen
class StateHash:
    """Bulk: hashes of my roster, of the heads of my open columns, and of my settled columns.

    roster, heads, settled   16 bytes each
    asks                     for yours
    approvals                the hash of my approvals, b"" if I have none
    """

    roster: bytes
    heads: bytes
    settled: bytes
    asks: bool
    approvals: bytes = b""


@attrs.frozen
class RosterDigest:
    """Bulk: the hashes of my roster's buckets; list me what you have in those that differ.

    number   of the levelling, which the answer repeats
    """

    number: int
    hashes: bytes


@attrs.frozen
class RosterList:
    """Bulk: my entries of buckets that differ, by node id, in one message or several.

    number    of the digest that is answered
    buckets   those listed, a bit for each
    whole     no other bucket differs
    holds     I hold your own entry
    left      messages of this list that are still to come
    """

    number: int
    buckets: int
    whole: bool
    holds: bool
    left: int
    entries: tuple[Entry, ...]


@attrs.frozen
class Holders:
    """Bulk: these members hold a roster with the same members as mine; `asks` for yours.

    members   the hash of who belongs, 16 bytes
    holders   a bit for each member, in the order of their node ids
    """

    members: bytes
    holders: int
    asks: bool


@attrs.frozen(eq=False)
class Push:
    """Bulk: one committed batch of one block, as it lies in the journal."""

    batch: Batch


@attrs.frozen
class Want:
    """Bulk: send me what `column` has above `head`.

    size       positions that I hold, so that names below it need not be sent
    gathering  8 bytes naming a gathering that I have parts of, or b"" for a new one
    part       number of the next part that I want of it
    """

    column: ColumnId
    head: int
    size: int
    gathering: bytes
    part: int


@attrs.frozen(eq=False)
class Part:
    """Bulk: part `number` of a gathering; `version` is 0 but in the last, which ends it.

    `since` is the head that the gathering was asked from.
    """

    column: ColumnId
    gathering: bytes
    number: int
    since: int
    version: int
    block: Block


ProbeMessage = Ping | Ack | PingFor | Nack | Gossip | Survey | Bye
ControlMessage = ProbeMessage | Who | Here
MembershipMessage = Roster | StateHash | RosterDigest | RosterList | Holders
ResidueMessage = AskLines | Lines
RemovalMessage = HandOver | Held | Saved
ReadingMessage = Ask | Answer
KeptMessage = AskKept | Kept
TreeMessage = PassOn | Beacon | Prune | Graft
SettledMessage = Settled | SettledSums | SettledDiffer
StateMessage = Digest | SettledMessage | Push | Want | Part | ReadingMessage
_FactMessage = MembershipMessage | ResidueMessage | RemovalMessage
BulkMessage = _FactMessage | KeptMessage | TreeMessage | Approvals | StateMessage
Message = ControlMessage | BulkMessage
PROBE_MESSAGES = (Ping, Ack, PingFor, Nack, Gossip, Survey, Bye)
CONTROL_MESSAGES = (*PROBE_MESSAGES, Who, Here)
RESIDUE_MESSAGES = (AskLines, Lines)
MEMBERSHIP_MESSAGES = (Roster, StateHash, RosterDigest, RosterList, Holders)
REMOVAL_MESSAGES = (HandOver, Held, Saved)
KEPT_MESSAGES = (AskKept, Kept)
TREE_MESSAGES = (PassOn, Beacon, Prune, Graft)
READING_MESSAGES = (Ask, Answer)
SETTLED_MESSAGES = (Settled, SettledSums, SettledDiffer)
