"""The splitter: a process that counts the words of texts for a node, one text after another.

Theory. Splitting holds the interpreter in C for as long as it likes, so it must not happen in the
process that has to answer probes. A text comes on standard input in frames (four bytes of length,
then as much UTF-8; an empty one ends the text), the answer goes to standard output in frames: a
JSON object that says what came of it, then lines of a count and a word, then an empty frame. A
mistake is answered at once, in the middle of the text, and ends the process: its node starts
another.

It ends with its standard input, hence with its node. It knows no counters.
"""

from __future__ import annotations

import codecs
import json
import os
import sys
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from gcounterd.api.words import Splitter
from gcounterd.errors import ClientError

LENGTH_BYTES = 4
# Lines of one frame: about half a millisecond for the node to read.
REPLY_BYTES = 8 * 1024
# Below the node itself: on a busy machine texts wait, not probes.
_NICENESS = 5


def main() -> None:
    """Answer texts until standard input ends."""
    os.nice(_NICENESS)
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while (first := read_frame(source)) is not None:
        try:
            replies = _split(first, source)
        except ClientError as error:
            _write(sink, _say({"status": error.status, "code": error.code, "error": error.message}))
            return
        for reply in replies:
            _write(sink, reply)
        _write(sink, b"")


def read_frame(source: BinaryIO) -> bytes | None:
    """Return the next frame, None where the input ends."""
    length = source.read(LENGTH_BYTES)
    if len(length) < LENGTH_BYTES:
        return None
    wanted = int.from_bytes(length, "big")
    frame = source.read(wanted)
    return frame if len(frame) == wanted else None


def _split(first: bytes, source: BinaryIO) -> Iterator[bytes]:
    """Read a text to its end; return the frames of the answer, but for the last one."""
    decoder, splitter = codecs.getincrementaldecoder("utf-8")(), Splitter()
    frame: bytes | None = first
    at = 0
    while frame:
        splitter.feed(_decode(decoder, frame, at, last=False))
        at += len(frame)
        frame = read_frame(source)
    if frame is None:
        sys.exit()  # the node is gone
    splitter.feed(_decode(decoder, b"", at, last=True))
    return _answer(splitter)


def _decode(decoder: codecs.IncrementalDecoder, data: bytes, at: int, *, last: bool) -> str:
    held = len(decoder.getstate()[0])
    try:
        return decoder.decode(data, last)
    except UnicodeDecodeError as error:
        text = f"a text is UTF-8; it is not, at byte {at - held + error.start}"
        raise ClientError(400, "bad_text", text) from None


def _answer(splitter: Splitter) -> Iterator[bytes]:
    words = splitter.words()
    said = {"words": len(words), "total": sum(words.values()), "too_long": splitter.too_long}
    return _frames(_say(said), words)


def _frames(said: bytes, words: dict[str, int]) -> Iterator[bytes]:
    yield said
    lines: list[bytes] = []
    size = 0
    for word, count in words.items():
        line = b"%d %b" % (count, word.encode())
        lines.append(line)
        size += len(line)
        if size > REPLY_BYTES:
            yield b"\n".join(lines)
            lines, size = [], 0
    if lines:
        yield b"\n".join(lines)


def _say(value: Mapping[str, object]) -> bytes:
    return json.dumps(value).encode()


def _write(sink: BinaryIO, frame: bytes) -> None:
    sink.write(len(frame).to_bytes(LENGTH_BYTES, "big") + frame)
    if not frame or frame.startswith(b"{"):
        sink.flush()


if __name__ == "__main__":
    main()
