"""Real balancers before a cluster: nginx and HAProxy, as the how-to page shows them.

The configuration is read from the page and differs from it in its ports only. This module refuses
to know what is sent through.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from tests.cluster.programs import free_port, open_program

PAGE = Path(__file__).resolve().parents[2] / "docs/how-to/behind-a-balancer.md"
LISTENS, FIRST_NODE = 8080, 7781
# What surrounds the part of nginx's configuration that a site has; all files go to one folder.
_NGINX = """
master_process off; daemon off; pid nginx.pid; error_log error.log; events {{}}
http {{
access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
uwsgi_temp_path uwsgi; scgi_temp_path scgi;
{site}
}}
"""


def configuration(language: str, ports: Mapping[int, int]) -> str:
    """Return the block of the page in that language, with other ports."""
    (block,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    for shown, real in ports.items():
        block = block.replace(f":{shown}", f":{real}")
    return str(block)


def _command(name: str, folder: Path, ports: Mapping[int, int]) -> list[str]:
    text = configuration(name, ports)
    written = folder / f"{name}.conf"
    if name == "nginx":
        written.write_text(_NGINX.format(site=text))
        return [name, "-p", str(folder), "-e", "error.log", "-c", str(written)]
    written.write_text(text)
    return [name, "-db", "-f", str(written)]


@asynccontextmanager
async def balancing(name: str, folder: Path, nodes: list[int]) -> AsyncIterator[int]:
    """Run a balancer before the nodes at these ports; yield its own."""
    port = free_port()
    ports = {LISTENS: port, **{FIRST_NODE + at: node for at, node in enumerate(nodes)}}
    command = _command(name, folder, ports)
    async with open_program(command, port, folder / f"{name}.log"):
        yield port
