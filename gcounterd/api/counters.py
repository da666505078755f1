"""Handlers of counters: add, read, list, share.

Theory. An increment is answered after the commit that holds it, with the value read after that
commit, so an answer never shows less than it caused. Increments and plain local reads are only
*planned* here; the connection gathers those of a chunk around one commit. A node that is not
ready might show less than it did before, so it refuses reads unless the client says `stale=ok`.

This module refuses to know sockets, and where counters are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import trio

from gcounterd.api.backend import Backend, Counted, Held
from gcounterd.api.bodies import check_amount, read_counts, read_object
from gcounterd.api.limits import KEYS_MAX, LISTING_DEFAULT, LISTING_MAX, SLICE_ENTRIES, SLICE_KEYS
from gcounterd.api.promises import count_once, is_keyed
from gcounterd.api.reading import find_value, read_least
from gcounterd.api.requests import (
    Query,
    check_key,
    read_choice,
    read_count,
    read_level,
    read_text,
    read_timeout,
    wants_text,
)
from gcounterd.api.responses import Response, answer, dump, refuse
from gcounterd.api.routing import Call, Plan
from gcounterd.counters.batches import COUNT_MAX
from gcounterd.errors import ClientError
from gcounterd.node.levels import Level, Mark


def plan_increment(call: Call) -> Plan | None:
    """Read `POST /v1/counters/{key}`: body empty or `{"by": n}`; None if it carries a key."""
    plan = _read_increment(call)
    return None if is_keyed(call) else plan


def _read_increment(call: Call) -> Plan:
    level, seconds = read_level(call.query), read_timeout(call.query)
    body = call.request.body
    amount = check_amount(read_object(body, ["by"])["by"]) if body else 1
    return Plan(call.keys["key"], amount, wants_text(call.query), level, seconds)


async def count_keyed(call: Call, backend: Backend) -> Response:
    """`POST /v1/counters/{key}` with an `Idempotency-Key`."""
    plan, began = _read_increment(call), trio.current_time()

    async def show(counted: Counted) -> Response:
        short = await find_short(backend, counted.mark, plan.level, began + plan.seconds)
        value = number(counted.values[0], plan.as_text)
        return answer_counted({"key": plan.key.decode(), "value": value}, short)

    return await count_once(call, backend, {plan.key: plan.amount}, show)


def plan_read(call: Call) -> Plan | None:
    """Read `GET /v1/counters/{key}`; None unless it is a plain local read of a ready node."""
    read_timeout(call.query)
    consistent = _is_consistent(call.query)
    by_node = _wants_nodes(call.query)
    if consistent or by_node or _accepts_stale(call.query) or read_least(call.query):
        return None
    return Plan(call.keys["key"], 0, wants_text(call.query))


def _is_consistent(query: Query) -> bool:
    consistent = read_choice(query, "consistency", ("local", "consistent")) == "consistent"
    if consistent and _accepts_stale(query):
        raise ClientError(400, "bad_parameter", "stale=ok contradicts consistency=consistent")
    return consistent


def _wants_nodes(query: Query) -> bool:
    return read_choice(query, "by_node", ("false", "true")) == "true"


def _accepts_stale(query: Query) -> bool:
    return read_choice(query, "stale", ("", "ok")) == "ok"


def number(value: int, as_text: bool) -> int | str:
    """Return a number as the client wants it; both have all digits."""
    return str(value) if as_text else value


def refuse_unready(backend: Backend, query: Query) -> Response | None:
    """Return the 503 of a node that should not be read; None if it may be, or `stale=ok`."""
    if _accepts_stale(query):
        return None
    readiness = backend.readiness()
    if readiness.readable:
        return None
    error = ClientError(503, "not_ready", "this node is not ready; stale=ok reads what it has")
    return refuse(error, {"reasons": list(readiness.reasons)})


async def read_value(call: Call, backend: Backend) -> Response:
    """`GET /v1/counters/{key}` with `consistency=consistent`, `min`, `by_node` or `stale=ok`."""
    key = call.keys["key"]
    as_text = wants_text(call.query)
    unready = refuse_unready(backend, call.query)
    if unready is not None:
        return unready
    consistent = _is_consistent(call.query)
    value = await find_value(backend, key, call.query, consistent=consistent, as_text=as_text)
    if isinstance(value, Response):
        return value
    shape: dict[str, object] = {"key": key.decode(), "value": number(value, as_text)}
    if _wants_nodes(call.query):
        counts = await backend.by_node(key)
        # Increments may have come in meanwhile: an answer must agree with itself.
        shape["value"] = number(sum(counts.values()), as_text)
        shape["by_node"] = {label: number(counts[label], as_text) for label in sorted(counts)}
    return answer(shape)


async def count_many(call: Call, backend: Backend) -> Response:
    """`POST /v1/counters`: all or nothing, one commit."""
    as_text = wants_text(call.query)
    level, seconds = read_level(call.query), read_timeout(call.query)
    began, short = trio.current_time(), None
    counts = await read_counts(call.request.body)

    async def show(counted: Counted) -> Response:
        short = await find_short(backend, counted.mark, level, began + seconds)
        values = dict(zip(counts, counted.values, strict=True))
        return await _answer_values(list(counts), values.__getitem__, as_text, short)

    if counts and is_keyed(call):
        return await count_once(call, backend, counts, show)
    if counts:
        await backend.add_many(counts)
        mark = await backend.commit(level)
        short = await find_short(backend, mark, level, began + seconds)
    return await _answer_values(list(counts), backend.value, as_text, short)


async def find_short(backend: Backend, mark: Mark, level: Level, deadline: float) -> Held | None:
    """Wait until what is committed is held as `level` says; return who holds it if it is not."""
    if not level:
        return None
    held = await backend.held(mark, level, deadline - trio.current_time())
    return held if held.reached < level else None


def answer_counted(shape: Mapping[str, object], short: Held | None) -> Response:
    """Return the answer of what is counted: 202 if too few hold it, in the time there was."""
    if short is None:
        return answer(shape)
    return answer({**shape, "held_by": list(short.by)}, 202)


async def _answer_values(
    keys: list[bytes], value: Callable[[bytes], int], as_text: bool, short: Held | None
) -> Response:
    parts = []
    for start in range(0, len(keys), SLICE_KEYS):
        part = keys[start : start + SLICE_KEYS]
        shown = {key.decode(): number(value(key), as_text) for key in part}
        parts.append(dump(shown)[1:-1])
        await trio.lowlevel.checkpoint()
    values = b'{"values":{%b}' % b",".join(parts)
    if short is not None:
        return Response(202, b'%b,"held_by":%b}' % (values, dump(list(short.by))))
    return Response(200, values + b"}")


async def list_counters(call: Call, backend: Backend) -> Response:
    """`GET /v1/counters`: by `key=…` (repeated), or in key order by prefix."""
    as_text = wants_text(call.query)
    unready = refuse_unready(backend, call.query)
    if unready is not None:
        return unready
    if "key" in call.query:
        if not call.query.keys() <= {"key", "as", "stale"}:
            raise ClientError(400, "bad_parameter", "key stands alone or not at all")
        keys = [check_key(key) for key in call.query["key"]]
        if len(keys) > KEYS_MAX:
            raise ClientError(400, "too_many_keys", f"one request names at most {KEYS_MAX:,} keys")
        return await _listed([(key, backend.value(key)) for key in keys], None, as_text)
    limit = read_count(call.query, "limit", LISTING_DEFAULT, LISTING_MAX)
    after = read_text(call.query, "after", "").encode()
    listing = await backend.listing(_prefix(call.query), after, limit)
    return await _listed(listing.counters, listing.next, as_text)


async def read_top(call: Call, backend: Backend) -> Response:
    """`GET /v1/top`: the largest counters, largest first."""
    as_text = wants_text(call.query)
    limit = read_count(call.query, "limit", LISTING_DEFAULT, LISTING_MAX)
    unready = refuse_unready(backend, call.query)
    if unready is not None:
        return unready
    return await _listed(await backend.top(limit, _prefix(call.query)), None, as_text)


def _prefix(query: Query) -> bytes:
    return read_text(query, "prefix", "").encode()


async def _listed(
    counters: Sequence[tuple[bytes, int]], following: bytes | None, as_text: bool
) -> Response:
    parts = []
    for start in range(0, len(counters), SLICE_ENTRIES):
        part = [
            {"key": key.decode(), "value": number(value, as_text)}
            for key, value in counters[start : start + SLICE_ENTRIES]
        ]
        parts.append(dump(part)[1:-1])
        await trio.lowlevel.checkpoint()
    end = dump(None if following is None else following.decode())
    return Response(200, b'{"counters":[%b],"next":%b}' % (b",".join(parts), end))


async def read_share(call: Call, backend: Backend) -> Response:
    """`GET /v1/counters/{key}/share`: what this node counted itself."""
    as_text = wants_text(call.query)
    unready = refuse_unready(backend, call.query)
    if unready is not None:
        return unready
    return _shared(call.keys["key"], await backend.share(call.keys["key"]), as_text)


async def raise_share(call: Call, backend: Backend) -> Response:
    """`PUT /v1/counters/{key}/share`: raise it to at least n, idempotently."""
    as_text = wants_text(call.query)
    wanted = read_object(call.request.body, ["at_least"])["at_least"]
    at_least = check_amount(wanted, lowest=0, highest=COUNT_MAX)
    key, level, began = call.keys["key"], read_level(call.query), trio.current_time()
    deadline = began + read_timeout(call.query)
    share = await backend.raise_share(key, at_least)
    # It may have been as large before, so all that this node counted is asked about.
    short = await find_short(backend, backend.counted() if level else (), level, deadline)
    return _shared(key, share, as_text, short)


def _shared(key: bytes, share: int, as_text: bool, short: Held | None = None) -> Response:
    shape: dict[str, object] = {"key": key.decode(), "share": number(share, as_text)}
    return answer(shape) if short is None else answer_counted(shape, short)
