"""Removals as operators see them: plans, progress, and what is remembered of those that are done.

Theory. How far a removal has come is for the node to say; most of it follows from what is durable:
the roster and the versions of columns. What does not (who had shown the same versions when a member
was removed, who could not be asked, when it was last heard) is written down as soon as it is
removed, as one small value of the store, so that the report outlives this process. Moments are kept
by the wall, since a loop's clock ends with it. So is, a little later each time, how much came late.

This module refuses to know HTTP and how anything is removed.
"""

from __future__ import annotations

import json

import attrs
import trio

from gcounterd.daemon.driver import Driver
from gcounterd.daemon.identity import wall_ms
from gcounterd.daemon.logs import get_logger
from gcounterd.errors import StorageError
from gcounterd.ids import NodeId, show
from gcounterd.members.removals import Plan, Wish
from gcounterd.members.roster import Entry, State
from gcounterd.node.conflicts import Conflict, Versions
from gcounterd.node.effects import Notice
from gcounterd.node.removing import Report

log = get_logger("gcounterd.removals")

# The name of the value in the store.
VALUE = "removals"
# After a full disk the reports are written again so much later.
FULL_DISK_PAUSE_S = 5.0
# What came late is written down so often at most; a crash forgets the last of it.
LATE_EVERY_S = 5.0


@attrs.frozen
class Remembered:
    """What one removal left behind that does not follow from roster and columns.

    begun_ms, heard_ms  by the wall, None where that is not known
    late                increments taken in after the removal, up to the last note
    refused             versions that came too late to be counted, likewise
    """

    begun_ms: int | None
    heard_ms: int | None
    live: bool
    holders: tuple[str, ...]
    not_asked: tuple[str, ...]
    late: int = 0
    refused: int = 0


