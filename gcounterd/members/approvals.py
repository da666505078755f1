"""Approvals: who may join a cluster that lets nobody in unasked, as a lattice.

Theory. An approval is a promise made at one member and kept at any: whoever brings this token
under this name, before that moment, is let in once. Name, hash and moment never change, so
together they are its key; `used_by` only falls (nobody, then the smallest id of those let in by
it on both sides of a split). Tables merge by union, and the union is cut to the APPROVALS_MAX
that expire last; that cut commutes with merging, since what one replica cuts away every other
one has that many better approvals against. So merging is idempotent, commutative and associative.

Expiry is not part of the lattice: it is a question that each node asks its own clock when a
token is shown, and a wrong clock makes that node strict, never the table different. Only long
afterwards, when no clock that is less than a day off could still honour it, an approval is
dropped, and is not taken again from peers whose clocks are behind. Until their clocks follow,
the tables differ and are compared in vain; nothing rests on it.

Of a token only its hash is kept, so neither a disk nor the roster of a member lets anybody in.
This module refuses to know a clock, randomness, and what joining is.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
from collections.abc import Iterable, Iterator

import attrs

from gcounterd.ids import ID_BYTES, NodeId

TOKEN_BYTES = 32
TOKEN_HASH_BYTES = 32
# Newcomers that are awaited at one time, far more than anybody adds by hand. When full, no more
# can be made until some expire; of two full tables those that expire last stay.
APPROVALS_MAX = 1024
HOUR_MS = 3_600_000
# The longest that a token may be good for. A member whose clock says that one has more than that
# (and a day) before it has a wrong clock, and honours it as little as an expired one.
LIFE_MS_MAX = 30 * 24 * HOUR_MS
# No clock in use is a day off; see above.
CLOCKS_APART_MS_MAX = 24 * HOUR_MS

Key = tuple[int, bytes, str]


@attrs.frozen
class Approval:
    """One newcomer that may join.

    token_hash  of the token that it has to show (`hash_token`)
    expires_ms  wall clock, milliseconds since 1970
    used_by     who joined with it, or None
    """

    name: str
    token_hash: bytes
    expires_ms: int
    used_by: NodeId | None = None

    @property
    def key(self) -> Key:
        """Return what tells it from any other; of two full tables the larger keys stay."""
        return (self.expires_ms, self.token_hash, self.name)

    def expired(self, wall_ms: int) -> bool:
        """Say whether a clock that shows `wall_ms` must not honour it."""
        return not 0 < self.expires_ms - wall_ms <= LIFE_MS_MAX + CLOCKS_APART_MS_MAX

    def forgotten(self, wall_ms: int) -> bool:
        """Say whether it expired so long ago that nobody need know of it."""
        return self.expires_ms + CLOCKS_APART_MS_MAX < wall_ms


class Verdict(enum.Enum):
    """What a token is worth, for a name and a node."""

    GOOD = "good"
    UNKNOWN = "unknown"
    FOREIGN = "for another name"
    USED = "used by another node"
    EXPIRED = "expired"


def hash_token(token: bytes) -> bytes:
    """Return what is kept and spread of a token."""
    return hashlib.blake2b(token, digest_size=TOKEN_HASH_BYTES).digest()


def merge_approvals(mine: Approval, theirs: Approval) -> Approval:
    """Return the least approval that is above both, which have the same key."""
    users = [each.used_by for each in (mine, theirs) if each.used_by is not None]
    return attrs.evolve(mine, used_by=min(users) if users else None)


class Approvals:
    """The approvals that this node holds durably."""

    def __init__(self, approvals: Iterable[Approval] = ()) -> None:
        self._table: dict[Key, Approval] = {}
        self._hash: bytes | None = None
        self._put(approvals)

    def __iter__(self) -> Iterator[Approval]:
        """Yield them in the order in which they expire."""
        return iter([self._table[key] for key in sorted(self._table)])

    def __len__(self) -> int:
        return len(self._table)

    def news(self, approvals: Iterable[Approval], wall_ms: int) -> tuple[Approval, ...]:
        """Return what merging `approvals` would write here: merged, and only where it differs."""
        merged: dict[Key, Approval] = {}
        for approval in approvals:
            mine = merged.get(approval.key) or self._table.get(approval.key)
            result = approval if mine is None else merge_approvals(mine, approval)
            if result != mine and not approval.forgotten(wall_ms):
                merged[approval.key] = result
        kept = keep_last({**self._table, **merged})
        return tuple([approval for key, approval in merged.items() if key in kept])

    def merge(self, approvals: Iterable[Approval], wall_ms: int) -> tuple[Approval, ...]:
        """Take approvals in and return those that changed, as they now are."""
        changed = self.news(approvals, wall_ms)
        self._put(changed)
        return changed

    def _put(self, approvals: Iterable[Approval]) -> None:
        for approval in approvals:
            self._table[approval.key] = approval
            self._hash = None
        self._table = keep_last(self._table)

    def forget(self, wall_ms: int) -> None:
        """Drop those that expired long ago."""
        gone = [key for key, approval in self._table.items() if approval.forgotten(wall_ms)]
        for key in gone:
            del self._table[key]
            self._hash = None

    def hash(self) -> bytes:
        """Return 16 bytes that are equal where tables are."""
        if self._hash is None:
            digest = hashlib.blake2b(digest_size=16)
            for approval in self:
                digest.update(_print(approval))
            self._hash = digest.digest()
        return self._hash

    def awaited(self, wall_ms: int) -> list[Approval]:
        """Return those that are neither used nor expired, the next to expire first."""
        return [each for each in self if each.used_by is None and not each.expired(wall_ms)]

    def find(self, token: bytes) -> Approval | None:
        """Return the approval of a token. How long it takes says nothing about any token."""
        shown = hash_token(token)
        found = None
        for approval in self:
            if hmac.compare_digest(approval.token_hash, shown):
                found = approval
        return found


def _print(approval: Approval) -> bytes:
    """Return the bytes that a table's hash is made of; peers of any version must agree on them."""
    name = approval.name.encode()
    moment = approval.expires_ms.to_bytes(8, "big")
    user = approval.used_by or bytes(ID_BYTES)
    return moment + approval.token_hash + bytes([len(name)]) + name + user


def keep_last(table: dict[Key, Approval]) -> dict[Key, Approval]:
    """Return what a full table keeps of this one."""
    if len(table) <= APPROVALS_MAX:
        return table
    return {key: table[key] for key in sorted(table)[-APPROVALS_MAX:]}


def judge(approval: Approval | None, name: str, node: NodeId, wall_ms: int) -> Verdict:
    """Say whether `node` may join under `name` by the approval of the token that it showed."""
    if approval is None:
        return Verdict.UNKNOWN
    if approval.name != name:
        return Verdict.FOREIGN
    if approval.used_by not in (None, node):
        return Verdict.USED
    return Verdict.EXPIRED if approval.expired(wall_ms) else Verdict.GOOD
