"""The table: what is believed of each member, and a digest of it that shows where two differ.

Theory. Rumours leave a residue: somebody always misses one (Demers et al. 1987). So tables are
compared, by a sum of the claims' hashes that costs nothing while they are equal. Members fall into
buckets by their ids; where the sums differ, those of the buckets are compared, and only the claims
of buckets that differ are told. The cost grows with the difference and not with the table. Sums
are kept up to date with each claim, so that nobody ever has to walk over all members.

A hash here tells tables apart, it does not prove anything: whoever may speak to us may lie.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import attrs

from gcounterd.ids import Epoch, NodeId
from gcounterd.members.buckets import BUCKET_HASH_BYTES, BUCKETS, bucket_of, differing
from gcounterd.members.claims import Claim, Liveness
from gcounterd.members.suspicions import Accusation, Suspicion

# A sum takes as much as the hash of a bucket of the roster, so that both are compared alike.
SUM_BYTES = BUCKET_HASH_BYTES
_MODULUS = 1 << (8 * SUM_BYTES)


@attrs.define(eq=False)
class Member:
    """One member as this node sees it.

    since         loop time of the last change
    met           it was heard of in this life of ours, not only read from our disk
    suspicion     while it is suspected; `accusations` outlive it when it is dead
    looked_after  when a broken connection last made us probe it, in the detector's time
    """

    claim: Claim
    since: float
    met: bool
    suspicion: Suspicion | None = None
    accusations: tuple[Accusation, ...] = ()
    looked_after: float = -float("inf")


@attrs.frozen
class MemberView:
    """A member for people and programs; `since` is in loop seconds."""

    node: NodeId
    epoch: Epoch
    incarnation: int
    liveness: Liveness
    since: float
    accusations: tuple[Accusation, ...] = ()


class Table:
    """Members by id, without this node itself, whose own claim takes part in the digest."""

    def __init__(self) -> None:
        self._members: dict[NodeId, Member] = {}
        self._sums = [0] * BUCKETS
        self._buckets: list[dict[NodeId, Claim]] = [{} for _ in range(BUCKETS)]
        self._living = 0

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members.values())

    def __len__(self) -> int:
        return len(self._members)

    def get(self, node: NodeId) -> Member | None:
        """Return a member, if it is known."""
        return self._members.get(node)

    @property
    def living(self) -> int:
        """Return how many other members are neither dead nor gone."""
        return self._living

    def put(self, member: Member) -> None:
        """Add a member, or write down that its claim has changed."""
        node = member.claim.node
        before = self._members.get(node)
        if before is not None:
            self._living -= _lives(self._buckets[bucket_of(node)][node])
        self._members[node] = member
        self._living += _lives(member.claim)
        self.count(member.claim)

    def remove(self, node: NodeId) -> None:
        """Forget a member."""
        del self._members[node]
        bucket = bucket_of(node)
        claim = self._buckets[bucket].pop(node)
        self._living -= _lives(claim)
        self._sums[bucket] = (self._sums[bucket] - _hash(claim)) % _MODULUS

    def count(self, claim: Claim) -> None:
        """Let a claim stand for its member in the digest, in place of an older one."""
        bucket = bucket_of(claim.node)
        old = self._buckets[bucket].get(claim.node)
        change = _hash(claim) - (_hash(old) if old else 0)
        self._sums[bucket] = (self._sums[bucket] + change) % _MODULUS
        self._buckets[bucket][claim.node] = claim

    def digest(self) -> bytes:
        """Return SUM_BYTES that are equal where tables are."""
        return (sum(self._sums) % _MODULUS).to_bytes(SUM_BYTES, "big")

    def survey(self) -> bytes:
        """Return the sums of all buckets, SUM_BYTES each."""
        return b"".join([each.to_bytes(SUM_BYTES, "big") for each in self._sums])

    def differing(self, survey: bytes) -> tuple[Claim, ...]:
        """Return our claims of the buckets in which another's survey differs from ours."""
        differ = differing(self.survey(), survey)
        return tuple(
            claim
            for number, bucket in enumerate(self._buckets)
            if differ >> number & 1
            for claim in bucket.values()
        )


def _lives(claim: Claim) -> bool:
    return claim.liveness in (Liveness.ALIVE, Liveness.SUSPECT)


def _hash(claim: Claim) -> int:
    text = b"%b%b%d/%d" % (claim.node, claim.epoch, claim.incarnation, claim.liveness)
    return int.from_bytes(hashlib.blake2b(text, digest_size=SUM_BYTES).digest(), "big")
