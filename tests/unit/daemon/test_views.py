"""Views of the membership: how the members look to this node, and how far it trusts itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from test_commits import wishes

from gcounterd.api.routes import ROUTES
from gcounterd.daemon.boot import boot
from gcounterd.daemon.condition import Condition
from gcounterd.daemon.driver import Driver
from gcounterd.daemon.identity import Identity
from gcounterd.daemon.removals import Removals
from gcounterd.daemon.views import HEALTH_WARNED, Views
from gcounterd.ids import Epoch, NodeId
from gcounterd.members.claims import Claim, Evidence, Liveness
from gcounterd.members.roster import Entry, State
from gcounterd.node.effects import Notice
from gcounterd.storage.schema import Durability

N2, N3 = NodeId(b"\x02" * 16), NodeId(b"\x03" * 16)
EPOCH = Epoch(b"\x07" * 16)


class Seen:
    """A node that knows `n2` and `n3`, and its views; the clock is the test's."""

    def __init__(self, folder: Path) -> None:
        booted = boot(wishes(folder))
        self.store = booted.store
        self.node = booted.node("127.0.0.1:1", (), trio.current_time())
        identity = Identity(booted.identity, booted.store)
        self.driver = Driver(self.node, booted.store, Durability.COMMIT, 0, identity)
        for node, name in ((N2, "n2"), (N3, "n3")):
            entry = Entry(node, EPOCH, 0, name, "127.0.0.1:2", State.ACTIVE)
            self.node.roster.merge([entry])
            self.node.detector.know(node, EPOCH, trio.current_time(), joined=True)
        self.views = Views(self.driver, Condition(), Durability.COMMIT, Removals(self.driver, b""))

    def tell(self, node: NodeId, liveness: Liveness, by: NodeId | None = None) -> None:
        """Let a peer say this of a member."""
        claim = Claim(node, EPOCH, 0, liveness, by, Evidence.REFUSED)
        self.node.detector.heard([claim], by or node, trio.current_time())

    def member(self, name: str) -> dict[str, Any]:
        nodes: Any = self.views.cluster()["nodes"]
        found: dict[str, Any] = next(node for node in nodes if node["name"] == name)
        return found


@asynccontextmanager
async def seeing(folder: Path) -> AsyncIterator[Seen]:
    seen = Seen(folder)
    try:
        yield seen
    finally:
        seen.store.close()


async def test_a_member_is_shown_with_its_liveness_since_when_and_who_accuses_it(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with seeing(tmp_path / "d") as seen:
        await trio.sleep(3)
        seen.tell(N2, Liveness.SUSPECT, by=N3)
        await trio.sleep(2)
        shown = seen.member("n2")
        assert (shown["liveness"], shown["since_s"], shown["incarnation"]) == ("suspect", 2.0, 0)
        assert shown["accusations"] == [
            {"by": "n3", "ago_s": 2.0, "why": "refused", "path": "told"}
        ]
        seen.tell(N2, Liveness.DEAD, by=N3)
        assert seen.member("n2")["liveness"] == "dead"
        assert len(seen.member("n2")["accusations"]) == 1


async def test_nobody_accuses_a_member_that_is_alive_or_has_left(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with seeing(tmp_path / "d") as seen:
        seen.tell(N3, Liveness.LEFT)
        for name, liveness in (("n2", "alive"), ("n3", "left")):
            assert seen.member(name)["liveness"] == liveness
            assert seen.member(name)["accusations"] == []


async def test_a_node_sees_itself_alive_since_it_started(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with seeing(tmp_path / "d") as seen:
        seen.node.roster.merge(seen.node.cut().records[0].entries)
        await trio.sleep(7)
        shown = seen.member("n1")
        assert (shown["liveness"], shown["since_s"]) == ("alive", 7.0)


async def test_a_removed_member_is_shown_although_nobody_looks_after_it(tmp_path: Path) -> None:
    async with seeing(tmp_path / "d") as seen:
        seen.node.detector.forget(N3)
        shown = seen.member("n3")
        assert (shown["liveness"], shown["since_s"], shown["accusations"]) == ("dead", None, [])


async def test_all_that_is_shown_of_the_cluster_is_in_the_page_of_the_api(tmp_path: Path) -> None:
    (route,) = [
        route for route in ROUTES if (route.method, route.pattern) == ("GET", "/v1/cluster")
    ]
    _, _, schema = route.answers[200]
    async with seeing(tmp_path / "d") as seen:
        assert sorted(seen.views.cluster()) == sorted(schema["properties"])
        assert sorted(seen.member("n2")) == sorted(
            schema["properties"]["nodes"]["items"]["required"]
        )


async def test_a_node_without_company_says_so_and_is_ready_all_the_same(tmp_path: Path) -> None:
    async with seeing(tmp_path / "d") as seen:
        assert (seen.views.cluster()["alone"], seen.views.warnings()) == (False, [])
        seen.tell(N2, Liveness.LEFT)
        seen.tell(N3, Liveness.LEFT)
        assert (seen.views.cluster()["alone"], seen.views.status()["alone"]) == (True, True)
        assert seen.views.warnings() == ["alone: no other member answers this node"]


async def test_a_node_that_doubts_itself_much_says_so(tmp_path: Path) -> None:
    async with seeing(tmp_path / "d") as seen:
        for health in range(1, HEALTH_WARNED + 1):
            assert seen.views.warnings() == []
            # Others doubt us; refuting it is a sign that we are slow.
            me = seen.node.detector.me
            claim = Claim(me.node, me.epoch, me.incarnation, Liveness.SUSPECT, N2)
            seen.node.detector.heard([claim], N2, trio.current_time())
            assert seen.views.cluster()["health"] == seen.views.status()["health"] == health
        assert seen.views.warnings() == ["this node doubts itself: local health 3, where 0 is well"]


async def test_a_notice_is_counted_logged_and_if_of_the_membership_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with seeing(tmp_path / "d") as seen:
        fields: dict[str, str | int | float] = {"member": "n3", "id": "03"}
        names = ("dead", "back", "peer_error")
        seen.driver.perform([Notice(name, fields) for name in names])
        page = await seen.driver.history.read(0, "", 100, 0)
        events: Any = page["events"]
        assert [event["event"] for event in events] == ["dead", "back"]
        assert page["life"] == seen.node.config.epoch.hex()
        assert {name: seen.driver.events[name] for name in names} == dict.fromkeys(names, 1)
    logged = {record.message: record.levelname for record in caplog.records}
    assert {name: logged[name] for name in names} == {
        "dead": "WARNING",
        "back": "INFO",
        "peer_error": "INFO",
    }
