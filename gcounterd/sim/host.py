"""A host: a machine of a simulated cluster, which outlives the processes that run on it.

It keeps what a real machine keeps between two lives of a daemon: name, address, disk, clock, and
what the next life is started with. It refuses to know how a life is started (`sim.cluster`).
"""

from __future__ import annotations

import attrs

from gcounterd.ids import COLUMN_ID_BYTES, ColumnId, Epoch, NodeId
from gcounterd.node.giving_way import EXIT_TWIN
from gcounterd.node.leaving import EXIT_REMOVED
from gcounterd.node.returning import EXIT_RETURNED
from gcounterd.sim.disk import Disk
from gcounterd.sim.process import Process

# Memory of a node is reserved by this; merged counters may pass it.
MAX_COUNTERS = 4096


@attrs.define(eq=False)
class Host:
    """A machine: its name, where it is reached, its node id and its disk.

    seeds     what `--join` names; skew_ms  how far its clock is ahead
    approved_only, token  what `--admission` says, and what is in its `--join-token-file`
    take_over, new_identity  what it is started with
    process   the life that runs now; exits  how earlier ones ended by themselves
    answered  the last own column and the version up to which it was answered
    drawn     the epoch of the next life, where it is known beforehand
    """

    name: str
    address: str
    node: NodeId
    disk: Disk
    seeds: tuple[str, ...] = ()
    cluster: str = "local"
    skew_ms: int = 0
    approved_only: bool = False
    token: bytes = b""
    take_over: bool = False
    new_identity: bool = False
    archive_budget: int | None = None
    max_counters: int = MAX_COUNTERS
    rows_per_checkpoint: int = 40
    process: Process | None = None
    exits: list[tuple[int, str]] = attrs.Factory(list)
    answered: tuple[ColumnId, int] | None = None
    drawn: Epoch | None = None
    rolled_back: bool = False

    def heads(self) -> dict[ColumnId, int]:
        """Return how far each column lies on the disk, whether somebody runs on it or not."""
        if self.process is not None:
            return self.process.node.counters.all_heads()
        nobody = ColumnId(bytes(COLUMN_ID_BYTES))
        return self.disk.recover(nobody, self.max_counters).counters.all_heads()

    @property
    def sent_away(self) -> bool:
        """Say whether its last life was refused for good, so that nobody starts it again."""
        code, text = self.exits[-1] if self.exits else (None, "")
        gone = code in (EXIT_TWIN, EXIT_RETURNED) or (code == EXIT_REMOVED and text != "stopped")
        return self.process is None and gone
