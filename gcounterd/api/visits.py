"""Visits: whether a request is somebody who looks at a page, and which page that is.

Theory. A browser that fetches a page before anybody asked for it says so; whoever looks later asks
again, and is counted then. Programs that read the web say who they are in `User-Agent`, at least
those that want to be known: a short list of words finds them, and is used only where a page asks
for it, since a word that is wrong loses visits for ever. Nothing of a visitor is kept.

A page is its host and its path: what stands before and behind, and how the path's end and its
escapes are written, differs between links to the same page. This module refuses to know counters.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from gcounterd.api.requests import Query, Request, check_key, read_choice, read_text
from gcounterd.errors import ClientError

# Where browsers say that nobody looks yet: the standard one, and those before it.
_PREVIEWS = (b"sec-purpose", b"purpose", b"x-purpose", b"x-moz")
_PREVIEW = re.compile(rb"prefetch|prerender|preview", re.IGNORECASE)
# Words of programs that read pages. A make of telephones is called Cubot.
_PROGRAM = re.compile(
    rb"(?<!cu)bot(?![a-z0-9])|crawl|spider|slurp|mediapartners|facebookexternalhit|embedly|preview"
    rb"|headlesschrome|lighthouse|pingdom|uptime|curl/|wget/|python-|go-http-client|java/|libwww",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_PAGE = re.compile(
    r"(?:[^/?#@\s]*@)?(?P<host>\[[0-9a-f:.]+\]|[^/?#:@\[\]\s]+)(?::[0-9]{0,5})?"
    r"(?P<path>/[^?#]*)?(?:[?#].*)?",
    re.IGNORECASE | re.DOTALL,
)


def is_visit(request: Request, query: Query) -> bool:
    """Say whether a request counts: not a HEAD, not a prefetch, nor a crawler with `bots=ignore`.

    Raises `ClientError` 400 for another value of `bots`.
    """
    leaves_out = read_choice(query, "bots", ("count", "ignore")) == "ignore"
    if request.method == b"HEAD":
        return False
    headers = request.headers
    if any(_PREVIEW.search(headers.get(name, b"")) for name in _PREVIEWS):
        return False
    return not (leaves_out and _PROGRAM.search(headers.get(b"user-agent", b"")))


def read_page(request: Request, query: Query) -> bytes:
    """Return the page of `?url=`, or else of `Referer`, as the end of a key.

    Raises `ClientError` 400 `bad_page` where there is none.
    """
    url = read_text(query, "url", "")
    if not url:
        url = request.headers.get(b"referer", b"").decode("utf-8", "replace")
    return name_page(url)


def name_page(url: str) -> bytes:
    """Return host and path of a page: no scheme, `www.`, port, query, fragment, slash at the end.

    Raises `ClientError` 400: `bad_page`, `bad_key`.
    """
    scheme = _SCHEME.match(url)
    match = None
    if scheme is None or scheme[1].lower() in ("http", "https"):
        match = _PAGE.fullmatch(url, scheme.end() if scheme else 0)
    host = match["host"].lower().rstrip(".").removeprefix("www.") if match else ""
    if match is None or not host:
        text = "say which page: its address as `url`, percent-encoded, or in the header Referer"
        raise ClientError(400, "bad_page", text)
    return check_key(host.encode() + _plain((match["path"] or "").rstrip("/")))


def _plain(path: str) -> bytes:
    """Return a path without its escapes; as it stands if that is no text."""
    plain = unquote_to_bytes(path)
    try:
        plain.decode()
    except UnicodeDecodeError:
        return path.encode()
    return plain
