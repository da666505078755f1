"""Reports of removals: what is remembered of them over restarts, and what cannot be counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from test_views import EPOCH, N2, N3, Seen, seeing

from gcounterd.counters.settled import Line
from gcounterd.daemon.removals import LATE_EVERY_S, VALUE, Remembered, Removals, read_remembered
from gcounterd.errors import ClientError, StorageError
from gcounterd.ids import ColumnId, column_id, show
from gcounterd.members.removals import Wish
from gcounterd.members.roster import State
from gcounterd.node.conflicts import Conflict

COLUMN = column_id(N2, EPOCH)


def note(seen: Seen, state: State) -> None:
    """Let the roster say how far n2 has come, as if that were committed."""
    entry = seen.node.roster.get(N2)
    assert entry is not None
    changed = (attrs.evolve(entry, state=state, heir=N3),)
    seen.node.roster.merge(changed)
    seen.driver.perform(seen.node.removing.merged(changed, trio.current_time()))


def shown(removals: Removals) -> dict[str, Any]:
    (found,) = removals.all()
    return found


async def remember(seen: Seen, removals: Removals) -> bytes:
    """Run until what is to be remembered was written down; return it."""
    written = [b""]

    async def save(name: str, value: bytes) -> None:
        assert name == VALUE
        written.append(value)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(seen.store, "save_value", save)
        with trio.move_on_after(2 * LATE_EVERY_S):
            await removals.run()
    assert len(written) <= 2  # what has not changed is not written again
    return written[-1]


async def test_a_removal_is_shown_from_its_beginning_to_its_end(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with seeing(tmp_path / "d") as seen:
        removals = Removals(seen.driver, b"")
        assert removals.all() == []
        note(seen, State.REMOVING)
        await trio.sleep(3)
        begun = shown(removals)
        assert (begun["node"], begun["into"], begun["since_s"]) == ("n2", "n3", 3.0)
        assert begun["phase"] in ("draining", "saving")
        assert begun["waiting_for"][0]["since_s"] == 3.0
        assert removals.unfinished() == [begun]
        note(seen, State.REMOVED)
        assert shown(removals)["phase"] in ("closing", "done")


async def test_what_a_process_remembered_the_next_one_shows(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with seeing(tmp_path / "d") as seen:
        removals = Removals(seen.driver, b"")
        note(seen, State.REMOVING)
        note(seen, State.REMOVED)
        seen.node.removing.late[N2] += 7
        seen.node.settlement.late.refused[N2] += 2
        body = await remember(seen, removals)
    (kept,) = read_remembered(body).values()
    assert (kept.late, kept.refused) == (7, 2)

    async with seeing(tmp_path / "e") as later:
        entry = later.node.roster.get(N2)
        assert entry is not None
        later.node.roster.merge([attrs.evolve(entry, state=State.REMOVED)])
        removals = Removals(later.driver, body)
        later.node.removing.late[N2] += 1
        report = shown(removals)
        assert (report["phase"], report["late"], report["refused"]) == ("done", 8, 2)
        assert report["since_s"] is not None
        again = await remember(later, removals)
        assert read_remembered(again)[N2].late == 8


async def test_what_comes_late_of_a_removal_from_before_is_remembered_too(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with seeing(tmp_path / "d") as seen:
        entry = seen.node.roster.get(N2)
        assert entry is not None
        seen.node.roster.merge([attrs.evolve(entry, state=State.REMOVED)])
        removals = Removals(seen.driver, b"")
        assert await remember(seen, removals) == b""
        seen.node.removing.late[N2] += 5
        assert read_remembered(await remember(seen, removals))[N2].late == 5


async def test_a_full_disk_is_tried_again_and_another_error_ends_it(
    tmp_path: Path, autojump_clock: trio.abc.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with seeing(tmp_path / "d") as seen:
        removals = Removals(seen.driver, b"")
        errors = [StorageError("full", definite=True, full=True), StorageError("broken")]
        tried: list[float] = []

        async def fail(name: str, value: bytes) -> None:
            tried.append(trio.current_time())
            raise errors[len(tried) - 1]

        monkeypatch.setattr(seen.store, "save_value", fail)
        note(seen, State.REMOVING)
        note(seen, State.REMOVED)
        with pytest.raises(StorageError, match="broken"):
            await removals.run()
        assert len(tried) == 2
        assert tried[1] >= tried[0] + 5.0


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b'{"zz": {}}', b'{"02": 1}'])
def test_anything_else_is_as_good_as_nothing(body: bytes) -> None:
    assert read_remembered(body) == {}


def test_what_an_older_process_wrote_is_read() -> None:
    row = {"begun_ms": 1, "heard_ms": None, "live": True, "holders": ["n1"], "not_asked": []}
    body = json.dumps({show(N2): row}).encode()
    assert read_remembered(body) == {N2: Remembered(1, None, True, ("n1",), ())}


async def test_copies_are_shown_with_why_they_are_kept(tmp_path: Path) -> None:
    async with seeing(tmp_path / "d") as seen:
        note(seen, State.REMOVING)
        note(seen, State.REMOVED)
        removals = Removals(seen.driver, b"")
        settled = seen.node.counters.settled
        for line, words in ((Line(3), "until released"), (Line(3, 3), "until every member")):
            settled.put(COLUMN, line)
            assert shown(removals)["cold"] == 1
            assert words in shown(removals)["cold_why"]
            assert shown(removals)["columns"][0]["final"] is bool(line.final)
        settled.put(COLUMN, Line(3, 3, forgotten=True))
        assert (shown(removals)["cold"], shown(removals)["cold_why"]) == (0, "")


async def test_a_dry_run_begins_nothing_and_a_refusal_is_an_error(tmp_path: Path) -> None:
    async with seeing(tmp_path / "d") as seen:
        removals = Removals(seen.driver, b"")
        group = seen.node.cut()  # its own entry
        assert group is not None
        assert list(seen.node.applying(group)) == []
        seen.node.committed(group, trio.current_time())
        plan = await removals.remove(Wish(("n2",)), dry_run=True)
        assert plan["removals"] == []
        assert not any(each.entry.state > State.ACTIVE for each in seen.node.removing.reports())
        with pytest.raises(ClientError) as refused:
            await removals.remove(Wish(("n2",), dead=True), dry_run=False)
        assert refused.value.code == "removal_is_alive"


async def test_members_that_are_refused_for_their_sums_are_shown_and_warned_of(
    tmp_path: Path,
) -> None:
    async with seeing(tmp_path / "d") as seen:
        removals = Removals(seen.driver, b"")
        assert removals.conflicts() == removals.warnings() == []
        ours: dict[ColumnId, int] = {COLUMN: 4}
        found = Conflict(N2, N3, ours, {}, 1, 0, bytes(8), bytes(8))
        seen.node.settlement.conflicts._found[N3] = found
        assert removals.conflicts() == [
            {
                "node": "n2",
                "id": show(N2),
                "peer": "n3",
                "ours": [{"column": show(COLUMN), "version": 4}],
                "ours_all": 1,
                "theirs": [],
                "theirs_all": 0,
            }
        ]
        (warning,) = removals.warnings()
        assert "remove one of the two" in warning
        assert warning in seen.views.warnings()


async def test_versions_that_were_refused_are_warned_of(tmp_path: Path) -> None:
    async with seeing(tmp_path / "d") as seen:
        seen.node.settlement.late.refused[N2] += 3
        assert "3 versions of columns came too late" in seen.views.warnings()[0]