def read_remembered(body: bytes) -> dict[NodeId, Remembered]:
    """Read what was written down; anything else is as good as nothing."""
    try:
        rows = json.loads(body or b"{}")
        return {
            NodeId(bytes.fromhex(node)): Remembered(
                row["begun_ms"],
                row["heard_ms"],
                row["live"],
                tuple(row["holders"]),
                tuple(row["not_asked"]),
                row.get("late", 0),
                row.get("refused", 0),
            )
            for node, row in rows.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("removals_unreadable", reason=error)
        return {}


class Removals:
    """Answers about removals, and begins them."""

    def __init__(self, driver: Driver, body: bytes) -> None:
        """`body` is what an earlier process wrote down, b"" for nothing."""
        self._driver = driver
        self._node = driver.node
        self._remembered = read_remembered(body)
        # What came late in earlier processes.
        self._before = {node: (r.late, r.refused) for node, r in self._remembered.items()}
        self._news = trio.Event()
        driver.heeds.append(self._heed)

    # -- asking for them --------------------------------------------------------------------

    async def remove(self, wish: Wish, *, dry_run: bool) -> dict[str, object]:
        """Begin what a wish asks for; raise `ClientError` where it is refused."""
        removing = self._node.removing
        plan = removing.plan(wish)
        shown = self._show_plan(plan)
        if dry_run:
            return {"plan": shown, "removals": []}
        removing.begin(plan, forced=wish.forced)
        await self._driver.commits.wait()
        return {"plan": shown, "removals": [self.show(e.node) for e in plan.targets]}

    def _show_plan(self, plan: Plan) -> dict[str, object]:
        heir = plan.heir
        return {
            "targets": [self._show_target(entry) for entry in plan.targets],
            "into": None if heir is None else {"node": self._label(heir), "id": show(heir.node)},
            "alive": plan.alive,
            "of": plan.of,
            "warnings": list(plan.warnings),
        }

    def _show_target(self, entry: Entry) -> dict[str, object]:
        report = self._node.removing.report(entry.node)
        gone = entry.state is State.REMOVED
        liveness = "dead" if gone else self._node.removing.liveness(entry.node).name.lower()
        return {
            "node": self._label(entry),
            "id": show(entry.node),
            "roster": entry.state.name.lower(),
            "liveness": liveness,
            "columns": len(report.columns),
            "last_heard_s": _ago(report.heard),
        }

    def _label(self, entry: Entry) -> str:
        return self._node.roster.label(entry.node)

    # -- showing them -----------------------------------------------------------------------

    def all(self) -> list[dict[str, object]]:
        """Return unfinished removals and past ones, by name."""
        shown = [self._show(report) for report in self._node.removing.reports()]
        return sorted(shown, key=lambda each: (str(each["node"]), str(each["id"])))

    def unfinished(self) -> list[dict[str, object]]:
        """Return those that are not done."""
        return [self._show(each) for each in self._node.removing.reports() if each.phase != "done"]

    def show(self, node: NodeId) -> dict[str, object]:
        """Return how far the removal of a node has come."""
        return self._show(self._node.removing.report(node))

    def _show(self, report: Report) -> dict[str, object]:
        entry, label = report.entry, self._node.roster.label
        known = self._remembered.get(entry.node) if report.since is None else None
        holders = known.holders if known else tuple(label(node) for node in report.holders)
        absent = known.not_asked if known else tuple(label(node) for node in report.not_asked)
        heard = _since_ms(known.heard_ms) if known else _ago(report.heard)
        columns = self._node.counters.settled
        lines = [columns.get(column) for column in report.columns]
        cold = sum(line is not None and not line.forgotten for line in lines)
        late, refused = self._came_late(entry.node)
        return {
            "node": label(entry.node),
            "id": show(entry.node),
            "into": None if entry.heir is None else label(entry.heir),
            "phase": report.phase,
            "since_s": _since_ms(known.begun_ms) if known else _ago(report.since),
            "live": known.live if known else report.live,
            "forced": entry.forced,
            "waiting_for": [
                {"node": label(node), "since_s": _ago(report.since), "why": why}
                for node, why in report.waiting
            ],
            "columns": [
                {
                    "column": show(column),
                    "version": version,
                    "final": final > 0 and version >= final,
                    "from": list(holders),
                }
                for column, (version, final) in report.columns.items()
            ],
            "not_asked": list(absent),
            "last_heard_s": heard,
            "late": late,
            "refused": refused,
            "cold": cold,
            "cold_why": self._why_cold(cold, report),
        }

    def _came_late(self, node: NodeId) -> tuple[int, int]:
        """Return how many increments of a node came late, and how many versions were refused."""
        late, refused = self._before.get(node, (0, 0))
        settlement, removing = self._node.settlement, self._node.removing
        return late + removing.late[node], refused + settlement.late.refused[node]

    def conflicts(self) -> list[dict[str, object]]:
        """Return the members that this node refuses, since their sums cannot be joined."""
        return [self._show_conflict(each) for each in self._node.settlement.conflicts.all()]

    def _show_conflict(self, conflict: Conflict) -> dict[str, object]:
        label = self._node.roster.label
        return {
            "node": label(conflict.node),
            "id": show(conflict.node),
            "peer": label(conflict.peer),
            "ours": _show_versions(conflict.ours),
            "ours_all": conflict.ours_all,
            "theirs": _show_versions(conflict.theirs),
            "theirs_all": conflict.theirs_all,
        }

    def warnings(self) -> list[str]:
        """Return what an operator should know of what cannot be counted here."""
        found = [
            f"what {each['node']} counted is forgotten here and at {each['peer']} in ways that "
            f"cannot be joined: remove one of the two (see gcounterctl removals)"
            for each in self.conflicts()
        ]
        refused = sum(self._node.settlement.late.refused.values())
        if refused:
            found.append(
                f"{refused} versions of columns came too late to be counted: they are in files "
                "under refused/ in the data directory"
            )
        return found

    def _why_cold(self, cold: int, report: Report) -> str:
        if not cold:
            return ""
        open_ends = sum(not final for _, final in report.columns.values())
        if open_ends:
            return f"{open_ends} may still grow on a disk that comes back: kept until released"
        return "kept until every member has shown that it holds them"

    # -- remembering ------------------------------------------------------------------------

    def _heed(self, notice: Notice) -> None:
        if notice.name == "removed":
            node = NodeId(bytes.fromhex(str(notice.fields["id"])))
            self._remembered[node] = self._remember(self._node.removing.report(node))
            self._news.set()

    def _remember(self, report: Report) -> Remembered:
        label = self._node.roster.label
        return Remembered(
            _at_ms(report.since),
            _at_ms(report.heard),
            report.live,
            tuple(label(node) for node in report.holders),
            tuple(label(node) for node in report.not_asked),
            *self._came_late(report.entry.node),
        )

    def _note_late(self) -> bool:
        """Take what came late into what is remembered; return whether there is news."""
        news = False
        for node in list(self._node.removing.late | self._node.settlement.late.refused):
            came, entry = self._came_late(node), self._node.roster.get(node)
            known = self._remembered.get(node)
            if entry is None or entry.state is not State.REMOVED:
                continue
            if known is None:
                known = self._remember(self._node.removing.report(node))
            elif came == (known.late, known.refused):
                continue
            self._remembered[node] = attrs.evolve(known, late=came[0], refused=came[1])
            news = True
        return news

    async def run(self) -> None:
        """Write down what is to be remembered, until cancelled. Raises `StorageError`."""
        while True:
            with trio.move_on_after(LATE_EVERY_S):
                await self._news.wait()
            if not (self._note_late() or self._news.is_set()):
                continue
            self._news = trio.Event()
            rows = {show(node): attrs.asdict(each) for node, each in self._remembered.items()}
            try:
                await self._driver.store.save_value(VALUE, json.dumps(rows).encode())
            except StorageError as error:
                if not error.full:
                    raise
                await trio.sleep(FULL_DISK_PAUSE_S)
                self._news.set()


def _show_versions(versions: Versions) -> list[dict[str, object]]:
    return [{"column": show(column), "version": version} for column, version in versions.items()]


def _ago(at: float | None) -> float | None:
    return None if at is None else round(trio.current_time() - at, 3)


def _at_ms(at: float | None) -> int | None:
    return None if at is None else wall_ms() - int((trio.current_time() - at) * 1000)


def _since_ms(at_ms: int | None) -> float | None:
    return None if at_ms is None else max(0.0, round((wall_ms() - at_ms) / 1000, 3))
