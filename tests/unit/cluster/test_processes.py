"""The process manager, with real processes that are not the daemon (see small_daemon.py)."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest
import trio

from tests.cluster import processes
from tests.cluster.client import Client, Lost, NotSent, why_not_ready
from tests.cluster.processes import ClusterError, Plan, open_cluster

PROGRAM = (sys.executable, str(Path(__file__).with_name("small_daemon.py")))


def plan(directory: Path, *options: str, nodes: int = 2) -> Plan:
    return Plan(directory, nodes, 0, 0, options=options, program=PROGRAM)


async def test_nodes_start_become_ready_and_stop_on_term(tmp_path: Path) -> None:
    async with open_cluster(plan(tmp_path, nodes=3)) as cluster:
        await cluster.start_all()
        await cluster.ready()
        assert [node.state for node in cluster.nodes.values()] == ["running"] * 3
        assert await cluster.stop() == {"n1": 0, "n2": 0, "n3": 0}
    for name in ("n1", "n2", "n3"):
        assert (tmp_path / name / "data" / "started").read_text() == f"{name}\n"


async def test_each_node_is_told_the_fronts_of_all_others(tmp_path: Path) -> None:
    async with open_cluster(plan(tmp_path)) as cluster:
        await cluster.start_all()
        await cluster.ready()
        other = cluster.nodes["n2"].front_port
        assert f"joining ['127.0.0.1:{other}']" in cluster.nodes["n1"].log_tail()


async def test_the_front_of_a_node_leads_to_its_peer_port(tmp_path: Path) -> None:
    async with open_cluster(plan(tmp_path)) as cluster:
        await cluster.start_all()
        await cluster.ready()
        stream = await trio.open_tcp_stream("127.0.0.1", cluster.nodes["n1"].front_port)
        async with stream:
            with trio.fail_after(10):
                await stream.send_all(b"GET echo")
                assert await stream.receive_some() == b"GET echo"


async def test_a_killed_node_is_gone_and_starts_again_on_its_data_and_ports(tmp_path: Path) -> None:
    async with open_cluster(plan(tmp_path)) as cluster:
        await cluster.start_all()
        await cluster.ready()
        await cluster.kill("2")
        node = cluster.nodes["n2"]
        assert node.state == "SIGKILL"
        with pytest.raises(NotSent):
            await Client("127.0.0.1", node.http_port).request("GET", "/readyz")
        with pytest.raises(ClusterError, match="n2 is not running"):
            cluster.pause("n2")
        await cluster.start("n2")
        await cluster.ready(["n2"])
        assert (node.directory / "data" / "started").read_text() == "n2\nn2\n"
        with pytest.raises(ClusterError, match="already running"):
            await cluster.start("n2")


async def test_a_paused_node_does_not_answer_until_it_is_resumed(tmp_path: Path) -> None:
    async with open_cluster(plan(tmp_path)) as cluster:
        await cluster.start_all()
        await cluster.ready()
        client = Client("127.0.0.1", cluster.nodes["n1"].http_port)
        cluster.pause("n1")
        assert cluster.nodes["n1"].state == "paused"
        with pytest.raises(Lost):
            await client.request("GET", "/readyz", wait_s=0.2)
        cluster.resume("n1")
        assert await why_not_ready(client) is None
        client.drop()


async def test_a_paused_node_stops_on_term_too(tmp_path: Path) -> None:
    async with open_cluster(plan(tmp_path)) as cluster:
        await cluster.start_all()
        await cluster.ready()
        cluster.pause("n1")
        assert await cluster.stop() == {"n1": 0, "n2": 0}


async def test_one_node_stops_alone_and_starts_again(tmp_path: Path) -> None:
    async with open_cluster(plan(tmp_path)) as cluster:
        await cluster.start_all()
        await cluster.ready()
        assert await cluster.stop("2") == {"n2": 0}
        assert [node.state for node in cluster.nodes.values()] == ["running", "left"]
        with pytest.raises(ClusterError, match="n2 is not running"):
            await cluster.stop("2")
        await cluster.start("2")
        await cluster.ready()


@pytest.mark.parametrize("status", [0, 5])
async def test_a_node_that_ends_well_by_itself_was_removed(tmp_path: Path, status: int) -> None:
    told: list[str] = []
    async with open_cluster(plan(tmp_path, "--exit", str(status)), told.append) as cluster:
        await cluster.start("n1")
        process = cluster.nodes["n1"].process
        assert process is not None
        await process.wait()
        assert cluster.nodes["n1"].state == "removed"
        with trio.fail_after(10):
            while not told:
                await trio.lowlevel.checkpoint()
    assert told == ["n1 was removed, and its process ended by itself"]


async def test_a_node_that_is_added_is_told_to_join_all_others(tmp_path: Path) -> None:
    async with open_cluster(plan(tmp_path)) as cluster:
        await cluster.start_all()
        node = await cluster.add()
        await cluster.start("n3")
        await cluster.ready()
        fronts = [cluster.nodes[name].front for name in ("n1", "n2")]
        assert f"n3 starts, joining {fronts}" in node.log_tail()
        cluster.cut("3", "1")
        assert cluster.cuts.pairs() == [("n1", "n3")]


async def test_a_node_that_exits_while_starting_is_reported_with_its_log(tmp_path: Path) -> None:
    async with open_cluster(plan(tmp_path, "--exit-at-once")) as cluster:
        await cluster.start_all()
        with pytest.raises(ClusterError, match=r"exited 3\)(.|\n)*cannot go on"):
            await cluster.ready()


async def test_a_node_that_never_gets_ready_is_reported_with_what_it_said(tmp_path: Path) -> None:
    async with open_cluster(plan(tmp_path, "--never-ready", nodes=1)) as cluster:
        await cluster.start_all()
        node = cluster.nodes["n1"]
        client = Client("127.0.0.1", node.http_port)
        with trio.fail_after(20):
            while "503" not in (await why_not_ready(client) or ""):
                await trio.sleep(processes.READY_POLL_S)
        client.drop()
        with pytest.raises(ClusterError, match=r"n1 is not ready: 503 .*catching up"):
            await cluster.ready(wait_s=0.5)


async def test_a_node_deaf_to_term_is_killed_and_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "STOP_WAIT_S", 0.2)
    told: list[str] = []
    async with open_cluster(plan(tmp_path, "--deaf-to-term", nodes=1), told.append) as cluster:
        await cluster.start_all()
        await cluster.ready()
    assert told == ["n1 did not stop in 0.2 s and was killed"]


async def test_leaving_the_block_by_an_error_stops_all_and_raises_it(tmp_path: Path) -> None:
    async def fail() -> None:
        async with open_cluster(plan(tmp_path)) as cluster:
            await cluster.start_all()
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        await fail()
    for name in ("n1", "n2"):
        with pytest.raises(ProcessLookupError):
            os.kill(int((tmp_path / name / "pid").read_text()), 0)


async def test_a_port_in_use_is_said_by_number(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ClusterError, match=f"port {port} cannot be had"):
            async with open_cluster(Plan(tmp_path, 1, port, 0, program=PROGRAM)):
                raise AssertionError("the cluster was opened on a port in use")


async def test_an_unknown_node_and_a_cut_from_itself_are_refused(tmp_path: Path) -> None:
    async with open_cluster(plan(tmp_path)) as cluster:
        with pytest.raises(ClusterError, match="no node '7'; there are n1, n2"):
            cluster.pause("7")
        with pytest.raises(ClusterError, match="n1 cannot be cut off from itself"):
            cluster.cut("1", "n1")
        cluster.cut("2", "1")
        assert cluster.cuts.pairs() == [("n1", "n2")]
        cluster.heal()
        assert cluster.cuts.pairs() == []
    with pytest.raises(ClusterError, match="1 to 30"):
        async with open_cluster(plan(tmp_path, nodes=30)) as cluster:
            await cluster.add()
    with pytest.raises(ClusterError, match="1 to 30"):
        async with open_cluster(plan(tmp_path, nodes=31)):
            raise AssertionError("thirty-one nodes were laid out")
