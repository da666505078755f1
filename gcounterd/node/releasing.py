"""Releasing: giving up what may still come of columns, so that they can be forgotten.

Theory. A column whose process crashed is never final: nobody can say that nothing follows. Its
copy is kept for ever, unless somebody decides that what has not been seen by now is not to be
counted any more. An operator does, for a removed node; or a budget for such copies, oldest first.
The decision is a fact of the roster (`Entry.released`, an epoch that only rises): it spreads, is
durable, and outlives everybody. Who knows of it takes versions of such columns from members only:
they have to agree before anything is forgotten, and whoever is no member any more has not been
asked.

This module refuses to know what is forgotten, and when.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from gcounterd.counters.counters import Counters
from gcounterd.counters.residues import lines_of
from gcounterd.counters.settled import Line
from gcounterd.errors import ClientError
from gcounterd.ids import ID_BYTES, ColumnId, NodeId, epoch_of, node_of, show
from gcounterd.members.roster import Entry, Roster, State
from gcounterd.node.config import Config
from gcounterd.node.intake import Intake

_ALL = b"\xff" * ID_BYTES
# About what a count takes on disk in a copy: a row, a count, a stamp.
BYTES_PER_COUNT = 8


class Releasing:
    """Releases; one per node."""

    def __init__(self, config: Config, counters: Counters, roster: Roster, intake: Intake) -> None:
        self._budget = config.archive_budget
        self._counters = counters
        self._roster = roster
        self._intake = intake

    def is_released(self, column: ColumnId) -> bool:
        """Say whether what may still come of a column was given up."""
        entry = self._roster.get(node_of(column))
        return entry is not None and epoch_of(column) <= entry.released

    def refuses(self, column: ColumnId, peer: NodeId) -> bool:
        """Say whether nothing more of a column is taken from a peer: it is no member."""
        entry = self._roster.get(peer)
        is_member = entry is not None and entry.state is not State.REMOVED
        return not is_member and self.is_released(column)

    # -- operators --------------------------------------------------------------------------

    def release(self, label: str) -> int:
        """Release all columns of a removed node, by name or id; return how many are kept of it.

        Raises `ClientError` 404 `unknown_node`, or 409 `removal_not_removed`.
        """
        entries = [e for e in self._roster if label in (e.name, show(e.node))]
        if not entries:
            raise ClientError(404, "unknown_node", f"no member is or was named {label}")
        removed = [entry for entry in entries if entry.state is State.REMOVED]
        if not removed:
            text = f"{label} is not removed: remove it first, with remove-node"
            raise ClientError(409, "removal_not_removed", text)
        self._intake.take_entries(tuple(attrs.evolve(e, released=_ALL) for e in removed))
        kept = [line for e in removed for line in self._kept(e.node).values()]
        return len(kept)

    def _kept(self, node: NodeId) -> dict[ColumnId, Line]:
        """Return the lines of a node's columns of which a copy is kept."""
        lines = lines_of(self._counters.settled, node)
        return {c: line for c, line in lines.items() if not line.forgotten and line.version}

    # -- the budget -------------------------------------------------------------------------

    def keep_to_budget(self) -> None:
        """Release the oldest copies of crashed lives that are more than the budget allows."""
        if self._budget is None:
            return
        copies = [
            (epoch_of(column), entry, line.size * BYTES_PER_COUNT)
            for entry in self._roster
            for column, line in self._kept(entry.node).items()
            if line.version != line.final and not self.is_released(column)
        ]
        over = sum(size for _, _, size in copies) - self._budget
        released: dict[NodeId, Entry] = {}
        for epoch, entry, size in sorted(copies, key=lambda copy: copy[0]):
            if over <= 0:
                break
            over -= size
            released[entry.node] = attrs.evolve(entry, released=epoch)
        self._put(released.values())

    def _put(self, entries: Iterable[Entry]) -> None:
        found = tuple(entries)
        if found:
            self._intake.take_entries(found)
