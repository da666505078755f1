"""Securing: what this node's links are secured with, by its settings, now.

Theory. There are two ways, and links know no difference: certificates that an authority signed,
from files, and a shared key from which each node makes its own (`security.keyring`). What is loaded
can be loaded again while the node runs. A certificate proves a name, so whoever says hello must say
one of the names in it, and a node id that the roster knows under another name is not theirs. With a
shared key everybody could take any name, so the second rule would protect nothing and is left out.

A certificate ends one day, and links with it: that is said for weeks before (`warnings`, and a line
of the log each day).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import trio

from gcounterd.daemon.logs import get_logger
from gcounterd.ids import NodeId, show
from gcounterd.node.messages import Hello, Refusal, Refused
from gcounterd.security.certificates import ALWAYS, node_uri
from gcounterd.security.peers import Contexts, names_in

log = get_logger("gcounterd.security")

_DAY_S = 86_400
# From so long before its end on a certificate is spoken of; of one that lasts less than three times
# that, in the last third of its life.
WARNED_S = 30 * _DAY_S
_ALWAYS_S = ALWAYS[1].timestamp()


class Securing:
    """The secrets of links (`links.secrecy.Secrets`); one per node that has some.

    way  "certificates" or "key"
    """

    def __init__(
        self,
        way: str,
        load: Callable[[], Contexts],
        address: str,
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`load` raises `ConfigError`; `address` is told to those refused; `wall` is since 1970."""
        self.way = way
        self.name_of: Callable[[NodeId], str | None] = lambda node: None
        self._load = load
        self._wall = wall
        self._address = address
        self._contexts = load()

    @property
    def server(self) -> Any:
        """Return the context of connections that are accepted."""
        return self._contexts.server

    @property
    def client(self) -> Any:
        """Return the context of connections that are opened."""
        return self._contexts.client

    def read(self) -> Callable[[], None]:
        """Read the files again; return what uses them for new connections. Raises `ConfigError`."""
        contexts = self._load()

        def use() -> None:
            self._contexts = contexts
            self.tell()

        return use

    def judge(self, certificate: Mapping[str, Any], hello: Hello) -> Refusal | None:
        """Return why who showed this certificate may not say this hello, or None."""
        names = names_in(certificate, hello.cluster)
        if hello.name not in names:
            uri = node_uri(hello.cluster, hello.name)
            return self._refuse(f"your certificate does not name {uri}")
        known = self.name_of(hello.node) if self.way == "certificates" else None
        if known is not None and known not in names:
            node = show(hello.node)[:12]
            return self._refuse(f"node {node} is '{known}', which your certificate does not name")
        return None

    def _refuse(self, text: str) -> Refusal:
        return Refusal(Refused.IDENTITY, text, self._address)

    # -- dates ------------------------------------------------------------------------------

    @property
    def ends(self) -> float:
        """Return when our certificate ends, in seconds since 1970; 0 for never."""
        return 0.0 if self._contexts.ends >= _ALWAYS_S else self._contexts.ends

    def warnings(self) -> list[str]:
        """Return what an operator should know of our certificate."""
        now, ends = self._wall(), self.ends
        if now < self._contexts.begins:
            return [f"the certificate of this node is not good before {self._written('begins')}"]
        if not ends or now < ends - min(WARNED_S, (ends - self._contexts.begins) / 3):
            return []
        if now >= ends:
            return [f"the certificate of this node has expired on {self._written('ends')}"]
        days = math.ceil((ends - now) / _DAY_S)
        return [f"the certificate of this node ends in {days} days, on {self._written('ends')}"]

    def _written(self, which: str) -> str:
        seconds = getattr(self._contexts, which)
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")

    def tell(self) -> None:
        """Log what there is to say of our certificate."""
        for text in self.warnings():
            log.warning("certificate_ends", reason=text)

    async def run(self) -> None:
        """Say it each day."""
        while True:
            self.tell()
            await trio.sleep(_DAY_S)

    def status(self) -> dict[str, object]:
        """Return it in figures."""
        ends = self._written("ends") if self.ends else None
        return {"security": self.way, "certificate_ends": ends}
