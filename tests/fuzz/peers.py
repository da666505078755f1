"""What a peer can send: frames, messages, hellos, and the payloads within them.

Theory. Decoding is total: any bytes give a message or a `PeerError`. What was accepted comes back
from its own encoding, and how a stream was cut does not show.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gcounterd.errors import PeerError
from gcounterd.wire.approvals import decode_approvals, encode_approvals
from gcounterd.wire.batches import decode_batch, encode_batch
from gcounterd.wire.entries import decode_entries, encode_entries
from gcounterd.wire.frames import FRAME_BYTES_MAX, LENGTH_BYTES, Framer
from gcounterd.wire.settled import decode_closings, encode_closings
from tests.fuzz.cutting import cut
from tests.properties.test_wire_laws import is_total, plain


def frames(data: bytes) -> None:
    """A stream gives the same bodies, and the same error, however it was cut."""
    whole = _read_frames([data])
    assert _read_frames(cut(data)) == whole
    assert _read_frames([data[n : n + 1] for n in range(min(len(data), 64))] + [data[64:]]) == whole


def _read_frames(chunks: list[bytes]) -> tuple[list[bytes], str]:
    framer, bodies = Framer(), list[bytes]()
    try:
        for chunk in chunks:
            for body in framer.feed(chunk):
                bodies.append(body)
                framer.raise_limit()
            assert framer.held <= LENGTH_BYTES + FRAME_BYTES_MAX + len(chunk)
    except PeerError as error:
        return bodies, str(error)
    return bodies, ""


def bodies(data: bytes) -> None:
    """A body is a message, a hello or a refusal that comes back from its frame, or none."""
    is_total(data)


PAYLOADS: tuple[tuple[Callable[[bytes], Any], Callable[[Any], bytes]], ...] = (
    (decode_batch, encode_batch),
    (decode_entries, encode_entries),
    (decode_approvals, encode_approvals),
    (decode_closings, encode_closings),
)


def payloads(data: bytes) -> None:
    """A payload is what it says and comes back from its encoding, or a `PeerError`."""
    if not data:
        return
    decode, encode = PAYLOADS[data[0] % len(PAYLOADS)]
    try:
        found = decode(data[1:])
    except PeerError:
        return
    assert plain(decode(encode(found))) == plain(found)
