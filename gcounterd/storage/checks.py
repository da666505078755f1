"""The check of a whole store: structure, checksums, chain and manifest.

Theory. A CRC sees what changed in a row, SQLite's check sees pages and cells that are not in
order, the chain and the manifest see rows that are gone; together they missed nothing where each
alone did. A running store is checked on a copy (`backup`), so that commits go on meanwhile and
one read of everything is all the disk has to bear.

This module refuses to repair.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from gcounterd.errors import StorageError
from gcounterd.storage.contents import PROBLEMS_MAX, Contents
from gcounterd.storage.database import Database
from gcounterd.storage.schema import Damage

Report = dict[str, object]


def check_contents(contents: Contents, torn: str = "") -> Report:
    """Read everything and return `{"ok", "problems": [text, …], "checked": {kind: number}}`.

    `torn` is reported as checked but does not make a store bad. Never raises `StorageError`.
    """
    checked: Counter[str] = Counter()
    try:
        recovered = contents.recover()
        checked["setting"] = len(contents.settings.places)
        for image in recovered.images:
            checked[image.kind.value] += 1
            checked["bytes"] += len(image.body)
        for _, body in recovered.groups:
            checked["journal"] += 1
            checked["bytes"] += len(body)
        problems = [show_damage(damage) for damage in recovered.damage]
    except StorageError as error:
        problems = [str(error)]
    if torn:
        checked["torn_tail"] = 1
    return make_report(problems, dict(checked))


def make_report(problems: list[str], checked: dict[str, int]) -> Report:
    """Return a report, cut to a length that people can read."""
    shown = problems[:PROBLEMS_MAX]
    if len(problems) > PROBLEMS_MAX:
        shown.append(f"and {len(problems) - PROBLEMS_MAX} more")
    return {"ok": not problems, "problems": shown, "checked": checked}


def check_copy(path: Path) -> Report:
    """Check a finished copy, which nobody may write to. Never raises `StorageError`."""
    try:
        database = Database.open_copy(path)
    except StorageError as error:
        return make_report([str(error)], {})
    try:
        contents = Contents(database)
        contents.load()
        return check_contents(contents)
    except StorageError as error:
        return make_report([str(error)], {})
    finally:
        database.close()


def show_damage(damage: Damage) -> str:
    """Write damage for people."""
    match damage.key:
        case (column, number):
            place = f"{column.hex()[:12]}/{number}" if column else str(number)
        case key:
            place = str(key)
    return f"{damage.what} {place}: {damage.text}"
