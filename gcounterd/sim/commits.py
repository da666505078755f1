"""Commits: how a process's state reaches its disk.

Theory. What the daemon's flusher does: one group commit at a time (cut → the disk → applying, in
slices → committed), and checkpoint images made between applies, one at a time, from rows that are
applied. A full disk is tried again; any other error of a disk ends the process.

This module refuses to know links and timers; what follows from a commit goes back to the process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import attrs

from gcounterd.counters.checkpoint import Checkpoint
from gcounterd.counters.columns import Column
from gcounterd.counters.images import Image
from gcounterd.errors import StorageError
from gcounterd.ids import ColumnId, Epoch
from gcounterd.node.receipts import Chunk
from gcounterd.node.records import Group, TakeBatch
from gcounterd.sim.clients import Add, answer_all
from gcounterd.sim.disk import Disk
from gcounterd.sim.turning import Turning
from gcounterd.sim.witness import Witness
from gcounterd.sim.world import World
from gcounterd.storage.records import encode_group
from gcounterd.storage.recovery import receipt_image, roster_images

if TYPE_CHECKING:
    from gcounterd.sim.process import Process

# Between two slices of an apply other things happen.
SLICE_S = 0.001
# After a full disk the next commit is tried this much later.
FULL_PAUSE_S = 0.5


@attrs.frozen(eq=False)
class _Commit:
    """A group on its way: the increments it counts, and what waits for its end."""

    group: Group
    adds: list[Add]
    noting: list[Callable[[], None]]


class Commits:
    """Group commits and checkpoints of one process; `applying`: a group is being taken in."""

    def __init__(
        self,
        process: Process,
        world: World,
        disk: Disk,
        witness: Witness,
        tally: Counter[str],
        rows_per_checkpoint: int,
        names_on_disk: int,
    ) -> None:
        self._process = process
        self._node = process.node
        self._world = world
        self._disk = disk
        self._witness = witness
        self._tally = tally
        self._rows_per_checkpoint = rows_per_checkpoint
        self._names_on_disk = names_on_disk
        self._committing = False
        self._retry_at = 0.0
        self._above: Epoch | None = None
        self._applied_row = disk.last_row
        self._round: tuple[Checkpoint, Iterator[Image], int, tuple[Image, ...]] | None = None
        self._chunks: list[Chunk] = []
        self._imaging = False
        self.turning = Turning(process, world, disk, witness, tally)
        self._noting: list[Callable[[], None]] = []
        self.applying = False

    def note(self, act: Callable[[], None]) -> None:
        """Do something as soon as what waits now is committed, or refused."""
        self._noting.append(act)

    def turn(self) -> None:
        """Begin what can begin."""
        self._begin()
        self._step_checkpoint()
        if self._round is None and not self.applying:
            self.turning.step(committing=self._committing)

    # -- commits ----------------------------------------------------------------------------

    def _begin(self) -> None:
        if self._committing or self.turning.flipping or self._world.now < self._retry_at:
            return
        if self._above is not None:
            self._redraw(self._above)
            return
        self._refuse()
        noting, self._noting = self._noting, []
        group = self._node.cut()
        if group is None:
            _do(noting)
            return
        self._committing = True
        self._witness.cut(self._process, group)
        # Where a new column is waited for, they wait with it.
        adds = [] if self._node.settlement.holds_back else self._process.clients.take()
        commit = _Commit(group, adds, noting)
        done = partial(self._process.call, self._appended, commit)
        self._disk.append(self._disk.last_row + 1, encode_group(group), done)

    def _refuse(self) -> None:
        """Refuse what waits for a column that does not come."""
        if self._node.settlement.refuses and self._process.clients.adds:
            adds = self._process.clients.take()
            self._tally["no column"] += len(adds)
            self._node.drop()
            self._witness.refused(self._process, adds, Group((), facts=False, own=False))
            answer_all(adds, counted=False)

    def _appended(self, commit: _Commit, error: StorageError | None) -> None:
        group = commit.group
        if error is None:
            head = self._node.counters.head
            batches = [r.batch for r in group.records if isinstance(r, TakeBatch)]
            before = {batch.column: head(batch.column) for batch in batches}
            for column in self._node.settlement.lacking(group):
                self._tally["cold column raised"] += 1
                read = self.read_cold(column)
                self._node.settlement.warm(column, read, self._process.now)
            self._apply(commit, before, self._node.applying(group))
        elif error.definite:
            self._node.abandoned(group)
            self._committing = False
            self._witness.refused(self._process, commit.adds, group)
            answer_all(commit.adds, counted=False)
            self._retry_at = self._world.now + FULL_PAUSE_S
            _do(commit.noting)
            self._world.at(self._retry_at, self._process.turn)
        else:
            self._process.end(3, str(error))

    def _apply(self, commit: _Commit, before: dict[ColumnId, int], slices: Iterator[None]) -> None:
        process = self._process
        was_deaf = process.deaf
        self.applying = True
        for _ in slices:
            self._tally["apply in slices"] += 1
            self._world.after(SLICE_S, process.call, self._apply, commit, before, slices)
            return
        self.applying = False
        self._applied_row = self._disk.last_row
        self._witness.applied(process, before, commit.group)
        effects = self._node.committed(commit.group, process.now)
        self._committing = False
        self._witness.acknowledged(process)
        answer_all(commit.adds, counted=True)
        process.carry_out(effects)
        if was_deaf:
            process.listen_again()
        _do(commit.noting)

    def read_cold(self, column: ColumnId) -> Column | None:
        """Read a closed column from disk; None if it is in memory, or forgotten by now."""
        counters = self._node.counters
        if not counters.is_cold(column):
            return None
        return counters.read_cold(column, self._disk.read_column(column))

    # -- epochs -----------------------------------------------------------------------------

    def redraw(self, above: Epoch) -> None:
        """Go on in an epoch above this one, after the commit under way."""
        self._above = above

    def _redraw(self, above: Epoch) -> None:
        self._above = None
        self._committing = True
        epoch = self._witness.draw(self._process, above)
        self._disk.put_epoch(epoch, partial(self._process.call, self._redrawn, epoch))

    def _redrawn(self, epoch: Epoch, error: StorageError | None) -> None:
        self._committing = False
        if error is None:
            self._tally["epoch redrawn"] += 1
            self._process.carry_out(self._node.reopen(epoch, self._process.now))
        elif not error.definite:
            self._process.end(3, str(error))

    # -- checkpoints ------------------------------------------------------------------------

    def _step_checkpoint(self) -> None:
        """Begin a round when enough rows lie there, or write its next image."""
        if self.applying or self._imaging or self.turning.active:
            return
        if self._round is None:
            due = len(self._disk.content.rows) >= self._rows_per_checkpoint
            if not (due or self._node.settlement.warming.crowded):
                return
            counters, roster = self._node.counters, self._node.roster
            turn = Checkpoint(counters, self._names_on_disk)
            self._chunks = self._node.receipts.unwritten()
            small = (*roster_images(roster), *map(receipt_image, self._chunks))
            self._round = turn, turn.images(), self._applied_row, small
        turn, images, upto, small = self._round
        self._imaging = True
        image = next(images, None)
        done = partial(self._process.call, self._imaged, image is None)
        if image is not None:
            self._disk.put_images([image], None, done)
        else:
            self._disk.put_images([*turn.columns(), *small], upto, done)

    def _imaged(self, last: bool, error: StorageError | None) -> None:
        assert self._round is not None
        self._imaging = False
        if error is not None and not error.definite:
            self._process.end(3, str(error))
            return
        if error is not None:
            self._round[0].undo()
            self._node.receipts.rewrite(self._chunks)
            self._round = None
            return  # tried again at the next turn
        if last:
            self._tally["checkpoint"] += 1
            self._names_on_disk = self._round[0].names
            self._round[0].done()
            self._round = None
        self._process.turn()


def _do(acts: list[Callable[[], None]]) -> None:
    for act in acts:
        act()
