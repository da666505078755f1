"""E11: what counting costs on the wire as a cluster grows, for the same increments in total.

Theory. Every node has to learn of every increment, so what a node receives cannot fall below one
batch for each column that changed in an interval, however many nodes there are. What must not
grow is how often a node is told the same thing, in how many frames, and what is said beside it.
The increments are spread evenly over the nodes, so a larger cluster has more columns that change
seldom, which is the costly case: a batch of one counter is mostly the name of its column.

Counted are frames and bytes that nodes send, hellos included, by kind of message; TCP's own
headers are not. Beside it stands how long an increment takes from its commit to each other node.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from statistics import median

import attrs

from gcounterd.ids import ColumnId
from gcounterd.node.records import Group, TakeBatch
from gcounterd.node.tree_messages import PassOn
from gcounterd.sim.experiments.plan import Plan
from gcounterd.sim.experiments.statistics import percentile
from gcounterd.sim.experiments.tables import Table
from gcounterd.sim.experiments.watching import SETTLE_S, Watched
from gcounterd.sim.network import End, Network
from gcounterd.sim.process import Process
from gcounterd.sim.standing import stand
from gcounterd.wire.codec import DIGEST, PUSH, decode
from gcounterd.wire.frames import LENGTH_BYTES
from gcounterd.wire.tree import PASS_ON

# Increments a second, all nodes together, and for how long they are counted, after as long as it
# takes until all are connected and what the beginning brought is over.
RATE = 100
SECONDS = 60
QUIET_S = 10.0
WARM_UP_S = 5.0
KEYS = 10
# One version in so many is followed to all nodes, since it is looked at everywhere.
FOLLOWED = 10
# Where a message's type stands in its frame.
_TYPE = 5


@attrs.frozen
class Setting:
    """So many nodes, and for how long they are watched."""

    nodes: int
    seconds: int = SECONDS


@attrs.frozen
class Finding:
    """What a node sends in a second, in the mean: frames and bytes, of all kinds and of some.

    batches  pushed in a second to or by a node, in the mean; each comes at least once to each
    delays   seconds from a commit to each other node: median, p99, longest
    missed   versions of those followed that did not come to some node, times nodes
    """

    frames: float
    size: float
    push_frames: float
    push_size: float
    digest_size: float
    batches: float
    delays: tuple[float, float, float]
    missed: int


class Tapped(Network):
    """A network that counts what is sent: frames and bytes by kind, and batches in pushes."""

    sent: Counter[int]
    sizes: Counter[int]
    batches: int

    def send(self, end: End, frame: bytes) -> bool:
        """Count a frame that is queued."""
        taken = super().send(end, frame)
        if taken:
            kind = frame[_TYPE]
            self.sent[kind] += 1
            self.sizes[kind] += len(frame)
            if kind == PASS_ON:
                message = decode(frame[LENGTH_BYTES:])
                assert isinstance(message, PassOn)
                self.batches += len(message.batches)
            self.batches += kind == PUSH
        return taken

    def count_afresh(self) -> None:
        """Forget what was counted."""
        self.sent, self.sizes, self.batches = Counter(), Counter(), 0


class Followed(Watched):
    """A cluster in which it is known when versions reach nodes.

    Its histories are not checked: other experiments and the tests do that, at ten times the cost.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.wires = Tapped(self.world, self.tally)
        self.wires.conditions = self.network.conditions
        self.wires.count_afresh()
        self.network = self.wires
        self.delays: list[float] = []
        self.followed = 0
        self.names: list[str] = []
        self._cut: dict[ColumnId, dict[int, float]] = {}
        self._cuts = 0

    def cut(self, process: Process, group: Group) -> None:
        """Note when a version was made."""
        for record in group.records:
            if isinstance(record, TakeBatch) and record.batch.column == process.column:
                self._cuts += 1
                if self._cuts % FOLLOWED == 0:
                    self.followed += 1
                    made = self._cut.setdefault(process.column, {})
                    made[record.batch.version] = self.world.now

    def applied(self, process: Process, before: dict[ColumnId, int], group: Group) -> None:
        """Note which versions have reached a node."""
        for column, head in before.items():
            made = self._cut.get(column)
            if made and column != process.column:
                now = process.node.counters.head(column)
                self.delays += [self.world.now - at for v, at in made.items() if head < v <= now]

    def acknowledged(self, process: Process) -> None:
        """Take no note of it."""

    def follow_afresh(self) -> None:
        """Forget what was followed so far."""
        self.delays, self._cut, self.followed = [], {}, 0

    def count_for(self, seconds: float) -> None:
        """Count at random nodes, evenly in time."""
        for number in range(round(seconds * RATE)):
            self.world.after(number / RATE, self._count)
        self.run(seconds)

    def _count(self) -> None:
        self.add(self.rng.choice(self.names), b"counter-%d" % self.rng.randrange(KEYS))


def run(setting: Setting, seed: int) -> Finding:
    """Count for a while, and look at what it cost."""
    cluster = Followed(seed)
    cluster.names = stand(cluster, setting.nodes)
    cluster.run(SETTLE_S + QUIET_S)
    cluster.count_for(WARM_UP_S)
    cluster.follow_afresh()
    cluster.wires.count_afresh()
    cluster.count_for(setting.seconds)
    wires, per = cluster.wires, 1 / (setting.seconds * setting.nodes)
    sent, sizes, batches = wires.sent, wires.sizes, wires.batches
    wires.count_afresh()
    cluster.run(QUIET_S)
    delays = cluster.delays or [math.nan]
    return Finding(
        frames=per * sent.total(),
        size=per * sizes.total(),
        push_frames=per * (sent[PUSH] + sent[PASS_ON]),
        push_size=per * (sizes[PUSH] + sizes[PASS_ON]),
        digest_size=per * sizes[DIGEST],
        batches=per * batches,
        delays=(median(delays), percentile(delays, 0.99), max(delays)),
        missed=cluster.followed * (setting.nodes - 1) - len(cluster.delays),
    )


def settings(nodes: Sequence[int]) -> list[Setting]:
    """Return the sizes asked for, or those of the table."""
    return [Setting(number) for number in nodes or (3, 10, 30, 100, 300, 1000)]


def runs(setting: Setting) -> int:
    """Return how many runs fit the time there is."""
    return 1


def tabulate(found: list[tuple[Setting, list[Finding]]]) -> Table:
    """Return one row per size."""
    head = (
        *("N", "frames per node and second", "of pushes", "bytes per node and second"),
        *("of pushes", "of digests", "batches pushed per node and second"),
        *("ms to each other node: p50", "p99", "max", "missed"),
    )
    return Table(head, tuple([_row(setting, findings) for setting, findings in found]))


def _row(setting: Setting, findings: list[Finding]) -> tuple[str | int | float, ...]:
    if not findings:
        return (setting.nodes, *([math.nan] * 10))
    first = findings[0]
    return (
        *(setting.nodes, first.frames, first.push_frames, first.size, first.push_size),
        *(first.digest_size, first.batches, *[1000 * s for s in first.delays], first.missed),
    )


PLAN = Plan("E11", "Counting, against the number of nodes", settings, runs, run, tabulate)
