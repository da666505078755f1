"""The addresses of a client, and which one to try next.

Theory. A client stays with one address while it answers, since what it has seen there is there:
its next read waits for nothing. One that failed is tried last, for a time that doubles, but it is
tried: an address is never given up, and when all have failed all are tried. Which one a client
begins with is drawn by its owner, so that many clients spread over the nodes.

An address may be a balancer's, behind which the nodes change. This module refuses to know
requests, sockets and the clock: `now` is told, in seconds of a clock that never goes back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from gcounterd.client.limits import ADDRESSES_MAX, AVOIDED_S_MAX, AVOIDED_S_MIN

HTTP_PORT = 7777


@dataclass(frozen=True, slots=True)
class Address:
    """Where a node, or a balancer, answers HTTP."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def read_address(url: str) -> Address:
    """Read `http://host:port`, the port 7777 by default; raise `ValueError`."""
    parts = urlsplit(url)
    rest = (parts.path.strip("/"), parts.query, parts.fragment, "@" in parts.netloc)
    if parts.scheme != "http" or not parts.hostname or any(rest):
        raise ValueError(f"an address is written http://HOST:PORT, not {url!r}")
    return Address(parts.hostname, HTTP_PORT if parts.port is None else parts.port)


def read_addresses(urls: str | Iterable[str]) -> tuple[Address, ...]:
    """Read one URL or several, each address once; raise `ValueError`."""
    given = [urls] if isinstance(urls, str) else list(urls)
    addresses = tuple(dict.fromkeys(read_address(url) for url in given))
    if not 1 <= len(addresses) <= ADDRESSES_MAX:
        raise ValueError(f"a client has 1 to {ADDRESSES_MAX} addresses")
    return addresses


@dataclass(slots=True)
class _State:
    """What is known of one address: it failed `failures` times in a row, avoid it until then."""

    failures: int = 0
    until: float = 0.0


class Nodes:
    """The addresses in order, beginning with number `start`."""

    def __init__(self, addresses: tuple[Address, ...], start: int = 0) -> None:
        self._states = {address: _State() for address in addresses}
        self._order = addresses
        self._first = start % len(addresses)

    def __len__(self) -> int:
        return len(self._order)

    def order(self, now: float) -> list[Address]:
        """Return all addresses in the order to be tried: the present one, the next, the failed."""
        turned = [*self._order[self._first :], *self._order[: self._first]]
        return sorted(turned, key=lambda address: max(self._states[address].until - now, 0.0))

    def well(self, address: Address) -> None:
        """Stay with an address that did what was asked."""
        self._states[address] = _State()
        self._first = self._order.index(address)

    def failed(self, address: Address, now: float) -> None:
        """Avoid an address for a while."""
        state = self._states[address]
        pause = min(AVOIDED_S_MIN * 2.0 ** min(state.failures, 16), AVOIDED_S_MAX)
        state.failures += 1
        state.until = now + pause
