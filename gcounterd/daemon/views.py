"""Views: the node in words and figures, for `/v1/cluster`, `/v1/status` and the logs.

Everything here is read from the node when asked; nothing is kept.
"""

from __future__ import annotations

from collections import Counter

import trio

from gcounterd import __version__
from gcounterd.daemon.condition import Condition
from gcounterd.daemon.driver import Driver
from gcounterd.daemon.invitations import write_time
from gcounterd.daemon.removals import Removals
from gcounterd.daemon.securing import Securing
from gcounterd.ids import NodeId, node_of, show
from gcounterd.members.approvals import Approval
from gcounterd.members.claims import Liveness
from gcounterd.members.roster import Entry
from gcounterd.members.suspicions import Accusation
from gcounterd.node.messages import Channel
from gcounterd.storage.schema import Durability

# One probe that failed for a reason of our own passes; this many more than went well are a host
# or a network that an operator should look at.
HEALTH_WARNED = 3
# So long a step of the loop makes a member that waits for an answer of ours doubt.
STEP_WARNED_S = 0.1


class Views:
    """Answers about one node; `securing` is what its links are secured with, if they are."""

    def __init__(
        self, driver: Driver, condition: Condition, durability: Durability, removals: Removals
    ) -> None:
        self._driver = driver
        self._condition = condition
        self._node = driver.node
        self._durability = durability
        self._removals = removals
        self.securing: Securing | None = None
        self._started = trio.current_time()

    def reasons(self) -> tuple[str, ...]:
        """Return why this node is not ready."""
        return self._condition.reasons(self._node)

    def cluster(self) -> dict[str, object]:
        """Return the members as this node sees them."""
        columns = Counter(node_of(column) for column in self._node.counters.heads())
        detector = self._node.detector
        return {
            "cluster": self._node.config.cluster,
            "self": self._node.config.name,
            "ready": not self.reasons(),
            "nodes": [self.member(entry, columns[entry.node]) for entry in self._node.roster],
            "approvals": [self._approval(each) for each in self._awaited()],
            "removals": self._removals.unfinished(),
            "health": detector.health,
            "alone": detector.alone,
            **self._secured(),
        }

    def _awaited(self) -> list[Approval]:
        return self._node.roster.approvals.awaited(self._node.config.wall_ms())

    def _approval(self, approval: Approval) -> dict[str, object]:
        return {"name": approval.name, "expires": write_time(approval.expires_ms)}

    def member(self, entry: Entry, columns: int) -> dict[str, object]:
        """Return a member as this node sees it, and how many open columns it has."""
        return {
            "id": show(entry.node),
            "name": self._node.roster.label(entry.node),
            "roster": entry.state.name.lower(),
            **self._seen(entry.node),
            "address": entry.address,
            "epoch": show(entry.epoch),
            "columns": columns,
        }

    def _seen(self, node: NodeId) -> dict[str, object]:
        view = self._node.detector.view(node)
        if view is None:  # one that was removed
            dead = Liveness.DEAD.name.lower()
            return {"liveness": dead, "since_s": None, "incarnation": 0, "accusations": []}
        # Nothing is known of the time before this process.
        since = max(view.since, self._started)
        return {
            "liveness": view.liveness.name.lower(),
            "since_s": _ago(since),
            "incarnation": view.incarnation,
            "accusations": [self._accusation(each) for each in view.accusations],
        }

    def _accusation(self, accusation: Accusation) -> dict[str, object]:
        return {
            "by": self._node.roster.label(accusation.accuser),
            "ago_s": _ago(accusation.at),
            "why": accusation.evidence.name.lower(),
            "path": accusation.path,
        }

    def liveness(self, node: NodeId) -> str:
        """Return what this node believes of a member: alive, suspect, dead or left."""
        view = self._node.detector.view(node)
        return (Liveness.DEAD if view is None else view.liveness).name.lower()

    def warnings(self) -> list[str]:
        """Return what an operator should know of how this node sees the others."""
        detector = self._node.detector
        warnings = []
        if detector.alone:
            warnings.append("alone: no other member answers this node")
        if detector.health >= HEALTH_WARNED:
            warnings.append(
                f"this node doubts itself: local health {detector.health}, where 0 is well"
            )
        damaged = len(self._node.settlement.mending.all())
        if damaged:
            warnings.append(
                f"{damaged} columns cannot be read from disk; they are fetched from other members"
            )
        step = self._driver.watchdog.longest_step()
        if step is not None and step.cpu > STEP_WARNED_S:
            held = f"{1000 * step.cpu:.0f} ms of CPU in one step"
            warnings.append(f"the loop was held for {held}: {step.name}")
        for each in self._node.linking.guarding.quarantined(trio.current_time()):
            warnings.append(f"{each.name} is in quarantine: {each.why}; see the log")
        if self.securing is not None:
            warnings += self.securing.warnings()
        return [*warnings, *self._driver.mistrusts.warnings(), *self._removals.warnings()]

    def _secured(self) -> dict[str, object]:
        """Return what links are secured with."""
        if self.securing is None:
            return {"security": "none", "certificate_ends": None}
        return self.securing.status()

    def status(self) -> dict[str, object]:
        """Return this node in figures."""
        node, store = self._node, self._driver.store
        reasons = list(self.reasons())
        step = self._driver.watchdog.longest_step()
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
            "columns": len(node.counters.heads()),
            "closed": len(node.counters.settled),
            "members": len(node.roster.belonging()),
            "linked": len(node.peers.on(Channel.CONTROL)),
            "alone": node.detector.alone,
            "health": node.detector.health,
            "durability": str(self._durability),
            **self._secured(),
            "commits": self._driver.commits.number,
            "checkpoints": self._driver.commits.checkpoints.number,
            "journal_bytes": store.journal_bytes,
            "image_bytes": store.image_bytes,
            "longest_step_ms": round(1000 * step.cpu, 2) if step else 0,
            "longest_step": step.name if step else "",
            "sqlite": store.sqlite_version,
            "uptime_s": round(trio.current_time() - self._started, 3),
        }


def _ago(at: float) -> float:
    return round(trio.current_time() - at, 3)
