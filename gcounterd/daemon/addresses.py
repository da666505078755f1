"""Addresses as operators write them: `host:port`, `host`, `[v6]:port`.

An address is text until somebody connects. Nothing is resolved here: whether a name is loopback
must not depend on what a name server says today, so only `localhost` and literal addresses of the
loopback networks count as such.
"""

from __future__ import annotations

import ipaddress
import re

import attrs

PORT_MAX = 65_535
# RFC 1035's bound on a name; also keeps an address well inside a 512-byte hello.
HOST_CHARS_MAX = 253
# Underscores are not host names by the book, but container networks resolve them.
_HOST_PATTERN = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_PORT_PATTERN = re.compile(r"[0-9]{1,5}")


@attrs.frozen
class Address:
    """A host (name or literal, without brackets) and a TCP port; 0 means whichever is free."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def is_loopback(self) -> bool:
        """Say whether only this host can reach it, by what is written and not by resolving."""
        literal = _read_literal(self.host)
        return self.host.lower() == "localhost" if literal is None else literal.is_loopback

    def is_wildcard(self) -> bool:
        """Say whether it stands for all interfaces, which is a place to listen, not to call."""
        literal = _read_literal(self.host)
        return literal is not None and literal.is_unspecified


def parse_address(text: str, default_port: int) -> Address:
    """Read `host`, `host:port`, `[v6]` or `[v6]:port`; raise `ValueError` with what is wrong."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")) or ":" not in host:
            raise ValueError("an IPv6 address is written [::1]:7700")
        port_text = rest[1:] if rest else None
    else:
        host, colon, last = text.partition(":")
        if ":" in last:
            raise ValueError(f"put an IPv6 address in brackets, as in [{text}]:{default_port}")
        port_text = last if colon else None
    return Address(_check_host(host), default_port if port_text is None else _read_port(port_text))


def _read_port(text: str) -> int:
    if not _PORT_PATTERN.fullmatch(text) or int(text) > PORT_MAX:
        raise ValueError(f"{text!r} is not a port (0 to {PORT_MAX})")
    return int(text)


def _check_host(host: str) -> str:
    if not host:
        raise ValueError("the host is missing")
    if len(host) > HOST_CHARS_MAX:
        raise ValueError(f"the host is longer than {HOST_CHARS_MAX} characters")
    if ":" in host:
        if _read_literal(host) is None:
            raise ValueError(f"{host!r} is not an IPv6 address")
    elif not _HOST_PATTERN.fullmatch(host):
        raise ValueError(f"{host!r} is not a host name or address")
    return host


def _read_literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        return None
    # ::ffff:127.0.0.1 is 127.0.0.1, whichever Python version is asked.
    mapped = literal.ipv4_mapped if isinstance(literal, ipaddress.IPv6Address) else None
    return mapped or literal
