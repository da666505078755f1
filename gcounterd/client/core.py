"""What both shells share: settings, the state of a client, and how its calls are made.

Theory. A client is its addresses, what it has seen, and what it has gathered. Both shells keep one
`Core` and differ in how they wait, and in who may touch it when.

This module refuses to know sockets, locks, tasks and the clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from gcounterd.client.counting import Counting
from gcounterd.client.gathering import Gathering
from gcounterd.client.nodes import Nodes, read_addresses
from gcounterd.client.reading import Reading
from gcounterd.client.requests import (
    Ack,
    check_ack,
    check_amount,
    check_key,
    check_timeout,
    check_token,
)
from gcounterd.client.seen import Seen


@dataclass(frozen=True, slots=True)
class Settings:
    """How a client is to be; `Client` says what each means. Raises `ValueError`."""

    timeout_s: float = 5.0
    ack: Ack = "local"
    direct: bool = False
    batch_size: int = 1000
    batch_age_s: float = 0.05
    token: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        check_timeout(self.timeout_s)
        check_ack(self.ack)
        check_token(self.token)


class Core:
    """The state of one client. `draw` gives a fresh random text: idempotency keys, a start."""

    def __init__(
        self, addresses: str | Iterable[str], settings: Settings, draw: Callable[[], str]
    ) -> None:
        self.nodes = Nodes(read_addresses(addresses), sum(draw().encode()))
        self.seen = Seen()
        self.gathering = Gathering(settings.batch_size, settings.batch_age_s)
        self._settings = settings
        self._draw = draw

    def counting(self, counts: Mapping[str, int], ack: Ack | None, now: float) -> Counting:
        """Return a call that counts these, under a key of its own. Raises `ValueError`."""
        checked = {check_key(key): check_amount(amount) for key, amount in counts.items()}
        if not checked:
            raise ValueError("there is nothing to count")
        settings = self._settings
        return Counting(
            self.nodes,
            checked,
            self._draw(),
            ack=settings.ack if ack is None else check_ack(ack),
            timeout_s=settings.timeout_s,
            direct=settings.direct,
            now=now,
        )

    def reading(self, key: str, least: int, *, consistent: bool, now: float) -> Reading:
        """Return a call that reads a key, at least what has been seen. Raises `ValueError`."""
        return Reading(
            self.nodes,
            check_key(key),
            max(least, self.seen.least(key)),
            consistent=consistent,
            timeout_s=self._settings.timeout_s,
            now=now,
        )
