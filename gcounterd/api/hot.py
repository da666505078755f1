"""Hot requests: those that carry the load, recognised by their bytes.

Theory. A client that counts sends the same head again and again; only the key changes. So when
the parser has taken a request to be hot, everything behind its target is remembered (`Head`), and
a chunk that is made of nothing but hot request lines and that same head is split by plain string
work. The verdict is the parser's own: it judges a request line apart from the headers, it has
judged these very headers to make a complete request that says nothing but its Host, and the lines
are of characters that it takes as they are, within its limits. Anything else goes to the parser.

A visit of a page (`GET /hit/{ns}/{key}`) is hot too, but its headers may keep it from counting: a
browser that only fetches ahead says so in one. So a visit is recognised by a head only if that was
learnt from a visit, in which the parser looked for those headers.

A form is one line here and one way to write its answer in `connection`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from gcounterd.api.requests import Request
from gcounterd.counters.batches import KEY_BYTES_MAX

# Keys that need no decoding in a path and no escape in JSON.
_KEY = rb"[A-Za-z0-9._~!$&'()*+,;=:@-]{1,1024}"
_COUNT = b"POST /v1/counters/"
_FORMS = (
    rb"POST /v1/counters/(?P<count>%b)|GET /v1/counters/(?P<read>%b)"
    rb"|(?:GET|POST) /hit/(?P<hit>%b/%b)"
) % (_KEY, _KEY, _KEY, _KEY)
LINE = re.compile(_FORMS)
_COUNTS = re.compile(rb"(?:POST /v1/counters/%b\n)+" % _KEY)
_VERSION = b" HTTP/1.1\r\n"
_END = b"\r\n\r\n"
# Heads longer than this are not remembered: it is held for each connection.
REMEMBERED_BYTES_MAX = 1024

COUNT, READ, HIT = "count", "read", "hit"
# Headers that the parser keeps of visits, and that say nothing where the target has no query.
IDLE_HEADERS = (b"user-agent", b"referer")
# A form and its key.
Hot = tuple[str, bytes]


def read_request(request: Request) -> Hot | None:
    """Return what a request asks for if nothing but its line says so, else None.

    The caller has seen to its headers.
    """
    if request.body or not request.keep_alive or request.old or request.upload is not None:
        return None
    return _read(LINE.fullmatch(b"%b %b" % (request.method, request.target)))


def _read(match: re.Match[bytes] | None) -> Hot | None:
    if match is None:
        return None
    key = match[match.lastindex or 0]
    # Both halves of a visit's key may be long, but not together.
    return (match.lastgroup or "", key) if len(key) <= KEY_BYTES_MAX else None


def is_plain(headers: Mapping[bytes, bytes], others: int = 0) -> bool:
    """Say whether headers ask for nothing of their own, but for so many `others`."""
    idle = sum([name in headers for name in IDLE_HEADERS])
    return b"host" in headers and len(headers) == 1 + idle + others


def learn(chunk: bytes) -> bytes:
    """Return the head of a chunk's requests, b"" if it cannot be known again.

    The parser, at rest before, has made hot requests of the whole chunk and is at rest again.
    """
    begin = chunk.find(_VERSION)
    head = chunk[begin : chunk.find(_END, begin) + len(_END)]
    # What ends with it has no body behind it: else the parser would not be at rest.
    return head if len(head) <= REMEMBERED_BYTES_MAX and chunk.endswith(head) else b""


def read_one(chunk: bytes, head: bytes) -> Hot | None:
    """Return the one hot request of a chunk that ends with a head known to be good."""
    return _read(LINE.fullmatch(chunk, 0, len(chunk) - len(head)))


def read_counts(chunk: bytes, head: bytes) -> Iterable[bytes] | None:
    """Return the keys of a chunk of increments that ends with a head known to be good."""
    lines = chunk.split(head)
    joined = b"\n".join(lines)
    # A line feed of the client's own is no end of a line.
    if joined.count(b"\n") >= len(lines) or _COUNTS.fullmatch(joined) is None:
        return None
    lines.pop()
    return [line[len(_COUNT) :] for line in lines]
