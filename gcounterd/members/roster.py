"""The roster: who belongs to the cluster, as a lattice by node id.

Theory. Each entry is written by the node it describes, in the order of its lives and, within one,
of its revisions, so for name and address the newer `(epoch, revision)` wins; the state only rises
(joining < active < removing < removed) and may be raised by others; of two heirs the smaller id
is shown. Merging is therefore idempotent, commutative and associative, no clock takes part, and
no entry is ever dropped. The roster says who *belongs*; who *answers* is the detector's business
and is refused here.
"""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Iterable, Iterator

import attrs

from gcounterd.ids import Epoch, NodeId, show

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
    """

    node: NodeId
    epoch: Epoch
    revision: int
    name: str
    address: str
    state: State
    heir: NodeId | None = None


def merge_entries(mine: Entry, theirs: Entry) -> Entry:
    """Return the least entry that is above both."""
    newer = max(mine, theirs, key=_written)
    heirs = [heir for heir in (mine.heir, theirs.heir) if heir is not None]
    return attrs.evolve(
        newer, state=max(mine.state, theirs.state), heir=min(heirs) if heirs else None
    )


def _written(entry: Entry) -> tuple[bytes, int, str, str]:
    # Name and address take part so that two claims of one (epoch, revision), which no correct
    # node makes, still merge to the same entry everywhere.
    return (entry.epoch, entry.revision, entry.name, entry.address)


class Roster:
    """The entries this node holds."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._entries: dict[NodeId, Entry] = {entry.node: entry for entry in entries}
        self._hash: bytes | None = None

    def __iter__(self) -> Iterator[Entry]:
        """Yield the entries in the order of their node ids."""
        return iter([self._entries[node] for node in sorted(self._entries)])

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, node: object) -> bool:
        return node in self._entries

    def get(self, node: NodeId) -> Entry | None:
        """Return the entry of `node`, if it has one."""
        return self._entries.get(node)

    def belonging(self) -> list[Entry]:
        """Return the entries of members not removed, by node id."""
        return [entry for entry in self if entry.state is not State.REMOVED]

    def named(self, name: str) -> list[Entry]:
        """Return the members of that name that are not removed."""
        return [entry for entry in self.belonging() if entry.name == name]

    def news(self, entries: Iterable[Entry]) -> tuple[Entry, ...]:
        """Return what merging `entries` would write here: merged, and only where it differs."""
        merged: dict[NodeId, Entry] = {}
        for entry in entries:
            mine = merged.get(entry.node) or self._entries.get(entry.node)
            result = entry if mine is None else merge_entries(mine, entry)
            if result != mine:
                merged[entry.node] = result
        return tuple(merged.values())

    def merge(self, entries: Iterable[Entry]) -> tuple[Entry, ...]:
        """Take entries in and return those that changed, as they now are."""
        changed = self.news(entries)
        for entry in changed:
            self._entries[entry.node] = entry
            self._hash = None
        return changed

    def hash(self) -> bytes:
        """Return 16 bytes that are equal where rosters are."""
        if self._hash is None:
            digest = hashlib.blake2b(digest_size=16)
            for entry in self:
                digest.update(repr(attrs.astuple(entry)).encode())
            self._hash = digest.digest()
        return self._hash

    def label(self, node: NodeId) -> str:
        """Return the name to show: the entry's own, or `name~xxxxxx` for the larger id of two."""
        entry = self._entries.get(node)
        if entry is None:
            return show(node)[:12]
        others = [other.node for other in self.named(entry.name) if other.node != node]
        if entry.state is not State.REMOVED and any(other < node for other in others):
            return f"{entry.name}~{show(node)[:6]}"
        return entry.name
