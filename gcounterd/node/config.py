"""Who this node is and how patient it is: constants of one process life.

Every time is in seconds. The defaults suit a local network; a simulation may change them.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from gcounterd.ids import ColumnId, Epoch, NodeId, column_id
from gcounterd.members.timing import LAN, Timing


@attrs.frozen
class Config:
    """Identity and timing of a node, and its one clock of the wall.

    seeds            addresses to meet until each has been a member's once
    address          where peers reach us, "host:port"
    timing           how members are probed and suspected
    wall_ms          returns milliseconds since 1970, which may be wrong and may jump: it is asked
                     whether a token has expired, and never when to do something
    approved_only    newcomers need an approval and its token
    join_token       the token that we show while we are joining, or b""
    take_over        we were told to replace a dead member of our name
    secured          links say surely who is at their other end, or at least that it is a member
    growth_limit     increments a second beyond which a peer is not believed, None for any number
    archive_budget   bytes that copies of crashed lives may take on disk, None for any number
    digest_every     one random peer is told which heads changed; the repair of lost pushes
    hash_every       each link compares hashes of everything; catches what the rest missed
    want_patience    a delta without progress for so long is asked for again
    redial_first, redial_most   back-off of dialling, doubling, with jitter
    """

    cluster: str
    node: NodeId
    name: str
    epoch: Epoch
    nonce: bytes
    address: str
    seeds: tuple[str, ...] = ()
    timing: Timing = LAN
    wall_ms: Callable[[], int] = attrs.field(kw_only=True, eq=False, repr=False)
    approved_only: bool = False
    join_token: bytes = attrs.field(default=b"", repr=False)
    take_over: bool = False
    secured: bool = False
    growth_limit: int | None = None
    archive_budget: int | None = None
    digest_every: float = 1.0
    hash_every: float = 30.0
    want_patience: float = 2.0
    redial_first: float = 0.2
    redial_most: float = 5.0

    @property
    def column(self) -> ColumnId:
        """Return the column that this process writes."""
        return column_id(self.node, self.epoch)
