"""Who this node is and how patient it is: constants of one process life.

Every time is in seconds. The defaults suit a local network; a simulation may change them.
"""

from __future__ import annotations

import attrs

from gcounterd.ids import ColumnId, Epoch, NodeId, column_id


@attrs.frozen
class Config:
    """Identity and timing of a node.

    seeds            addresses to meet until each has been a member's once
    address          where peers reach us, "host:port"
    profile          how patient probing is: "local", "lan" or "wan"
    digest_every     one random peer is told which heads changed; the repair of lost pushes
    hash_every       each link compares hashes of everything; catches what the rest missed
    ping_every       a control link that was silent so long is pinged
    silent_after     and closed after so long: only an answer proves life
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
    profile: str = "lan"
    digest_every: float = 1.0
    hash_every: float = 30.0
    ping_every: float = 1.0
    silent_after: float = 3.0
    want_patience: float = 2.0
    redial_first: float = 0.2
    redial_most: float = 5.0

    @property
    def ping_patience(self) -> float:
        """Return how long a ping may stay unanswered.

        It runs from the ping and not from the silence: after a pause of this process nothing was
        heard for long, although every peer would answer.
        """
        return self.silent_after - self.ping_every

    @property
    def column(self) -> ColumnId:
        """Return the column that this process writes."""
        return column_id(self.node, self.epoch)
