"""Rows `acks`: what it costs to wait until a majority of the members holds an increment.

Theory. The same load, `POST /v1/counters/x` from 64 connections, one request at a time on each, is
offered to one node of a cluster with each `?ack=` in turn, so that what else the machine does falls
on all alike; the medians are compared. Links are direct, since a proxy between them would be
measured as well. All nodes and the client share the machine: each member's commit costs CPU that
the asked node then lacks, which in a real cluster it would not.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import trio

from tests.bench.contest import Contest
from tests.bench.hits import CONNECTIONS, run_wrk
from tests.bench.nodes import link_directly
from tests.bench.rows import Row
from tests.cluster.client import Client
from tests.cluster.processes import Plan, open_cluster

NODES = 3
ACKS = ("local", "majority", "all")
SHARE_AT_LEAST = 0.6
TARGET = "/v1/counters/x"


def measure(*, quick: bool) -> list[Row]:
    """Return the rates, and what is left of that of `ack=local`."""
    contest = Contest()
    rounds, seconds = (3, 2.0) if quick else (7, 4.0)
    with tempfile.TemporaryDirectory() as place:
        trio.run(_run, Path(place), rounds, seconds, contest)
    rows = []
    medians = {ack: contest.median(ack) or 0.0 for ack in ACKS}
    what = f"POST {TARGET} at one of {NODES} nodes, {CONNECTIONS} connections"
    for ack, rate in medians.items():
        rows.append(Row("acks", f"{what}, ack={ack}", rate, "a second", remark=contest.spread(ack)))
    for ack in ACKS[1:]:
        share, least = (
            medians[ack] / medians["local"],
            SHARE_AT_LEAST if ack == "majority" else None,
        )
        rows.append(Row("acks", f"ack={ack}, as a share of ack=local", share, at_least=least))
    return rows


async def _run(place: Path, rounds: int, seconds: float, contest: Contest) -> None:
    script = place / "post.lua"
    script.write_text('wrk.method = "POST"\n')
    plan = Plan(place / "nodes", nodes=NODES, http_base=0, peer_base=0)
    async with open_cluster(plan, print) as cluster:
        link_directly(cluster)
        await cluster.start_all()
        await cluster.ready()
        port = cluster.find("n1").http_port
        for _ in range(rounds):
            for ack in ACKS:
                target = f"{TARGET}?ack={ack}"
                rate = await trio.to_thread.run_sync(run_wrk, port, script, seconds, target)
                contest.note(ack, rate)
        answer = await Client("127.0.0.1", port).request("GET", TARGET)
        assert answer.json()["value"] > 0, answer
