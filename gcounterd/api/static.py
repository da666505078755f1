"""Static: the files of `gcounterd/page/`, which pages and browsers load.

Theory. They are few and small, so they are read once, packed once, and answered from memory; there
is no path to get out of their folder by, since what is asked for is looked up among their names. A
browser asks each time whether its copy is still good (`ETag`), and after an upgrade never runs old
code against a new server. They come from this server only, fetch nothing from anywhere, and run
under a policy that forbids everything else.

This module refuses to know what they do.
"""

from __future__ import annotations

import functools
import gzip
import re
from hashlib import blake2b
from pathlib import Path

import attrs

from gcounterd.api.backend import Backend
from gcounterd.api.responses import EMBEDDABLE, Response
from gcounterd.api.routing import Call, Parameter, Route
from gcounterd.api.schemas import STRING
from gcounterd.errors import ClientError

SCRIPT = "text/javascript"
HTML = "text/html"
STYLE = "text/css"
_KINDS = {".js": SCRIPT, ".html": HTML, ".css": STYLE}
_FOLDER = Path(__file__).parent.parent / "page"
_REVALIDATED = b"no-cache"
# Who takes gzip, and has not said that it must not be (`q=0`).
_UNPACKS = re.compile(
    rb"(?:^|,)\s*gzip\s*(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))(?:,|;|$)", re.IGNORECASE
)


@attrs.frozen
class File:
    """A file as it is answered; `tag` is a hash of it, in quotes, `packed` its body by gzip."""

    body: bytes
    kind: bytes
    tag: bytes
    packed: bytes = b""


@functools.cache
def files() -> dict[str, File]:
    """Return all files by name, read from disk the first time."""
    return {path.name: _read(path) for path in sorted(_FOLDER.iterdir()) if path.suffix in _KINDS}


def _read(path: Path) -> File:
    body = path.read_bytes()
    tag = blake2b(body, digest_size=8).hexdigest()
    kind = f"{_KINDS[path.suffix]}; charset=utf-8".encode()
    return File(body, kind, b'"%b"' % tag.encode(), gzip.compress(body, 9, mtime=0))


def _answer(call: Call, file: File, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Response:
    # Packed or not, it is one content: the tag is a weak one.
    headers = ((b"ETag", b"W/" + file.tag), (b"Vary", b"Accept-Encoding"), EMBEDDABLE, *headers)
    known = call.request.headers.get(b"if-none-match", b"")
    if file.tag in known or known == b"*":
        return Response(304, headers=headers, cache=_REVALIDATED)
    if _UNPACKS.search(call.request.headers.get(b"accept-encoding", b"")):
        headers = ((b"Content-Encoding", b"gzip"), *headers)
        return Response(200, file.packed, file.kind, headers, cache=_REVALIDATED)
    return Response(200, file.body, file.kind, headers, cache=_REVALIDATED)


async def show_script(call: Call, backend: Backend) -> Response:
    """`GET /gcounter.js`: what a page names to show live numbers."""
    return _answer(call, files()["gcounter.js"])


async def show_file(call: Call, backend: Backend) -> Response:
    """`GET /page/{name}`: a file of `gcounterd/page/`."""
    file = files().get(call.keys["name"].decode())
    if file is None:
        raise ClientError(404, "no_such_route", "there is no such file")
    return _answer(call, file)


_NAME = Parameter("name", "the file", STRING, "path")
_KNOWN = Parameter("If-None-Match", "the tag of the copy that the browser has", STRING, "header")

STATIC: tuple[Route, ...] = (
    Route(
        "GET",
        "/gcounter.js",
        "The script that shows `<gcounter-value ns key>` on any page",
        handler=show_script,
        parameters=(_KNOWN,),
        answers={200: ("the script", SCRIPT, STRING)},
        open=True,
        tag="pages",
    ),
    Route(
        "GET",
        "/page/{name}",
        "What that script loads",
        handler=show_file,
        parameters=(_NAME, _KNOWN),
        answers={200: ("the file", SCRIPT, STRING)},
        open=True,
        tag="pages",
    ),
)
