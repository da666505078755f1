"""Reloading: what HUP reads anew while the node runs.

Theory. Secrets are replaced more often than daemons are, so whatever comes from a file that
operators change has a part here. A part reads and checks, away from the loop, and hands back what
puts the new in force; where reading fails, what is in force stays, and the log says so. One part
that fails does not keep the others from being read. HUPs that come meanwhile are one more reading.

This module refuses to know what is read.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from gcounterd.daemon.logs import get_logger
from gcounterd.errors import ConfigError

log = get_logger("gcounterd.reloading")

Read = Callable[[], Callable[[], None]]


class Reloading:
    """The parts that are read anew, by their names."""

    def __init__(self) -> None:
        self._parts: dict[str, Read] = {}
        self._wanted = trio.Event()

    def add(self, name: str, read: Read) -> None:
        """Have a part read; it runs in a thread, raises `ConfigError`, and returns what uses it."""
        self._parts[name] = read

    def request(self) -> None:
        """Have all of it read soon."""
        self._wanted.set()

    async def run(self) -> None:
        """Read whenever it is wanted, until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted = trio.Event()
            await self.reload()

    async def reload(self) -> None:
        """Read all parts now."""
        done = []
        for name, read in self._parts.items():
            try:
                use = await trio.to_thread.run_sync(read)
            except ConfigError as error:
                log.error("reload_failed", part=name, reason=error)
            else:
                use()
                done.append(name)
        log.info("reloaded", parts=done)
