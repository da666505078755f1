"""The weather: faults, which of them and how often, drawn from the seed.

Theory. Faults that are always on hide each other, so each seed has its own climate: every class
of fault is there or not, at a rate of its own (swarm testing). Every fault ends by itself, and
`clear` ends them all: first everything fails and nothing wrong may happen, then everything works
and all must come right. What really happened is counted, since a fault that never comes tests
nothing.

The weather refuses to know what nodes do about it.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from gcounterd.sim.chance import draw_exponential
from gcounterd.sim.cluster import Cluster
from gcounterd.sim.departures import Departures
from gcounterd.sim.disk import APPEND_S, Content, Pace
from gcounterd.sim.network import Limits
from gcounterd.sim.process import STOP_S_MAX, Process
from gcounterd.sim.routes import Conditions
from gcounterd.sim.steering import Steering

# How likely each class is in a climate, and how rare it is there: mean seconds, drawn between.
LIKELY = 0.4
RARELY_S = (8.0, 60.0)
# Between two nodes of a rolling restart.
ROLL_S = 2.0
# How long a fault lasts.
SHORT_S = (0.05, 3.0)
LONG_S = (1.0, 25.0)
SKEW_MS = 3_600_000
# How late a starved process reads.
LAG_S = (0.5, 2.5)
# Backups kept to be restored.
BACKUPS_MAX = 4
# Disks that are cloned: each leaves a host behind that nobody starts again.
CLONES_MAX = 3
# Distinct processes that may write: beyond, kills end, to keep a seed's cost bounded.
LIVES_MAX = 60


class Weather:
    """The faults of one seed; `calm` once it has been cleared."""

    def __init__(self, cluster: Cluster, rng: Random) -> None:
        self._cluster = cluster
        self._world = cluster.world
        self._network = cluster.network
        self._rng = rng
        self._backups: list[tuple[str, Content]] = []
        self._steering: Steering | None = None
        self.calm = False

    def rage(self, departures: Departures | None = None) -> None:
        """Draw the climate and let it begin; with `departures` members are removed in it."""
        rng, conditions = self._rng, self._network.conditions
        if self._is_drawn():
            conditions.delay_s = rng.uniform(0.002, 0.05)
        if self._is_drawn():
            conditions.tail_chance = rng.choice([0.01, 0.05, 0.2])
        if self._is_drawn():
            conditions.loss = rng.choice([0.01, 0.05, 0.2])
        if self._is_drawn():
            self._network.limits = Limits(rng.choice([200, 1000]), rng.choice([2_000, 6_000]))
        kinds: list[Callable[[], None]] = [
            *(self._stall, self._reset, self._block_one_way, self._isolate, self._halve),
            *(self._bridge, self._ring, self._swizzle, self._thin, self._kill, self._loop),
            *(self._stop, self._roll),
            *(self._cut_power, self._cut_all_power, self._pause, self._suspend, self._starve),
            *(self._lose, self._slow_disk, self._stall_disk, self._fill_disk, self._fail_disk),
            *(self._back_up, self._restore_backup, self._clone_disk, self._turn_clock),
        ]
        for kind in kinds:
            if self._is_drawn():
                self._again(kind, rng.uniform(*RARELY_S))
        if departures is not None:
            for kind in departures.kinds:
                self._again(kind, rng.uniform(*RARELY_S))
            steering = self._world.derive("steering")
            self._steering = Steering(self._cluster, steering, [*kinds, *departures.kinds])

    def _is_drawn(self) -> bool:
        return self._rng.random() < LIKELY

    def _again(self, kind: Callable[[], None], mean_s: float) -> None:
        def strike() -> None:
            if not self.calm:
                if self._steering is not None:
                    self._steering.strike(kind)
                else:
                    self._world.note(kind.__name__.encode())
                    kind()
                self._again(kind, mean_s)

        self._world.after(draw_exponential(self._rng, mean_s), strike)

    def _later(self, lasting: tuple[float, float], act: Callable[[], None]) -> None:
        def end() -> None:
            if not self.calm:
                act()

        self._world.after(self._rng.uniform(*lasting), end)

    def clear(self) -> None:
        """End every fault: routes open, disks good, every host with a running process."""
        self.calm = True
        if self._steering is not None:
            self._steering.ended = True
        cluster = self._cluster
        self._network.conditions = Conditions()
        self._network.limits = Limits()
        self._network.heal()
        for name, host in cluster.hosts.items():
            host.disk.pace = Pace()
            if host.process is None:
                self._start(name)
                continue
            host.process.starve(None)
            if host.process.stopping:  # somebody has to start it again
                self._world.after(STOP_S_MAX + 1, self._start, name)
            if name in self._network.down:
                cluster.rouse(name)
            elif host.process.paused:
                host.process.resume()

    # -- the network ------------------------------------------------------------------------

    def _names(self) -> list[str]:
        return list(self._cluster.hosts)

    def _shuffled(self) -> list[str]:
        names = self._names()
        self._rng.shuffle(names)
        return names

    def _stall(self) -> None:
        if self._network.ends:
            end = self._rng.choice(list(self._network.ends.values()))
            self._cluster.tally["stalled stream"] += 1
            self._network.stall(end, self._rng.uniform(0.2, 8.0))

    def _reset(self) -> None:
        if self._network.ends:
            self._cluster.tally["reset"] += 1
            self._network.reset(self._rng.choice(list(self._network.ends.values())))

    def _block(self, pairs: list[tuple[str, str]], what: str) -> None:
        self._cluster.tally[what] += 1
        for pair in pairs:
            self._network.block(*pair)

        def open_again() -> None:
            for pair in pairs:
                self._network.unblock(*pair)

        self._later(LONG_S, open_again)

    def _block_one_way(self) -> None:
        a, b = self._shuffled()[:2]
        self._block([(a, b)], "one-way partition")

    def _part(self, left: list[str], right: list[str], what: str) -> None:
        self._block([pair for a in left for b in right for pair in ((a, b), (b, a))], what)

    def _isolate(self) -> None:
        one, *rest = self._shuffled()
        self._part([one], rest, "isolated node")

    def _halve(self) -> None:
        names = self._shuffled()
        self._part(names[: len(names) // 2], names[len(names) // 2 :], "halves")

    def _bridge(self) -> None:
        _, *rest = self._shuffled()  # the first sees both sides
        self._part(rest[: len(rest) // 2], rest[len(rest) // 2 :], "bridge")

    def _ring(self) -> None:
        """Let each node see its neighbours only: every one has a majority, no two the same."""
        names = self._shuffled()
        apart = [
            (a, b)
            for i, a in enumerate(names)
            for j, b in enumerate(names)
            if a != b and (i - j) % len(names) not in (1, len(names) - 1)
        ]
        self._block(apart, "majorities ring")

    def _swizzle(self) -> None:
        """Cut nodes off one by one, and let them back in another order."""
        self._cluster.tally["swizzle"] += 1
        names = self._shuffled()
        chosen = names[: self._rng.randint(1, len(names))]
        for each in chosen:
            pairs = [pair for b in names if b != each for pair in ((each, b), (b, each))]
            start, seconds = self._rng.uniform(0, 5), self._rng.uniform(5, 15)
            for when, act in ((start, self._network.block), (seconds, self._network.unblock)):
                self._at_weather(when, act, pairs)

    def _at_weather(
        self, seconds: float, act: Callable[[str, str], None], pairs: list[tuple[str, str]]
    ) -> None:
        def do() -> None:
            if not self.calm:
                for pair in pairs:
                    act(*pair)

        self._world.after(seconds, do)

    def _thin(self) -> None:
        a, b = self._shuffled()[:2]
        self._cluster.tally["thin link"] += 1
        self._network.thin(a, b, self._rng.choice([300.0, 3_000.0]))
        self._later(LONG_S, lambda: self._network.thin(a, b, None))

    def _lose(self) -> None:
        a, b = self._shuffled()[:2]
        self._cluster.tally["lossy route"] += 1
        self._network.lose(a, b, self._rng.choice([0.1, 0.3, 0.8]))
        self._later(LONG_S, lambda: self._network.lose(a, b, 0.0))

    # -- processes --------------------------------------------------------------------------

    def _victim(self) -> str | None:
        hosts = self._cluster.hosts
        running = [name for name, host in hosts.items() if host.process is not None]
        if not running or self._cluster.tally["start"] >= LIVES_MAX:
            return None
        return self._rng.choice(running)

    def _start(self, name: str) -> None:
        """Start a host's daemon as a supervisor does: not one that the cluster has sent away."""
        host = self._cluster.hosts[name]
        if host.process is None and not host.sent_away:
            self._cluster.start(name)

    def _kill(self) -> None:
        name = self._victim()
        if name is not None:
            self._cluster.kill(name)
            self._later(LONG_S, lambda: self._start(name))

    def _stop(self) -> None:
        """Stop a process as an operator does, and start it again after a while."""
        name = self._victim()
        if name is not None:
            self._cluster.process(name).stop()
            self._later(LONG_S, lambda: self._start(name))

    def _roll(self) -> None:
        """Restart all nodes one after the other, as for an upgrade."""
        if self._victim() is None:
            return
        self._cluster.tally["rolling restart"] += 1
        for number, (name, host) in enumerate(self._cluster.hosts.items()):
            self._world.after(number * ROLL_S, self._restart, name, host.process)

    def _restart(self, name: str, process: Process | None) -> None:
        if self.calm or process is None or self._cluster.hosts[name].process is not process:
            return
        self._cluster.process(name).stop()
        self._later((1.0, 1.0), lambda: self._start(name))

    def _loop(self) -> None:
        """Kill a process again and again, also while it starts and joins."""
        name = self._victim()
        if name is not None:
            self._cluster.tally["crash loop"] += 1
            self._loop_on(name, self._rng.randint(2, 5))

    def _loop_on(self, name: str, times: int) -> None:
        if self._cluster.hosts[name].process is not None:
            self._cluster.kill(name)
        self._start(name)
        if times:
            self._later((0.0, 0.05), lambda: self._loop_on(name, times - 1))

    def _cut_power(self) -> None:
        name = self._victim()
        if name is not None:
            self._cluster.kill(name, power=True)
            self._later(LONG_S, lambda: self._start(name))

    def _cut_all_power(self) -> None:
        if self._victim() is None:
            return
        self._cluster.tally["power cut of all"] += 1
        for name, host in self._cluster.hosts.items():
            if host.process is not None:
                self._cluster.kill(name, power=True)
            self._later(SHORT_S, lambda name=name: self._start(name))  # type: ignore[misc]

    def _pause(self) -> None:
        name = self._victim()
        process = self._cluster.hosts[name].process if name else None
        if process is None or process.paused:
            return
        self._cluster.tally["pause"] += 1
        process.block(self._rng.uniform(0.1, 10.0))

    def _suspend(self) -> None:
        """Let a host sleep for longer than anybody waits for it."""
        name = self._victim()
        process = self._cluster.hosts[name].process if name else None
        if name is None or process is None or process.paused:
            return
        self._cluster.suspend(name)

        def rouse() -> None:
            if self._cluster.hosts[name].process is process:
                self._cluster.rouse(name)

        self._later(LONG_S, rouse)

    def _starve(self) -> None:
        name = self._victim()
        process = self._cluster.hosts[name].process if name else None
        if process is None:
            return
        self._cluster.tally["starved reader"] += 1
        process.starve(lambda: self._rng.uniform(*LAG_S))
        self._later(LONG_S, lambda: process.starve(None))

    # -- disks ------------------------------------------------------------------------------

    def _pace(self) -> Pace:
        return self._cluster.hosts[self._rng.choice(self._names())].disk.pace

    def _slow_disk(self) -> None:
        pace = self._pace()
        self._cluster.tally["slow disk"] += 1
        pace.append_s = self._rng.choice([0.01, 0.1, 0.5])
        self._later(LONG_S, lambda: setattr(pace, "append_s", APPEND_S))

    def _stall_disk(self) -> None:
        pace = self._pace()
        pace.stall_chance = 0.1
        self._later(LONG_S, lambda: setattr(pace, "stall_chance", 0.0))

    def _fill_disk(self) -> None:
        pace = self._pace()
        pace.full = True
        self._later(LONG_S, lambda: setattr(pace, "full", False))

    def _fail_disk(self) -> None:
        """Let one operation fail, which ends the process; somebody starts it again."""
        name = self._victim()
        if name is None:
            return
        disk = self._cluster.hosts[name].disk
        disk.pace.failing = True

        def revive() -> None:
            disk.pace.failing = False
            self._start(name)

        self._later(LONG_S, revive)

    def _back_up(self) -> None:
        name = self._rng.choice(self._names())
        self._backups.append((name, self._cluster.hosts[name].disk.content.copy()))
        del self._backups[:-BACKUPS_MAX]

    def _restore_backup(self) -> None:
        """Put an old copy of its disk back and start on it: a new epoch, an old state."""
        if not self._backups or self._victim() is None:
            return
        name, content = self._rng.choice(self._backups)
        if self._cluster.hosts[name].sent_away:
            return
        if self._cluster.hosts[name].process is not None:
            self._cluster.kill(name)
        self._cluster.roll_back(name, content)
        self._later(SHORT_S, lambda: self._start(name))

    def _clone_disk(self) -> None:
        """Copy the disk of a node that runs, and start the copy on a host of its own."""
        name = self._victim()
        clones = self._cluster.tally["disk cloned"]
        if name is None or clones >= CLONES_MAX:
            return
        copy = f"{name}c{clones + 1}"
        host = self._cluster.clone(name, copy)
        host.skew_ms = self._rng.choice([-SKEW_MS, 0, 0, 0])
        self._later(SHORT_S, lambda: self._start(copy))

    def _turn_clock(self) -> None:
        host = self._cluster.hosts[self._rng.choice(self._names())]
        self._cluster.tally["clock turned"] += 1
        host.skew_ms = self._rng.choice([-SKEW_MS, SKEW_MS, 0])
