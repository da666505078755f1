"""Routing: from a request to the route that answers it.

Theory. A route is data: method, pattern, handler, and everything that its documentation needs.
Matching goes by raw path segments, so a `/` within a key (`%2F`) never splits it. What a route
does not declare is refused rather than ignored: a misspelt `consistancy=` that silently gave a
local value would be a wrong number.

This module refuses to know what the routes do; `routes` is the table.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Literal

import attrs

from gcounterd.api.backend import Backend
from gcounterd.api.requests import Query, Request, Target, decode_key
from gcounterd.api.responses import Response
from gcounterd.errors import ClientError
from gcounterd.node.levels import Level
from gcounterd.security.tokens import NOTHING, Grant

Schema = Mapping[str, object]
_READING = (b"GET", b"HEAD", b"OPTIONS")
# How a page of another origin may ask, where it may; for how long its browser remembers that.
_PAGE_HEADERS = b"Authorization, Content-Type, Gcounter-Node, Idempotency-Key, Idempotency-Retry"
_PREFLIGHT_S = 86_400
# Headers that ask for a promise; one that is not declared by a route must not be ignored.
_PROMISES = (b"idempotency-key", b"idempotency-retry")


@attrs.frozen
class Parameter:
    """One parameter, as the route checks it and the documentation shows it."""

    name: str
    summary: str
    schema: Schema
    where: Literal["path", "query", "header"] = "query"


@attrs.frozen
class Plan:
    """An increment (`amount` > 0) or local read (0) that may share a commit with others.

    level, seconds  who has to hold an increment before it is answered, and how long that may take
    """

    key: bytes
    amount: int
    as_text: bool
    level: Level = Level.LOCAL
    seconds: float = 0.0


@attrs.frozen
class Call:
    """A request that found its route. `keys` are the decoded path parameters.

    grant  by which it may be asked
    """

    request: Request
    route: Route
    keys: dict[str, bytes]
    query: Query
    grant: Grant = NOTHING


Handler = Callable[[Call, Backend], Awaitable[Response]]
Planner = Callable[[Call], Plan | None]


@attrs.frozen
class Route:
    """One method of one pattern.

    handler  answers it; or
    plan     reads it into a `Plan`, or None if only the handler can answer
    slash    a trailing slash is accepted, as the API it follows writes it
    uploads  the body may be large, and comes in pieces (`api.streams`)
    open     pages of any origin may ask it, and read the answer
    body     schema of the request's body, by content type
    answers  status → (summary, content type, schema)
    """

    method: str
    pattern: str
    summary: str
    handler: Handler | None = None
    plan: Planner | None = None
    parameters: tuple[Parameter, ...] = ()
    body: Mapping[str, Schema] | None = None
    body_required: bool = True
    answers: Mapping[int, tuple[str, str, Schema]] = attrs.field(factory=dict)
    slash: bool = False
    uploads: bool = False
    open: bool = False
    tag: str = "counters"

    @property
    def names(self) -> frozenset[str]:
        """Return the query parameters that this route knows."""
        return frozenset(p.name for p in self.parameters if p.where == "query")

    @property
    def headers(self) -> frozenset[bytes]:
        """Return the headers that this route knows, in lower case."""
        return frozenset(p.name.lower().encode() for p in self.parameters if p.where == "header")


# By method: the route, and the parameters and headers that it knows.
Methods = dict[bytes, tuple[Route, frozenset[str], frozenset[bytes]]]


@attrs.frozen
class _Gap:
    # A segment that is a parameter, and what has to stand behind its value.
    name: str
    ending: bytes


@attrs.define
class _Place:
    # The routes of one pattern.
    segments: tuple[bytes | _Gap, ...]
    methods: Methods = attrs.field(factory=dict)

    def match(self, pieces: Sequence[bytes]) -> dict[str, bytes] | None:
        raw = {}
        for segment, piece in zip(self.segments, pieces, strict=True):
            if isinstance(segment, _Gap):
                if not piece.endswith(segment.ending):
                    return None
                raw[segment.name] = piece.removesuffix(segment.ending)
            elif segment != piece:
                return None
        return raw


class Router:
    """Finds routes by method and raw path."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = tuple(routes)
        large = [(r.method.encode(), r.pattern.encode()) for r in routes if r.uploads]
        self.uploads = frozenset(large)
        self._places: dict[int, list[_Place]] = {}  # by number of segments
        for route in routes:
            self._enter(route, route.pattern)
            if route.slash:
                self._enter(route, route.pattern + "/")

    def _enter(self, route: Route, pattern: str) -> None:
        segments = tuple(_segment(piece) for piece in _pieces(pattern))
        places = self._places.setdefault(len(segments), [])
        place = next((place for place in places if place.segments == segments), None)
        if place is None:
            place = _Place(segments)
            places.append(place)
        method = route.method.encode()
        assert method not in place.methods, f"{route.method} {pattern} stands twice"
        place.methods[method] = (route, route.names, route.headers)

    def find(self, request: Request, target: Target) -> Call | Response:
        """Return the call, or the answer to OPTIONS, which is a browser's preflight as well.

        Raises `ClientError` 404 `no_such_route`, 405 `bad_method`, 400 `bad_key`, `bad_escape`,
        `unsupported`.
        """
        if target.path == b"*" and request.method == b"OPTIONS":
            return Response(204, headers=((b"Allow", b"DELETE, GET, HEAD, OPTIONS, POST, PUT"),))
        methods, raw = self._place(target.path)
        method = b"GET" if request.method == b"HEAD" else request.method
        if method == b"OPTIONS":
            return Response(204, headers=((b"Allow", _allowed(methods)), *_preflight(methods)))
        if method not in methods:
            raise ClientError(405, "bad_method", f"allowed here: {_allowed(methods).decode()}")
        route, names, headers = methods[method]
        _check_known(request, target, names, headers)
        keys = {name: decode_key(piece) for name, piece in raw.items()}
        return Call(request, route, keys, target.query)

    def allowed(self, target: Target) -> bytes:
        """Return the value of `Allow` for the path of a target that has a route."""
        return _allowed(self._place(target.path)[0])

    def opens(self, request: Request, target: Target) -> bool:
        """Say whether pages of any origin may ask this; a preflight where they may ask anything."""
        try:
            methods, _ = self._place(target.path)
        except ClientError:
            return False
        if request.method == b"OPTIONS":
            return any(route.open for route, _, _ in methods.values())
        found = methods.get(b"GET" if request.method == b"HEAD" else request.method)
        return found is not None and found[0].open

    def _place(self, path: bytes) -> tuple[Methods, dict[str, bytes]]:
        pieces = path.split(b"/")[1:]
        for place in self._places.get(len(pieces), ()):
            raw = place.match(pieces)
            if raw is not None:
                return place.methods, raw
        raise ClientError(404, "no_such_route", "there is nothing here; see /openapi.json")


