"""The dashboard: `/`, what an operator sees first, as a page that needs no script.

Theory. The page is written here, whole, from what `/v1/cluster` and `/v1/top` say; its script only
fetches it anew and puts the parts that changed in their places, so nothing is worked out twice. All
that a client or a peer could have named is escaped, and the page runs under a policy by which
nothing but our own files is loaded, and nothing that slipped through could run.

This module refuses to know how members are judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from gcounterd.api.backend import Backend
from gcounterd.api.requests import read_count
from gcounterd.api.responses import Response
from gcounterd.api.routing import Call, Parameter, Route
from gcounterd.api.schemas import STRING
from gcounterd.api.static import HTML, files

TOP_DEFAULT = 10
TOP_MAX = 100
# Members in the table: a crowd is for `gcounterctl members`; those in trouble come first.
NODES_MAX = 256
_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    b"img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = ((b"Content-Security-Policy", _POLICY), (b"Referrer-Policy", b"no-referrer"))
# Those who do not answer first, then by name.
_ORDER = {"dead": 0, "suspect": 1, "left": 2, "alive": 3}

Node = Mapping[str, Any]


async def show(call: Call, backend: Backend) -> Response:
    """`GET /`: the state of the cluster as this node sees it."""
    most = read_count(call.query, "top", TOP_DEFAULT, TOP_MAX, lowest=0)
    told: Mapping[str, Any] = backend.cluster()
    top = await backend.top(most, b"") if most else ()
    readiness = backend.readiness()
    why = "; ".join(readiness.reasons)
    ready = "This node is ready." if readiness.ready else f"This node is not ready: {why}."
    nodes = [node for node in told["nodes"] if node["roster"] != "removed"]
    nodes.sort(key=lambda node: (_ORDER.get(node["liveness"], 0), node["name"]))
    parts = {
        "cluster": escape(told["cluster"]),
        "self": escape(told["self"]),
        "agreement": escape(describe(nodes, told["self"])),
        "ready": escape(ready),
        "nodes": "".join(_row(node, told["self"]) for node in nodes[:NODES_MAX]),
        "top": "".join(_count(key, value) for key, value in top),
        "removals": "".join(_removal(each) for each in told["removals"]),
    }
    text = files()["dashboard.html"].body.decode()
    for name, part in parts.items():
        text = text.replace(f"<!-- {name} -->", part)
    return Response(200, text.encode(), f"{HTML}; charset=utf-8".encode(), _HEADERS)


def describe(nodes: Sequence[Node], name: str) -> str:
    """Say in words whose counts may be missing from what the node `name` shows."""
    silent = [node for node in nodes if node["liveness"] != "alive" and node["name"] != name]
    if not silent:
        return "1 node, no others." if len(nodes) == 1 else f"All {len(nodes)} nodes answer."
    shown = ", ".join(f"{node['name']} is {node['liveness']}{_since(node)}" for node in silent[:8])
    more = f", and {len(silent) - 8} more" if len(silent) > 8 else ""
    return (
        f"{len(silent)} of {len(nodes)} nodes do not answer: {shown}{more}. "
        "What they count meanwhile is not in these numbers yet."
    )


def _since(node: Node) -> str:
    return "" if node.get("since_s") is None else f" for {node['since_s']:.0f} s"


def _row(node: Node, name: str) -> str:
    own = " (this one)" if node["name"] == name else ""
    cells = (
        f'<th scope="row">{escape(node["name"])}{own}</th>',
        f"<td>{escape(node['roster'])}</td>",
        f'<td class="{escape(node["liveness"])}">{escape(node["liveness"])}</td>',
        f"<td>{escape(node['address'])}</td>",
        f'<td class="number">{node["columns"]:,}</td>',
    )
    return f"<tr>{''.join(cells)}</tr>"


def _count(key: bytes, value: int) -> str:
    return f'<tr><th scope="row">{escape(key.decode())}</th><td class="number">{value:,}</td></tr>'


def _removal(removal: Mapping[str, Any]) -> str:
    waits = ", ".join(str(each) for each in removal.get("waiting_for") or ())
    text = f"{removal['node']}: {removal['phase']}" + (f", waits for {waits}" if waits else "")
    return f"<li>{escape(text)}</li>"


DASHBOARD: tuple[Route, ...] = (
    Route(
        "GET",
        "/",
        "The dashboard: the cluster as this node sees it, for people",
        handler=show,
        parameters=(
            Parameter(
                "top",
                "how many of the largest counters",
                {"type": "integer", "minimum": 0, "maximum": TOP_MAX, "default": TOP_DEFAULT},
            ),
        ),
        answers={200: ("the page", HTML, STRING)},
        tag="pages",
    ),
)
