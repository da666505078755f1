"""Opening a directory: what is refused, and what is noticed about the log."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from storehouse import body_of, fill, leave_as_killed, read_directory, serving

from gcounterd.errors import StorageError
from gcounterd.storage.log import FRAME_BYTES, HEADER_BYTES
from gcounterd.storage.schema import (
    DAMAGED_LOG_FILE,
    LOG_FILE,
    NEW_STORE_FILE,
    PAGE_BYTES,
    STORE_FILE,
)
from gcounterd.storage.store import Store


def flip(path: Path, offset: int, bits: int = 0x40) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= bits
    path.write_bytes(content)


def test_a_newer_format_is_refused_with_both_numbers(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    connection = sqlite3.connect(tmp_path / STORE_FILE)
    connection.execute("PRAGMA user_version=3")
    connection.close()
    with pytest.raises(StorageError, match="newer version: store format 3, this is 1"):
        Store.open(tmp_path)


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / STORE_FILE)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    with pytest.raises(StorageError, match="not a gcounterd store"):
        Store.open(tmp_path)


def test_a_store_cut_to_nothing_is_not_taken_for_a_new_one(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    (tmp_path / STORE_FILE).write_bytes(b"")
    with pytest.raises(StorageError, match=r"store\.db is damaged.*restore a backup.*peers"):
        Store.open(tmp_path)


async def test_a_store_cut_short_is_refused(tmp_path: Path) -> None:
    await fill(tmp_path)
    content = (tmp_path / STORE_FILE).read_bytes()
    for pages in (1, 3, len(content) // 4096 - 1):
        (tmp_path / STORE_FILE).write_bytes(content[: pages * 4096])
        with pytest.raises(StorageError, match=r"store\.db.*restore a backup"):
            read_directory(tmp_path)


def test_a_wrong_header_is_refused(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    flip(tmp_path / STORE_FILE, 3)
    with pytest.raises(StorageError, match="header is wrong"):
        Store.open(tmp_path)


def test_a_schema_that_is_no_text_any_more_is_refused(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    content = (tmp_path / STORE_FILE).read_bytes()
    flip(tmp_path / STORE_FILE, content.index(b"CREATE TABLE images") + 2, 0x80)
    with pytest.raises(StorageError, match=r"cannot be read.*restore a backup"):
        Store.open(tmp_path)


async def test_a_store_that_claims_to_have_no_log_is_refused(tmp_path: Path) -> None:
    await leave_as_killed(tmp_path / "live", tmp_path / "dead")
    content = bytearray((tmp_path / "dead" / STORE_FILE).read_bytes())
    content[18:20] = b"\x01\x01"
    (tmp_path / "dead" / STORE_FILE).write_bytes(content)
    with pytest.raises(StorageError, match="header is wrong"):
        Store.open(tmp_path / "dead")


async def test_a_log_without_its_store_is_refused(tmp_path: Path) -> None:
    await leave_as_killed(tmp_path / "live", tmp_path / "dead")
    (tmp_path / "dead" / STORE_FILE).unlink()
    with pytest.raises(StorageError, match=r"store\.db is missing"):
        Store.open(tmp_path / "dead")


def test_a_store_that_was_not_complete_when_its_making_was_cut_short_is_made_anew(
    tmp_path: Path,
) -> None:
    (tmp_path / NEW_STORE_FILE).write_bytes(b"half")
    assert read_directory(tmp_path).damage == []
    assert not (tmp_path / NEW_STORE_FILE).exists()


async def test_after_a_kill_everything_is_there(tmp_path: Path) -> None:
    await leave_as_killed(tmp_path / "live", tmp_path / "dead")
    assert (tmp_path / "dead" / LOG_FILE).stat().st_size > 0
    found = read_directory(tmp_path / "dead")
    assert found == read_directory(tmp_path / "live")
    assert found.groups == [(seq, body_of(seq)) for seq in range(1, 42)]
    assert found.torn == ""


async def test_a_missing_log_is_found_at_each_start_until_it_is_set_aside(tmp_path: Path) -> None:
    await leave_as_killed(tmp_path / "live", tmp_path / "dead")
    (tmp_path / "dead" / LOG_FILE).unlink()
    for _ in range(2):
        (damage,) = read_directory(tmp_path / "dead").damage
        assert (damage.what, damage.key) == ("log", LOG_FILE)
        assert "missing" in damage.text
    store = Store.open(tmp_path / "dead")
    store.set_aside(store.recover().damage)
    store.close()
    assert read_directory(tmp_path / "dead").damage == []


async def test_a_damaged_log_is_kept_and_found_at_each_start_until_it_is_set_aside(
    tmp_path: Path,
) -> None:
    dead = tmp_path / "dead"
    await leave_as_killed(tmp_path / "live", dead)
    flip(dead / LOG_FILE, HEADER_BYTES + 4 * FRAME_BYTES + 100)
    log = (dead / LOG_FILE).read_bytes()
    for _ in range(2):
        (damage,) = read_directory(dead).damage
        assert damage.what == "log"
        assert (dead / DAMAGED_LOG_FILE).read_bytes() == log
    store = Store.open(dead)
    folder = store.set_aside(store.recover().damage)
    store.close()
    assert (folder / "1.bin").read_bytes() == log
    assert not (dead / DAMAGED_LOG_FILE).exists()
    found = read_directory(dead)
    assert found.damage == []
    async with serving(dead) as store:
        await store.append(store.last_seq + 1, b"goes on")


async def test_a_damaged_log_header_is_found(tmp_path: Path) -> None:
    await leave_as_killed(tmp_path / "live", tmp_path / "dead")
    flip(tmp_path / "dead" / LOG_FILE, 17)
    (damage,) = read_directory(tmp_path / "dead").damage
    assert damage.what == "log"


async def test_a_tear_in_a_relaxed_log_is_told_and_does_not_stop_a_start(tmp_path: Path) -> None:
    await fill(tmp_path / "live")
    async with serving(tmp_path / "live") as store:
        for seq in range(21, 41):
            await store.append(seq, body_of(seq), durable=False)
        shutil.copytree(tmp_path / "live", tmp_path / "dead")
    size = (tmp_path / "dead" / LOG_FILE).stat().st_size
    flip(tmp_path / "dead" / LOG_FILE, size - 4 * FRAME_BYTES)
    found = read_directory(tmp_path / "dead")
    assert found.damage == []
    assert "the log" in found.torn
    assert 20 <= len(found.groups) < 40


def test_a_log_that_never_had_more_than_a_header_is_no_damage(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    # As a file system leaves it that knows the new length and not yet what was written there.
    (tmp_path / LOG_FILE).write_bytes(bytes(range(HEADER_BYTES)))
    found = read_directory(tmp_path)
    assert (found.damage, found.torn) == ([], "")


def test_a_second_power_cut_in_the_start_after_the_first_is_no_damage(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "live")
    store.put_value("large", b"x" * 3 * PAGE_BYTES)  # the first transaction of a new log
    shutil.copytree(tmp_path / "live", tmp_path / "first")
    store.close()
    flip(tmp_path / "first" / LOG_FILE, HEADER_BYTES + 100)

    store = Store.open(tmp_path / "first")
    assert store.recover().torn != ""
    store.put_value("small", b"y")
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    store.close()
    flip(tmp_path / "second" / LOG_FILE, HEADER_BYTES + 100)

    # What the first cut left in the log is no proof of anything: it had never been synced.
    assert read_directory(tmp_path / "second").damage == []


def refuse(*_: object) -> None:
    raise StorageError("the disk failed")


@pytest.mark.parametrize("step", ["Contents.load", "mark_open"])
async def test_a_start_that_failed_takes_no_log_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    await leave_as_killed(tmp_path / "live", tmp_path / "dead")
    for directory in (tmp_path / "live", tmp_path / "dead"):
        with monkeypatch.context() as patch:
            patch.setattr(f"gcounterd.storage.directory.{step}", refuse)
            with pytest.raises(StorageError, match="the disk failed"):
                Store.open(directory)
        found = read_directory(directory)
        assert (found.damage, len(found.groups)) == ([], 41)


async def test_damage_in_the_log_outlives_a_start_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = tmp_path / "dead"
    await leave_as_killed(tmp_path / "live", dead)
    flip(dead / LOG_FILE, HEADER_BYTES + 4 * FRAME_BYTES + 100)
    with monkeypatch.context() as patch:
        patch.setattr("gcounterd.storage.directory.Contents.load", refuse)
        with pytest.raises(StorageError, match="the disk failed"):
            Store.open(dead)
    (damage,) = read_directory(dead).damage
    assert damage.what == "log"
