"""The group commit: one task makes durable what waits, then applies, answers and spreads it.

Theory. While one group is in fsync the next gathers, so the more there is to do the more a single
fsync carries, and no request ever waits for a timer. Everyone whose increment is in a group waits
on one Event, set once: a wake-up per commit, not per increment.

A full disk is definite: the transaction is rolled back, the waiting clients are told that nothing
was counted, and the next group tries again. Any other disk error ends acknowledging for good,
with an indefinite answer, since a commit that reported failure may reappear after a restart.

Checkpoints run beside it (`daemon.checkpoints`); an image is made only between applies.
"""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable, Iterator, Sequence

import attrs
import trio

from gcounterd.counters.batches import Block
from gcounterd.counters.columns import Column
from gcounterd.daemon.checkpoints import Checkpoints
from gcounterd.daemon.logs import get_logger
from gcounterd.daemon.longest import Longest
from gcounterd.daemon.outcomes import Outcome
from gcounterd.daemon.slicing import free, sliced
from gcounterd.errors import ClientError, StorageError
from gcounterd.ids import ColumnId
from gcounterd.node.effects import Effect
from gcounterd.node.levels import Mark
from gcounterd.node.node import Node
from gcounterd.node.records import Group, TakeBatch, TakeReceipts
from gcounterd.node.settlement import no_column
from gcounterd.storage.records import encode_group
from gcounterd.storage.schema import Durability
from gcounterd.storage.store import Store

log = get_logger("gcounterd.commits")

# Writing a group of this size takes about half a millisecond.
ENCODED_IN_LOOP_BYTES = 1024 * 1024
ENCODED_IN_LOOP = 512  # records; about a millisecond
# The collector looks once at every name that an apply gives a row, 16 ns each. Left to itself it
# may do so for a million of them in one go.
SLICES_PER_COLLECTION = 64
_DONE = object()


