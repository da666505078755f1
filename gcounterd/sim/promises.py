"""Promises: increments that were answered because a majority of the members held them.

Theory. Whoever was told that a majority holds an increment may lose any minority of the disks for
good: one copy is left, and the rest of the cluster gets it from there. So a promise is kept with
the number of members at that moment, and with the disks lost since it was asked for. While those
are a minority, some disk that is left must hold the column at that version. A member that was
removed and whose disk went with it counts as lost too, and so does one whose disk was cloned, since
of two disks of one node nobody knows which one was asked.

Promises are checked when they are made, and whenever a disk is lost. This module refuses to know
how disks get lost.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import attrs

from gcounterd.ids import ColumnId, NodeId, show
from gcounterd.node.effects import AckDone
from gcounterd.node.levels import Level, Mark
from gcounterd.sim.checkers import check
from gcounterd.sim.host import Host
from gcounterd.sim.process import Process


@attrs.define(eq=False)
class _Promise:
    """A column at a version, promised while there were so many members; the disks `lost` since."""

    version: int
    members: int
    lost: dict[NodeId, None]

    @property
    def binds(self) -> bool:
        """Say whether the disks that were lost are a minority."""
        return 2 * len(self.lost) < self.members


class Promises:
    """What was answered at `ack=majority` or above, the newest of each column."""

    def __init__(self) -> None:
        self._promises: dict[ColumnId, list[_Promise]] = {}
        self._lost: dict[NodeId, float] = {}

    def make(
        self, process: Process, mark: Mark, since: float, outcome: AckDone, hosts: Iterable[Host]
    ) -> None:
        """Check what a client was told, who asked at `since`, and note what it was promised."""
        roster = process.node.roster
        members = [entry.node for entry in roster.belonging()]
        lost = {node: None for node, when in self._lost.items() if when >= since}
        # Whoever was removed meanwhile is no member, and has what it counted.
        own = process.node.config.node
        disks = [host for host in hosts if host.node in members or host.node == own]
        disks.sort(key=lambda host: host.process is None)  # those are dearer to look at
        for column, version in mark:
            self._check(outcome, len(members), lost, disks, column, version)
            if outcome.reached >= Level.MAJORITY:
                self._note(column, _Promise(version, len(members), dict(lost)))

    def _check(
        self,
        outcome: AckDone,
        members: int,
        lost: dict[NodeId, None],
        disks: list[Host],
        column: ColumnId,
        version: int,
    ) -> None:
        least = {Level.LOCAL: 1, Level.MAJORITY: members // 2 + 1, Level.ALL: members}
        least_copies = max(least[outcome.reached], len(outcome.held_by))
        copies = dict(lost)
        for host in disks:
            if len(copies) >= least_copies:
                return
            if host.heads().get(column, 0) >= version:
                copies[host.node] = None
        text = f"{len(copies)} of {members} disks hold version {version} of {show(column)}"
        check(len(copies) >= least_copies, "I7 honest answers", f"{text}, told was {outcome}")

    def _note(self, column: ColumnId, promise: _Promise) -> None:
        """Keep a promise, and those of the column that may bind longer: made to more members."""
        older = self._promises.get(column, [])
        kept = [each for each in older if each.binds and each.members > promise.members]
        self._promises[column] = [*kept, promise]

    def doubt(self, node: NodeId) -> None:
        """Note that a node has two disks from now on."""
        self.lose(node, math.inf)

    def lose(self, node: NodeId, now: float) -> None:
        """Note that a node's disk was lost, or is older than it was."""
        self._lost[node] = max(now, self._lost.get(node, now))
        for promises in self._promises.values():
            for promise in promises:
                promise.lost[node] = None

    def check(self, hosts: Iterable[Host]) -> None:
        """Check all promises that bind against what the disks of `hosts` hold."""
        disks = [host.heads() for host in hosts]
        for column, promises in self._promises.items():
            surviving = max((heads.get(column, 0) for heads in disks), default=0)
            for promise in promises:
                text = f"{show(column)} was promised at {promise.version}, {surviving} is left"
                broken = promise.binds and surviving < promise.version
                check(not broken, "I2 never lost", f"{text}, {len(promise.lost)} disks were lost")
