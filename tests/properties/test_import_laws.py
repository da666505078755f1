"""Laws of imports: whatever comes first, of content, end and name, replicas end up alike."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from gcounterd.counters.checkpoint import Checkpoint
from gcounterd.counters.counters import Counters
from gcounterd.counters.images import Image
from gcounterd.counters.imports import Content, Import
from gcounterd.counters.settled import Closing
from gcounterd.ids import ColumnId
from gcounterd.storage.recovery import restore
from tests.finishing import result_of

OWN = ColumnId(b"o" * 32)
FILES: tuple[tuple[str, dict[bytes, int]], ...] = (
    ("old", {b"a": 1, b"b": 2}),
    ("old", {b"a": 1, b"c": 40}),
    ("other", {b"a": 1, b"b": 2}),
    ("start-at b", {b"b": 300}),
)


def made(source: str, counts: dict[bytes, int]) -> Import:
    content = Content()
    for key, count in counts.items():
        content.add(key, count)
    return result_of(content.arranged(source, Random(1)))


IMPORTS = [made(source, counts) for source, counts in FILES]
# Of each import: its content, that it is closed, that it is final, and what it is called.
STEPS = [(number, what) for number in range(len(FILES)) for what in ("content", "closed", "named")]


def play(counters: Counters, steps: Sequence[tuple[int, str]]) -> None:
    for number, what in steps:
        given = IMPORTS[number]
        if what == "content":
            counters.apply(given.batch)
            continue
        named = Closing(given.column, given.batch.version, given.source)
        for _ in counters.closing([named if what == "named" else Closing(given.column)]):
            pass


def written(counters: Counters) -> list[Image]:
    """Return the images of a checkpoint, in the order in which a start reads them."""
    round_ = Checkpoint(counters, 0)
    images = [*round_.images(), *round_.columns()]
    order = ("names", "column", "segment")
    return sorted(images, key=lambda image: (order.index(image.kind), image.column, image.number))


orders = st.permutations(STEPS).flatmap(
    lambda steps: st.lists(st.sampled_from(STEPS), max_size=8).map(lambda more: [*more, *steps])
)


@given(orders, orders)
def test_replicas_agree_in_whatever_order_and_however_often_it_comes(
    one: list[tuple[int, str]], other: list[tuple[int, str]]
) -> None:
    first, second = Counters(OWN, 100), Counters(OWN, 100)
    play(first, one)
    play(second, other)
    for counters in (first, second):
        assert {key: counters.value(key) for key in (b"a", b"b", b"c")} == {
            b"a": 3,
            b"b": 304,
            b"c": 40,
        }
        assert (counters.recount() == counters.totals).all()
        assert counters.heads() == {}
        assert counters.settled.sources.page("", 9) == ["old", "other", "start-at b"]
    assert first.settled.hash() == second.settled.hash()


@given(orders, st.integers(0, len(STEPS)))
def test_a_start_finds_what_was_written(steps: list[tuple[int, str]], written_at: int) -> None:
    counters = Counters(OWN, 100)
    play(counters, steps[:written_at])
    again = restore(OWN, 100, written(counters), ()).counters
    assert again.settled.hash() == counters.settled.hash()
    assert [again.value(key) for key in (b"a", b"b", b"c")] == [
        counters.value(key) for key in (b"a", b"b", b"c")
    ]
    assert (again.recount() == again.totals).all()
    names = again.settled.sources.page("", 9)
    assert names == counters.settled.sources.page("", 9)
