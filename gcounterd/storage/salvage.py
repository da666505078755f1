"""Setting damage aside: keep its bytes, take it out of the store, let a start go on.

Theory. What is damaged here is, as a rule, whole on some peer, which sends it back once this
node says what it lacks. So the damaged rows need not be repaired, only taken out of the way, and
kept for whoever wants to look. The bytes are on disk before the rows are deleted.

This module refuses to decide whether to do this: the operator does.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from gcounterd.errors import StorageError
from gcounterd.storage.contents import SETTING, Contents
from gcounterd.storage.directory import OpenDirectory, mark_open, sync_file
from gcounterd.storage.journal import Gap
from gcounterd.storage.lock import sync_directory
from gcounterd.storage.schema import DAMAGED_FOLDER, DAMAGED_LOG_FILE, Damage
from gcounterd.storage.shelf import Broken

INDEX_FILE = "index.jsonl"


def set_aside(opened: OpenDirectory, damage: Iterable[Damage]) -> Path:
    """Move `damage`, as found by the last recovery, into the folder of damage; return that.

    Damage to any setting takes all settings with it: half an identity is none. What was hidden
    behind damage may show in the next recovery, so recover and set aside until none is left.
    Raises `StorageError`; then the store still holds what it held.
    """
    folder = opened.path / DAMAGED_FOLDER
    contents = opened.contents
    chosen = list(dict.fromkeys(damage))
    unknown = [one for one in chosen if one.what != "log" and one not in contents.found]
    if unknown:
        raise StorageError(f"not found by the last recovery: {unknown[0]}", definite=True)
    identity = any(one.what == "setting" for one in chosen)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        lines = [_keep(folder, one, _bytes_of(contents, one)) for one in chosen]
        if identity:
            whole = Damage("setting", "all", "set aside with a damaged one")
            lines.append(_keep(folder, whole, _identity(contents)))
        _keep_log(opened, folder, lines, chosen)
        _write_index(folder, lines)
    except OSError as error:
        raise StorageError(f"{folder}: {error.strerror}", definite=True) from None
    _remove(contents, chosen, identity)
    if opened.log_damage in chosen:
        _forget_log(opened)
    return folder


def _bytes_of(contents: Contents, damage: Damage) -> bytes:
    match contents.found.get(damage):
        case Gap(rows=rows):
            return b"".join([contents.journal.raw(row) for row in rows])
        case Broken(row=row):
            shelf = contents.settings if damage.what == "setting" else contents.images
            return shelf.raw(row) or b""
        case _:
            return b""


def _identity(contents: Contents) -> bytes:
    """Return the settings that can still be read, as JSON of hex."""
    readable = {
        item[0].owner.decode(): item[1].hex()
        for item in contents.settings.read()
        if not isinstance(item, Broken) and item[0].kind == SETTING
    }
    return json.dumps(readable).encode()


def _keep(folder: Path, damage: Damage, body: bytes) -> dict[str, object]:
    number = 1
    while (folder / f"{number}.bin").exists():
        number += 1
    path = folder / f"{number}.bin"
    path.write_bytes(body)
    sync_file(path)
    return _line(path.name, damage)


def _line(file: str, damage: Damage) -> dict[str, object]:
    match damage.key:
        case (column, place):
            key: object = [column.hex(), place]
        case other:
            key = other
    return {"file": file, "what": damage.what, "key": key, "text": damage.text}


def _keep_log(
    opened: OpenDirectory, folder: Path, lines: list[dict[str, object]], chosen: list[Damage]
) -> None:
    """Link the damaged log into the folder under the number its line has."""
    source = opened.path / DAMAGED_LOG_FILE
    for line, one in zip(lines, chosen, strict=False):
        if one == opened.log_damage and source.exists():
            target = folder / str(line["file"])
            target.unlink()
            os.link(source, target)


def _write_index(folder: Path, lines: list[dict[str, object]]) -> None:
    with (folder / INDEX_FILE).open("a", encoding="utf-8") as file:
        for line in lines:
            file.write(json.dumps(line) + "\n")
    sync_file(folder / INDEX_FILE)
    sync_directory(folder)
    sync_directory(folder.parent)


def _remove(contents: Contents, chosen: list[Damage], identity: bool) -> None:
    with contents.database.transaction():
        for one in chosen:
            match contents.found.get(one):
                case Gap() as gap:
                    contents.journal.replace_by_hole(gap)
                case Broken(row=row) if one.what == "setting":
                    contents.settings.delete(row)
                case Broken(row=row):
                    contents.images.delete(row)
                case None:
                    pass
        if identity:
            for key, place in contents.settings.places.items():
                if key.kind == SETTING:
                    contents.settings.delete(place.row)
    contents.load()
    contents.found = {}
    if any(one.what not in ("journal", "log") for one in chosen):
        contents.rewrite_manifest()


def _forget_log(opened: OpenDirectory) -> None:
    """The log's damage is kept elsewhere now: from here on the store is an ordinary one."""
    opened.log_damage = None
    mark_open(opened)
    (opened.path / DAMAGED_LOG_FILE).unlink(missing_ok=True)
    sync_directory(opened.path)
