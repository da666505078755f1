"""Views: the node in words and figures, for `/v1/cluster`, `/v1/status` and the logs.

Everything here is read from the node when asked; nothing is kept.
"""

from __future__ import annotations

from collections import Counter

import trio

from gcounterd import __version__
from gcounterd.daemon.condition import Condition
from gcounterd.daemon.driver import Driver
from gcounterd.ids import NodeId, node_of, show
from gcounterd.members.roster import Entry
from gcounterd.node.messages import Channel
from gcounterd.storage.schema import Durability


class Views:
    """Answers about one node."""

    def __init__(self, driver: Driver, condition: Condition, durability: Durability) -> None:
        self._driver = driver
        self._condition = condition
        self._node = driver.node
        self._durability = durability
        self._started = trio.current_time()

    def reasons(self) -> tuple[str, ...]:
        """Return why this node is not ready."""
        return self._condition.reasons(self._node)

    def cluster(self) -> dict[str, object]:
        """Return the members as this node sees them."""
        columns = Counter(node_of(column) for column in self._node.counters.columns)
        return {
            "cluster": self._node.config.cluster,
            "self": self._node.config.name,
            "ready": not self.reasons(),
            "nodes": [self._member(entry, columns[entry.node]) for entry in self._node.roster],
            "removals": [],
        }

    def _member(self, entry: Entry, columns: int) -> dict[str, object]:
        return {
            "id": show(entry.node),
            "name": self._node.roster.label(entry.node),
            "roster": entry.state.name.lower(),
            "liveness": self.liveness(entry.node),
            "address": entry.address,
            "epoch": show(entry.epoch),
            "columns": columns,
        }

    def liveness(self, node: NodeId) -> str:
        """Return `alive` for a linked member, else `suspect`."""
        return "alive" if self._node.linked(node) else "suspect"

    def status(self) -> dict[str, object]:
        """Return this node in figures."""
        node, store = self._node, self._driver.store
        reasons = list(self.reasons())
        return {
            "node": node.config.name,
            "id": show(node.config.node),
            "cluster": node.config.cluster,
            "version": __version__,
            "epoch": show(node.config.epoch),
            "address": node.config.address,
            "ready": not reasons,
            "reasons": reasons,
            "counters": len(node.counters.keys),
            "columns": len(node.counters.columns),
            "members": len(node.roster.belonging()),
            "linked": len(node.peers.on(Channel.CONTROL)),
            "durability": str(self._durability),
            "commits": self._driver.commits.number,
            "checkpoints": self._driver.commits.checkpoints,
            "journal_bytes": store.journal_bytes,
            "image_bytes": store.image_bytes,
            "sqlite": store.sqlite_version,
            "uptime_s": round(trio.current_time() - self._started, 3),
        }
