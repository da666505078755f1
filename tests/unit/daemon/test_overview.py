"""The overview: told anew where something is different, and asked only while somebody watches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import trio
from test_views import EPOCH, N2, N3, Seen, seeing

from gcounterd.api.feeds import Tidings
from gcounterd.counters.counters import Counters
from gcounterd.daemon.overview import EVENTS_TOLD, Overview
from gcounterd.ids import NodeId, column_id, show
from gcounterd.members.claims import Liveness
from gcounterd.node.effects import Notice
from gcounterd.node.peers import Link
from tests.unit.node.nodes import hello


def overview_of(seen: Seen) -> Overview:
    pages = {"n2": "http://127.0.0.1:7782"}
    return Overview(seen.driver, seen.views, seen.views._removals, pages)


def told(tidings: list[Tidings], kind: str) -> dict[str, Any]:
    (found,) = [each for each in tidings if each.kind == kind]
    shape: dict[str, Any] = json.loads(found.whole)
    return shape


async def test_it_tells_who_belongs_and_who_is_not_heard(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with seeing(tmp_path / "d") as seen:
        seen.tell(N3, Liveness.SUSPECT, by=N2)
        tidings = list(await overview_of(seen).tidings())
        cluster, pulse = told(tidings, "cluster"), told(tidings, "pulse")
        assert next(node["name"] for node in cluster["nodes"]) == "n3"
        assert {node["name"]: node["page"] for node in cluster["nodes"]}["n2"] is not None
        assert cluster["liveness"]["suspect"] == 1
        assert pulse["level"] == "unknown"
        assert "n3 was not heard since this node started" in pulse["words"]
        assert pulse["behind"] == {}
        assert show(N2) not in pulse["sums"]
        assert pulse["total"] == "0"


async def test_only_what_is_different_is_news(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with seeing(tmp_path / "d") as seen:
        overview = overview_of(seen)
        await overview.tidings()
        again = list(await overview.tidings())
        assert [each.kind for each in again if each.news] == []
        seen.tell(N3, Liveness.SUSPECT, by=N2)
        changed = list(await overview.tidings())
        assert [each.kind for each in changed if each.news] == ["cluster", "pulse"]


async def test_events_are_told_once_and_whoever_comes_later_is_told_the_last(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with seeing(tmp_path / "d") as seen:
        overview = overview_of(seen)
        before = seen.driver.history.last
        for number in range(EVENTS_TOLD + 3):
            seen.driver.history.keep(Notice("joined", {"member": f"m{number}"}))
        first = list(await overview.tidings())
        assert len(told(first, "events")["events"]) == EVENTS_TOLD
        seen.driver.history.keep(Notice("left", {"member": "m0"}))
        (news,) = [each for each in await overview.tidings() if each.kind == "events"]
        assert [event["event"] for event in json.loads(news.news)["events"]] == ["left"]
        assert len(json.loads(news.whole)["events"]) == EVENTS_TOLD
        assert json.loads(news.whole)["events"][-1]["number"] == before + EVENTS_TOLD + 4


async def test_two_who_look_within_a_second_see_the_same_look(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with seeing(tmp_path / "d") as seen:
        overview = overview_of(seen)
        first = await overview.read()
        assert first["pulse"] is (await overview.read())["pulse"]
        await trio.sleep(1.5)
        assert first["pulse"] is not (await overview.read())["pulse"]


async def test_sums_are_by_node_and_those_who_belong_no_more_are_named_apart(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with seeing(tmp_path / "d") as seen:
        overview, counters = overview_of(seen), seen.node.counters
        other = Counters(column_id(N2, EPOCH), 100)
        gone = Counters(column_id(NodeId(b"\x09" * 16), EPOCH), 100)
        for writer, amount in ((other, 5), (gone, 2**31)):
            writer.add_all({b"x": amount, b"y": 1})
            for batch in writer.cut():
                counters.apply(batch)
        pulse = told(list(await overview.tidings()), "pulse")
        assert pulse["sums"] == {show(N2): "6"}
        assert [each["sum"] for each in pulse["former"]] == [str(2**31 + 1)]
        assert (pulse["total"], pulse["counters"]) == (str(2**31 + 7), 2)


async def test_it_says_that_this_node_is_behind_where_it_fetches_for_long(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with seeing(tmp_path / "d") as seen:
        overview, exchange = overview_of(seen), seen.node.exchange
        link = Link(1, hello("b"), None, 0.0)
        seen.node.peers.put(link)
        exchange.ahead(link, column_id(N2, EPOCH), 7)
        exchange.ask(trio.current_time())
        words = [told(list(await overview.tidings()), "pulse")["words"] for _ in range(3)]
        assert ["still fetching" in each for each in words] == [False, False, True]
