"""Pages count through real balancers, and texts are split beside real nodes, while nodes die."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio

from tests.cluster.client import Answer, Client
from tests.cluster.processes import Cluster, Plan, open_cluster
from tests.cluster.programs import find_program
from tests.processes.balancers import balancing

pytestmark = pytest.mark.slow

# Ends a run that hangs; nothing here takes a tenth of it.
PATIENCE_S = 60
POLL_S = 0.05
NAMES = ("n1", "n2", "n3")
PAGE = {"Host": "counts.example", "Origin": "https://blog.example"}
HITS = 30


async def ask(port: int, method: str, target: str, body: bytes = b"") -> Answer:
    """Ask on a connection of its own, as a page of another origin."""
    client = Client("127.0.0.1", port)
    try:
        return await client.request(method, target, body, headers=PAGE)
    finally:
        client.drop()


async def counted(port: int, hits: int) -> int:
    """Count visits one after another; return how many were."""
    found = 0
    for number in range(hits):
        method = "POST" if number % 3 == 0 else "GET"
        answer = await ask(port, method, "/hit/blog?url=https%3A%2F%2Fwww.blog.example%2Fa%2F")
        assert answer.status in (200, 502, 503), answer
        if answer.status == 200:
            assert answer.headers["access-control-allow-origin"] == "*"
            found += 1
    return found


async def until_all_show(cluster: Cluster, key: str, value: int) -> dict[str, int]:
    """Wait until every node shows that value; return the counts by node."""
    target = f"/v1/counters/{key}?by_node=true"
    with trio.fail_after(PATIENCE_S):
        for name in NAMES:
            while (shown := (await cluster.ask(name, "GET", target)).json())["value"] != value:
                assert shown["value"] < value
                await trio.sleep(POLL_S)
    return dict(shown["by_node"])


@pytest.mark.parametrize("balancer", ["haproxy", "nginx"])
async def test_pages_count_behind_a_balancer_and_no_visit_is_lost_with_a_node(
    tmp_path: Path, balancer: str
) -> None:
    if find_program(balancer) is None:
        pytest.skip(f"{balancer} is not installed")
    async with open_cluster(Plan(tmp_path / "cluster", 3, 0, 0)) as cluster:
        await cluster.start_all()
        await cluster.ready()
        ports = [cluster.find(name).http_port for name in NAMES]
        async with balancing(balancer, tmp_path, ports) as port:
            with trio.fail_after(PATIENCE_S):
                first = await counted(port, HITS)
                assert first == HITS
                by_node = await until_all_show(cluster, "blog%2Fblog.example%2Fa", HITS)
                assert sorted(by_node) == ["n1", "n2", "n3"]
                least = await ask(port, "GET", f"/v1/counters/blog%2Fblog.example%2Fa?min={HITS}")
                assert least.json()["value"] == HITS
                badge = await ask(port, "GET", "/badge/blog/blog.example%2Fa.svg")
                assert f"views: {HITS}" in badge.body.decode()
                assert (await ask(port, "GET", "/v1/cluster")).status == 421

                await cluster.kill("n2")
                after = await counted(port, HITS)
                assert after >= HITS - 5  # what met the dead node was told so
                text = await ask(port, "POST", "/v1/text", b"one two two " * 10_000)
                if text.status != 200:
                    text = await ask(port, "POST", "/v1/text", b"one two two " * 10_000)
                assert text.json() == {"words": 2, "total": 30_000, "too_long": 0}
                await cluster.start("n2")
                await cluster.ready()
                await until_all_show(cluster, "blog%2Fblog.example%2Fa", HITS + after)
                await until_all_show(cluster, "words%2Ftwo", 20_000)


def children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    tasks = path.parent.parent.iterdir()
    found = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    return [child for child in found if b"splitter" in Path(f"/proc/{child}/cmdline").read_bytes()]


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("killed", [False, True])
async def test_what_splits_texts_ends_with_its_node(tmp_path: Path, killed: bool) -> None:
    async with open_cluster(Plan(tmp_path, 1, 0, 0)) as cluster:
        await cluster.start_all()
        await cluster.ready()
        node = cluster.find("n1")
        assert node.process is not None
        assert (await cluster.ask("n1", "POST", "/v1/text", b"a b a")).json()["words"] == 2
        (splitter,) = children(node.process.pid)
        assert os.getpgid(splitter) == splitter
        if killed:
            await cluster.kill("n1")
        else:
            await cluster.stop("n1")
        with trio.fail_after(PATIENCE_S):
            while runs(splitter):
                await trio.sleep(POLL_S)
        await cluster.start("n1")
        await cluster.ready()
        assert (await cluster.ask("n1", "GET", "/keywords?keywords=A")).json() == [
            {"key": "A", "count": 2}
        ]
