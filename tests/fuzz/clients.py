"""What a client can send: commands of Redis, HTTP, JSON, and files of counts.

Theory. How bytes were cut never shows. Where another reader of the same protocol takes a stream,
ours takes it for the same or refuses it: two readings of one stream are how requests are
smuggled. Replies can be read by the clients that people use. Where two things are wrong, which of
them is told may depend on how the bytes were cut.
"""

from __future__ import annotations

import json
import re

import h11
import hiredis
import trio
from redis.connection import Connection

from gcounterd.api.bodies import read_counts
from gcounterd.api.formats import Format, Reader
from gcounterd.api.intake import Intake
from gcounterd.errors import ClientError
from gcounterd.resp.limits import PIPELINE_MAX
from gcounterd.resp.scanner import Scanner
from tests.fuzz.cutting import cut
from tests.unit.resp.resp_rig import Player, read_replies

# What these reply changes from one call to the next.
_RESTLESS = (b"INFO", b"TIME", b"SCAN", b"WAIT", b"RANDOM")
_PACKER = Connection()
Asked = tuple[bytes, bytes, bytes]


def commands(data: bytes) -> None:
    """Commands are those that hiredis reads, and come back as redis-py packs them."""
    whole, failure = scan([data])
    assert scan(cut(data)) == (whole, failure)
    theirs = _read_arrays(data)
    both = len(theirs) if failure is None else min(len(theirs), len(whole))
    assert whole[:both] == theirs[:both]
    plain = [words for words in whole if b" " not in words[0]]
    packed = [b"".join(_PACKER.pack_command(*words)) for words in plain]
    assert scan(packed) == (plain, None)


def scan(chunks: list[bytes]) -> tuple[list[list[bytes]], str | None]:
    """Return the commands in some chunks, and why nothing follows."""
    scanner, found = Scanner(), list[list[bytes]]()
    for chunk in chunks:
        scanner.feed(chunk)
        while taken := scanner.take(PIPELINE_MAX):
            found += taken
    return found, scanner.failure


def _read_arrays(data: bytes) -> list[list[bytes]]:
    """Return the commands at the beginning that hiredis reads as arrays of texts."""
    reader, found = hiredis.Reader(), list[list[bytes]]()
    # What Redis replies has more kinds of lists than what it is asked.
    if re.search(rb"(^|\n)[~>|]", data):
        return found
    # It would set aside memory for as many as it is told that there are.
    if any(len(line) > 6 for line in data.split(b"\n") if line.startswith((b"*", b"%", b"~"))):
        return found
    reader.feed(data)
    try:
        while isinstance(words := reader.gets(), list):
            if not all(isinstance(word, bytes) for word in words):
                break
            found += [words] if words else []
    except hiredis.ProtocolError:
        pass
    return found


def replies(data: bytes) -> None:
    """Replies do not depend on how commands were cut, and can be read."""
    if any(word in data.upper() for word in _RESTLESS):
        return
    sent, values = trio.run(_play, [data])
    read_replies(sent)
    assert trio.run(_play, cut(data)) == (sent, values)


async def _play(chunks: list[bytes]) -> tuple[bytes, dict[bytes, int]]:
    player = Player()
    return await player.play(chunks), player.backend.values


def requests(data: bytes) -> None:
    """Requests do not depend on how they were cut, and h11 reads none of them otherwise."""
    whole, failed = _take([data])
    assert _take(cut(data)) == (whole, failed)
    theirs, waits = _read_requests(data)
    for ours, other in zip(whole, theirs, strict=False):
        assert ours == other
    if waits and not failed:
        assert len(whole) <= len(theirs), "where they wait for more, we have found a request"


def _take(chunks: list[bytes]) -> tuple[list[Asked], str]:
    intake = Intake()
    found = [request for chunk in chunks for request in intake.feed(chunk)]
    failed = "refused" if intake.failure else "closed" if intake.closed else ""
    return [(one.method, one.target, one.body) for one in found], failed


def _read_requests(data: bytes) -> tuple[list[Asked], bool]:
    """Return the requests that h11 reads, and whether it waits for more."""
    reader, found = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20), list[Asked]()
    reader.receive_data(data)
    head, body = None, b""
    try:
        while True:
            event = reader.next_event()
            if isinstance(event, h11.Request):
                head, body = event, b""
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                found.append((head.method, head.target, body))
                reader.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
                reader.send(h11.EndOfMessage())
                if reader.our_state is not h11.DONE or reader.their_state is not h11.DONE:
                    return found, False
                reader.start_next_cycle()
            else:
                return found, event is h11.NEED_DATA
    except h11.ProtocolError:
        return found, False


def bodies(data: bytes) -> None:
    """Counts that we read are those that Python's JSON reads."""
    try:
        counts = trio.run(read_counts, data)
    except ClientError:
        return
    named = {key.decode(): amount for key, amount in counts.items()}
    assert json.loads(data) == {"counts": named}


class _Sink:
    """Keeps what a file holds, and how far it was read when it was refused."""

    def __init__(self) -> None:
        self.counts: list[tuple[bytes, int]] = []

    def add(self, key: bytes, count: int) -> None:
        self.counts.append((key, count))


def imports(data: bytes) -> None:
    """A file gives the same counts, or is refused, however it was cut."""
    for form in Format:
        whole = _bring(form, [data])
        assert _bring(form, cut(data)) == whole


def _bring(form: Format, chunks: list[bytes]) -> list[tuple[bytes, int]] | str:
    sink = _Sink()
    reader = Reader(form, sink)
    try:
        for chunk in [*chunks, b""]:
            for _ in reader.feed(chunk, last=not chunk):
                pass
    except ClientError:
        return "refused"
    return sink.counts
