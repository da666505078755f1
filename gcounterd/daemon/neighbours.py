"""Neighbours: where browsers reach the HTTP API of other nodes, as an operator says.

Theory. Members know each other by the addresses of peers. Where browsers reach a node, if they do,
depends on proxies and names that no node knows of, so it is told and not found out. It serves
pages only: nothing that a cluster does depends on it.

This module refuses to know pages.
"""

from __future__ import annotations

import re

import attrs

from gcounterd.members.roster import NAME_PATTERN

URL_CHARS_MAX = 300
# An origin of the web: nothing in it that could end a directive of a page's policy.
_ORIGIN = re.compile(r"https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(:[0-9]{1,5})?")


@attrs.frozen
class HttpOf:
    """A node's name and the origin of its HTTP API, `http://host:port`."""

    name: str
    url: str

    def __str__(self) -> str:
        return f"{self.name}={self.url}"


def read_http_of(text: str) -> HttpOf:
    """Read `NAME=URL`; raise `ValueError` with what is wrong."""
    name, sign, url = text.partition("=")
    if not sign or not NAME_PATTERN.fullmatch(name):
        raise ValueError("write it as NAME=URL, as in n2=http://127.0.0.1:7782")
    url = url.removesuffix("/")
    if len(url) > URL_CHARS_MAX or not _ORIGIN.fullmatch(url):
        raise ValueError("the URL is scheme, host and port alone: http://host:port")
    return HttpOf(name, url)
