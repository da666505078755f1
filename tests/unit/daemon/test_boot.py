"""A start gives back what was durable, and says so where it cannot."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import attrs
import pytest
import trio
from nodes import entry, node
from test_commits import running, wishes

from gcounterd.daemon.boot import boot
from gcounterd.daemon.identity import CAUGHT_UP, is_caught_up
from gcounterd.errors import ConfigError, StorageError
from gcounterd.ids import column_id
from gcounterd.node.records import Group, TakeBatch, TakeEntries
from gcounterd.storage.records import encode_group
from gcounterd.storage.schema import Durability


async def fill(directory: Path, *, checkpoint: bool) -> None:
    """Write 3 to `mine` in our column and 5 to `theirs` in a column of node b."""
    async with running(directory) as bench:
        await bench.count(b"mine", 3)
        other = node("b", "b")
        other.add(b"theirs", 5)
        (batch,) = [r for r in other.cut().records if isinstance(r, TakeBatch)]
        bench.node.intake.take_batch(batch.batch)
        bench.node.intake.take_entries((entry("b"),))
        await bench.commits.wait()
        if checkpoint:
            await bench.commits.checkpoints.write()


def damage(directory: Path, sql: str) -> None:
    connection = sqlite3.connect(directory / "store.db")
    assert connection.execute(sql).rowcount == 1
    connection.commit()
    connection.close()


FLIP = "UPDATE {0} SET body = CAST(x'00' || substr(body, 2) AS BLOB) WHERE id = (SELECT {1})"


async def test_a_directory_of_another_cluster_is_refused(tmp_path: Path) -> None:
    await fill(tmp_path / "d", checkpoint=False)
    with pytest.raises(ConfigError, match="belongs to cluster 'test', not 'other'"):
        boot(wishes(tmp_path / "d", cluster="other"))
    boot(wishes(tmp_path / "d")).store.close()  # the lock was given back


async def test_damage_to_our_own_counts_stops_the_start_with_the_ways_out(tmp_path: Path) -> None:
    await fill(tmp_path / "d", checkpoint=False)
    damage(tmp_path / "d", FLIP.format("journal", "max(id) FROM journal"))
    with pytest.raises(StorageError, match="--salvage") as error:
        boot(wishes(tmp_path / "d"))
    assert "journal" in str(error.value)
    assert "backup" in str(error.value)


async def test_salvage_sets_damaged_rows_aside_and_starts_with_the_rest(tmp_path: Path) -> None:
    await fill(tmp_path / "d", checkpoint=False)
    damage(tmp_path / "d", FLIP.format("journal", "max(id) FROM journal"))

    booted = boot(wishes(tmp_path / "d", salvage=True))

    assert booted.restored.counters.value(b"mine") == 3
    assert booted.restored.counters.value(b"theirs") == 0
    assert booted.incomplete
    assert booted.mended
    assert list((tmp_path / "d" / "damaged").iterdir())
    booted.store.close()


async def test_after_salvage_and_a_checkpoint_a_start_needs_no_salvage(tmp_path: Path) -> None:
    await fill(tmp_path / "d", checkpoint=False)
    damage(tmp_path / "d", FLIP.format("journal", "max(id) FROM journal"))
    async with running(tmp_path / "d", salvage=True) as bench:
        await bench.commits.checkpoints.write()

    booted = boot(wishes(tmp_path / "d"))

    assert booted.restored.counters.value(b"mine") == 3
    assert not booted.mended
    booted.store.close()


def segment_of(directory: Path, *, own: bool) -> str:
    booted = boot(wishes(directory))
    mine = bytes(booted.identity.node_id)
    booted.store.close()
    test = "=" if own else "<>"
    return f"id FROM images WHERE kind = 'segment' AND substr(owner, 1, 16) {test} x'{mine.hex()}'"


async def test_damage_to_another_nodes_column_is_mended_by_fetching_it_again(
    tmp_path: Path,
) -> None:
    await fill(tmp_path / "d", checkpoint=True)
    damage(tmp_path / "d", FLIP.format("images", segment_of(tmp_path / "d", own=False)))

    async with running(tmp_path / "d") as bench:
        theirs = column_id(entry("b").node, entry("b").epoch)
        assert bench.node.counters.value(b"mine") == 3
        assert bench.node.counters.head(theirs) == 0
        assert "may lack counts" in " ".join(
            bench.node.joining.reasons()
        )  # not read before it is mended


async def test_damage_to_a_segment_of_our_own_stops_the_start(tmp_path: Path) -> None:
    await fill(tmp_path / "d", checkpoint=True)
    damage(tmp_path / "d", FLIP.format("images", segment_of(tmp_path / "d", own=True)))
    with pytest.raises(StorageError, match="--salvage"):
        boot(wishes(tmp_path / "d"))

    booted = boot(wishes(tmp_path / "d", salvage=True))
    assert booted.restored.counters.value(b"mine") == 0
    assert booted.restored.counters.value(b"theirs") == 5
    booted.store.close()


async def test_every_start_draws_a_higher_epoch_and_keeps_the_node_id(tmp_path: Path) -> None:
    seen = []
    for _ in range(3):
        booted = boot(wishes(tmp_path / "d"))
        seen.append((booted.identity.node_id, booted.identity.epoch))
        booted.store.close()
    assert len({node_id for node_id, _ in seen}) == 1
    assert sorted(epoch for _, epoch in seen) == [epoch for _, epoch in seen]
    assert len({epoch for _, epoch in seen}) == 3


async def test_a_journal_that_lacks_rows_is_not_passed_over(tmp_path: Path) -> None:
    writer = node("b", "b")
    groups = []
    for amount in (1, 2):
        writer.add(b"x", amount)
        group = writer.cut()
        for _ in writer.applying(group):
            pass
        writer.committed(group, 0.0)
        groups.append(group)
    async with running(tmp_path / "d") as bench:
        body = encode_group(Group((*groups[1].records, TakeEntries((entry("b"),))), True, False))
        await bench.store.append(bench.store.last_seq + 1, body)
        await trio.lowlevel.checkpoint()
    with pytest.raises(StorageError, match="lacks rows"):
        boot(wishes(tmp_path / "d"))


async def test_a_newcomer_that_stopped_before_it_had_caught_up_has_not_done_so_after_a_restart(
    tmp_path: Path,
) -> None:
    first = boot(wishes(tmp_path / "d", joins=True))
    assert not is_caught_up(first.identity)
    first.store.close()
    again = boot(wishes(tmp_path / "d", joins=True))
    assert again.incomplete
    assert not again.mended
    again.store.put_settings(attrs.evolve(again.identity, identity_state=CAUGHT_UP))
    again.store.close()
    third = boot(wishes(tmp_path / "d", joins=True))
    assert not third.incomplete
    third.store.close()


async def test_a_life_in_memory_leaves_a_disk_that_is_known_to_lack_counts(tmp_path: Path) -> None:
    async with running(tmp_path / "d", durability=Durability.MEMORY) as bench:
        await bench.count(b"x", 7)
    booted = boot(wishes(tmp_path / "d"))  # this life is to be durable, the last one was not
    assert booted.incomplete
    assert not is_caught_up(booted.identity)
    booted.store.close()


async def test_after_salvage_of_one_segment_of_many_the_next_start_needs_no_salvage(
    tmp_path: Path,
) -> None:
    async with running(tmp_path / "d", max_counters=200_000) as bench:
        for number in range(140_000):
            bench.node.add(b"%d" % number, 1)
        await bench.commits.wait()
        await bench.commits.checkpoints.write()
    damage(tmp_path / "d", FLIP.format("images", "max(id) FROM images WHERE kind = 'segment'"))

    async with running(tmp_path / "d", salvage=True, max_counters=200_000) as bench:
        assert list((tmp_path / "d" / "damaged").iterdir())
        await bench.commits.checkpoints.write()
        await bench.count(b"x", 3)
    booted = boot(wishes(tmp_path / "d", max_counters=200_000))

    assert booted.restored.counters.value(b"x") == 3
    assert not booted.mended
    booted.store.close()
