"""The key index: images of its names, made in slices."""

from __future__ import annotations

import msgpack
import pytest

from gcounterd.counters import keys
from gcounterd.counters.keys import KeyIndex


def make(number: int) -> KeyIndex:
    index = KeyIndex()
    index.rows([b"%d" % row for row in range(number)])
    return index


@pytest.mark.parametrize("number", [1, 5, 15, 16, 17, 40])
def test_an_image_made_in_slices_is_one_array_of_all_names(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(keys, "_NAMES_PER_SLICE", 5)
    assert msgpack.unpackb(make(number).image(0).body) == [b"%d" % row for row in range(number)]


def test_names_that_come_meanwhile_are_left_to_the_next_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keys, "_NAMES_PER_SLICE", 5)
    index = make(12)
    making = index.imaging(0)
    next(making)
    index.row(b"late")
    next(making)
    with pytest.raises(StopIteration) as end:
        next(making)
    fresh = KeyIndex()
    fresh.load(end.value.value)
    assert len(fresh) == 12
    assert fresh.find(b"11") == 11
