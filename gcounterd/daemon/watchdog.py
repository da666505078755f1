"""The watchdog: which step held the loop, for how long, and where in the code it was.

Theory. A *step* is what one task does between two pauses, a *turn* what all tasks do between two
looks at I/O; whatever it is, everyone else waits for all of it. They are judged by the CPU time of
the loop's thread, since what the machine gives to others is not the loop's doing; the time on the
wall is told beside it.

Reading the thread's clock is a system call, the wall's is none. CPU time cannot pass wall time, so
only a step that was long on the wall is looked at closer, and the thread's clock is read afresh
when the last reading is older than `_READ_EVERY_S`: a figure is too large by that at most, and
never too small. Nothing is sampled and no timer runs: an idle loop is not woken.

A step is named after the code in which its task stands when it is over, which is where it paused:
in a slice, or just behind what it did. Whoever handles many things in one place says which one it
was (`did`), and where the garbage collector took most of the time, that is the name. Names are
those of our code, and of the most common ones each has a count.
"""

from __future__ import annotations

import gc
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import attrs
import trio

from gcounterd.daemon.logs import get_logger
from gcounterd.daemon.longest import Longest

log = get_logger("gcounterd.watchdog")

# DESIGN 7: no step takes more of the loop's CPU time than this.
BOUND_S = 0.005
# Steps with a name of their own in the metrics; others are counted as `other`.
STEPS_MAX = 64
# One line of the log for all long steps of so many seconds.
LOGGED_EVERY_S = 10.0
# Steps and turns shorter than this on the wall are not looked at, and not told.
LOOKED_AT_S = 0.0005
_READ_EVERY_S = 0.00025
_OTHER = "other"
_LOOP, _COLLECTOR = "loop", "collector"
_PACKAGE = "gcounterd."
# Places that say only that work goes in slices, or waits for the disk, and not which.
_WAITING = (
    "daemon.slicing.",
    "daemon.outcomes.Outcome.",
    "daemon.commits.Commits.wait",
    "daemon.service.Service.commit",
    "storage.store.",
    "storage.thread.",
)
_PLACES_SHOWN = 4


@attrs.frozen
class Step:
    """One step of the loop; times in seconds.

    name  where it was, in our code
    task  whose it was
    cpu   of the loop's thread; wall: by the clock; collecting: of that, in the garbage collector
    at    where the task paused: places, innermost first
    """

    name: str
    task: str
    cpu: float
    wall: float
    collecting: float
    at: tuple[str, ...]


