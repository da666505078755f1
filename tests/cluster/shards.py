"""Shards behind real proxies, set up as `docs/how-to/shards.md` shows it.

Theory. The page's two configurations are what people will paste, so they are read from it and not
written again; only ports are replaced, by those of the clusters here. Each shard is a cluster of
its own; its nodes get the places of the page's.

This module refuses to know what is counted.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import attrs
import trio

from tests.cluster.processes import Cluster, Plan, open_cluster
from tests.cluster.programs import free_port, open_program

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "shards.md"
HAPROXY, NUTCRACKER = "haproxy", "nutcracker"
NODES = 2
# As the page has them: by shard, the ports of HTTP and RESP of its first node.
SHARDS = {"shard-a": (7791, 7391), "shard-b": (7793, 7393)}
# What HAProxy and nutcracker listen on, and where HAProxy passes requests on to itself.
HTTP, RESP, INNER, STATISTICS = 7797, 7397, (7795, 7796, 7395, 7396), 7390
_FILE = re.compile(r"^cat > \.cluster/(\S+) <<'END'\n(.*?)^END$", re.MULTILINE | re.DOTALL)
_PORT = re.compile(r"\b7[37]9\d\b")


@attrs.frozen
class Shards:
    """Running shards by name, where the proxies before them listen on 127.0.0.1, and these."""

    clusters: dict[str, Cluster]
    http_port: int
    resp_port: int
    haproxy: trio.Process
    nutcracker: trio.Process


def read_files(ports: Mapping[int, int], page: str | None = None) -> dict[str, str]:
    """Return the files that the page writes, by name, with these ports for its own."""
    text = PAGE.read_text(encoding="utf-8") if page is None else page
    return {
        name: _PORT.sub(lambda found: str(ports[int(found[0])]), body)
        for name, body in _FILE.findall(text)
    }


@asynccontextmanager
async def open_shards(place: Path, durability: str = "commit") -> AsyncIterator[Shards]:
    """Start the page's shards with all nodes ready, and both proxies; stop all at the end."""
    ports = {port: free_port() for port in (HTTP, RESP, STATISTICS, *INNER)}
    clusters = {}
    async with AsyncExitStack() as held:
        for shard, (http, resp) in SHARDS.items():
            plan = Plan(place / shard, nodes=NODES, http_base=0, peer_base=0, durability=durability)
            cluster = clusters[shard] = await held.enter_async_context(open_cluster(plan))
            for number, node in enumerate(cluster.nodes.values()):
                ports |= {http + number: node.http_port, resp + number: node.resp_port}
            await cluster.start_all()
        for cluster in clusters.values():
            await cluster.ready()
        for name, text in read_files(ports).items():
            (place / name).write_text(text)
        command = [HAPROXY, "-db", "-f", str(place / "haproxy.cfg")]
        opened = open_program(command, ports[HTTP], place / "haproxy.log")
        haproxy = await held.enter_async_context(opened)
        command = [NUTCRACKER, "-c", str(place / "nutcracker.yml"), "-o", "/dev/stdout"]
        command += ["-p", str(place / "nutcracker.pid")]
        command += ["-a", "127.0.0.1", "-s", str(ports[STATISTICS])]
        opened = open_program(command, ports[RESP], place / "nutcracker.log")
        nutcracker = await held.enter_async_context(opened)
        yield Shards(clusters, ports[HTTP], ports[RESP], haproxy, nutcracker)