class Commits:
    """The flusher of one node, and what its checkpoints need of it.

    durability   when an increment is answered
    applied      the newest journal row whose records are applied
    checkpoints  who writes images beside it
    did          is told how long what follows from a commit took
    """

    def __init__(
        self,
        node: Node,
        store: Store,
        durability: Durability,
        perform: Callable[[Sequence[Effect]], None],
        names_on_disk: int,
        read_cold: Callable[[ColumnId], Awaitable[Column | None]],
    ) -> None:
        """`perform` carries effects out; `names_on_disk` is what recovery found in images.

        `read_cold` reads a closed column from disk.
        """
        self._read_cold = read_cold
        self._node = node
        self._store = store
        self.durability = durability
        self._perform = perform
        self._seq = store.last_seq
        self.applied = self._seq
        self._work = trio.Event()
        self._between: dict[str, Callable[[], Awaitable[None]]] = {}
        self._gathering = Outcome()
        self._noting = Outcome()  # of the same commit, but for those who counted nothing
        self._under_way: list[Outcome] = []  # of the group that is being committed
        self._ended: ClientError | None = None  # why nothing is committed any more
        self._idle = trio.Event()  # set while nothing is being applied
        self._idle.set()
        self._committed = trio.Event()  # set when a group has been committed or refused
        self._slices = 0
        self._waits = Longest[None](trio.current_time())
        self.did: Callable[[str, float], None] = lambda what, seconds: None
        self.number = 0
        self.refused = 0
        self.checkpoints = Checkpoints(node, store, self, names_on_disk)

    def request(self) -> None:
        """See to it that what waits is committed soon."""
        self._work.set()

    def between(self, what: str, act: Callable[[], Awaitable[None]]) -> None:
        """Let `act` run once between two commits, soon; in place of one of that name, if it waits.

        What waits and nothing else of ours is then in flight. Its errors are those of a commit.
        """
        self._between[what] = act
        self._work.set()

    async def wait(self) -> Mark:
        """Wait until what the caller has just added is committed; raise `ClientError` if it is not.

        Returns where it lies.
        Between adding and calling nobody else may have run: else the flusher may have cut it.
        """
        return await self.gathering().wait()

    def gathering(self) -> Outcome:
        """Return what becomes of all that has been added since the last cut; it is cut soon."""
        return self._due(self._gathering)

    async def noted(self) -> None:
        """Wait until the facts that wait now are committed; raise `ClientError` if they are not.

        Increments may go on waiting, where they have no column (`Settlement.holds_back`).
        """
        await self._due(self._noting).wait()

    def _due(self, outcome: Outcome) -> Outcome:
        if self._ended is not None:
            outcome.fail(self._ended)
        self._work.set()
        return outcome

    async def room(self) -> None:
        """Wait until what peers sent may grow again."""
        while self._node.intake.full:
            self._work.set()
            await self.next()

    async def next(self) -> None:
        """Wait until a group has been committed or refused."""
        await self._committed.wait()

    async def settled(self) -> None:
        """Wait until a group has been committed or refused.

        Raises `ClientError` 503 `stopped`, indefinite, where none is any more.
        """
        if self._ended is None:
            await self.next()
        if self._ended is not None:
            raise _stopped_within()

    async def between_applies(self) -> None:
        """Wait until no group is being taken in; it is so until the caller lets others run."""
        # Waiting on an event that is set lets others run, so it has to be looked at again.
        while not self._idle.is_set():
            await self._idle.wait()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Commit until cancelled; raise `StorageError` when the disk cannot be trusted."""
        task_status.started()
        try:
            while True:
                if not self._work.is_set():  # waiting for what is there would cost a turn
                    await self._work.wait()
                self._work = trio.Event()
                await self._commit_waiting()
        except BaseException as error:
            self._end(error)
            raise

    async def _commit_waiting(self) -> None:
        self._under_way = [self._gathering, self._noting]
        await self._act_between()
        self._under_way = self._close_gathering()
        group = await sliced(self._node.cutting())
        if group is not None:
            await self._commit(group)
        mark = self._mark()
        for outcome in self._under_way:
            outcome.succeed(mark)
        self._under_way = []
        if group is not None:
            blocks = _blocks_of(group)
            group = None
            await free(blocks)

    def _mark(self) -> Mark:
        counters = self._node.counters
        return ((counters.writer.own, counters.head(counters.writer.own)),)

    def _close_gathering(self) -> list[Outcome]:
        """Return who waits for the group that is about to be cut; those who come wait for others.

        Whoever counted while there is no column waits for one, or is refused.
        """
        settlement, writer = self._node.settlement, self._node.counters.writer
        noting, self._noting = self._noting, Outcome()
        is_held = settlement.holds_back and bool(writer)
        if is_held and not settlement.refuses:
            return [noting]
        gathering, self._gathering = self._gathering, Outcome()
        if is_held:
            self._node.drop()
            self.refused += 1
            gathering.fail(no_column())  # last, since whoever is told may count again at once
        return [noting, gathering]

    async def _act_between(self) -> None:
        acts, self._between = self._between, {}
        for act in acts.values():
            await act()

    def longest_wait(self) -> float:
        """Return the longest wait of a group for other work of the disk's thread, of late."""
        return self._waits.read(trio.current_time())

    async def flush(self) -> None:
        """Commit what waits, as the last act before stopping, as far as the disk takes it.

        Not what peers go on sending meanwhile, or there would be no end.
        """
        writer = self._node.counters.writer
        try:
            if self._node.intake or not writer.idle:
                await self.noted()
            if writer:
                await self.wait()
        except ClientError as error:
            log.warning("flush_refused", reason=error)

    async def _commit(self, group: Group) -> None:
        try:
            await self._write(group)
        except StorageError as error:
            if not error.full:
                raise  # room would not cure it
            self._node.abandoned(group)
            self.refused += 1
            for outcome in self._under_way:
                outcome.fail(_explain(error))
            log.warning("commit_refused", reason=str(error), own=group.own)
        else:
            await self._apply(group)
        committed, self._committed = self._committed, trio.Event()
        committed.set()

    async def _write(self, group: Group) -> None:
        if self.durability is Durability.MEMORY:
            # A receipt without its batch would say that something was counted which is gone.
            counts = (TakeBatch, TakeReceipts)
            facts = tuple(r for r in group.records if not isinstance(r, counts))
            group = attrs.evolve(group, records=facts)
        if group.records:
            durable = group.facts or self.durability is Durability.COMMIT
            body = await self._encode(group)
            waited = await self._store.append(self._seq + 1, body, durable=durable)
            self._waits.take(waited, trio.current_time())
            self._seq += 1
        else:
            await trio.lowlevel.checkpoint()

    async def _encode(self, group: Group) -> bytes:
        """Write a group as bytes; a large one in a thread, so that the loop goes on meanwhile."""
        if group.size_bytes < ENCODED_IN_LOOP_BYTES and len(group.records) < ENCODED_IN_LOOP:
            return encode_group(group)
        return await trio.to_thread.run_sync(encode_group, group)

    async def _apply(self, group: Group) -> None:
        await self._warm(group)
        work = self._node.applying(group)
        if next(work, _DONE) is not _DONE:  # most groups are taken in by their first slice
            await self._apply_rest(work)
        self.applied = self._seq
        now = trio.current_time()
        self._perform(self._node.committed(group, now))
        self.did("committed", trio.current_time() - now)
        self.number += 1

    async def _apply_rest(self, work: Iterator[None]) -> None:
        self._idle = trio.Event()
        with trio.CancelScope(shield=True):  # half an apply must not be left behind
            while True:
                self._slices += 1  # of all groups: names stay when theirs is over
                if self._slices % SLICES_PER_COLLECTION == 0:
                    gc.collect(0)
                await trio.lowlevel.checkpoint()
                if next(work, _DONE) is _DONE:
                    break
        self._idle.set()

    async def _warm(self, group: Group) -> None:
        """Read the closed columns that a durable group raises."""
        settlement = self._node.settlement
        if not settlement.lacking(group):
            return
        with trio.CancelScope(shield=True):
            while lacking := settlement.lacking(group):
                for column in lacking:
                    read = await self._read_cold(column)
                    settlement.warm(column, read, trio.current_time())

    def _end(self, error: BaseException) -> None:
        """Tell everyone who waits, now or later, that nothing is committed any more."""
        told = _explain(error) if isinstance(error, StorageError) else _stopped_within()
        for outcome in self._under_way:
            outcome.fail(told)
        self._ended = ClientError(503, "stopped", "this node has stopped; nothing was counted")
        self._gathering.fail(self._ended)
        self._noting.fail(self._ended)
        self._committed.set()
        self._committed = trio.Event()


def _stopped_within() -> ClientError:
    text = "this node stopped before it knew whether this was written"
    return ClientError(503, "stopped", text, definite=False)


def _explain(error: StorageError) -> ClientError:
    if error.full:
        return ClientError(507, "disk_full", f"the disk is full: {error}")
    return ClientError(503, "storage_failed", f"the disk failed: {error}", definite=error.definite)


def _blocks_of(group: Group) -> list[Block]:
    batches = [record.batch for record in group.records if isinstance(record, TakeBatch)]
    return [block for batch in batches for block in batch.blocks]
