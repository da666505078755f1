"""The identity: who this data directory is, and the only place that writes it down.

Theory. An epoch must be on disk before anything is counted in it, also the second one of a process,
so that the next start draws above it. Two parts of the daemon change the identity while it runs (a
newcomer that has caught up, a new epoch); both go through here, one after the other, so that none
writes over what the other wrote.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

import attrs
import trio

from gcounterd.ids import Epoch, draw_epoch
from gcounterd.storage.schema import Settings
from gcounterd.storage.store import Store

# How far an identity has come. A newcomer that stops before it has caught up has not done so yet
# when it starts again, although its disk is whole.
CATCHING_UP = "catching up"
CAUGHT_UP = "caught up"


def is_caught_up(settings: Settings) -> bool:
    """Say whether this identity has ever been ready."""
    return settings.identity_state != CATCHING_UP


def wall_ms() -> int:
    """Return milliseconds since 1970 by this host's clock."""
    return time.time_ns() // 1_000_000


def draw(above: Epoch | None) -> Epoch:
    """Draw an epoch by this host's clock, above `above` if given."""
    return draw_epoch(wall_ms(), secrets.randbits(80), above)


class Identity:
    """The identity of a running process."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._one_change = trio.Lock()

    async def redraw(self, above: Epoch) -> Epoch:
        """Draw an epoch above this one and write it down. Raises `StorageError`."""
        epoch = draw(above)
        await self._change(lambda settings: attrs.evolve(settings, epoch=epoch))
        return epoch

    async def note_caught_up(self) -> None:
        """Write down that it was ready once. Raises `StorageError`."""
        await self._change(lambda settings: attrs.evolve(settings, identity_state=CAUGHT_UP))

    async def _change(self, change: Callable[[Settings], Settings]) -> None:
        async with self._one_change:
            changed = change(self._settings)
            await self._store.save_settings(changed)
            self._settings = changed
