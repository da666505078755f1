"""Frames: what a front asks of the owner of the state, and what it is told.

Theory. Both ends are one program, started together on one host, so a frame needs neither a version
nor a number: it is one msgpack array, and answers come in the order of the questions. A question
is all that a front gathered in about a millisecond, and its answer all that its clients are told,
so what crosses is two frames for hundreds of requests. Keys that are refused for one reason
are told with that reason once. Sizes are bounded all the same: who writes more than the bound is
broken, and a broken end is closed.

This module refuses to know sockets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import attrs
import msgpack

from gcounterd.errors import ClientError
from gcounterd.ids import ColumnId
from gcounterd.node.levels import Mark

# A question is some chunks of clients at most, an answer smaller.
FRAME_BYTES_MAX = 16 * 1024 * 1024


class FrameError(Exception):
    """The other end wrote what is no frame; the channel cannot be used any more."""


@attrs.frozen
class Asked:
    """What a front asks for.

    keys    to be counted by one each, in order
    reads   keys whose values are wanted after that
    events  what happened since the last question, by name and how often, for the metrics
    """

    keys: Sequence[bytes]
    reads: Sequence[bytes]
    events: Mapping[str, int]


@attrs.frozen
class Told:
    """What a front is told.

    values   of each key that was counted, after the commit; none if it failed
    shown    the values of the reads
    refused  by place in the keys: those that were not counted, and why
    failure  why none of the others counted, or None; `definite` tells if so
    unread   why this node should not be read, in words; empty if it may be
    mark     where the increments lie
    """

    values: Sequence[int]
    shown: Sequence[int]
    refused: Mapping[int, ClientError]
    failure: ClientError | None
    unread: Sequence[str]
    mark: Mark


def write_asked(asked: Asked) -> bytes:
    """Return a question as bytes."""
    frame: bytes = msgpack.packb([asked.keys, asked.reads, dict(asked.events)])
    return frame


def write_told(told: Told) -> bytes:
    """Return an answer as bytes."""
    reasons: dict[int, tuple[ClientError, list[int]]] = {}
    for place, error in told.refused.items():
        reasons.setdefault(id(error), (error, []))[1].append(place)
    refused = [[_show(error), places] for error, places in reasons.values()]
    failure = None if told.failure is None else _show(told.failure)
    parts = [told.values, told.shown, refused, failure, told.unread, told.mark]
    frame: bytes = msgpack.packb(parts)
    return frame


# The owner's wish that the front takes no further connections, and ends when its clients have their
# answers.
STOP: bytes = msgpack.packb(None)


class Frames:
    """Cuts what was read into frames."""

    def __init__(self) -> None:
        self._unpacker = msgpack.Unpacker(max_buffer_size=FRAME_BYTES_MAX, use_list=False)

    def feed(self, data: bytes) -> Iterator[object]:
        """Take bytes in; yield each frame that is complete. Raises `FrameError`."""
        try:
            self._unpacker.feed(data)
            yield from self._unpacker
        except (
            ValueError,
            msgpack.exceptions.UnpackException,
            msgpack.exceptions.BufferFull,
        ) as error:
            raise FrameError(f"no frame: {error}") from None


def read_asked(frame: object) -> Asked:
    """Return the question of a frame; raise `FrameError`."""
    match frame:
        case (tuple() as keys, tuple() as reads, dict() as events):
            return Asked(keys, reads, events)
    raise FrameError("no question")


def read_told(frame: object) -> Told | None:
    """Return the answer of a frame, None for `STOP`; raise `FrameError`."""
    if frame is None:
        return None
    if not isinstance(frame, tuple) or len(frame) != len(attrs.fields(Told)):
        raise FrameError("no answer")
    values, shown, refused, failure, unread, mark = frame
    places = {place: ClientError.again(*error) for error, found in refused for place in found}
    error = None if failure is None else ClientError.again(*failure)
    columns = tuple((ColumnId(column), version) for column, version in mark)
    return Told(values, shown, places, error, unread, columns)


def _show(error: ClientError) -> list[object]:
    return [error.status, error.code, error.message, error.definite, error.details]
