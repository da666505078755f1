"""Turning: how what is forgotten reaches a process's disk.

Theory. What the daemon does: images of the new sum are written one at a time with commits in
between, then one transaction between two commits puts it in place, and then it is shown, in slices.
No checkpoint goes on meanwhile, since both write images of the same columns. A full disk lets a
turn fail, and it is made again.

This module refuses to know what a turn changes.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from gcounterd.counters.batches import read_counts
from gcounterd.counters.checkpoint import name_images
from gcounterd.counters.images import Image
from gcounterd.counters.mends import AnyTurn
from gcounterd.errors import StorageError
from gcounterd.node.effects import Keep
from gcounterd.sim.disk import Disk
from gcounterd.sim.witness import Witness
from gcounterd.sim.world import World

if TYPE_CHECKING:
    from gcounterd.sim.process import Process

# Between two slices of a turn other things happen.
SLICE_S = 0.001


class Turning:
    """Turns of one process, one after the other.

    flipping  one is put in place now: no commit may begin
    """

    def __init__(
        self, process: Process, world: World, disk: Disk, witness: Witness, tally: Counter[str]
    ) -> None:
        self._witness = witness
        self._process = process
        self._node = process.node
        self._world = world
        self._disk = disk
        self._tally = tally
        self._waiting: deque[AnyTurn] = deque()
        self._turn: AnyTurn | None = None
        self._images: Iterator[Image] = iter(())
        self._writing = False
        self.flipping = False
        self.refused: list[tuple[bytes, bytes, int]] = []

    @property
    def active(self) -> bool:
        """Say whether a turn is under way."""
        return self._turn is not None

    def carry(self, turn: AnyTurn) -> None:
        """Carry a turn out when its time has come."""
        self._waiting.append(turn)

    def keep(self, keep: Keep) -> None:
        """Keep a refused column, or a sum, as in a file."""
        batch = keep.batch
        self._tally["sum refused" if keep.of else "late refused"] += 1
        self._witness.kept(self._process, keep)
        self.refused += [(batch.column, name, n) for name, n in read_counts(batch).items() if n]
        kept = self._node.settlement.late.kept(batch.column, batch.version)
        self._process.carry_out(kept)

    def step(self, *, committing: bool) -> None:
        """Begin a turn, or go on with one; no checkpoint is under way."""
        if self._turn is None and self._waiting:
            self._begin(self._waiting.popleft())
        if self._turn is None or self._writing or self.flipping:
            return
        image = next(self._images, None)
        if image is not None:
            self._writing = True
            done = partial(self._process.call, self._written)
            self._disk.put_images([image], None, done)
        elif not committing:
            self._flip(self._turn)

    def _begin(self, turn: AnyTurn) -> None:
        self._turn = turn
        for _ in turn.place():
            pass
        turn.build({c: self._disk.read_column(c) for c, _ in turn.lacking()})
        self._images = self._all_images(turn)

    def _all_images(self, turn: AnyTurn) -> Iterator[Image]:
        counters = self._node.counters
        yield from turn.staged()
        yield from name_images(counters, 0, len(counters.keys))

    def _written(self, error: StorageError | None) -> None:
        self._writing = False
        self._ended(error)

    def _ended(self, error: StorageError | None) -> bool:
        """Look at the end of an operation; return whether the turn goes on."""
        if error is not None and not error.definite:
            self._process.end(3, str(error))
            return False
        if error is not None:
            self._done(done=False)
            return False
        self._process.turn()
        return True

    def _flip(self, turn: AnyTurn) -> None:
        if not turn.is_current():
            self._tally["turn overtaken"] += 1
            self._done(done=False)
            return
        self.flipping = True
        put, gone = turn.flip()
        done = partial(self._process.call, self._flipped, turn)
        self._disk.put_images(put, None, done, gone)

    def _flipped(self, turn: AnyTurn, error: StorageError | None) -> None:
        if error is not None:
            self.flipping = False
            self._ended(error)
            return
        self._show(turn, turn.applying())

    def _show(self, turn: AnyTurn, slices: Iterator[None]) -> None:
        for _ in slices:
            self._world.after(SLICE_S, self._process.call, self._show, turn, slices)
            return
        self.refused += turn.set_aside()
        for name, number in turn.counts().items():
            self._tally[name] += number
        self.flipping = False
        self._done(done=True)

    def _done(self, *, done: bool) -> None:
        turn, self._turn = self._turn, None
        assert turn is not None
        self._images = iter(())
        process = self._process
        process.carry_out(self._node.turned(turn, process.now, done=done))
