"""The load as the run sees it: a process that is told where nodes are, and asked for audits.

This module refuses to know what is counted.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import trio

from tests.chaos.story import Story

# An audit answers within its own bound; this is for a load that died.
REPLY_EXTRA_S = 60.0
END_WAIT_S = 10.0


class Watcher(Protocol):
    """Whoever counts at nodes and looks at them. `counts` are for the log, by what was counted."""

    counts: dict[str, int]

    async def join(self, place: str, port: int) -> None:
        """Count at a node from now on, and look at it."""

    async def leave(self, place: str) -> None:
        """Leave a node alone."""

    async def wipe(self, place: str) -> None:
        """Take note that a node's disk is lost, and leave the node alone."""

    async def doubt(self, place: str) -> None:
        """Take note that a node is being removed."""

    async def audit(self, away: list[str], wait_s: float) -> dict[str, Any]:
        """Bring all to rest and look at every node; return what is `wrong`, and `seconds`.

        `away` are nodes whose disks are out of reach.
        """

    async def end(self) -> dict[str, int]:
        """End; return the last counts."""


# Given the increments a second to offer, a seed and where to complain.
Opener = Callable[[float, int, Story], AbstractAsyncContextManager[Watcher]]


class LoadFailed(Exception):
    """The load's process does not answer any more. For people to read."""


class Account:
    """Talks to the load; made by `open_account`. `counts` are those it told last."""

    def __init__(self, process: trio.Process, story: Story) -> None:
        self.counts: dict[str, int] = {}
        self._process = process
        self._story = story
        self._ended = trio.Event()
        self._audits: trio.MemorySendChannel[dict[str, Any]]
        self._answers: trio.MemoryReceiveChannel[dict[str, Any]]
        self._audits, self._answers = trio.open_memory_channel(1)

    async def join(self, place: str, port: int) -> None:
        """Let it count at a node and look at it."""
        await self._say(do="join", place=place, port=port)

    async def leave(self, place: str) -> None:
        """Let it leave a node alone."""
        await self._say(do="leave", place=place)

    async def wipe(self, place: str) -> None:
        """Tell it that a node's disk is lost; it leaves the node alone, too."""
        await self._say(do="leave", place=place)
        await self._say(do="wipe", place=place)

    async def doubt(self, place: str) -> None:
        """Tell it that a node is being removed."""
        await self._say(do="doubt", place=place)

    async def audit(self, away: list[str], wait_s: float) -> dict[str, Any]:
        """Have all nodes compared with the ledger; return `wrong` and `seconds`."""
        await self._say(do="audit", away=away, wait_s=wait_s)
        with trio.move_on_after(wait_s + REPLY_EXTRA_S):
            return await self._answers.receive()
        raise LoadFailed("the load did not answer")

    async def end(self) -> dict[str, int]:
        """Let it end; return its last counts."""
        await self._say(do="end")
        with trio.move_on_after(END_WAIT_S):
            await self._ended.wait()
            return self.counts
        raise LoadFailed("the load did not end")

    async def read(self) -> None:
        """Take in what it tells, to its end."""
        assert self._process.stdout is not None
        rest = b""
        async for chunk in self._process.stdout:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                await self._hear(json.loads(line))
        await self._audits.aclose()

    async def _hear(self, told: dict[str, Any]) -> None:
        for name, value in told.items():
            if name in ("so_far", "end"):
                self.counts = value
                if name == "end":
                    self._ended.set()
            elif name == "wrong":
                self._story.complain(value)
            else:
                await self._audits.send(value)

    async def _say(self, **command: Any) -> None:
        assert self._process.stdin is not None
        try:
            await self._process.stdin.send_all(json.dumps(command).encode() + b"\n")
        except trio.BrokenResourceError as error:
            raise LoadFailed("the load ended by itself") from error


@asynccontextmanager
async def open_account(rate: float, seed: int, story: Story) -> AsyncIterator[Account]:
    """Run a load of so many increments a second; it ends with the block."""
    command = [sys.executable, "-m", "tests.chaos.talk", "--rate", str(rate), "--seed", str(seed)]
    async with trio.open_nursery() as nursery:
        process = await trio.lowlevel.open_process(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        account = Account(process, story)
        nursery.start_soon(account.read)
        try:
            yield account
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
            nursery.cancel_scope.cancel()
