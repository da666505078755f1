"""Records: what a node makes durable, in the order in which it takes effect.

Theory. The node's durable state is a function of its records: a group of them is written as one
journal row, and only then applied. Whatever the node shows, acknowledges or sends is applied
state, so nothing that a crash could take back has ever been seen by anyone. Replaying the same
records over the same images gives the same state; that is all there is to recovery.
"""

from __future__ import annotations

import attrs

from gcounterd.counters.batches import Batch
from gcounterd.counters.settled import Closing
from gcounterd.members.approvals import Approval
from gcounterd.members.roster import Entry
from gcounterd.node.receipts import Receipt


@attrs.frozen(eq=False)
class TakeBatch:
    """Take in a batch of a column, our own or a peer's."""

    batch: Batch


@attrs.frozen
class TakeClosings:
    """Close columns, each at the version held when the batches before it are taken in."""

    closings: tuple[Closing, ...]


@attrs.frozen
class TakeEntries:
    """Merge roster entries."""

    entries: tuple[Entry, ...]


@attrs.frozen
class TakeApprovals:
    """Merge approvals of newcomers."""

    approvals: tuple[Approval, ...]


@attrs.frozen
class TakeReceipts:
    """Keep the receipts of keyed requests that the own batches before it count."""

    receipts: tuple[Receipt, ...]


Record = TakeBatch | TakeClosings | TakeEntries | TakeApprovals | TakeReceipts


@attrs.frozen(eq=False)
class Group:
    """What one commit makes durable; all or nothing.

    facts  it holds more than counts, so it is synced before it is applied, whatever durability
           was chosen
    own    it holds increments that clients wait for
    """

    records: tuple[Record, ...]
    facts: bool
    own: bool

    @property
    def size_bytes(self) -> int:
        """Return about how many bytes its batches take, and the answers in its receipts."""
        size = 0
        for record in self.records:
            match record:
                case TakeBatch(batch):
                    size += sum(len(block.encoded) for block in batch.blocks)
                case TakeReceipts(receipts):
                    size += sum(8 * len(receipt.values) for receipt in receipts)
        return size
