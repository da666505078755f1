"""A disk: journal rows and images in memory, durable only when an operation is through.

Theory. What a process may rely on is what the disk has reported; what a crash leaves is that and
any beginning of what was under way, in order, since operations are done one after another. So an
operation that was not reported may be there after a crash or not, and both happen here. A full
disk refuses and has written nothing (`definite`); a failing one reports an error although it may
have written, and nobody can tell.

The disk keeps bytes and refuses to know what they mean, except that it can hand them to recovery.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from random import Random

import attrs

from gcounterd.counters.images import Image, Kind
from gcounterd.errors import StorageError
from gcounterd.ids import ColumnId, Epoch
from gcounterd.sim.chance import draw_exponential
from gcounterd.sim.world import World
from gcounterd.storage.recovery import Restored, restore

# A commit on a good disk, and the longest stall that is drawn.
APPEND_S = 0.0003
STALL_S_MAX = 5.0

Done = Callable[[StorageError | None], None]
_Key = tuple[str, bytes, int]


@attrs.define
class Pace:
    """How the disk behaves now.

    append_s      mean time of an operation
    stall_chance  how many operations take up to STALL_S_MAX instead
    full          operations are refused, definitely
    failing       the next operation fails, and may have been done all the same
    """

    append_s: float = APPEND_S
    stall_chance: float = 0.0
    full: bool = False
    failing: bool = False


@attrs.define(eq=False)
class Content:
    """What is durable: rows by number, images by key, up to where rows are trimmed, the epoch."""

    rows: dict[int, bytes] = attrs.Factory(dict)
    images: dict[_Key, Image] = attrs.Factory(dict)
    trimmed: int = 0
    epoch: Epoch | None = None

    def copy(self) -> Content:
        """Return a copy, as a backup would be."""
        return Content(dict(self.rows), dict(self.images), self.trimmed, self.epoch)


@attrs.define(eq=False)
class _Operation:
    perform: Callable[[], None]
    done: Done
    is_row: bool


class Disk:
    """One host's disk; it outlives processes."""

    def __init__(self, world: World, rng: Random, tally: Counter[str]) -> None:
        self._world = world
        self._rng = rng
        self._tally = tally
        self._queue: deque[_Operation] = deque()
        self.content = Content()
        self.pace = Pace()
        self.last_row = 0

    def append(self, seq: int, body: bytes, done: Done) -> None:
        """Write a row; `done` is called when it is durable, or with the error."""
        self._submit(_Operation(lambda: self._put_row(seq, body), done, is_row=True))

    def _put_row(self, seq: int, body: bytes) -> None:
        assert seq > self.last_row, "rows are written in order"
        self.content.rows[seq] = body
        self.last_row = seq

    def put_epoch(self, epoch: Epoch, done: Done) -> None:
        """Write down the epoch of the process."""
        self._submit(_Operation(lambda: self._put_epoch(epoch), done, is_row=False))

    def _put_epoch(self, epoch: Epoch) -> None:
        self.content.epoch = epoch

    def put_images(
        self, images: Sequence[Image], upto: int | None, done: Done, gone: Sequence[bytes] = ()
    ) -> None:
        """Replace images in one transaction; with `upto`, rows up to there are trimmed.

        Images of the owners in `gone` are deleted in the same transaction.
        """
        self._submit(_Operation(lambda: self._put(images, upto, gone), done, is_row=False))

    def _put(self, images: Sequence[Image], upto: int | None, gone: Sequence[bytes]) -> None:
        kept = self.content.images.items()
        self.content.images = {key: image for key, image in kept if key[1] not in gone}
        for image in images:
            self.content.images[image.kind.value, image.column, image.number] = image
        if upto is not None:
            self.content.trimmed = upto
            rows = self.content.rows
            self.content.rows = {seq: body for seq, body in rows.items() if seq > upto}

    def read_column(self, column: ColumnId) -> list[Image]:
        """Return the images of a column's segments, in order."""
        found = [image for image in self.content.images.values() if image.column == column]
        segments = [image for image in found if image.kind is Kind.SEGMENT]
        return sorted(segments, key=lambda image: image.number)

    def _reread(self, column: ColumnId, size: int) -> list[Image]:
        return self.read_column(column)

    def _submit(self, operation: _Operation) -> None:
        self._queue.append(operation)
        if len(self._queue) == 1:
            self._start()

    def _start(self) -> None:
        seconds = draw_exponential(self._rng, self.pace.append_s)
        if self._rng.random() < self.pace.stall_chance:
            self._tally["disk stalled"] += 1
            seconds = self._rng.uniform(0.0, STALL_S_MAX)
        self._world.after(seconds, self._finish, self._queue[0])

    def _finish(self, operation: _Operation) -> None:
        if not self._queue or self._queue[0] is not operation:
            return  # a crash came first
        error = self._perform(operation)
        self._queue.popleft()
        if self._queue:
            self._start()
        operation.done(error)

    def _perform(self, operation: _Operation) -> StorageError | None:
        if self.pace.failing:
            self.pace.failing = False
            self._tally["disk error"] += 1
            if self._rng.random() < 0.5:
                operation.perform()
            return StorageError("the disk failed")
        if self.pace.full:
            self._tally["disk full"] += 1
            return StorageError("the disk is full", definite=True, full=True)
        operation.perform()
        return None

    def crash(self) -> None:
        """Lose any end of what was under way; report nothing."""
        waiting, self._queue = self._queue, deque()
        survived = self._rng.randint(0, len(waiting))
        for number, operation in enumerate(waiting):
            if number < survived:
                operation.perform()
            elif operation.is_row:
                self._tally["unsynced row lost"] += 1
            else:
                self._tally["checkpoint torn"] += 1

    def replace(self, content: Content) -> None:
        """Put another content in place, as a restored backup is; nothing may be under way."""
        assert not self._queue
        self.content = content
        self.last_row = max(content.rows, default=content.trimmed)

    def recover(self, own: ColumnId, max_counters: int) -> Restored:
        """Rebuild the state of a process that will write column `own`."""
        images = [image for _, image in sorted(self.content.images.items(), key=lambda at: at[0])]
        restored = restore(
            own, max_counters, images, sorted(self.content.rows.items()), self._reread
        )
        self.last_row = max(self.last_row, restored.last_seq, self.content.trimmed)
        return restored
