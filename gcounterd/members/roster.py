"""The roster: who belongs to the cluster, as a lattice by node id.

Theory. Each entry is written by the node it describes, in the order of its lives and, within one,
of its revisions, so for name and address the newer `(epoch, revision)` wins; the state only rises
(joining < active < removing < removed) and may be raised by others; of two heirs the smaller id
is shown; whatever was forced or released once stays so. Merging is therefore idempotent,
commutative and associative, no clock takes part, and no entry is ever dropped. The roster says who
*belongs*; who *answers* is the detector's business and is refused here.
"""

from __future__ import annotations

import enum
import hashlib
import re
from bisect import insort
from collections.abc import Iterable, Iterator, Sequence

import attrs

from gcounterd.ids import Epoch, NodeId, show
from gcounterd.members.approvals import Approvals
from gcounterd.members.buckets import HASH_BYTES, Buckets

# Named so that an operator who meets it knows it: far above any cluster with a full mesh of
# digests, and a bound on what a confused or hostile peer can make us keep for ever.
MEMBERS_MAX = 4096
NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class State(enum.IntEnum):
    """How far a member has come; it only rises."""

    JOINING = 0
    ACTIVE = 1
    REMOVING = 2
    REMOVED = 3


@attrs.frozen
class Entry:
    """One member as the cluster knows it.

    epoch, revision  when its owner last wrote name and address
    heir             under whose share a removed member's counts are shown, or None
    forced           it may be removed without a majority of the members
    released         an operator gave up what may still come of its columns up to this epoch, or b""
    """

    node: NodeId
    epoch: Epoch
    revision: int
    name: str
    address: str
    state: State
    heir: NodeId | None = None
    forced: bool = False
    released: bytes = b""


def merge_entries(mine: Entry, theirs: Entry) -> Entry:
    """Return the least entry that is above both."""
    if mine == theirs:
        return mine
    newer = max(mine, theirs, key=_written)
    heirs = [heir for heir in (mine.heir, theirs.heir) if heir is not None]
    return attrs.evolve(
        newer,
        state=max(mine.state, theirs.state),
        heir=min(heirs) if heirs else None,
        forced=mine.forced or theirs.forced,
        released=max(mine.released, theirs.released),
    )


def _written(entry: Entry) -> tuple[bytes, int, str, str]:
    # Name and address take part so that two claims of one (epoch, revision), which no correct
    # node makes, still merge to the same entry everywhere.
    return (entry.epoch, entry.revision, entry.name, entry.address)


class Roster:
    """The entries this node holds, and the approvals of those to come.

    What is asked often (who belongs, in which order, the hash) is kept and not worked out anew:
    entries change rarely, and a thousand of them are looked at on many occasions.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._entries: dict[NodeId, Entry] = {}
        self._order: list[NodeId] = []
        self._named: dict[str, dict[NodeId, None]] = {}
        self._buckets = Buckets()
        self._belonging: tuple[Entry, ...] | None = None
        self._members = Buckets()
        self._size = 0
        self._joining = 0
        self.approvals = Approvals()
        self.merge(entries)

    def __iter__(self) -> Iterator[Entry]:
        """Yield the entries in the order of their node ids."""
        return iter([self._entries[node] for node in self._order])

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, node: object) -> bool:
        return node in self._entries

    def get(self, node: NodeId) -> Entry | None:
        """Return the entry of `node`, if it has one."""
        return self._entries.get(node)

    def belonging(self) -> Sequence[Entry]:
        """Return the entries of members not removed, by node id."""
        if self._belonging is None:
            self._belonging = tuple([e for e in self if e.state is not State.REMOVED])
        return self._belonging

    @property
    def size(self) -> int:
        """Return how many members are not removed."""
        return self._size

    def at(self, number: int) -> Entry:
        """Return the entry of that number in the order of node ids."""
        return self._entries[self._order[number]]

    @property
    def joining(self) -> int:
        """Return how many members are still joining."""
        return self._joining

    def named(self, name: str) -> list[Entry]:
        """Return the members of that name that are not removed."""
        return [self._entries[node] for node in sorted(self._named.get(name, ()))]

    def news(self, entries: Iterable[Entry]) -> tuple[Entry, ...]:
        """Return what merging `entries` would write here: merged, and only where it differs."""
        merged: dict[NodeId, Entry] = {}
        for entry in entries:
            mine = merged.get(entry.node) or self._entries.get(entry.node)
            if mine is entry:
                continue
            result = entry if mine is None else merge_entries(mine, entry)
            if result != mine:
                merged[entry.node] = result
        return tuple(merged.values())

    def merge(self, entries: Iterable[Entry]) -> tuple[Entry, ...]:
        """Take entries in and return those that changed, as they now are."""
        changed = self.news(entries)
        for entry in changed:
            self._put(entry)
        if changed:
            self._belonging = None
        return changed

    def _put(self, entry: Entry) -> None:
        before = self._entries.get(entry.node)
        if before is None:
            insort(self._order, entry.node)
        removed = entry.state is State.REMOVED
        if before is None or (before.state is State.REMOVED) != removed:
            self._members.put(entry.node, entry.node + bytes([removed]))
            self._size += not removed if before is None else -1
        if before is not None and entry.node in self._named.get(before.name, ()):
            del self._named[before.name][entry.node]
            if not self._named[before.name]:
                del self._named[before.name]
        if entry.state is not State.REMOVED:
            self._named.setdefault(entry.name, {})[entry.node] = None
        self._joining += entry.state is State.JOINING
        self._joining -= before is not None and before.state is State.JOINING
        self._entries[entry.node] = entry
        self._buckets.put(entry.node, _print(entry))

    def hash(self) -> bytes:
        """Return 16 bytes that are equal where rosters are."""
        return self._buckets.hash()

    def bucket_hashes(self) -> bytes:
        """Return the hashes of the roster's buckets (`members.buckets`)."""
        return self._buckets.hashes()

    def in_buckets(self, buckets: int) -> list[Entry]:
        """Return the entries of a set of buckets, by node id."""
        return [self._entries[node] for node in self._buckets.nodes(buckets)]

    def members_hash(self) -> bytes:
        """Return 16 bytes that are equal where the same nodes belong, and the same are removed.

        Names, addresses and lives take no part: they change more often than who belongs.
        """
        return self._members.hash()

    def label(self, node: NodeId) -> str:
        """Return the name to show: the entry's own, or `name~xxxxxx` for the larger id of two."""
        entry = self._entries.get(node)
        if entry is None:
            return show(node)[:12]
        if entry.state is not State.REMOVED and min(self._named[entry.name]) < node:
            return f"{entry.name}~{show(node)[:6]}"
        return entry.name


def _print(entry: Entry) -> bytes:
    """Return 16 bytes that are equal where entries are."""
    name, address = entry.name.encode(), entry.address.encode()
    digest = hashlib.blake2b(digest_size=HASH_BYTES)
    digest.update(entry.node + entry.epoch + entry.revision.to_bytes(8, "big"))
    digest.update(bytes([entry.state, entry.forced, len(name)]) + name)
    digest.update(len(address).to_bytes(2, "big") + address)
    digest.update(bytes([len(entry.released)]) + entry.released + (entry.heir or b""))
    return digest.digest()
