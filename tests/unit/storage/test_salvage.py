"""Damage to rows: found, never handed out, set aside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from storehouse import SETTINGS, body_of, fill, image, read_all, read_directory, serving, tamper

from gcounterd.errors import StorageError
from gcounterd.storage.journal import first_id
from gcounterd.storage.salvage import INDEX_FILE
from gcounterd.storage.schema import PART_BYTES_MAX, Damage
from gcounterd.storage.store import Store


def set_all_aside(directory: Path) -> list[dict[str, object]]:
    store = Store.open(directory)
    folder = store.set_aside(read_all(store).damage)
    store.close()
    return [json.loads(line) for line in (folder / INDEX_FILE).read_text().splitlines()]


async def test_a_damaged_group_is_skipped_reported_and_set_aside(tmp_path: Path) -> None:
    await fill(tmp_path)
    tamper(tmp_path, "UPDATE journal SET body = x'00112233' WHERE id = ?", first_id(7))
    found = read_directory(tmp_path)
    assert [seq for seq, _ in found.groups] == [*range(1, 7), *range(8, 21)]
    assert found.damage == [Damage("journal", 7, "the checksum is wrong")]
    (line,) = set_all_aside(tmp_path)
    assert (line["what"], line["key"]) == ("journal", 7)
    assert (tmp_path / "damaged" / "1.bin").read_bytes() == b"\x00\x11\x22\x33"
    async with serving(tmp_path) as store:
        await store.append(21, b"goes on")
    assert [seq for seq, _ in read_directory(tmp_path).groups] == [
        *range(1, 7),
        *range(8, 22),
    ]


async def test_groups_that_vanished_are_missed_wherever_they_stood(tmp_path: Path) -> None:
    await fill(tmp_path)
    async with serving(tmp_path) as store:
        await store.finish_checkpoint([], 4)
    tamper(tmp_path, "DELETE FROM journal WHERE id IN (?, ?, ?)", *map(first_id, (5, 9, 10)))
    found = read_directory(tmp_path)
    assert [(one.what, one.key) for one in found.damage] == [("journal", 5), ("journal", 10)]
    assert len(set_all_aside(tmp_path)) == 2
    assert read_directory(tmp_path).damage == []


async def test_a_part_that_vanished_takes_its_group_with_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as store:
        for seq in (1, 2, 3):
            await store.append(seq, body_of(seq, 2 * PART_BYTES_MAX + 5))
    tamper(tmp_path, "DELETE FROM journal WHERE id = ?", first_id(2) | 2)
    tamper(tmp_path, "DELETE FROM journal WHERE id = ?", first_id(3) | 1)
    found = read_directory(tmp_path)
    assert [seq for seq, _ in found.groups] == [1]
    assert [one.key for one in found.damage] == [2, 3]
    set_all_aside(tmp_path)
    assert (tmp_path / "damaged" / "1.bin").stat().st_size == 2 * PART_BYTES_MAX
    assert read_directory(tmp_path).damage == []


async def test_rows_that_changed_places_are_both_found(tmp_path: Path) -> None:
    await fill(tmp_path)
    tamper(tmp_path, "UPDATE journal SET id = id + 1 WHERE id = ?", first_id(3))
    tamper(tmp_path, "UPDATE images SET number = 99 WHERE number = 0")
    tamper(tmp_path, "UPDATE images SET number = 0 WHERE number = 1")
    tamper(tmp_path, "UPDATE images SET number = 1 WHERE number = 99")
    found = read_directory(tmp_path)
    assert [one.number for one in found.images] == [2, 3]
    assert [(one.what, one.key) for one in found.damage] == [
        ("segment", (b"c" * 32, 0)),
        ("segment", (b"c" * 32, 1)),
        ("journal", 3),
    ]


async def test_an_image_that_vanished_or_came_back_old_is_missed(tmp_path: Path) -> None:
    await fill(tmp_path)
    async with serving(tmp_path) as store:
        before = store._database.connection.execute(
            "SELECT crc, body FROM images WHERE number = 2"
        ).fetchone()
        await store.put_images([image(2, b"new")])
    tamper(tmp_path, "UPDATE images SET crc = ?, body = ? WHERE number = 2", *before)
    found = read_directory(tmp_path)
    assert [one.what for one in found.damage] == ["images"]
    set_all_aside(tmp_path)
    assert read_directory(tmp_path).damage == []
    tamper(tmp_path, "DELETE FROM images WHERE number = 1")
    found = read_directory(tmp_path)
    assert [one.what for one in found.damage] == ["images"]
    assert [one.number for one in found.images] == [0, 2, 3]


async def test_damaged_images_are_skipped_and_set_aside_with_their_bytes(tmp_path: Path) -> None:
    await fill(tmp_path)
    tamper(tmp_path, "UPDATE images SET body = x'ff' WHERE number = 1")
    tamper(tmp_path, "UPDATE images SET kind = 'what' WHERE number = 3")
    found = read_directory(tmp_path)
    assert [one.number for one in found.images] == [0, 2]
    assert [one.what for one in found.damage] == ["segment", "what"]
    lines = set_all_aside(tmp_path)
    assert [line["key"] for line in lines] == [[(b"c" * 32).hex(), 1], [(b"c" * 32).hex(), 3]]
    assert (tmp_path / "damaged" / "1.bin").read_bytes() == b"\xff"
    assert (tmp_path / "damaged" / "2.bin").read_bytes() == b"3" * 5000
    found = read_directory(tmp_path)
    assert (found.damage, len(found.images), len(found.groups)) == ([], 2, 20)


async def test_half_an_identity_is_none_and_never_looks_new_unreported(tmp_path: Path) -> None:
    await fill(tmp_path)
    tamper(tmp_path, "UPDATE settings SET body = x'00' WHERE owner = CAST('node_id' AS BLOB)")
    found = read_directory(tmp_path)
    assert found.settings is None
    assert found.damage == [Damage("setting", "node_id", "the checksum is wrong")]
    lines = set_all_aside(tmp_path)
    assert [line["key"] for line in lines] == ["node_id", "all"]
    kept = json.loads((tmp_path / "damaged" / "2.bin").read_bytes())
    assert bytes.fromhex(kept["store_id"]) == SETTINGS.store_id
    found = read_directory(tmp_path)
    assert (found.settings, found.damage, len(found.groups)) == (None, [], 20)


async def test_a_setting_that_vanished_is_missed(tmp_path: Path) -> None:
    await fill(tmp_path)
    tamper(tmp_path, "DELETE FROM settings WHERE owner = CAST('epoch' AS BLOB)")
    found = read_directory(tmp_path)
    assert found.settings is None
    assert found.damage == [Damage("setting", "epoch", "the setting is missing")]


async def test_a_lost_trimming_mark_comes_clean_after_setting_aside(tmp_path: Path) -> None:
    await fill(tmp_path)
    async with serving(tmp_path) as store:
        await store.finish_checkpoint([], 10)
    tamper(tmp_path, "UPDATE settings SET crc = 1 WHERE owner = CAST('trimmed' AS BLOB)")
    while read_directory(tmp_path).damage:
        set_all_aside(tmp_path)
    assert [seq for seq, _ in read_directory(tmp_path).groups] == list(range(11, 21))


async def test_setting_aside_what_was_not_found_is_refused(tmp_path: Path) -> None:
    await fill(tmp_path)
    store = Store.open(tmp_path)
    read_all(store)
    with pytest.raises(StorageError, match="not found"):
        store.set_aside([Damage("journal", 3, "a guess")])
    store.close()
    assert not (tmp_path / "damaged").exists()
