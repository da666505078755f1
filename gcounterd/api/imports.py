"""Handlers of imports: bring counts from elsewhere, list what was brought, write counters out.

Theory. A file is read while it arrives (`api.formats`) and counted as a whole or not at all:
nothing is added before the last byte is in, in order, and checked. So whoever breaks off has
changed nothing, and repeating is safe at any node (`counters.imports`).

An export is made page by page while it is sent; each value is as of its page's moment. This module
refuses to know how an import becomes durable.
"""

from __future__ import annotations

import gc
from collections.abc import AsyncGenerator
from itertools import chain

import trio

from gcounterd.api.backend import Backend
from gcounterd.api.bodies import check_amount, read_object
from gcounterd.api.counters import refuse_unready
from gcounterd.api.formats import CSV_HEAD, Format, Reader, write
from gcounterd.api.limits import LISTING_DEFAULT, LISTING_MAX, SLICE_ENTRIES
from gcounterd.api.requests import Query, Request, read_choice, read_count, read_text
from gcounterd.api.responses import Response, answer
from gcounterd.api.routing import Call
from gcounterd.counters.batches import COUNT_MAX
from gcounterd.counters.imports import Content, check_source, start_source

# The collector looks once at each key that has come; left to itself, at a million in one go.
_SLICES_PER_COLLECTION = 32
_TYPES = {Format.JSON: b"application/jsonl", Format.CSV: b"text/csv; charset=utf-8"}


async def bring(call: Call, backend: Backend) -> Response:
    """`POST /v1/imports`: count a file's counts, once in the whole cluster."""
    source = read_text(call.query, "source", "")
    check_source(source)
    form, again = _format(call.query), _again(call.query)
    with backend.importing():
        content = Content()
        try:
            await _read(call.request, Reader(form, content, again=again))
            return answer(await backend.bring(source, content, again=again))
        finally:
            for _ in content.dropped():
                await trio.lowlevel.checkpoint()


async def _read(request: Request, reader: Reader) -> None:
    slices, last = 0, False
    while not last:
        piece = await _next(request)
        last = piece is None or request.upload is None
        for _ in chain(reader.feed(piece or b"", last=last), [None]):
            slices += 1
            if slices % _SLICES_PER_COLLECTION == 0:
                gc.collect(0)
            await trio.lowlevel.checkpoint()


async def _next(request: Request) -> bytes | None:
    return request.body if request.upload is None else await request.upload.next()


async def start_at(call: Call, backend: Backend) -> Response:
    """`POST /v1/start-at/{key}`: let a counter start at a value, once in the whole cluster."""
    key, again = call.keys["key"], _again(call.query)
    value = read_object(call.request.body, ["value"])["value"]
    with backend.importing():
        content = Content()
        content.add(key, check_amount(value, highest=COUNT_MAX))
        return answer(await backend.bring(start_source(key), content, again=again))


async def show_imports(call: Call, backend: Backend) -> Response:
    """`GET /v1/imports`: the sources that this node knows, by name."""
    limit = read_count(call.query, "limit", LISTING_DEFAULT, LISTING_MAX)
    return answer(await backend.imports(read_text(call.query, "after", ""), limit))


async def export(call: Call, backend: Backend) -> Response:
    """`GET /v1/export`: all counters under a prefix, in the order of their keys."""
    unready = refuse_unready(backend, call.query)
    if unready is not None:
        return unready
    form = _format(call.query)
    prefix = read_text(call.query, "prefix", "").encode()
    pieces = _write_all(backend, form, prefix)
    return Response(200, content_type=_TYPES[form], pieces=pieces)


async def _write_all(backend: Backend, form: Format, prefix: bytes) -> AsyncGenerator[bytes, None]:
    if form is Format.CSV:
        yield CSV_HEAD.encode() + b"\n"
    after: bytes | None = b""
    while after is not None:
        listing = await backend.listing(prefix, after, LISTING_MAX)
        await trio.lowlevel.checkpoint()
        for at in range(0, len(listing.counters), SLICE_ENTRIES):
            yield write(form, listing.counters[at : at + SLICE_ENTRIES])
        after = listing.next


def _format(query: Query) -> Format:
    return Format(read_choice(query, "format", tuple(Format)))


def _again(query: Query) -> bool:
    return read_choice(query, "again", ("false", "true")) == "true"
