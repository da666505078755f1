"""What a disk can give back: journal rows, a whole store, a backup, a configuration file.

Theory. Nothing on a disk is believed. A row is a group that comes back from its own encoding, or
an error; whatever is replayed, totals are the sum of what they are made of. A store with bytes
changed is refused, or says what is damaged, or gives back what was written: never other content.
Settings that were read come back from what they are printed as.
"""

from __future__ import annotations

from pathlib import Path

from gcounterd.daemon.settings import load_settings, print_settings
from gcounterd.errors import ConfigError, StorageError
from gcounterd.ids import ColumnId
from gcounterd.node.records import Group
from gcounterd.storage.records import decode_group, encode_group
from gcounterd.storage.recovery import restore
from gcounterd.storage.schema import LOG_FILE, STORE_FILE
from tests.fuzz import stores
from tests.properties.test_wire_laws import plain

OWN = ColumnId(b"o" * 32)
COUNTERS_MAX = 1000
# An edit of a store is its place, in three bytes, and what is mixed into the byte there.
EDIT_BYTES, EDITS_MAX = 4, 16


def journal(data: bytes) -> None:
    """A row is a group that comes back and can be replayed, or an error of the store."""
    try:
        records = decode_group(data)
    except StorageError:
        return
    again = decode_group(encode_group(Group(tuple(records), True, False)))
    assert plain(tuple(again)) == plain(tuple(records))
    try:
        counters = restore(OWN, COUNTERS_MAX, [], [(1, data), (2, data)]).counters
    except StorageError:
        return
    assert (counters.recount() == counters.totals).all()


def store(data: bytes) -> None:
    """A store, its log and a backup in which bytes were changed: never other content."""
    made = stores.original()
    for source, names in ((made.killed, (STORE_FILE, LOG_FILE)), (made.backup, (STORE_FILE,))):
        directory = stores.copy(source)
        for number, name in enumerate(names):
            _edit(directory / name, data[number :: len(names)])
        stores.judge(directory, made.content)


def _edit(path: Path, edits: bytes) -> None:
    body = bytearray(path.read_bytes())
    for at in range(0, min(len(edits), EDITS_MAX * EDIT_BYTES), EDIT_BYTES):
        edit = edits[at : at + EDIT_BYTES]
        if len(edit) == EDIT_BYTES:
            body[int.from_bytes(edit[:3], "big") % len(body)] ^= edit[3]
    path.write_bytes(body)


def config(data: bytes) -> None:
    """A file is settings that come back from what is printed of them, or an error of settings."""
    path = stores.folder() / "config.toml"
    path.write_bytes(data)
    try:
        settings, origins = _load(path)
    except ConfigError:
        return
    path.write_text(print_settings(settings, origins))
    assert _load(path)[0] == settings


def _load(path: Path) -> tuple[object, dict[str, str]]:
    return load_settings(
        {"config": str(path)}, {"HOME": "/home/n"}, host_name="host", terminal=False
    )