class Watchdog(trio.abc.Instrument):
    """Watches the steps and turns of the loop in whose thread it is made.

    long   how often each step was longer than `BOUND_S`, by name
    turns  how many turns were
    """

    def __init__(self) -> None:
        now = time.perf_counter()
        self.long: Counter[str] = Counter()
        self.turns = 0
        self._thread = threading.get_ident()
        self._task: trio.lowlevel.Task | None = None
        self._began = self._turn_began = self._read_at = now
        self._cpu = self._turn_cpu = time.thread_time()
        self._steps = Longest[Step](now)
        self._turns = Longest[None](now)
        # Of the step that began then: the longest thing done in it, and the collector's time.
        self._did = (0.0, 0.0, "")
        self._collected = (0.0, 0.0)
        self._collection_began = now
        self._log_again = now
        self._untold = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the loop that runs now."""
        trio.lowlevel.add_instrument(self)
        gc.callbacks.append(self._collect)
        try:
            yield
        finally:
            gc.callbacks.remove(self._collect)
            trio.lowlevel.remove_instrument(self)

    async def run(self) -> None:
        """Watch the loop until cancelled."""
        with self.watching():
            await trio.sleep_forever()

    # -- trio's calls, a few times for each commit: as little as possible -------------------

    def after_io_wait(self, timeout: float) -> None:
        """Begin a turn."""
        now = time.perf_counter()
        self._began = self._turn_began = now
        if now - self._read_at > _READ_EVERY_S:
            self._cpu, self._read_at = time.thread_time(), now
        self._turn_cpu = self._cpu

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """End the step before this one, and begin one."""
        now = time.perf_counter()
        if now - self._began > LOOKED_AT_S:
            self._look(now)
        if now - self._read_at > _READ_EVERY_S:
            self._cpu, self._read_at = time.thread_time(), now
        self._began, self._task = now, task

    def before_io_wait(self, timeout: float) -> None:
        """End the last step, and the turn."""
        now = time.perf_counter()
        if now - self._began > LOOKED_AT_S:
            self._look(now)
        self._task = None
        if now - self._turn_began > LOOKED_AT_S:
            used = min(now - self._turn_began, time.thread_time() - self._turn_cpu)
            self._turns.take(used, now)
            self.turns += used > BOUND_S

    def _collect(self, phase: str, info: dict[str, int]) -> None:
        if threading.get_ident() != self._thread:
            return
        now = time.perf_counter()
        if phase == "start":
            self._collection_began = now
            return
        began, seconds = self._collected
        before = seconds if began == self._began else 0.0
        self._collected = (self._began, before + now - self._collection_began)

    # -- steps that were long ---------------------------------------------------------------

    def did(self, what: str, seconds: float) -> None:
        """Take note that in the present step `what` took so long, by the clock."""
        began, most, _ = self._did
        if began != self._began or seconds > most:
            self._did = (self._began, seconds, what)

    def _look(self, now: float) -> None:
        """Look closer at the step that ends: it was long on the wall."""
        cpu, wall = time.thread_time(), now - self._began
        used = min(wall, cpu - self._cpu)
        self._cpu, self._read_at = cpu, now
        is_long = used > BOUND_S
        if is_long or used > self._steps.read(now):
            step = self._describe(used, wall)
            self._steps.take(used, now, step)
            if is_long:
                self._tell(step, now)

    def _describe(self, used: float, wall: float) -> Step:
        places = [] if self._task is None else _places(self._task)
        owner = _LOOP if self._task is None else self._task.name.removeprefix(_PACKAGE)
        named = [place for place, _ in places if not place.startswith(_WAITING)]
        name = named[-1] if named else owner
        began, most, what = self._did
        if began == self._began and 2 * most > wall:
            name = what
        began, collecting = self._collected
        if began != self._began:
            collecting = 0.0
        elif 2 * collecting > wall:
            name = _COLLECTOR
        shown = [f"{place}:{line}" for place, line in reversed(places)]
        return Step(name, owner, used, wall, collecting, tuple(shown[:_PLACES_SHOWN]))

    def _tell(self, step: Step, now: float) -> None:
        has_room = step.name in self.long or len(self.long) < STEPS_MAX
        self.long[step.name if has_room else _OTHER] += 1
        if now < self._log_again:
            self._untold += 1
            return
        self._log_again, untold, self._untold = now + LOGGED_EVERY_S, self._untold, 0
        log.warning(
            "long_step",
            step=step.name,
            task=step.task,
            cpu_ms=_ms(step.cpu),
            wall_ms=_ms(step.wall),
            collecting_ms=_ms(step.collecting),
            at=", ".join(step.at),
            untold=untold,
        )

    # -- showing ----------------------------------------------------------------------------

    def longest_turn(self) -> float:
        """Return the longest turn of late, in seconds of CPU time; 0 if none was told."""
        return self._turns.read(time.perf_counter())

    def longest_step(self) -> Step | None:
        """Return the longest step of late, None if none was told."""
        return self._steps.what(time.perf_counter())


def _places(task: trio.lowlevel.Task) -> list[tuple[str, int]]:
    """Return where in our code a task that pauses stands, outermost first: function and line."""
    places = []
    for frame, line in task.iter_await_frames():
        module = frame.f_globals.get("__name__", "")
        if module.startswith(_PACKAGE):
            places.append((f"{module}.{frame.f_code.co_qualname}".removeprefix(_PACKAGE), line))
    return places


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 2)
