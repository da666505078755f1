"""The checkers: what must hold, looked at from outside.

Theory. After every group only what it touched is compared, so that checking costs no more than
applying; by induction that is everything, and from time to time it is everything without
induction. The names are those of the invariants: I1 never over, I2 never lost, I3 agreement, I4
fixed content, I5 exactly once, I6 no dip, I7 honest answers, I9 bounded. The checkers know the
ledger and the nodes' state; they refuse to know what the weather was.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from gcounterd.counters import columns
from gcounterd.counters.columns import Column
from gcounterd.counters.counters import Counters
from gcounterd.errors import GCounterError
from gcounterd.ids import ColumnId, NodeId, show
from gcounterd.members.claims import Liveness
from gcounterd.node.dialling import is_crowded
from gcounterd.node.messages import Channel
from gcounterd.node.node import Node
from gcounterd.node.records import Group, TakeBatch
from gcounterd.node.serving import GATHERINGS_MAX
from gcounterd.sim.ledger import Ledger, Written

# All of a node is compared after so many of its groups.
GROUPS_PER_FULL_CHECK = 200
# How often an idle node wakes at most: pings, digests and dials, with room.
IDLE_WAKES_PER_S_MAX = 40.0


class ViolationError(GCounterError):
    """An invariant does not hold; the text begins with its name."""


def check(holds: bool, invariant: str, text: str) -> None:
    """Raise `ViolationError` unless something holds."""
    if not holds:
        raise ViolationError(f"{invariant}: {text}")


class Checkers:
    """Checks of single nodes, against the ledger.

    What a node has shown is kept by host, over its lives, for I6.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._shown: dict[str, dict[bytes, int]] = {}
        self._groups: dict[str, int] = {}

    # -- after every group ------------------------------------------------------------------

    def applied(
        self, host: str, counters: Counters, before: dict[ColumnId, int], group: Group
    ) -> None:
        """Check what a group touched."""
        for touched, head in before.items():
            if touched in counters.columns:  # else it is cold, and known to be as new
                self._check_column(host, counters, counters.columns[touched], head)
        for record in group.records:
            if isinstance(record, TakeBatch) and record.batch.column in counters.columns:
                for block in record.batch.blocks:
                    column = counters.columns[record.batch.column]
                    for position in block.positions.tolist():
                        self.check_value(host, counters, key_at(counters, column, position))
        self._groups[host] = self._groups.get(host, 0) + 1
        if self._groups[host] % GROUPS_PER_FULL_CHECK == 0:
            self.check_all(host, counters)

    def _check_column(self, host: str, counters: Counters, column: Column, before: int) -> None:
        written = self._written(host, column)
        for position in written.changed(before, column.head):
            _check_position(host, counters, column, written, position)

    def _written(self, host: str, column: Column) -> Written:
        written = self._ledger.columns.get(column.id, Written())
        check(
            column.head <= written.head,
            "I4 fixed content",
            f"{host} holds version {column.head} of {show(column.id)}, which has {written.head}",
        )
        return written

    def check_value(self, host: str, counters: Counters, key: bytes) -> None:
        """Check I1 and I6 for one counter, as a reader would."""
        value = counters.value(key)
        attempted = self._ledger.attempted.get(key, 0)
        check(value <= attempted, "I1 never over", f"{host} shows {key!r} {value} > {attempted}")
        shown = self._shown.setdefault(host, {})
        last = shown.get(key, 0)
        check(value >= last, "I6 no dip", f"{host} shows {key!r} {value} after {last}")
        shown[key] = value

    # -- now and then, and at the end -------------------------------------------------------

    def check_all(self, host: str, counters: Counters) -> None:
        """Check everything that a node holds; nothing may be half applied."""
        for column in counters.columns.values():
            written = self._written(host, column)
            size = len(written.names)
            check(column.size <= size, "I4 fixed content", f"{host}: more positions than written")
            for position in range(column.size):
                _check_position(host, counters, column, written, position)
            for position in range(column.size, size):
                missed = written.count(position, column.head)
                check(not missed, "I4 fixed content", f"{host} lacks a position of {column.head}")
        for settled in counters.settled:
            line = counters.settled.get(settled)
            follows = line is not None and 0 < line.final < line.version
            check(not follows, "I4 fixed content", f"{host} holds more of a column than is final")
        same = bool((counters.recount() == counters.totals).all())
        check(same, "I5 exactly once", f"{host}'s totals are not the sum of its columns and base")
        expected = self._ledger.values(counters.all_heads())
        for key in counters.keys.names:
            value, right = counters.value(key), expected.get(key, 0)
            check(value == right, "I5 exactly once", f"{host} shows {key!r} {value}, not {right}")
            self.check_value(host, counters, key)

    def restarted(self, host: str, counters: Counters, *, undamaged: bool) -> None:
        """Check what a disk gave back; a damaged or older one starts afresh."""
        if not undamaged:
            self._shown.pop(host, None)
        for key, last in self._shown.get(host, {}).items():
            value = counters.value(key)
            check(value >= last, "I6 no dip", f"{host} restarts with {key!r} {value} after {last}")
        self.check_all(host, counters)

    def set_aside(self, host: str) -> None:
        """Note that a node has put columns in a file that it counted: its values may go down."""
        self._shown.pop(host, None)

    def check_durable(self, host: str, counters: Counters, column: ColumnId, head: int) -> None:
        """Check that a disk gave back every version of a column that was answered."""
        check(
            counters.head(column) >= head,
            "I7 honest answers",
            f"{host} answered version {head} of its column, and has {counters.head(column)}",
        )

    def check_read(self, host: str, key: bytes, value: int, least: int) -> None:
        """Check a consistent read that missed nobody."""
        most = self._ledger.attempted.get(key, 0)
        check(
            least <= value <= most,
            "consistent read",
            f"{host} read {key!r} as {value}, not within {least} and {most}",
        )

    # -- all nodes --------------------------------------------------------------------------

    def check_nothing_lost(self, counters: Counters, host: str) -> None:
        """Check I2 on a node that has caught up with all others."""
        for column, written in self._ledger.columns.items():
            head = counters.head(column)
            check(
                head >= written.acknowledged or self._ledger.is_released(column),
                "I2 never lost",
                f"{host} has version {head} of {show(column)}, {written.acknowledged} is answered",
            )
        for key, value in self._ledger.values(counters.all_heads()).items():
            seen = counters.value(key)
            check(seen == value, "I5 exactly once", f"{host} shows {key!r} {seen}, not {value}")


