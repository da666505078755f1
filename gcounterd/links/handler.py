"""The handler: what links ask of whoever owns them.

Links carry values between processes and refuse to know a node. Everything that needs a decision
is a call on this protocol. All calls but `room` are synchronous and come from the event loop, one
at a time; a call must not take longer than a step may (5 ms).
"""

from __future__ import annotations

from typing import Protocol

from gcounterd.links.mistrust import Mistrust
from gcounterd.node.grades import Grade
from gcounterd.node.messages import Channel, Hello, Message, Refusal


class Handler(Protocol):
    """Whoever lives behind the links.

    For each link the calls are `opened`, any number of `received`, and `closed` exactly once.
    They may come while a call of `Transport.dial` is under way, never from inside `send` or `drop`.
    """

    def hello(self, channel: Channel) -> Hello:
        """Return our hello, as it is now."""

    def judge(self, hello: Hello) -> Refusal | None:
        """Return why we do not want this peer, or None to accept it. Asked on both sides."""

    def opened(self, link: int, hello: Hello, dialled: str | None) -> None:
        """Take note of a new link; `dialled` is the address if we dialled, None if the peer did."""

    def closed(self, link: int, reason: str) -> None:
        """Take note that a link is gone; `reason` is a short constant."""

    def refused(self, link: int, refusal: Refusal) -> None:
        """Take note that the peer of an open link refuses us after all; `closed` follows."""

    def received(self, link: int, message: Message) -> None:
        """Take a message in. A `PeerError` raised here closes the link, as a bad frame does."""

    def dial_failed(
        self, address: str, channel: Channel, grade: Grade, refusal: Refusal | None
    ) -> None:
        """Take note that a dial came to nothing.

        `refusal` is the peer's with grade REJECTED, our own with UNWANTED, else None.
        """

    def mistrusted(self, where: str, why: Mistrust) -> None:
        """Take note that a handshake came to nothing; `where` is an address dialled, or a host."""

    async def room(self) -> None:
        """Return when there is room for more; until then a link's reader takes nothing in."""

    def count(self, event: str, n: int = 1) -> None:
        """Count an event for metrics; `event` is a short constant."""
