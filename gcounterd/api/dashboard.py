"""The dashboard: `/`, what an operator sees first, as a page that needs no script.

Theory. The page is written here, whole, from what its stream would tell first; its script then
keeps it up to date from that one stream (`/v1/cluster/stream`), and adds what can be done. All that
a client or a peer could have named is escaped, and the page runs under a policy by which nothing
but our own files is loaded, nothing that slipped through could run, and nothing is asked but this
node and those whose pages the operator has named.

This module refuses to know how members are judged and compared.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from gcounterd.api.backend import Backend
from gcounterd.api.convergence import lasting
from gcounterd.api.requests import read_count
from gcounterd.api.responses import Response
from gcounterd.api.routing import Call, Parameter, Route
from gcounterd.api.schemas import STRING
from gcounterd.api.static import HTML, files
from gcounterd.api.streaming import TOP_DEFAULT
from gcounterd.security.tokens import Scope

TOP_MAX = 100
# Nodes that are columns of the table of counters; the others are one column.
COLUMNS_MAX = 8
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src {sources}; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PLACE = re.compile(r"<!-- ([a-z]+) -->")

Shape = Mapping[str, Any]


async def show(call: Call, backend: Backend) -> Response:
    """`GET /`: the state of the cluster as this node sees it."""
    most = read_count(call.query, "top", TOP_DEFAULT, TOP_MAX, lowest=0)
    if not (Scope.READ in call.grant.scopes and call.grant.whole):
        return lock()
    seen = await backend.overview()
    top = await backend.top(most, b"") if most else ()
    counts = [(key, value, await backend.by_node(key)) for key, value in top]
    return render(seen, counts)


def render(seen: Mapping[str, Shape], counts: Sequence[tuple[bytes, int, Shape]]) -> Response:
    """Write the page: what is seen by kind, and the largest counters with their counts by node."""
    cluster, pulse = seen["cluster"], seen["pulse"]
    columns = _columns(cluster["nodes"], counts)
    parts = {
        "cluster": escape(cluster["cluster"]),
        "self": escape(cluster["self"]),
        "total": f"{int(pulse['total']):,}",
        "counters": f"{pulse['counters']:,}",
        "liveness": escape(describe_liveness(cluster["liveness"])),
        "level": escape(pulse["level"]),
        "words": escape(pulse["words"]),
        "ready": escape(_describe_ready(cluster)),
        "nodes": "".join(_row(node, pulse, cluster["id"]) for node in cluster["nodes"]),
        "columns": "".join(f'<th scope="col" class="n">{escape(name)}</th>' for name in columns),
        "top": "".join(_count(*each, columns) for each in counts),
        "none": "" if int(pulse["total"]) else "Nothing is counted yet.",
        "removals": "".join(_removal(each) for each in cluster["removals"]),
    }
    pages = dict.fromkeys(str(node["page"]) for node in cluster["nodes"] if node["page"])
    return _answer(parts, pages)


def lock() -> Response:
    """Return the page without anything that is seen: its script asks for a token."""
    return _answer({"cluster": "A cluster", "self": "this node"}, ())


def _answer(parts: Mapping[str, str], pages: Iterable[str]) -> Response:
    text = files()["dashboard.html"].body.decode()
    # In one go: what is put in is never looked at again.
    text = _PLACE.sub(lambda place: parts.get(place[1], ""), text)
    kind = f"{HTML}; charset=utf-8".encode()
    return Response(200, text.encode(), kind, _headers(pages))


def _headers(pages: Iterable[str]) -> tuple[tuple[bytes, bytes], ...]:
    policy = _POLICY.format(sources=" ".join(["'self'", *pages]))
    return (
        (b"Content-Security-Policy", policy.encode()),
        (b"Referrer-Policy", b"no-referrer"),
    )


def describe_liveness(numbers: Mapping[str, int]) -> str:
    """Say how many nodes there are of each kind: `3 alive, 1 dead`."""
    order = ("alive", "suspect", "dead", "left")
    return ", ".join(f"{numbers[kind]} {kind}" for kind in order if numbers.get(kind))


def _describe_ready(cluster: Shape) -> str:
    if cluster["ready"]:
        return "This node is ready."
    return f"This node is not ready: {'; '.join(cluster['reasons'])}."


def _row(node: Shape, pulse: Shape, own: str) -> str:
    is_own = node["id"] == own
    cells = (
        f'<th scope="row">{escape(node["name"])}{" (this node)" if is_own else ""}</th>',
        f"<td>{escape(node['roster'])}</td>",
        f"<td>{_live(node)}</td>",
        f"<td>{_lag(node, pulse, is_own=is_own)}</td>",
        f'<td class="n">{int(pulse["sums"].get(node["id"], 0)):,}</td>',
        '<td class="n"></td>',
        f"<td>{escape(node['address'])}</td>",
        f'<td title="{escape(node["epoch"])}">{escape(node["epoch"][:12])}</td>',
        "<td></td>",
    )
    return f"<tr>{''.join(cells)}</tr>"


def _live(node: Shape) -> str:
    """Say whether a node answers, and for how long that has been so as far as this one knows."""
    liveness, at = escape(node["liveness"]), node.get("since_at")
    since = "" if at is None else f"for {lasting(max(0.0, time.time() - at / 1000))}"
    return f'<span class="live {liveness}">{liveness}</span> <span class="faint">{since}</span>'


def _lag(node: Shape, pulse: Shape, *, is_own: bool) -> str:
    """Say how far a member is behind what this node holds."""
    behind = pulse["behind"].get(node["id"])
    if is_own:
        return "-"
    if behind is None:
        return "unknown"
    return lasting(behind) if behind else "none"


def _columns(nodes: Sequence[Shape], counts: Sequence[tuple[bytes, int, Shape]]) -> list[str]:
    """Return the nodes that are columns: members first, in order, as far as they counted."""
    names = sorted(node["name"] for node in nodes)
    others = sorted({name for _, _, by_node in counts for name in by_node} - set(names))
    found = [name for name in (*names, *others) if any(name in each[2] for each in counts)]
    return found if len(found) <= COLUMNS_MAX else [*found[: COLUMNS_MAX - 1], "others"]


def _count(key: bytes, value: int, by_node: Shape, columns: Sequence[str]) -> str:
    named = [by_node.get(name, 0) for name in columns]
    if columns[-1:] == ["others"]:
        named[-1] = value - sum(named[:-1])
    cells = "".join(f'<td class="n">{count:,}</td>' for count in (value, *named))
    return f'<tr><th scope="row">{escape(key.decode())}</th>{cells}</tr>'


def _removal(removal: Shape) -> str:
    waits = ", ".join(str(each.get("node")) for each in removal.get("waiting_for") or ())
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
