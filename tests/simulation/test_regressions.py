"""What the simulator found, each as the shortest story that shows it.

Seeds move when the simulator learns something new; a story stays.
"""

from __future__ import annotations

import attrs

from gcounterd.counters.counters import Counters
from gcounterd.ids import ColumnId, Epoch, NodeId
from gcounterd.members.roster import Entry, State
from gcounterd.node.intake import Intake
from gcounterd.storage.records import decode_group, encode_group

OWN = ColumnId(b"n" * 16 + b"e" * 16)
ENTRY = Entry(NodeId(b"n" * 16), Epoch(b"e" * 16), 0, "n1", "n1:7700", State.JOINING)


def test_an_entry_that_changes_before_its_commit_leaves_a_row_that_can_be_read() -> None:
    """Found by seed 0: joining and active in one row; the node could not start again."""
    intake = Intake(Counters(OWN, 16))
    intake.take_entries((ENTRY,))
    active = attrs.evolve(ENTRY, state=State.ACTIVE)
    intake.take_entries((active,))
    (record,) = decode_group(encode_group(intake.cut([])))
    assert record.entries == (active,)  # type: ignore[union-attr]
