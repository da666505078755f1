"""Guard: keeps web pages of strangers away from a listener that trusts its host.

Theory. A loopback listener grants everything to whoever can reach it, and a browser on the same
machine reaches it on behalf of any page. Two headers that a page cannot forge tell: `Host` is the
name the page was loaded from, so after a DNS rebinding it is the stranger's (421); `Origin` is
the page that sends a cross-site request (403). Both must be loopback. Unix sockets need no guard,
since browsers do not open them.

What any page may do on purpose, counting and reading counts, is not kept from it (`Route.open`).
This module refuses to know sockets, routes and tokens.
"""

from __future__ import annotations

import ipaddress
import re

from gcounterd.errors import ClientError

# Accepted Host values remembered to skip parsing; clients of one host use a handful.
REMEMBERED_MAX = 64

_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\[\]@/?#\s]+)(?::[0-9]{0,5})?")
_SCHEMES = ("http://", "https://")


class Guard:
    """Checks the requests of one loopback listener."""

    def __init__(self) -> None:
        self.hosts: set[bytes] = set()  # Host values known to be loopback

    def check(self, host: bytes | None, origin: bytes | None) -> None:
        """Raise `ClientError` 421 `bad_host` or 403 `bad_origin`; nothing is done then."""
        if host not in self.hosts:
            if host is None or not is_loopback(host.decode("latin-1")):
                raise ClientError(
                    421, "bad_host", "this listener answers only to localhost or a loopback address"
                )
            if len(self.hosts) < REMEMBERED_MAX:
                self.hosts.add(host)
        if origin is not None and not _is_local_origin(origin.decode("latin-1")):
            raise ClientError(403, "bad_origin", "pages of other origins may not use this listener")


def is_loopback(authority: str) -> bool:
    """Say whether `host[:port]` is localhost, in 127.0.0.0/8, or [::1]; any port."""
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        return False
    host = match["host"]
    if host.lower() == "localhost":
        return True
    try:
        if host.startswith("["):
            return ipaddress.IPv6Address(host[1:-1]).is_loopback
        return ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        return False


def _is_local_origin(origin: str) -> bool:
    for scheme in _SCHEMES:
        if origin.lower().startswith(scheme):
            return is_loopback(origin[len(scheme) :])
    return False
