"""SQLite's write-ahead log, as far as one must look at it to see what SQLite will not say.

Theory. SQLite replays its log up to the first frame whose checksum is wrong, silently: that is
right for a write that a crash cut short, and it silently drops every later commit if the frame
rotted. The two can be told apart but for the last transaction. A log generation has two salts,
repeated in every frame; each durable commit is synced before the next one begins. So a frame of
the present generation that lies *beyond a commit* that was not replayed proves that something
synced before it is no longer sound. (One byte may have changed in the salts themselves: one of
the two suffices.) With relaxed commits, several may be torn at once, and there is no proof.

This module refuses to know the database; it reads the log's file and changes nothing.
"""

from __future__ import annotations

import struct
from pathlib import Path

import attrs

from gcounterd.storage.schema import PAGE_BYTES

HEADER_BYTES = 32
FRAME_HEADER_BYTES = 24
FRAME_BYTES = FRAME_HEADER_BYTES + PAGE_BYTES
_MAGICS = (0x377F0682, 0x377F0683)
_FRAME = struct.Struct(">4I")


@attrs.frozen
class Tail:
    """Frames of the present generation that SQLite did not replay.

    proof  something that had been synced is not sound (if all commits were durable ones)
    text   for people
    """

    proof: bool
    text: str


def read_tail(path: Path, replayed: int) -> Tail | None:
    """Look at the log beyond its first `replayed` frames; None if nothing is there.

    Must run before anything is written to the log again. Raises OSError.
    """
    try:
        with path.open("rb") as file:
            header = file.read(HEADER_BYTES + 1)
            if len(header) <= HEADER_BYTES or not any(header[:HEADER_BYTES]):
                # The header is synced before anything follows it: alone, it was being written,
                # and a disk may have the file's new length and other bytes there.
                return None
            header = header[:HEADER_BYTES]
            if not is_header(header):
                return Tail(True, "the header of the log is damaged, and with it all that it held")
            salts = header[16:24]
            commits = []
            index = replayed
            while True:
                file.seek(HEADER_BYTES + index * FRAME_BYTES)
                frame = file.read(FRAME_HEADER_BYTES)
                if len(frame) < FRAME_HEADER_BYTES:
                    break
                if frame[8:12] == salts[:4] or frame[12:16] == salts[4:]:
                    commits.append(_FRAME.unpack_from(frame)[1] != 0)
                index += 1
    except FileNotFoundError:
        return None
    return _judge(commits)


def _judge(commits: list[bool]) -> Tail | None:
    """Judge the frames beyond the replayed ones, each True if it ends a transaction."""
    if not commits:
        return None
    if True in commits[:-1]:
        return Tail(
            True, f"the log is damaged: {len(commits)} pages of it, with commits, are not readable"
        )
    return Tail(
        False,
        f"the last transaction in the log is not whole ({len(commits)} pages were left out): "
        "either it was being written when this host stopped, or it was damaged since",
    )


def is_header(header: bytes) -> bool:
    """Say whether these 32 bytes are a log header with a sound checksum."""
    magic = int.from_bytes(header[:4], "big")
    if magic not in _MAGICS:
        return False
    words = struct.unpack(f"{'>' if magic & 1 else '<'}6I", header[:24])
    first = second = 0
    for index in range(0, 6, 2):
        first = (first + words[index] + second) & 0xFFFFFFFF
        second = (second + words[index + 1] + first) & 0xFFFFFFFF
    return struct.unpack(">2I", header[24:]) == (first, second)