def _check_position(
    host: str, counters: Counters, column: Column, written: Written, position: int
) -> None:
    expected = written.count(position, column.head)
    held = position < column.size
    count = count_at(column, position) if held else 0
    name = key_at(counters, column, position) if held else b""
    check(
        count == expected and (name == written.names[position] or not held),
        "I4 fixed content",
        f"{host} holds {name!r} = {count} at {position} of version {column.head}, "
        f"written was {written.names[position]!r} = {expected}",
    )


def count_at(column: Column, position: int) -> int:
    """Return the count at a position of a column."""
    segment = column.segments[position >> columns.SEGMENT_BITS]
    return segment.counts.item(position & (columns.SEGMENT_SIZE - 1))


def key_at(counters: Counters, column: Column, position: int) -> bytes:
    """Return the key at a position of a column."""
    segment = column.segments[position >> columns.SEGMENT_BITS]
    return counters.keys.names[segment.rows.item(position & (columns.SEGMENT_SIZE - 1))]


def find_disagreement(nodes: Iterable[Node]) -> str:
    """Return in what two nodes differ; "" where I3 holds."""
    first: Node | None = None
    for node in nodes:
        first = first or node
        if node.roster.hash() != first.roster.hash():
            return f"the rosters of {first.config.name} and {node.config.name}"
        if node.approving.hash() != first.approving.hash():
            return f"the approvals of {first.config.name} and {node.config.name}"
        if node.counters.heads() != first.counters.heads():
            return f"the heads of {first.config.name} and {node.config.name}"
        if node.counters.settled.hash() != first.counters.settled.hash():
            return f"the settled columns of {first.config.name} and {node.config.name}"
    return ""


def check_removals(nodes: Iterable[Node]) -> None:
    """Check that every removal has ended everywhere."""
    for node in nodes:
        for report in node.removing.reports():
            ended = report.phase == "done"
            text = f"{node.config.name}: {report.entry.name} is still {report.phase}"
            check(ended, "removals end", text)


def find_unrest(node: Node, others: list[NodeId], listening: Collection[str]) -> str:
    """Return what keeps a node from being at rest; "" where I9 holds for it.

    listening  where somebody can be met
    """
    unmet = [address for address in node.dialler.unmet if address in listening]
    exchange = node.exchange
    fetching = exchange.progress
    links = {(link.peer, channel) for channel in Channel for link in node.peers.on(channel)}
    near = [] if is_crowded(node.roster) else others  # a crowd is no full mesh
    missing = [other for other in near for channel in Channel if (other, channel) not in links]
    doubted = [other for other in others if node.detector.liveness(other) is not Liveness.ALIVE]
    for wrong, text in (
        (bool(node.intake), "its intake waits"),
        (node.intake.size_bytes > 0, "its intake keeps bytes"),
        (bool(node.counters.writer), "its writer waits"),
        (bool(fetching), f"it still fetches {len(fetching)} columns"),
        (exchange.serving.can_serve, "it still serves"),
        (exchange.serving.gatherings > GATHERINGS_MAX, "it keeps too many gatherings"),
        (len(node.reading) > 0, "it still reads"),
        (len(node.acknowledging) > 0, "it still waits for others to hold what it counted"),
        (bool(missing), f"it lacks links to {len(missing)} peers"),
        (len(links) > 2 * len(others), "it has too many links"),
        (bool(unmet), f"it has not met {unmet}"),
        (node.twins.yielding, "it gives way"),
        (not node.joining.counting, "it does not count"),
        (bool(doubted), f"it believes {len(doubted)} running members not to be alive"),
        (bool(node.joining.reasons()), f"it is not ready: {node.joining.reasons()}"),
    ):
        if wrong:
            return f"{node.config.name}: {text}"
    return ""
