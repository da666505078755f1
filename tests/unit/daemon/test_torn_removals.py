"""14 of the catalogue: a log that ends in torn sectors, while columns are closed and members go.

The log of a real store is cut at each sector, and what follows the cut is nothing, zeros, or old
bytes. Whatever is left, a start finds a state that was one, and the sums are those of its columns.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from test_cold import LATE, batches, take
from test_commits import running, wishes

from gcounterd.counters.settled import Closing
from gcounterd.daemon.boot import boot
from gcounterd.ids import Epoch, NodeId
from gcounterd.members.roster import Entry, State

SECTOR = 512
PEER = NodeId(b"p" * 16)
ENTRY = Entry(PEER, Epoch(b"e" * 16), 0, "n2", "127.0.0.1:2", State.ACTIVE)
STATES = (State.ACTIVE, State.REMOVING, State.REMOVED)


async def remove_a_peer(directory: Path) -> None:
    """Play a removal into a store: the peer counts, is removed, and more comes late."""
    first, second, third = batches()
    async with running(directory) as bench:
        intake = bench.node.intake
        for state, batch in zip(STATES, (first, second, third), strict=True):
            intake.take_entries((attrs.evolve(ENTRY, state=state),))
            await take(bench, batch)
            await bench.count(b"own")
        await take(bench, closings=(Closing(LATE, 3),))
        await bench.count(b"own")
        # As a crash leaves them: closing the store would empty the log.
        shutil.copytree(directory, directory.parent / "crashed")


def tails(log: bytes, old: bytes) -> Iterator[bytes]:
    """Yield logs that end at each sector, with one of three kinds of remains in the one after."""
    for cut in range(SECTOR, len(log) + 1, SECTOR):  # the first one was there from the beginning
        kinds = (b"", bytes(min(SECTOR, len(log) - cut)), old[cut : cut + SECTOR])
        yield log[:cut] + kinds[cut // SECTOR % 3]


@pytest.fixture
async def crashed(tmp_path: Path) -> Path:
    await remove_a_peer(tmp_path / "d")
    return tmp_path / "crashed"


async def test_14_any_torn_end_of_the_log_leaves_a_state_that_was_one(crashed: Path) -> None:
    path = crashed / "store.db-wal"
    log, seen = path.read_bytes(), dict[tuple[int, int, int], None]()
    assert len(log) > 20 * SECTOR
    for number, image in enumerate(tails(log, bytes(reversed(log)))):
        copy = crashed.parent / f"cut{number}"
        shutil.copytree(crashed, copy)
        (copy / "store.db-wal").write_bytes(image)
        seen[look(copy)] = None
        shutil.rmtree(copy)
    order = list(seen)
    assert order == sorted(order)  # each cut leaves what one before it left, or more
    assert (1, 0, State.ACTIVE) in seen
    assert (111, 3, State.REMOVED) in seen
    assert len(seen) >= 4


def look(directory: Path) -> tuple[int, int, int]:
    """Boot, check, and return (value, final, state of the peer)."""
    booted = boot(wishes(directory))
    try:
        counters, roster = booted.restored.counters, booted.restored.roster
        assert (counters.recount() == counters.totals).all()
        assert not booted.restored.gaps
        entry, line = roster.get(PEER), counters.settled.get(LATE)
        # What rose after the removal was durable rose after the entry that says so.
        if counters.value(b"x") == 111:
            assert entry is not None
            assert entry.state is State.REMOVED
        return (
            counters.value(b"x"),
            0 if line is None else line.final,
            -1 if entry is None else entry.state,
        )
    finally:
        booted.store.close()
