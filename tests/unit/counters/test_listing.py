"""Keys in order and the largest counters, against the obvious way to get them."""

import gc
import random

import pytest
from counting import count, counters

from gcounterd.counters import listing as listing_module
from gcounterd.counters.listing import Listing


def finish(work):
    try:
        while True:
            next(work)
    except StopIteration as end:
        return end.value


@pytest.fixture(scope="module")
def held():
    rng = random.Random(4)
    amounts = {b"/%s/%d" % (rng.choice([b"a", b"b", b"c"]), n): n % 997 + 1 for n in range(9000)}
    held = counters()
    count(held, amounts)
    return held, amounts


@pytest.mark.parametrize("step", [1, 7, 4096, 100_000])
def test_a_walk_meets_every_counter_once_and_what_comes_meanwhile_behind(held, step: int) -> None:
    before = counters()
    count(before, {b"%d" % number: number + 1 for number in range(50)})
    walk = Listing(before).walk
    found, row = walk(0, step)
    count(before, {b"late": 1, b"0": 1})

    while row is not None:
        more, row = walk(row, step)
        found += more

    assert [key for key, _ in found[:50]] == [b"%d" % number for number in range(50)]
    assert found[50:] in ([], [(b"late", 1)])


@pytest.mark.parametrize("prefix", [b"", b"/a/", b"/b/12", b"/zz"])
def test_pages_follow_each_other_without_gaps_or_repeats(held, prefix: bytes) -> None:
    listing = Listing(held[0])
    expected = sorted(item for item in held[1].items() if item[0].startswith(prefix))

    pages, after = [], b""
    while page := finish(listing.page(prefix, after, 100)):
        pages += page
        after = page[-1][0]

    assert pages == expected


def test_a_page_shows_keys_that_came_after_the_last_one(held) -> None:
    counted, _ = held
    listing = Listing(counted)
    finish(listing.page(b"", b"", 1))

    count(counted, {b"!first": 1})

    assert finish(listing.page(b"", b"", 1)) == [(b"!first", 1)]


@pytest.mark.parametrize("prefix", [b"", b"/a/", b"/zz"])
def test_the_largest_come_first(held, prefix: bytes) -> None:
    counted = {key: held[0].value(key) for key in held[1] if key.startswith(prefix)}

    found = finish(Listing(held[0]).top(20, prefix))

    assert [value for _, value in found] == sorted(counted.values(), reverse=True)[:20]
    assert found == sorted(found, key=lambda pair: (-pair[1], pair[0]))
    assert all(held[0].value(key) == value for key, value in found)


def test_the_collector_need_not_look_at_the_sorted_runs(held) -> None:
    listing = Listing(held[0])
    finish(listing.page(b"", b"", 1))
    gc.collect(0)
    assert len(listing._runs) == 2
    assert not any(map(gc.is_tracked, listing._runs))


def test_a_page_is_made_in_slices(held, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing_module, "_RUN", 100)
    monkeypatch.setattr(listing_module, "_RUNS_PER_SLICE", 8)
    monkeypatch.setattr(listing_module, "_NAMES_PER_SLICE", 50)
    listing = Listing(held[0])
    # A slice for each run, for the last one, for 8 runs and the rest, and for 50 names.
    assert sum(1 for _ in listing.page(b"", b"", 1000)) == 90 + 1 + 11 + 1 + 20
    assert sum(1 for _ in listing.page(b"", b"", 1000)) == 1 + 11 + 1 + 20
