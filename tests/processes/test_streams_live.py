"""A page that watches real nodes: it goes on when its node is killed, and never shows less."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import attrs
import pytest
import trio

from tests.cluster.client import counter_target
from tests.cluster.processes import Cluster, Plan, open_cluster

NODE = shutil.which("node")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NODE is None, reason="node is not installed"),
]

SCRIPT = Path(__file__).parents[1] / "page/watch.mjs"
KEY = "site/home"
# Ends a run that hangs; nothing here takes a tenth of it.
PATIENCE_S = 60


@attrs.define(eq=False)
class Page:
    """A page as a process; `values` are all it has shown, `server` is whom it hears."""

    process: trio.Process
    values: list[int] = attrs.Factory(list)
    server: str = ""
    rest: bytes = b""

    async def shows(self, value: int, server: str) -> None:
        """Wait until it shows a value, and hears this server."""
        with trio.fail_after(PATIENCE_S):
            while not (self.server == server and self.values[-1:] == [value]):
                await self._read()

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while b"\n" not in self.rest:
            piece = await self.process.stdout.receive_some()
            assert piece, "the page ended"
            self.rest += piece
        line, _, self.rest = self.rest.partition(b"\n")
        told = json.loads(line)
        if "value" in told:
            self.values.append(int(told["value"]))
        else:
            self.server = told["server"] if told["live"] else ""


@asynccontextmanager
async def opened(store: Path, *servers: str) -> AsyncIterator[Page]:
    """Open a page for a moment; it is closed by a kill, as pages are."""
    command = [str(NODE), str(SCRIPT), str(store), *servers, "--", KEY]
    run = partial(trio.run_process, command, stdout=subprocess.PIPE, check=False)
    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(run)
        try:
            yield Page(process)
        finally:
            process.kill()


async def count(cluster: Cluster, name: str, times: int) -> int:
    value = 0
    for _ in range(times):
        answer = await cluster.ask(name, "POST", counter_target(KEY))
        value = answer.json()["value"]
    return value


async def test_a_page_outlives_its_node_and_a_reload_at_a_stale_one(tmp_path: Path) -> None:
    async with open_cluster(Plan(tmp_path / "c", 2, 0, 0)) as cluster:
        await cluster.start_all()
        await cluster.ready()
        one, two = cluster.find("n1").url, cluster.find("n2").url
        store = tmp_path / "store.json"
        async with opened(store, one, two) as page:
            await count(cluster, "n2", 3)
            await page.shows(3, one)
            cluster.cut("n1", "n2")
            await count(cluster, "n1", 4)  # which only n1 knows
            await page.shows(7, one)
            await cluster.kill("n1")
            await page.shows(7, two)
            await count(cluster, "n2", 2)
            await page.shows(9, two)
            assert page.values == sorted(page.values)
        assert (await cluster.ask("n2", "GET", counter_target(KEY))).json()["value"] == 5
        async with opened(store, two) as page:
            await page.shows(9, two)
            assert page.values[0] == 9
            cluster.heal()
            await cluster.start("n1")
            await cluster.ready(["n1"])
            await count(cluster, "n1", 1)
            await page.shows(10, two)
            assert page.values == sorted(page.values)


async def test_a_drained_node_sends_its_pages_away(tmp_path: Path) -> None:
    async with open_cluster(Plan(tmp_path / "c", 2, 0, 0)) as cluster:
        await cluster.start_all()
        await cluster.ready()
        one, two = cluster.find("n1").url, cluster.find("n2").url
        async with opened(tmp_path / "store.json", one, two) as page:
            await count(cluster, "n1", 2)
            await page.shows(2, one)
            await cluster.ask("n1", "POST", "/v1/drain")
            await page.shows(2, two)
        refused = await cluster.ask("n1", "GET", f"/v1/stream?key={KEY}")
        assert (refused.status, refused.json()["error"]["code"]) == (503, "not_ready")
