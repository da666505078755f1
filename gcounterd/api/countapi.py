"""Handlers of CountAPI, an API that pages of the web already speak: hit, get, info.

Theory. A page counts by asking for something: with a GET, as an image, or as a script, because that
is what a page can do without being trusted. So a GET changes something here, and whatever fetches
ahead of people must not (`api.visits`). The counter is `{ns}/{key}`, a counter like any other.

A script cannot read the status of its own answer: with `callback` every answer is a 200, and says
in `code` what it would have been. This module refuses to know sockets.
"""

from __future__ import annotations

import re

import attrs

from gcounterd.api.backend import Backend
from gcounterd.api.counters import number, refuse_unready
from gcounterd.api.requests import Query, check_key, read_text, wants_text
from gcounterd.api.responses import EMBEDDABLE, Response, answer, blame, refuse
from gcounterd.api.routing import Call
from gcounterd.api.visits import is_visit, read_page
from gcounterd.errors import ClientError

CALLBACK_CHARS_MAX = 128
SCRIPT_TYPE = b"application/javascript; charset=utf-8"
GIF_TYPE = b"image/gif"
# One transparent pixel.
PIXEL = (
    b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0"
    b",\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;"
)
_OK = 200
_NAME = r"[A-Za-z_$][A-Za-z0-9_$]*"
_CALLBACK = re.compile(rf"{_NAME}(?:\.{_NAME})*")


async def hit(call: Call, backend: Backend) -> Response:
    """`GET` or `POST /hit/{ns}/{key}`: count a visit, answer the value."""
    return await _answer(call, backend, counts=is_visit(call.request, call.query))


async def get(call: Call, backend: Backend) -> Response:
    """`GET /get/{ns}/{key}`: the value; an unknown counter is 0."""
    return await _answer(call, backend, counts=False)


async def info(call: Call, backend: Backend) -> Response:
    """`GET /info/{ns}/{key}`: the value, and what was asked for."""
    named = {"namespace": call.keys["ns"].decode(), "key": call.keys["key"].decode()}
    return await _answer(call, backend, counts=False, named=named)


async def _answer(
    call: Call, backend: Backend, *, counts: bool, named: dict[str, str] | None = None
) -> Response:
    callback = _read_callback(call.query)
    wants_image = "img" in call.query
    if callback and wants_image:
        raise ClientError(400, "bad_parameter", "callback is for a script, img for an image")
    try:
        key = read_name(call)
        response = None
        if counts:
            backend.add(key, 1)
            await backend.commit()
        else:
            response = refuse_unready(backend, {})
        if response is None:
            value = number(backend.value(key), wants_text(call.query))
            response = answer({**(named or {}), "value": value})
    except Exception as error:
        if not callback:
            raise
        response = refuse(blame(error))
    if callback:
        response = _script(callback, response)
    elif wants_image and response.status == _OK:
        response = Response(body=PIXEL, content_type=GIF_TYPE)
    return attrs.evolve(response, headers=(*response.headers, EMBEDDABLE))


def read_name(call: Call) -> bytes:
    """Return the counter `{ns}/{key}`; raise `ClientError` 400 `bad_key`, `bad_page`.

    Where the path names no key, the page that asks is one.
    """
    key = call.keys.get("key")
    if key is None:
        key = read_page(call.request, call.query)
    return check_key(call.keys["ns"] + b"/" + key)


def _read_callback(query: Query) -> str:
    """Return the function that `?callback=` names, "" if there is none.

    Raises `ClientError` 400 `bad_callback` unless it is a name, since it becomes code.
    """
    name = read_text(query, "callback", "")
    if name and not (len(name) <= CALLBACK_CHARS_MAX and _CALLBACK.fullmatch(name)):
        text = f"a callback is a name of JavaScript, of at most {CALLBACK_CHARS_MAX} characters"
        raise ClientError(400, "bad_callback", text)
    return name


def _script(callback: str, response: Response) -> Response:
    # The comment keeps the answer from being taken for anything but a script.
    members = response.body.removeprefix(b"{")
    body = b'/**/%b({"code":%d,%b);' % (callback.encode(), response.status, members)
    return attrs.evolve(response, status=_OK, body=body, content_type=SCRIPT_TYPE)
