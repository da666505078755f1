"""A disk with a cache: what a power cut at this moment may leave of the files on it.

Theory. Writes go to a cache. Syncing a file puts its content on the disk; until then each sector
of 512 bytes (or page of 4,096) may be there as it was on the disk, as it is, or as it was in
between, independently of all others, and so may its length. Names are on the disk when their
directory was synced; until then any of the changes may be lost. A sync that failed leaves its
pages as if written, in the cache only, for ever or until they are written again: that is what
Linux does.

Stricter than any file system in use: those keep an order of names, and often of data. A disk
that *lies* says of some syncs that they are done and keeps the data in its cache.

This module refuses to know what is in the files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from random import Random

import attrs

from tests.crash.recording import Call

SECTOR, PAGE = 512, 4096
_NEVER, _ALWAYS = -1, 2**62


@attrs.define(eq=False)
class Piece:
    """Part of a write that lies in one sector, or (`data` None) a new length of the file."""

    time: int
    at: int
    data: bytes | None
    doomed: bool = False


# Which pieces of a unit survive: those up to this time.
Limit = Callable[[int], int]


@attrs.define(eq=False)
class File:
    """A file: what the disk has of it, and what has come since. `folder`: it is a directory."""

    durable: bytearray = attrs.field(factory=bytearray)
    pending: list[Piece] = attrs.field(factory=list)
    folder: bool = False

    def write(self, time: int, offset: int, data: bytes) -> None:
        """Write into the cache."""
        at = 0
        while at < len(data):
            size = min(len(data) - at, SECTOR - (offset + at) % SECTOR)
            self.pending.append(Piece(time, offset + at, data[at : at + size]))
            at += size

    def sync(self) -> None:
        """Put on the disk what the cache says is not there."""
        dirty = {piece.at // PAGE for piece in self.pending if not piece.doomed}
        kept = []
        for piece in self.pending:
            if piece.doomed and piece.data is not None and piece.at // PAGE not in dirty:
                kept.append(piece)
            else:
                _apply(self.durable, piece)
        self.pending = kept

    def fail_sync(self) -> None:
        """Take all that is pending for written, as a kernel does after an error of the disk."""
        for piece in self.pending:
            piece.doomed = True

    def content(self, unit: int, limit: Limit, length: int) -> bytes:
        """Return what is left where pieces of each unit survive up to its limit.

        `length` is the limit of changes of the length.
        """
        left = bytearray(self.durable)
        for piece in self.pending:
            if piece.time <= (length if piece.data is None else limit(piece.at // unit)):
                _apply(left, piece)
        return bytes(left)


def _apply(content: bytearray, piece: Piece) -> None:
    if piece.data is None:
        del content[piece.at :]
        content.extend(bytes(piece.at - len(content)))
        return
    if piece.at > len(content):
        content.extend(bytes(piece.at - len(content)))
    content[piece.at : piece.at + len(piece.data)] = piece.data


@attrs.frozen
class Renaming:
    """A change of names that happens whole or not at all."""

    folder: str
    gone: str
    made: str
    file: File | None


class Disk:
    """The files below one directory. `lies`: the share of syncs that are not carried out.

    `folders` were there, durably, before anything was recorded.
    """

    def __init__(
        self, folders: Iterable[str] = (), lies: float = 0.0, rng: Random | None = None
    ) -> None:
        self.cached: dict[str, File] = {name: File(folder=True) for name in folders}
        self.named = dict(self.cached)
        self.changes: list[Renaming] = []
        self._inodes: dict[int, File] = {}
        self._lies = lies
        self._rng = rng or Random(0)
        self.time = 0
        self.lied = 0

    def preload(self, name: str, inode: int, body: bytes | None) -> None:
        """Have a file, or a directory, that is on the disk from the beginning."""
        file = File(bytearray(body or b""), folder=body is None)
        self.cached[name] = self.named[name] = self._inodes[inode] = file

    def take(self, call: Call) -> None:
        """Take a call in; raise `ValueError` for what cannot be played back."""
        self.time += 1
        match call.kind:
            case "c":
                self._inodes[call.inode] = File()
                self._rename("", call.name, self._inodes[call.inode])
            case "m":
                self._rename("", call.name, File(folder=True))
            case "w":
                self._inodes[call.inode].write(self.time, call.offset, call.first)
            case "t":
                self._inodes[call.inode].pending.append(Piece(self.time, call.offset, None))
            case "f":
                if call.inode in self._inodes:
                    self._inodes[call.inode].fail_sync()
            case "s" | "d" if self._lies and self._rng.random() < self._lies:
                self.lied += 1
            case "s":
                self._inodes[call.inode].sync()
            case "d":
                self._sync_names(call.name)
            case "n":
                self._rename(call.name, call.other, self.cached[call.name])
            case "l":
                self._rename("", call.other, self.cached[call.name])
            case "u":
                self._rename(call.name, "", None)
            case "k":
                pass
            case kind:
                raise ValueError(f"a call of kind {kind!r} cannot be played back")

    def _rename(self, gone: str, made: str, file: File | None) -> None:
        change = Renaming(_folder(made or gone), gone, made, file)
        _carry_out(self.cached, change)
        self.changes.append(change)

    def _sync_names(self, folder: str) -> None:
        left = []
        for change in self.changes:
            if change.folder == folder:
                _carry_out(self.named, change)
            else:
                left.append(change)
        self.changes = left

    # -- what is left ------------------------------------------------------------------------

    def whole(self) -> dict[str, bytes | None]:
        """Return all files as processes see them; None for a directory."""
        return self._contents(self.cached, lambda file: file.content(SECTOR, _always, _ALWAYS))

    def durable(self) -> dict[str, bytes | None]:
        """Return what is on the disk and nothing else."""
        return self._contents(self.named, lambda file: bytes(file.durable))

    def cut(self, rng: Random) -> dict[str, bytes | None]:
        """Return what a power cut may leave, drawn from `rng`."""
        names = dict(self.named)
        for change in _some(self.changes, rng):
            _carry_out(names, change)
        return self._contents(names, lambda file: _cut_file(file, rng))

    def _contents(
        self, names: Mapping[str, File], read: Callable[[File], bytes]
    ) -> dict[str, bytes | None]:
        found: dict[str, bytes | None] = {}
        for name in sorted(names):
            folder = _folder(name)
            if not folder or folder in found:  # else its directory is lost, and it with it
                file = names[name]
                found[name] = None if file.folder else read(file)
        return found


def _some(changes: list[Renaming], rng: Random) -> list[Renaming]:
    match rng.randrange(4):
        case 0:
            return changes
        case 1:
            return changes[: rng.randrange(len(changes) + 1)]
        case _:
            return [change for change in changes if rng.random() < 0.5]


def _always(unit: int) -> int:
    return _ALWAYS


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _carry_out(names: dict[str, File], change: Renaming) -> None:
    names.pop(change.gone, None)
    if change.file is not None:
        names[change.made] = change.file


def _cut_file(file: File, rng: Random) -> bytes:
    """Return one file after a power cut: a few ways of losing what was not synced."""
    if not file.pending:
        return bytes(file.durable)
    unit = rng.choice((SECTOR, SECTOR, PAGE))
    pieces = [piece for piece in file.pending if piece.data is not None] or file.pending
    units = list(dict.fromkeys(piece.at // unit for piece in pieces))
    times = [piece.time for piece in file.pending]
    match rng.randrange(7):
        case 0:  # nothing, or all, of what was written up to a moment; of the last write a part
            moment = rng.choice([_NEVER, *times])
            torn = dict.fromkeys(rng.sample(units, rng.randrange(len(units) + 1)))
            left = file.content(unit, lambda at: moment - (at in torn), moment)
        case 1:  # all but one unit
            lost = rng.choice(units)
            left = file.content(unit, lambda at: _NEVER if at == lost else _ALWAYS, _ALWAYS)
        case 2:  # one unit only
            kept = rng.choice(units)
            left = file.content(unit, lambda at: _ALWAYS if at == kept else _NEVER, _NEVER)
        case 3:
            left = file.content(unit, _always, _ALWAYS)
        case _:  # each unit as it was at a moment of its own
            share = rng.choice((0.1, 0.5, 0.9))
            limits = {
                at: rng.choice(times) if rng.random() < share else rng.choice((_NEVER, _ALWAYS))
                for at in units
            }
            left = file.content(unit, limits.__getitem__, rng.choice([_NEVER, _ALWAYS, *times]))
    return left if rng.random() < 0.8 else _lengthen(file, left, rng)


def _lengthen(file: File, left: bytes, rng: Random) -> bytes:
    """Return content whose length survived without its data: zeros, or old bytes."""
    missing = len(file.content(SECTOR, _always, _ALWAYS)) - len(left)
    if missing <= 0:
        return left
    return left + (bytes(missing) if rng.random() < 0.5 else rng.randbytes(missing))


def compare_whole(
    calls: Iterable[Call], folders: Iterable[str], root: Path, ignored: Iterable[str] = ()
) -> None:
    """Raise `ValueError` unless all calls together give what is in a directory.

    Files of the `ignored` names are not ours.
    """
    disk = Disk(folders)
    for call in calls:
        disk.take(call)
    there = {str(path.relative_to(root)): path for path in _walk(root) if path.name not in ignored}
    played = disk.whole()
    for name in dict.fromkeys([*there, *played]):
        path = there.get(name)
        if name not in played or path is None:
            raise ValueError(f"{name} is {'not there' if path is None else 'not recorded'}")
        if path.is_file() and played[name] != path.read_bytes():
            raise ValueError(f"{name} is not what was recorded")


def _walk(root: Path) -> Iterable[Path]:
    return (path for path in root.rglob("*") if path.is_dir() or path.is_file())
