"""Texts: the words of a text, counted in one commit.

Theory. Adding a hundred thousand words in one step would hold the loop for a tenth of a second, and
adding them in slices could have a commit cut between them, so that half a text would count if the
other half cannot. So it is done between two commits (`Commits.between`): others count meanwhile,
into the same commit, and nothing is cut before all words are in, or are taken back. One text goes
into a commit, so that no commit grows with their number. This module refuses to know what a word
is.
"""

from __future__ import annotations

from collections.abc import Callable, Generator

import trio

from gcounterd.api.backend import Words
from gcounterd.daemon.commits import Commits
from gcounterd.daemon.slicing import sliced
from gcounterd.daemon.splitting import Following, Splitting
from gcounterd.errors import ClientError
from gcounterd.node.node import Node

# Words added in one step: about a millisecond.
_SLICE = 1024


class Texts:
    """Counts texts at one node."""

    def __init__(self, node: Node, commits: Commits, check_open: Callable[[], None]) -> None:
        """`check_open` raises `ClientError` while nothing is to be counted here."""
        self._node = node
        self._commits = commits
        self._check_open = check_open
        self._adding = trio.Lock()
        self.splitting = Splitting()

    async def count(self, following: Following) -> Words:
        """Count the words of a text; see `api.backend.Backend.count_text`."""
        self._check_open()
        self._node.check_counting()
        words = await self.splitting.words(following)
        if words.counts:
            await self._add(words.counts)
        return words

    async def _add(self, counts: dict[bytes, int]) -> None:
        added = trio.Event()
        refusal: ClientError | None = None
        outcome = None

        async def add() -> None:
            nonlocal refusal, outcome
            try:
                await sliced(self._add_all(counts))
                outcome = self._commits.gathering()
            except ClientError as error:
                refusal = error
            finally:
                added.set()

        async with self._adding:
            self._commits.between("text", add)
            await added.wait()
        if refusal is not None:
            raise refusal
        if outcome is None:
            text = "this node stopped before it knew whether this was written"
            raise ClientError(503, "stopped", text, definite=False)
        await outcome.wait()

    def _add_all(self, counts: dict[bytes, int]) -> Generator[None, None, None]:
        counters = self._node.counters
        done: list[bytes] = []
        try:
            for number, (key, amount) in enumerate(counts.items()):
                if number % _SLICE == 0:
                    yield
                    self._check_open()
                    self._node.check_counting()
                counters.add(key, amount)
                done.append(key)
        except ClientError:
            for number, key in enumerate(done, 1):
                counters.writer.withdraw(key, counts[key])
                if number % _SLICE == 0:
                    yield
            raise
