"""Refused counts: what came too late or had to be set aside, in files that people can read.

Theory. What is not counted is never dropped in silence: it is written down before it goes, one
JSON object a line, durable before the caller goes on. Each line says of which column, at which
version, the counter and what that column holds of it; the first line says up to which version the
column is counted, so that nobody takes for missing what is there.

    {"node", "epoch", "version", "counted"}
    {"key", "count", "column", "version"}
    …

Of a sum of forgotten columns that cannot be taken apart, the first line says which columns are in
it (`"sum_of": [{"epoch", "version", "counted"}, …]`), and the others hold what all of them together
have. Where some of those are counted here, only people who know what each held can tell the rest.

A key that is no text cannot occur: keys are UTF-8. This module refuses to know why.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from gcounterd.errors import StorageError
from gcounterd.ids import ColumnId, epoch_of, node_of, show
from gcounterd.storage.lock import sync_directory

FOLDER = "refused"


def write_refused(
    directory: Path,
    column: ColumnId,
    version: int,
    counted: int,
    counts: Iterable[tuple[bytes, int]],
    of: Mapping[ColumnId, tuple[int, int]] | None = None,
) -> Path:
    """Write what a column holds at a version; return the file, durable. Raises `StorageError`.

    The same column and version are written once, to the same file. `of` are the (version, counted)
    of the columns that a sum is the sum of.
    """
    folder = directory / FOLDER
    path = folder / f"{show(column)[:12]}-{show(epoch_of(column))}-{version}.jsonl"
    head: dict[str, object] = {
        "node": show(node_of(column)),
        "epoch": show(epoch_of(column)),
        "version": version,
        "counted": counted,
    }
    if of:
        head["sum_of"] = [
            {"epoch": show(epoch_of(each)), "version": held, "counted": known}
            for each, (held, known) in of.items()
        ]
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if path.exists():
            return path
        unfinished = path.with_suffix(".new")
        with unfinished.open("w", encoding="utf-8") as file:
            file.write(json.dumps(head) + "\n")
            for name, count in counts:
                line = {
                    "key": name.decode(),
                    "count": count,
                    "column": show(column),
                    "version": version,
                }
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        sync_directory(folder)
        sync_directory(directory)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error}", definite=True) from None
    return path
