"""A real node that is drained: it stays a member and is read, and refuses to count."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest
import trio

from tests.cluster.processes import Cluster, Plan, open_cluster

pytestmark = pytest.mark.slow

TOOL = (sys.executable, "-c", "from gcounterd.cli.gcounterctl import main; main()")
# Ends a run that hangs; nothing here takes a tenth of it.
PATIENCE_S = 60
POLL_S = 0.05


async def tool(cluster: Cluster, name: str, *words: str) -> tuple[int, str]:
    command = [*TOOL, "--address", cluster.find(name).url, *words]
    done = await trio.run_process(command, capture_stdout=True, check=False)
    return done.returncode, done.stdout.decode()


async def test_a_drained_node_refuses_to_count_until_it_is_undrained_or_restarted(
    tmp_path: Path,
) -> None:
    async with open_cluster(Plan(tmp_path, 3, 0, 0)) as cluster:
        await cluster.start_all()
        await cluster.ready()
        assert await tool(cluster, "n1", "incr", "visits", "5") == (0, "5\n")
        for _ in range(2):
            assert await tool(cluster, "n1", "drain") == (0, "draining\n")
        refused = await cluster.ask("n1", "POST", "/v1/counters/visits")
        assert (refused.status, refused.definite()) == (503, True)
        assert sorted(other["node"] for other in refused.json()["others"]) == ["n2", "n3"]
        status, told = await tool(cluster, "n1", "health")
        assert (status, told.splitlines()[0]) == (1, "not ready")
        assert await tool(cluster, "n1", "get", "visits", "--consistent") == (0, "5\n")

        # It takes in what others count.
        assert (await tool(cluster, "n2", "incr", "visits", "7"))[0] == 0
        with trio.fail_after(PATIENCE_S):
            while await tool(cluster, "n1", "get", "visits") != (0, "12\n"):
                await trio.sleep(POLL_S)
        members = json.loads((await tool(cluster, "n2", "members", "--json"))[1])["nodes"]
        assert {(node["roster"], node["liveness"]) for node in members} == {("active", "alive")}

        assert await tool(cluster, "n1", "undrain") == (0, "takes increments\n")
        assert await tool(cluster, "n1", "incr", "visits") == (0, "13\n")
        await drain_by_signal(cluster, "n1")
        assert (await cluster.ask("n1", "POST", "/v1/counters/visits")).status == 503
        assert await cluster.stop("n1") == {"n1": 0}
        await cluster.start("n1")
        await cluster.ready(["n1"])
        assert await tool(cluster, "n1", "incr", "visits") == (0, "14\n")


async def drain_by_signal(cluster: Cluster, name: str) -> None:
    process = cluster.find(name).process
    assert process is not None
    os.kill(process.pid, signal.SIGUSR2)
    with trio.fail_after(PATIENCE_S):
        while (await cluster.ask(name, "GET", "/readyz")).status != 503:
            await trio.sleep(POLL_S)


async def test_a_node_with_a_delay_is_not_ready_and_goes_on_counting(tmp_path: Path) -> None:
    plan = Plan(tmp_path, 1, 0, 0, options=("--drain-delay", "3600"))
    async with open_cluster(plan) as cluster:
        await cluster.start_all()
        await cluster.ready()
        await drain_by_signal(cluster, "n1")
        assert await tool(cluster, "n1", "incr", "visits") == (0, "1\n")
        process = cluster.find("n1").process
        assert process is not None
        process.send_signal(signal.SIGTERM)
        with trio.fail_after(PATIENCE_S):
            while "stopping" not in str((await cluster.ask("n1", "GET", "/readyz")).json()):
                await trio.sleep(POLL_S)
        assert await tool(cluster, "n1", "incr", "visits") == (0, "2\n")
        # Told a second time it goes at once.
        assert await cluster.stop("n1") == {"n1": 0}
        cluster.find("n1").options = ("--drain-delay", "0")
        await cluster.start("n1")
        await cluster.ready(["n1"])
        assert await tool(cluster, "n1", "get", "visits") == (0, "2\n")
