"""Bringing: counts from elsewhere, brought to simulated nodes, and many times.

Theory. A file under a name may count once, however often, where and when it is brought: at nodes
that are cut off, to one that is killed before it answers, while members are removed. So the ledger
has each as a column of one version that nobody writes; what it holds was attempted once, when a
node first took it, and is acknowledged as soon as one has it on its disk. All else is checked as
for any column.

This module refuses to know the weather.
"""

from __future__ import annotations

from functools import partial
from random import Random

from gcounterd.counters.imports import Content, Import
from gcounterd.errors import ClientError
from gcounterd.sim.chance import draw_exponential
from gcounterd.sim.checkers import check
from gcounterd.sim.cluster import Cluster
from gcounterd.sim.process import Process

BRING_EVERY_S = 3.0
SOURCES = 4
# Of each source, so many files with other counts.
FILES = 2
# What a counter of a source counts at least: few, and many.
_SCALES = (1, 10, 1_000, 1_000_000)
# Who brings a file brings it to several nodes, by mistake or since an answer was lost.
REPEATED = 0.5


def make_import(source: str, counts: dict[bytes, int], rng: Random) -> Import:
    """Return counts as the column that they are."""
    content = Content()
    for key, count in counts.items():
        content.add(key, count)
    found: list[Import] = []
    steps = content.arranged(source, rng)
    while not found:
        try:
            next(steps)
        except StopIteration as end:
            found.append(end.value)
    return found[0]


def bring(cluster: Cluster, at: str, given: Import, *, again: bool = False) -> bool:
    """Import at a host's node; return whether it is new there. Raises `ClientError`."""
    process = cluster.process(at)
    importing = process.node.importing
    for _ in importing.check(given, again=again):
        pass
    if not importing.take(given):
        return False
    if given.column not in cluster.ledger.columns:
        cluster.ledger.cut(given.batch)
        for block in given.batch.blocks:
            for name, count in zip(block.names, block.counts.tolist(), strict=True):
                cluster.ledger.attempt(name, count)
    process.note(partial(_acknowledge, cluster, process, given))
    process.turn()
    return True


def _acknowledge(cluster: Cluster, process: Process, given: Import) -> None:
    # What waited is committed, or refused for certain; whoever brought it is told which.
    if process.node.counters.head(given.column):
        cluster.ledger.acknowledge(given.column, given.batch.version)
        cluster.tally["import acknowledged"] += 1
    else:
        cluster.tally["import refused by the disk"] += 1


class Bringing:
    """Whoever brings files to a cluster, until `ended`."""

    def __init__(self, cluster: Cluster, rng: Random) -> None:
        self._cluster = cluster
        self._rng = rng
        self.ended = False

    def begin(self) -> None:
        """Let files be brought."""
        self._cluster.world.after(draw_exponential(self._rng, BRING_EVERY_S), self._come)

    def _come(self) -> None:
        if self.ended:
            return
        given, again = self._draw(), self._rng.random() < REPEATED
        self._bring(given)
        while self._rng.random() < REPEATED:
            self._bring(given)
        if again:
            self._cluster.world.after(self._rng.uniform(0, 20), self._bring, given)
        self.begin()

    def _draw(self) -> Import:
        source, file = self._rng.randrange(SOURCES), self._rng.randrange(FILES)
        numbers = range(1, 4 + 2 * source)
        counts = {b"page/%d" % number: number * _SCALES[source] + file for number in numbers}
        return make_import(f"source {source}", counts, self._rng)

    def _bring(self, given: Import) -> None:
        awake = [process for process in self._cluster.running if not process.paused]
        if not awake:
            return
        process, tally = self._rng.choice(awake), self._cluster.tally
        try:
            if process.stopping:
                raise ClientError(503, "draining", "this node is stopping")
            new = bring(self._cluster, process.host, given, again=self._rng.random() < 0.1)
        except ClientError as error:
            check(error.definite, "I7 honest answers", f"{process.host} is not sure: {error}")
            tally[f"import refused: {error.code}"] += 1
        else:
            tally["import brought" if new else "import repeated"] += 1
