"""Splitting: the helper processes that count the words of texts, from the node's side.

Theory. Each text under way has a process of its own, so that a slow client delays nobody and one
that breaks off leaves nothing behind: its process is ended. One that has come to the end of its
text is kept for the next; the first text starts one. All end with the node, since they read from
it.

A process that ends by itself has counted nothing here: the answer is definite. This module refuses
to know counters, and what a word is.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

import attrs
import trio

from gcounterd.api.backend import Words
from gcounterd.api.words import PREFIX
from gcounterd.daemon.logs import get_logger
from gcounterd.daemon.splitter import LENGTH_BYTES
from gcounterd.errors import ClientError

log = get_logger("gcounterd.splitting")

# Texts under way, each with a process: some 25 MB for an ordinary text.
TEXTS_MAX = 4
# Of a text that is on its way to the process: one write fills the pipe.
_FRAME_BYTES = 64 * 1024
_RECEIVE_BYTES = 64 * 1024
# A process that takes longer over what it was given hangs.
_PATIENCE_S = 60.0
# Isolated from the folder in which the node was started.
_COMMAND = (sys.executable, "-P", "-m", "gcounterd.daemon.splitter")

# Returns the next piece of a text, None at its end.
Following = Callable[[], Awaitable[bytes | None]]


@attrs.define(eq=False)
class _Helper:
    # A process, and what it wrote that is not read yet.
    process: trio.Process
    rest: bytearray = attrs.field(factory=bytearray)

    @property
    def runs(self) -> bool:
        return self.process.poll() is None

    def end(self) -> None:
        self.process.kill()

    async def close(self) -> None:
        """End it, and wait until it is gone."""
        with trio.CancelScope(shield=True):
            self.end()
            assert self.process.stdin is not None
            assert self.process.stdout is not None
            await self.process.stdin.aclose()
            await self.process.stdout.aclose()
            await self.process.wait()

    async def send(self, frame: bytes) -> None:
        with trio.fail_after(_PATIENCE_S):
            await self._write(frame)

    async def _write(self, frame: bytes) -> None:
        assert self.process.stdin is not None
        await self.process.stdin.send_all(len(frame).to_bytes(LENGTH_BYTES, "big") + frame)

    async def receive(self) -> bytes:
        """Return the next frame; raise `EOFError` where there is none."""
        await self._fill(LENGTH_BYTES)
        length = int.from_bytes(self.rest[:LENGTH_BYTES], "big")
        await self._fill(LENGTH_BYTES + length)
        frame = bytes(self.rest[LENGTH_BYTES : LENGTH_BYTES + length])
        del self.rest[: LENGTH_BYTES + length]
        return frame

    async def _fill(self, size: int) -> None:
        assert self.process.stdout is not None
        while len(self.rest) < size:
            data = await self.process.stdout.receive_some(_RECEIVE_BYTES)
            if not data:
                raise EOFError
            self.rest += data


class Splitting:
    """The processes that split texts."""

    def __init__(self) -> None:
        self._idle: list[_Helper] = []
        self._under_way = 0

    async def words(self, following: Following) -> Words:
        """Count the words of a text, of which `following` returns the next piece.

        Raises `ClientError` 400 `bad_text`, 413 `too_many_words`, 503 `busy`, 503 `splitter_died`,
        all definite, and what `following` raises.
        """
        if self._under_way == TEXTS_MAX:
            text = f"{TEXTS_MAX} texts are under way here; try again, or at another node"
            raise ClientError(503, "busy", text)
        self._under_way += 1
        try:
            return await self._split(following)
        finally:
            self._under_way -= 1

    async def close(self) -> None:
        """End the processes that wait for a text."""
        while self._idle:
            await self._idle.pop().close()

    async def _split(self, following: Following) -> Words:
        helper = await self._take()
        whole = False
        try:
            words = await self._ask(helper, following)
            whole = True
        except (EOFError, OSError, trio.BrokenResourceError, trio.TooSlowError) as error:
            log.warning("splitter_died", reason=type(error).__name__)
            text = "the process that splits texts ended before it was done; nothing was counted"
            raise ClientError(503, "splitter_died", text) from None
        finally:
            if whole:
                self._idle.append(helper)
            else:
                await helper.close()
        return words

    async def _take(self) -> _Helper:
        while self._idle:
            helper = self._idle.pop()
            if helper.runs:
                return helper
            await helper.close()
        # Signals from a terminal are for the node, which ends its processes itself.
        process = await trio.lowlevel.open_process(
            _COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return _Helper(process)

    async def _ask(self, helper: _Helper, following: Following) -> Words:
        # One that finds a mistake says so and ends, which is noticed when more is sent.
        with suppress(trio.BrokenResourceError):
            await _send_all(helper, following)
        with trio.fail_after(_PATIENCE_S):
            said = json.loads(await helper.receive())
            if "code" in said:
                raise ClientError(said["status"], said["code"], said["error"])
            return Words(await _read_counts(helper), said["total"], said["too_long"])


async def _send_all(helper: _Helper, following: Following) -> None:
    gathered: list[bytes] = []
    size = 0
    while (piece := await following()) is not None:
        gathered.append(piece)
        size += len(piece)
        if size >= _FRAME_BYTES:
            await helper.send(b"".join(gathered))
            gathered, size = [], 0
    if size:
        await helper.send(b"".join(gathered))
    await helper.send(b"")


async def _read_counts(helper: _Helper) -> dict[bytes, int]:
    counts: dict[bytes, int] = {}
    while frame := await helper.receive():
        for line in frame.split(b"\n"):
            count, _, word = line.partition(b" ")
            counts[PREFIX + word] = int(count)
        await trio.lowlevel.checkpoint()
    return counts
