"""Frames: whatever the reads, the same questions and answers; what is none is an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcounterd.errors import ClientError
from gcounterd.fronts.frames import (
    STOP,
    Asked,
    FrameError,
    Frames,
    Told,
    read_asked,
    read_told,
    write_asked,
    write_told,
)
from gcounterd.ids import ColumnId

KEYS = st.lists(st.binary(min_size=1, max_size=20), max_size=5)
NUMBERS = st.lists(st.integers(0, 2**63), max_size=5)
ERRORS = st.builds(
    ClientError,
    st.sampled_from([400, 503, 507]),
    st.text(max_size=5),
    st.text(max_size=9),
    definite=st.booleans(),
    details=st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=2),
)
MARKS = st.lists(st.tuples(st.binary(min_size=32, max_size=32).map(ColumnId), st.integers(0, 99)))
ASKED = st.builds(Asked, KEYS, KEYS, st.dictionaries(st.text(max_size=5), st.integers(1, 9)))
TOLD = st.builds(
    Told,
    NUMBERS,
    NUMBERS,
    st.dictionaries(st.integers(0, 9), ERRORS, max_size=3),
    st.none() | ERRORS,
    st.lists(st.text(max_size=9), max_size=2),
    MARKS.map(tuple),
)


def plain(told: Told) -> list[object]:
    """Return an answer in what can be compared."""

    def show(error: ClientError) -> list[object]:
        return [error.status, error.code, error.message, error.definite, error.details]

    refused = sorted((place, show(error)) for place, error in told.refused.items())
    failure = None if told.failure is None else show(told.failure)
    return [*map(list, (told.values, told.shown, refused, told.unread, told.mark)), failure]


@given(st.lists(ASKED, min_size=1, max_size=4), st.integers(1, 50))
def test_questions_are_read_as_they_were_written_however_they_are_cut(
    asked: list[Asked], step: int
) -> None:
    written, frames, found = b"".join(map(write_asked, asked)), Frames(), []
    for at in range(0, len(written), step):
        found += [read_asked(frame) for frame in frames.feed(written[at : at + step])]
    assert [(list(a.keys), list(a.reads), a.events) for a in found] == [
        (a.keys, a.reads, a.events) for a in asked
    ]


@given(TOLD)
def test_an_answer_is_read_as_it_was_written(told: Told) -> None:
    (frame,) = Frames().feed(write_told(told))
    found = read_told(frame)
    assert found is not None
    assert plain(found) == plain(told)


def test_one_reason_for_many_keys_is_told_once() -> None:
    error = ClientError(503, "draining", "this node takes no more increments" * 10)
    many = Told((), (), dict.fromkeys(range(1000), error), None, (), ())
    one = Told((), (), {0: error}, None, (), ())
    assert len(write_told(many)) < len(write_told(one)) + 3 * 1000


def test_the_wish_to_stop_is_no_answer() -> None:
    (frame,) = Frames().feed(STOP)
    assert read_told(frame) is None


@pytest.mark.parametrize("frame", [None, 5, (), ((), ()), ((), {}, ())])
def test_what_is_no_question_is_an_error(frame: object) -> None:
    with pytest.raises(FrameError):
        read_asked(frame)


@pytest.mark.parametrize("frame", [5, (), ((), ()), "x"])
def test_what_is_no_answer_is_an_error(frame: object) -> None:
    with pytest.raises(FrameError):
        read_told(frame)


def test_bytes_that_are_no_frame_are_an_error() -> None:
    with pytest.raises(FrameError):
        list(Frames().feed(b"\xc1"))
