"""Checkpoints: images written beside the commits, so that the journal can be trimmed.

Theory. A round notes which images it needs at one moment between two applies, and writes them one
at a time with commits in between (`counters.checkpoint`). Small state, the roster and new receipts,
is written as it was at that moment, with the heads of columns, in the last transaction, which makes
the journal up to that moment superfluous. A round that fails has changed nothing: the journal is
there.

This module refuses to know what a group says, and who waits for a commit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from gcounterd.counters.checkpoint import Checkpoint, name_numbers
from gcounterd.daemon.logs import get_logger
from gcounterd.daemon.slicing import sliced
from gcounterd.errors import StorageError
from gcounterd.node.node import Node
from gcounterd.node.receipts import Chunk
from gcounterd.storage.recovery import receipt_image, roster_images
from gcounterd.storage.schema import Durability
from gcounterd.storage.store import Store

if TYPE_CHECKING:
    from gcounterd.daemon.commits import Commits

log = get_logger("gcounterd.commits")

# A checkpoint begins when the journal passes both: replaying this much takes well under a second.
JOURNAL_BYTES_MIN = 8 * 1024 * 1024
JOURNAL_SHARE_OF_IMAGES = 4
# After a full disk, a checkpoint is tried again at this pace.
FULL_DISK_PAUSE_S = 1.0


class Checkpoints:
    """The checkpoints of one node.

    images         who holds it writes images of columns: a checkpoint, or a turn
                   (`daemon.turning`)
    names_on_disk  how many names of the key index lie in images
    number         rounds completed
    """

    def __init__(self, node: Node, store: Store, commits: Commits, names_on_disk: int) -> None:
        self._node = node
        self._store = store
        self._commits = commits
        self.images = trio.Lock()
        self.names_on_disk = names_on_disk
        self.number = 0

    async def run(self) -> None:
        """Write images whenever the journal has grown enough, until cancelled."""
        while True:
            while not self._is_due():
                await self._commits.next()
            try:
                await self.write()
            except StorageError as error:
                if not error.full:
                    raise
                log.warning("checkpoint_refused", reason=str(error))
                await trio.sleep(FULL_DISK_PAUSE_S)

    def _is_due(self) -> bool:
        if self._node.settlement.warming.crowded:
            return True
        images = self._store.image_bytes
        return self._store.journal_bytes > max(JOURNAL_BYTES_MIN, images // JOURNAL_SHARE_OF_IMAGES)

    async def write(self) -> None:
        """Write one round of images and trim the journal. Raises `StorageError`."""
        async with self.images:
            await self._write()

    async def _write(self) -> None:
        await self._commits.between_applies()
        upto = self._commits.applied
        round_ = Checkpoint(self._node.counters, self.names_on_disk)
        roster = roster_images(self._node.roster)
        receipts = self._new_receipts()
        try:
            await self.write_names(round_.names)
            images = round_.segments()
            while True:
                await self._commits.between_applies()
                image = next(images, None)
                if image is None:
                    break
                await self._store.put_images([image])
            last = [*round_.columns(), *roster]
            for chunk in receipts:
                last.append(receipt_image(chunk))
                await trio.lowlevel.checkpoint()
            await self._store.finish_checkpoint(last, upto)
        except BaseException:
            round_.undo()
            self._node.receipts.rewrite(receipts)
            raise
        self.names_on_disk = round_.names
        round_.done()
        self.number += 1

    async def write_names(self, names: int) -> None:
        """Write images of the first `names` names, as far as they are not on disk."""
        keys = self._node.counters.keys
        for number in name_numbers(self.names_on_disk, names):
            await self._store.put_images([await sliced(keys.imaging(number))])

    def _new_receipts(self) -> list[Chunk]:
        """Return the receipts to be written: none in `memory`, where they end with the process."""
        if self._commits.durability is Durability.MEMORY:
            return []
        return self._node.receipts.unwritten()
