"""Receipts: which keyed requests were counted here, and what they were answered.

Theory. A client whose answer was lost cannot know whether it was counted, and counting again could
count twice. So a request may carry a key. When it is counted, a receipt with the key, a hash of the
request and the answer goes into the same journal row as its batch: both are durable or neither
is. A repeat finds the receipt and gets the same answer. The answer is fixed when the group is cut,
while nothing of ours is in flight: what is committed plus what is gathered, up to and including the
request; so it can be written down before it is true, and is told only when it is.

Receipts are kept within a window: by age, by number, and by how many values their answers hold.
The oldest go first, and age is measured where the wall clock stands. They are written at
checkpoints in chunks of a ring, so that only chunks with new ones are written again.

This module refuses to know headers, answers as bytes, and what a counter is.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Generator, Iterable, Mapping

import attrs

from gcounterd.errors import ClientError
from gcounterd.ids import ColumnId

# How long a key is remembered: longer than any client goes on repeating, and a day is easily said.
RECEIPT_AGE_S_MAX = 24 * 3600
# How many are: some 300 bytes each in memory, 100 on disk.
RECEIPTS_MAX = 100_000
# Numbers in their answers altogether, 8 bytes each: most answers have one, some thousands.
RECEIPT_VALUES_MAX = 1_000_000
# Of one commit: their answers are worked out in one step, in a few milliseconds.
PENDING_RECEIPTS_MAX = 2048
PENDING_VALUES_MAX = 16_384
# Values of answers looked up in one slice, some 350 ns each.
VALUES_PER_SLICE = 2048
# Old ones let go of in one step: after a quiet day all of them are old.
EXPIRED_PER_STEP = 256
HASH_BYTES = 16

CHUNK = 4096  # receipts in one image
# Chunks on disk: as many as a window can touch, so that none is overwritten while it counts.
RING = RECEIPTS_MAX // CHUNK + 2

# fingerprint of the request, wall clock in ms, column, version; then 8 bytes for each value
_BODY = struct.Struct(f"<{HASH_BYTES}sQ32sQ")


@attrs.frozen
class Claim:
    """What a keyed request is: hashes of its key, and of everything that makes it this request."""

    key: bytes
    request: bytes


@attrs.frozen
class Receipt:
    """What became of a claim.

    wall_ms          when it was cut, by this node's wall clock
    column, version  what holds it
    values           what was answered: the value of each of its counters, in its order
    """

    claim: Claim
    wall_ms: int
    column: ColumnId
    version: int
    values: tuple[int, ...]

    def pack(self) -> bytes:
        """Return all of it but the key."""
        head = _BODY.pack(self.claim.request, self.wall_ms, self.column, self.version)
        return head + struct.pack(f"<{len(self.values)}Q", *self.values)


def unpack(key: bytes, body: bytes) -> Receipt:
    """Read what `Receipt.pack` wrote; raise `ValueError` if it is nothing of that kind."""
    size, rest = divmod(len(body) - _BODY.size, 8)
    if len(key) != HASH_BYTES or size < 0 or rest:
        raise ValueError("this is no receipt")
    request, wall_ms, column, version = _BODY.unpack_from(body)
    values = struct.unpack_from(f"<{size}Q", body, _BODY.size)
    return Receipt(Claim(key, request), wall_ms, ColumnId(column), version, values)


@attrs.frozen
class Chunk:
    """Some receipts in their order, to be written as one image.

    first   the number of the first of them; they are numbered as they are counted, from 0
    keys    the hashes of their keys
    bodies  the rest of each, packed
    """

    first: int
    keys: tuple[bytes, ...]
    bodies: tuple[bytes, ...]

    @property
    def place(self) -> int:
        """Return its place in the ring."""
        return self.first // CHUNK % RING


class Receipts:
    """The receipts of one node: gathered, in flight, and kept."""

    def __init__(self) -> None:
        # By key, oldest first, packed: plain bytes cost the garbage collector nothing.
        self._kept: dict[bytes, bytes] = {}
        self._first = 0  # the number of the oldest
        self._values = 0
        self._waiting: dict[bytes, tuple[Claim, Mapping[bytes, int]]] = {}
        self._waiting_values = 0
        # What was taken for the cut under way, and the receipts that have been made of it.
        self._taken: dict[bytes, tuple[Claim, Mapping[bytes, int]]] = {}
        self._in_flight: dict[bytes, Receipt] = {}
        self._dirty: dict[int, None] = {}  # chunks that disk does not have as they are

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._kept)

    # -- before a commit --------------------------------------------------------------------

    def find(self, claim: Claim, wall_ms: int) -> Receipt | None:
        """Return the receipt of a claim's key, None if none is kept.

        Raises `ClientError` 409 `key_reused` if it is of another request.
        """
        self._expire(wall_ms)
        body = self._kept.get(claim.key)
        if body is None or _is_old(body, wall_ms):
            return None
        receipt = unpack(claim.key, body)
        _check_same(receipt.claim, claim)
        return receipt

    def is_pending(self, claim: Claim) -> bool:
        """Say whether the first request of a claim's key waits for its commit.

        Raises `ClientError` 409 `key_reused` if that is another request.
        """
        waiting = self._waiting.get(claim.key) or self._taken.get(claim.key)
        receipt = self._in_flight.get(claim.key)
        if waiting is not None:
            _check_same(waiting[0], claim)
        elif receipt is not None:
            _check_same(receipt.claim, claim)
        return waiting is not None or receipt is not None

    def check_room(self, values: int) -> None:
        """Raise `ClientError` 503 `busy` if no claim with so many values can be gathered."""
        many = self._waiting_values + values > PENDING_VALUES_MAX
        if many or len(self._waiting) >= PENDING_RECEIPTS_MAX:
            raise ClientError(503, "busy", "too many keyed requests wait for the disk; try again")

    def gather(self, claim: Claim, gathered: Mapping[bytes, int]) -> None:
        """Note that a claim was counted.

        `gathered` is, for each of its counters, all that waits for the same cut, itself included.
        """
        assert claim.key not in self._waiting, "one key, two requests"
        self._waiting[claim.key] = (claim, gathered)
        self._waiting_values += len(gathered)

    def drop(self) -> None:
        """Forget what waits for the next cut: whoever asked is told that it was refused."""
        self._waiting = {}
        self._waiting_values = 0

    # -- commits ----------------------------------------------------------------------------

    def begin(self) -> None:
        """Take what waits for the cut that begins now; what comes later waits for the next."""
        assert not self._in_flight, "the last cut was neither applied nor abandoned"
        self._taken = self._waiting
        self.drop()

    def cutting(
        self, value: Callable[[bytes], int], column: ColumnId, version: int, wall_ms: int
    ) -> Generator[None, None, tuple[Receipt, ...]]:
        """Fix the answers of what was taken, pausing in between; `value` says what is committed,
        while nothing is in flight."""
        done = 0
        for key, (claim, gathered) in self._taken.items():
            if done > VALUES_PER_SLICE:
                done = 0
                yield
            done += len(gathered)
            values = tuple([value(name) + amount for name, amount in gathered.items()])
            self._in_flight[key] = Receipt(claim, wall_ms, column, version, values)
        self._taken = {}
        return tuple(self._in_flight.values())

    def settle(self) -> None:
        """Forget what was in flight: it is taken in, or certainly refused."""
        self._in_flight, self._taken = {}, {}

    def take(self, receipts: Iterable[Receipt]) -> None:
        """Keep receipts that are durable; the oldest go."""
        for receipt in receipts:
            self._expire(receipt.wall_ms)
            self._keep(receipt.claim.key, receipt.pack())

    def _keep(self, key: bytes, body: bytes) -> None:
        before = self._kept.pop(key, None)
        if before is not None:
            # It was too old to be found: those before it move up in their numbers.
            self._values -= _count_values(before)
            self._first += 1
            self._dirty |= dict.fromkeys(self._chunks())
        self._dirty[(self._first + len(self._kept)) // CHUNK] = None
        self._kept[key] = body
        self._values += _count_values(body)
        while len(self._kept) > RECEIPTS_MAX or self._values > RECEIPT_VALUES_MAX:
            self._forget(next(iter(self._kept)))

    def _expire(self, wall_ms: int) -> None:
        for _ in range(EXPIRED_PER_STEP):
            key = next(iter(self._kept), None)
            if key is None or not _is_old(self._kept[key], wall_ms):
                return
            self._forget(key)

    def _forget(self, key: bytes) -> None:
        self._values -= _count_values(self._kept.pop(key))
        self._first += 1

    # -- images -----------------------------------------------------------------------------

    def _chunks(self) -> range:
        return range(self._first // CHUNK, -(-(self._first + len(self._kept)) // CHUNK))

    def unwritten(self) -> list[Chunk]:
        """Return the chunks that disk lacks; they count as written unless `rewrite` follows."""
        dirty, self._dirty = self._dirty, {}
        keys, bodies, last = iter(self._kept), iter(self._kept.values()), self._first
        chunks = []
        for number in sorted(dirty):
            first, end = max(number * CHUNK, self._first), (number + 1) * CHUNK
            if end > first:
                part = first - last, end - last
                chunk = Chunk(
                    first,
                    tuple(itertools.islice(keys, *part)),
                    tuple(itertools.islice(bodies, *part)),
                )
                chunks.append(chunk)
                last = first + len(chunk.keys)
        return chunks

    def rewrite(self, chunks: Iterable[Chunk]) -> None:
        """Take note that these could not be written."""
        self._dirty |= {chunk.first // CHUNK: None for chunk in chunks}

    def load(self, chunks: Iterable[Chunk]) -> None:
        """Take what disk has into an empty window. What a chunk follows on is what is kept."""
        for chunk in sorted(chunks, key=lambda chunk: chunk.first):
            if chunk.first != self._first + len(self._kept):
                # What went before had left the window when this one was written.
                self._kept, self._first, self._values = {}, chunk.first, 0
            for key, body in zip(chunk.keys, chunk.bodies, strict=True):
                self._keep(key, body)
        self._dirty = {}


def _is_old(body: bytes, wall_ms: int) -> bool:
    written: int = _BODY.unpack_from(body)[1]
    return written < wall_ms - RECEIPT_AGE_S_MAX * 1000


def _count_values(body: bytes) -> int:
    return (len(body) - _BODY.size) // 8


def _check_same(before: Claim, claim: Claim) -> None:
    if before.request != claim.request:
        text = "this Idempotency-Key came with another request; nothing was counted for this one"
        raise ClientError(409, "key_reused", text)