def _pieces(pattern: str) -> list[str]:
    return pattern.split("/")[1:]


def _segment(piece: str) -> bytes | _Gap:
    if not piece.startswith("{"):
        return piece.encode()
    name, _, ending = piece[1:].partition("}")
    return _Gap(name, ending.encode())


def _preflight(methods: Methods) -> tuple[tuple[bytes, bytes], ...]:
    names = sorted(name for name, (route, _, _) in methods.items() if route.open)
    if not names:
        return ()
    return (
        (b"Access-Control-Allow-Methods", b", ".join(names)),
        (b"Access-Control-Allow-Headers", _PAGE_HEADERS),
        (b"Access-Control-Max-Age", b"%d" % _PREFLIGHT_S),
    )


def _allowed(methods: Methods) -> bytes:
    names = [*methods, b"OPTIONS"]
    if b"GET" in methods:
        names.append(b"HEAD")
    return b", ".join(sorted(names))


def _check_known(
    request: Request, target: Target, names: frozenset[str], headers: frozenset[bytes]
) -> None:
    for name in target.query:
        if name not in names:
            known = ", ".join(sorted(names)) or "none"
            raise ClientError(
                400, "unsupported", f"a parameter is not known here; known ones: {known}"
            )
    if request.method not in _READING:
        for header in _PROMISES:
            if header in request.headers and header not in headers:
                raise ClientError(400, "unsupported", f"{header.decode()} is not supported here")
