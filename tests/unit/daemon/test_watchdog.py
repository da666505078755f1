"""The watchdog names the steps that hold the loop, by the CPU time that they take."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable, Generator

import pytest
import trio
import trio.testing

from gcounterd.daemon import watchdog
from gcounterd.daemon.outcomes import Outcome
from gcounterd.daemon.slicing import sliced
from gcounterd.daemon.watchdog import BOUND_S, LOGGED_EVERY_S, STEPS_MAX, Step, Watchdog

LONG_S = 4 * BOUND_S


class Clock:
    """The clocks of a thread, which stand still while a test does not move them."""

    def __init__(self) -> None:
        self.wall = self.cpu = 1000.0

    def perf_counter(self) -> float:
        return self.wall

    def thread_time(self) -> float:
        return self.cpu

    def wait(self, seconds: float) -> None:
        """Let time pass in which others have the processor."""
        self.wall += seconds

    def work(self, seconds: float = LONG_S) -> None:
        """Let time pass in which the thread works."""
        self.wall += seconds
        self.cpu += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(watchdog, "time", made)
    # Functions of this file are told as those of the daemon are.
    monkeypatch.setitem(globals(), "__name__", "gcounterd.here")
    return made


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    lines: list[dict[str, object]] = []

    class Log:
        def warning(self, event: str, /, **fields: object) -> None:
            assert event == "long_step"
            lines.append(fields)

    monkeypatch.setattr(watchdog, "log", Log())
    return lines


async def step(act: Callable[[], object]) -> None:
    act()
    await trio.lowlevel.checkpoint()


async def watched(task: Callable[[], Awaitable[object]]) -> Watchdog:
    """Let a task run to its end under a watchdog."""
    dog = Watchdog()
    with dog.watching():
        await trio.lowlevel.checkpoint()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(task)
        await trio.lowlevel.checkpoint()
    return dog


def longest(dog: Watchdog) -> Step:
    found = dog.longest_step()
    assert found is not None
    return found


async def test_a_long_step_is_counted_under_the_function_in_which_its_task_paused(
    clock: Clock, said: list[dict[str, object]]
) -> None:
    dog = await watched(lambda: step(clock.work))
    assert dog.long == {"here.step": 1}
    assert longest(dog).cpu == pytest.approx(LONG_S)
    assert longest(dog).at[0].startswith("here.step:")
    assert [line["step"] for line in said] == ["here.step"]
    assert dog.longest_turn() == pytest.approx(LONG_S)
    assert dog.turns == 1


async def test_a_step_that_ends_its_task_has_the_task_s_name(clock: Clock) -> None:
    async def ends() -> None:
        clock.work()

    (name,) = (await watched(ends)).long
    assert name.endswith("ends")


async def test_slices_are_named_after_whoever_has_them_made(clock: Clock) -> None:
    def slices() -> Generator[None, None, None]:
        clock.work()
        yield

    async def slicer() -> None:
        await sliced(slices())

    (name,) = (await watched(slicer)).long
    assert name.endswith("slicer")


async def test_a_step_before_a_commit_is_named_after_whoever_waits_for_it(clock: Clock) -> None:
    outcome = Outcome()

    async def counter() -> None:
        clock.work()
        await outcome.wait()

    async def both() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(counter)
            await trio.testing.wait_all_tasks_blocked()
            outcome.done.set()

    (name,) = (await watched(both)).long
    assert name.endswith("counter")


async def test_many_short_steps_are_no_long_one(clock: Clock) -> None:
    async def many() -> None:
        for _ in range(100):
            await step(lambda: clock.work(BOUND_S / 10))

    assert not (await watched(many)).long


async def test_time_that_others_had_is_none_of_a_step_s(clock: Clock) -> None:
    def both() -> None:
        clock.wait(LONG_S)
        clock.work(BOUND_S / 2)

    dog = await watched(lambda: step(both))
    assert not dog.long
    assert longest(dog).cpu == pytest.approx(BOUND_S / 2)
    assert longest(dog).wall == pytest.approx(LONG_S + BOUND_S / 2)


async def test_the_longest_thing_done_in_a_step_names_it(clock: Clock) -> None:
    dog = Watchdog()

    def handle() -> None:
        clock.work()
        dog.did("Digest", LONG_S)
        dog.did("Ping", 0.0)

    def before() -> None:
        dog.did("before", 100.0)
        clock.wait(BOUND_S)

    async def two_steps() -> None:
        await step(before)
        await step(handle)

    with dog.watching():
        await two_steps()
        await trio.lowlevel.checkpoint()
    assert dog.long == {"Digest": 1}


async def test_a_step_of_the_collector_is_told_as_such(clock: Clock) -> None:
    class Garbage:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            clock.work()

    def collect() -> None:
        Garbage()
        gc.collect()

    dog = await watched(lambda: step(collect))
    assert dog.long == {"collector": 1}
    assert longest(dog).collecting == pytest.approx(LONG_S)


async def test_the_names_are_bounded_and_the_log_says_one_line(
    clock: Clock, said: list[dict[str, object]]
) -> None:
    dog = Watchdog()
    for number in range(STEPS_MAX + 3):
        dog._tell(Step(str(number), "task", LONG_S, LONG_S, 0.0, ()), clock.wall)
    assert len(dog.long) == STEPS_MAX + 1
    assert dog.long["other"] == 3
    assert [line["untold"] for line in said] == [0]
    clock.wait(LOGGED_EVERY_S)
    dog._tell(Step("0", "task", LONG_S, LONG_S, 0.0, ()), clock.wall)
    assert [line["untold"] for line in said] == [0, STEPS_MAX + 2]


async def test_who_has_watched_leaves_nothing_behind(clock: Clock) -> None:
    before = list(gc.callbacks)
    await watched(lambda: step(clock.work))
    assert gc.callbacks == before
