"""The contents of a store: its three tables as one thing, with what keeps them consistent.

Theory. Two facts bind the tables. *trimmed* is the newest group whose content lies in images; it
is written in one transaction with them, so that deleting journal rows is only tidying and can be
done in small steps. The *manifest* of the images is written with every change to them.

`recover` never drops anything in silence: what is not as it was written is a `Damage`, and what
to do about it is decided elsewhere. This module refuses to know threads and files.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from functools import partial
from typing import Any

import attrs

from gcounterd.counters.columns import SEGMENT_SIZE
from gcounterd.counters.images import Image, Kind
from gcounterd.errors import StorageError
from gcounterd.ids import ColumnId
from gcounterd.storage.database import WAYS_OUT, Database
from gcounterd.storage.journal import Gap, Journal
from gcounterd.storage.schema import (
    IMAGE_BYTES_MAX,
    VALUE_BYTES_MAX,
    VALUES_MAX,
    Damage,
    Recovered,
    Settings,
)
from gcounterd.storage.shelf import Broken, Key, Shelf

SETTING, VALUE, OWN = b"setting", b"value", b"store"
# SQLite's own check stops there; more lines would not help anybody.
PROBLEMS_MAX = 100

_TRIMMED = Key(OWN, b"trimmed", 0)
_MANIFEST = Key(OWN, b"manifest", 0)
_STATE = Key(OWN, b"state", 0)
_RELAXED = Key(OWN, b"relaxed", 0)
_TEXTS = ("name", "cluster", "identity_state")


class Contents:
    """Settings, images and journal on one connection. Not for two threads at a time."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.settings = Shelf(database, "settings")
        self.images = Shelf(database, "images")
        self.journal = Journal(database)
        # What the last recovery found, with the row or gap behind each, for `salvage`.
        self.found: dict[Damage, Broken | Gap | None] = {}

    def load(self) -> None:
        """Read the keys of all tables; raise `StorageError`."""
        self.settings.load()
        self.images.load()
        self.journal.load(self.trimmed)

    # -- small facts ---------------------------------------------------------------------------

    @property
    def trimmed(self) -> int:
        """Return the newest group that images made superfluous; 0 if none (or damaged)."""
        return int(self._fact(_TRIMMED) or b"0")

    @property
    def clean(self) -> bool:
        """Say whether the last process to write here closed the store."""
        return self._fact(_STATE) != b"open"

    @property
    def relaxed(self) -> bool:
        """Say whether this process, or one that crashed, wrote without waiting for the disk."""
        return self._fact(_RELAXED) == b"1"

    def mark(self, *, opened: bool) -> None:
        """Note durably that the store is open, or that it was closed with nothing pending."""
        facts = [(_STATE, b"open" if opened else b"clean")]
        if not opened and self.relaxed:
            facts.append((_RELAXED, b"0"))
        self._put(facts)

    def _fact(self, key: Key) -> bytes | None:
        body = self.settings.get(key) if key in self.settings.places else None
        return None if isinstance(body, Broken) else body

    def _put(self, items: list[tuple[Key, bytes]]) -> None:
        with self.database.transaction(size=sum(len(body) for _, body in items)):
            change = self.settings.write(items)
        self.settings.adopt(change)

    def get_value(self, name: str) -> bytes | None:
        """Return a small value, None if it was never put; raise `StorageError` if damaged."""
        key = Key(VALUE, name.encode(), 0)
        if key not in self.settings.places:
            return None
        body = self.settings.get(key)
        if isinstance(body, Broken):
            raise StorageError(f"{self.database.path}: the value {name!r}: {body.text}")
        return body

    def put_value(self, name: str, body: bytes) -> None:
        """Write a small value durably."""
        key = Key(VALUE, name.encode(), 0)
        assert len(body) <= VALUE_BYTES_MAX, f"a value of {len(body)} bytes"
        assert key in self.settings.places or len(self.settings.places) < VALUES_MAX
        self._put([(key, body)])

    def put_settings(self, settings: Settings) -> None:
        """Write the identity durably, all of it in one transaction."""
        items = []
        for name, value in attrs.asdict(settings).items():
            body = value.encode() if name in _TEXTS else bytes(value)
            items.append((Key(SETTING, name.encode(), 0), body))
        self._put(items)

    # -- journal and images --------------------------------------------------------------------

    def append(self, seq: int, body: bytes, *, durable: bool) -> None:
        """Write one group."""
        if not durable and not self.relaxed:
            # Said once and durably, since it changes how a torn log is to be judged.
            self._put([(_RELAXED, b"1")])
        self.journal.append(seq, body, durable=durable)

    def put_images(
        self, images: Sequence[Image], upto: int | None = None, gone: Sequence[bytes] = ()
    ) -> None:
        """Write images in one transaction; `upto` is the newest group they make superfluous.

        Images of the owners in `gone` are deleted in the same transaction.
        """
        items = []
        for image in images:
            assert len(image.body) <= IMAGE_BYTES_MAX, f"an image of {len(image.body)} bytes"
            items.append((_image_key(image), image.body))
        deleted = self.images.keys_of(gone) if gone else []
        with self.database.transaction(size=sum(len(image.body) for image in images)):
            change = self.images.write(items)
            self.images.remove(deleted)
            facts = [(_MANIFEST, self.images.digest(change, deleted))]
            if upto is not None:
                facts.append((_TRIMMED, str(max(upto, self.trimmed)).encode()))
            facts_change = self.settings.write(facts)
        self.images.adopt(change)
        self.images.forget(deleted)
        self.settings.adopt(facts_change)
        if upto is not None:
            self.journal.last = max(self.journal.last, upto)

    def read_segment(self, column: ColumnId, number: int) -> Image:
        """Return the image of a segment of a column; raise `StorageError` if it is damaged."""
        key = Key(Kind.SEGMENT.value.encode(), column, number)
        body = self.images.get(key) if key in self.images.places else None
        if body is None or isinstance(body, Broken):
            why = "is missing" if body is None else f"is damaged: {body.text}"
            raise StorageError(f"{self.database.path}: segment {number} of a column {why}")
        return Image(Kind.SEGMENT, column, number, body)

    def read_segments(self, column: ColumnId, size: int) -> list[Image]:
        """Return the images of the segments of a column of so many positions, in order."""
        return [self.read_segment(column, n) for n in range(-(-size // SEGMENT_SIZE))]

    def trim_some(self) -> bool:
        """Delete some superfluous groups; return whether there may be more."""
        return self.journal.trim(self.trimmed)

    # -- reading it all back -------------------------------------------------------------------

    def structure_problems(self) -> list[str]:
        """Run SQLite's check of pages, cells and key order; 40 MB take some 10 ms."""
        rows = self.database.read(f"PRAGMA integrity_check({PROBLEMS_MAX})")
        texts = [bytes(row[0]).decode(errors="replace") for row in rows]
        return [] if texts == ["ok"] else texts

    def recover(self, torn: str = "") -> Recovered:
        """Return what is there; raise `StorageError` if the file's structure is damaged."""
        problems = self.structure_problems()
        if problems:
            raise StorageError(f"{self.database.path} is damaged: {problems[0]}; {WAYS_OUT}")
        self.found = {}
        damage: list[Damage] = []
        settings = self._read_settings(damage)
        self._check_manifest(damage)
        again = partial(self._images, [])
        images, groups = self._images(damage), self._groups(damage)
        return Recovered(settings, images, groups, damage, again, self.read_segments, torn)

    def _report(self, damage: list[Damage], what: Damage, row: Broken | Gap | None) -> None:
        damage.append(what)
        self.found[what] = row

    def _read_settings(self, damage: list[Damage]) -> Settings | None:
        bodies: dict[str, bytes] = {}
        for item in self.settings.read():
            if isinstance(item, Broken):
                name = item.key.owner.decode(errors="replace") if item.key else f"row {item.row}"
                self._report(damage, Damage("setting", name, item.text), item)
            elif item[0].kind == SETTING:
                bodies[item[0].owner.decode()] = item[1]
        fields = [field.name for field in attrs.fields(Settings)]
        missing = [name for name in fields if name not in bodies]
        if missing and not bodies:
            return None
        for name in missing:
            if not any(found.key == name for found in damage):
                self._report(damage, Damage("setting", name, "the setting is missing"), None)
        if missing:
            return None
        return _settings(bodies)

    def _check_manifest(self, damage: list[Damage]) -> None:
        """Compare the set of images with its manifest. (Bodies are checked as they are read.)"""
        if not self.images.places and _MANIFEST not in self.settings.places:
            return
        if self._fact(_MANIFEST) != self.images.digest({}):
            text = "images are missing, or are older than they should be"
            self._report(damage, Damage("images", "manifest", text), None)

    def _images(self, damage: list[Damage]) -> Iterator[Image]:
        known = {kind.value.encode(): kind for kind in Kind}
        for item in self.images.read():
            if isinstance(item, Broken):
                self._report(damage, _image_damage(item), item)
                continue
            key, body = item
            if key.kind in known:
                yield Image(known[key.kind], key.owner, key.number, body)
            else:
                broken = Broken(self.images.places[key].row, key, "the kind of image is unknown")
                self._report(damage, _image_damage(broken), broken)

    def _groups(self, damage: list[Damage]) -> Generator[tuple[int, bytes], None, None]:
        for item in self.journal.read(self.trimmed):
            if isinstance(item, Gap):
                self._report(damage, Damage("journal", item.seq, item.text), item)
            else:
                yield item

    def rewrite_manifest(self) -> None:
        """Accept the set of images as it now is."""
        self._put([(_MANIFEST, self.images.digest({}))])


def _image_key(image: Image) -> Key:
    return Key(image.kind.value.encode(), image.column, image.number)


def _image_damage(broken: Broken) -> Damage:
    key = broken.key
    if key is None:
        return Damage("image", f"row {broken.row}", broken.text)
    return Damage(key.kind.decode(errors="replace"), (key.owner, key.number), broken.text)


def _settings(bodies: dict[str, bytes]) -> Settings:
    fields: dict[str, Any] = {}
    for field in attrs.fields(Settings):
        body = bodies[field.name]
        fields[field.name] = body.decode() if field.name in _TEXTS else body
    return Settings(**fields)
