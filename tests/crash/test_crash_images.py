"""Power cuts at the points of a recorded daemon: nothing that was promised is missing."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from random import Random

import pytest

from gcounterd.ids import ColumnId
from tests.crash.again import cut_again
from tests.crash.command import Bench
from tests.crash.disk import Disk, compare_whole
from tests.crash.judging import Judge, Recording
from tests.crash.promises import Found, Promises
from tests.crash.recording import Call, build, fast_folder
from tests.crash.recovery import Recoverer, remove
from tests.crash.small import hush
from tests.crash.stories import STORIES
from tests.crash.sweeping import sweep

CUTS, SAMPLES = 150, 2
# In a sweep of the tests every so manieth call fails.
STRIDE = 45


def call(kind: str, inode: int = 1, first: bytes = b"", offset: int = 0, second: str = "") -> Call:
    return Call(kind, inode, offset, first, second.encode())


def disk(*calls: Call) -> Disk:
    made = Disk()
    for each in calls:
        made.take(each)
    return made


def left(made: Disk, name: str = "a", times: int = 300) -> set[bytes | None]:
    rng = Random(1)
    return {made.cut(rng).get(name) for _ in range(times)}


NEW = (call("c", first=b"a"), call("d"))
OLD, YOUNG = b"o" * 1024, b"y" * 1024
HALF = OLD[:512] + YOUNG[512:], YOUNG[:512] + OLD[512:]


def test_what_was_synced_is_there_and_what_was_not_may_be_torn() -> None:
    made = disk(*NEW, call("w", first=OLD), call("s"), call("w", first=YOUNG))
    assert left(made) == {OLD, YOUNG, *HALF}
    made.take(call("s"))
    assert left(made) == {YOUNG}


def test_a_name_is_lost_until_its_directory_is_synced() -> None:
    made = disk(call("c", first=b"a"), call("w", first=OLD), call("s"))
    assert left(made) == {None, OLD}
    made.take(call("n", first=b"a", second="b"))
    assert left(made, "b") == {None, OLD}
    made.take(call("d"))
    assert (left(made), left(made, "b")) == ({None}, {OLD})


def test_what_a_failed_sync_left_in_the_cache_is_not_saved_by_the_next_one() -> None:
    made = disk(*NEW, call("w", first=OLD), call("s"), call("w", first=YOUNG), call("f"), call("s"))
    assert left(made) == {OLD, YOUNG, *HALF}
    made.take(call("w", first=YOUNG))
    made.take(call("s"))
    assert left(made) == {YOUNG}


def test_a_length_may_survive_without_what_was_written_there() -> None:
    made = disk(*NEW, call("w", first=OLD))
    assert {b"", OLD, bytes(1024)} < left(made)
    made = disk(*NEW, call("w", first=OLD), call("s"), call("t", offset=0))
    assert left(made) == {b"", OLD}


def test_a_mapping_that_writes_makes_a_recording_void() -> None:
    with pytest.raises(ValueError, match="cannot be played back"):
        disk(call("x"))


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    folder, log = fast_folder(), logging.getLogger("gcounterd")
    level = log.level
    try:
        library = build(folder)
        if library is None:
            pytest.skip("there is no C compiler (scripts/tools cc), so no daemon can be recorded")
        hush()
        yield Bench(folder, library, Recoverer(folder))
    finally:
        log.setLevel(level)
        remove(folder)


@pytest.fixture(scope="module")
def recording(bench: Bench) -> Recording:
    return bench.record(STORIES["short"])


@pytest.mark.slow
def test_what_a_power_cut_leaves_keeps_every_promise(bench: Bench, recording: Recording) -> None:
    judge = Judge(recording, "n1", bench.recoverer, seed=1)
    verdict = judge.run(CUTS)
    assert verdict.problems == []
    assert verdict.images > CUTS // 4
    samples = judge.samples[-SAMPLES:]
    again = cut_again(samples, judge, bench.recoverer, bench.shim, bench.folder)
    assert again.problems == []
    assert again.images > SAMPLES


@pytest.mark.slow
def test_a_recording_is_compared_with_what_is_there(bench: Bench, recording: Recording) -> None:
    lacks = [each for each in recording.calls if each.kind != "w"]
    with pytest.raises(ValueError, match="is not what was recorded"):
        compare_whole(lacks, recording.folders, bench.folder / "root", ("log", "pid"))


@pytest.mark.slow
def test_a_daemon_that_did_not_sync_would_be_found(bench: Bench, recording: Recording) -> None:
    calls = tuple(each for each in recording.calls if each.kind != "s")
    unsynced = Recording(calls, recording.folders)
    verdict = Judge(unsynced, "n1", bench.recoverer, seed=1).run(40)
    assert any("was answered" in text or "refused" in text for text in verdict.problems)


@pytest.mark.slow
def test_calls_that_fail_leave_a_store_that_starts_with_what_was_told(bench: Bench) -> None:
    lines = sweep(bench.shim, bench.folder, STRIDE)
    assert [problem for line in lines for problem in line["problems"]] == []
    assert sum(line["failed"] for line in lines) > 20


def found(values: dict[str, int], state: str, *, recounted: bool) -> Found:
    return Found(b"", values, {"n2": state}, frozenset(), {}, ColumnId(b"own"), recounted, False)


def test_promises_that_are_not_kept_are_said() -> None:
    promises = Promises("n1", tried={"a": 3}, seen={"a": 2}, removed={"n2": None})
    assert promises.broken(found({"a": 4}, "active", recounted=False)) == [
        "n2 is active, and was removed",
        "a is 4, and 3 was asked for",
        "totals are not the sum of columns and base",
    ]
    lost = promises.broken(found({"a": 1}, "removed", recounted=True))
    assert lost == ["a is 1, and 2 was answered"]
