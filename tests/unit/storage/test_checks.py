"""Checking a whole store, running or not."""

from __future__ import annotations

from pathlib import Path

import pytest
from storehouse import fill, image, leave_as_killed, serving, tamper

from gcounterd.errors import StorageError
from gcounterd.storage import verify_offline
from gcounterd.storage.journal import first_id
from gcounterd.storage.schema import STORE_FILE
from gcounterd.storage.store import Store


async def test_a_sound_store_is_reported_with_what_was_checked(tmp_path: Path) -> None:
    await fill(tmp_path)
    async with serving(tmp_path) as store:
        await store.append(21, b"in the log")
        report = await store.verify()
    assert (report["ok"], report["problems"]) == (True, [])
    checked = report["checked"]
    assert isinstance(checked, dict)
    assert (checked["journal"], checked["segment"]) == (21, 4)
    assert checked["bytes"] == 4 * 5000 + 20 * 300 + 10
    assert {**checked, "setting": 0} == {
        **verify_offline(tmp_path)["checked"],  # type: ignore[dict-item]
        "setting": 0,
    }


async def test_damage_that_appears_while_running_is_found(tmp_path: Path) -> None:
    await fill(tmp_path, images=40)
    async with serving(tmp_path) as store:
        sql = "UPDATE images SET body = x'00' WHERE number = 1"
        await store._thread.do(lambda: store._database.connection.execute(sql))
        report = await store.verify()
        await store.put_images([image(2)])
    assert report["ok"] is False
    assert report["problems"] == ["segment 636363636363/1: the checksum is wrong"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", STORE_FILE]


async def test_every_damaged_row_is_named(tmp_path: Path) -> None:
    await fill(tmp_path)
    tamper(tmp_path, "UPDATE journal SET prev = 1 WHERE id = ?", first_id(9))
    tamper(tmp_path, "UPDATE settings SET crc = 5 WHERE owner = CAST('name' AS BLOB)")
    report = verify_offline(tmp_path)
    assert report["ok"] is False
    assert report["problems"] == [
        "setting name: the checksum is wrong",
        "journal 9: the checksum is wrong",
    ]
    assert verify_offline(tmp_path) == report


async def test_an_unreadable_store_is_a_report_and_not_an_error(tmp_path: Path) -> None:
    await fill(tmp_path)
    content = (tmp_path / STORE_FILE).read_bytes()
    (tmp_path / STORE_FILE).write_bytes(content[: len(content) // 2])
    report = verify_offline(tmp_path)
    assert report["ok"] is False
    assert "restore a backup" in str(report["problems"])


async def test_a_pending_log_is_checked_with_the_store(tmp_path: Path) -> None:
    await leave_as_killed(tmp_path / "live", tmp_path / "dead")
    report = verify_offline(tmp_path / "dead")
    assert report == verify_offline(tmp_path / "live")
    assert report["ok"] is True


def test_a_directory_in_use_or_without_a_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no store"):
        verify_offline(tmp_path)
    assert list(tmp_path.iterdir()) == []
    store = Store.open(tmp_path)
    with pytest.raises(StorageError, match="in use"):
        verify_offline(tmp_path)
    store.close()
