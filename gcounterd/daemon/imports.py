"""Imports of the daemon: counts that came over the API, put in order, checked and made durable.

Theory. All that is long is done in slices of the loop, for millions of counters as for one. Only
the last step, from the check of the totals to the commit, must not be mixed with that of another
import, or two of them could pass a limit together that neither passes alone: so these follow each
other.

What is held in memory meanwhile is bounded by how many imports are under way, and by how many
counters one may have (`counters.imports`). This module refuses to know formats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

import trio

from gcounterd.counters.imports import Content, Import
from gcounterd.daemon.commits import Commits
from gcounterd.daemon.logs import get_logger
from gcounterd.daemon.slicing import free, sliced
from gcounterd.errors import ClientError
from gcounterd.ids import show
from gcounterd.node.importing import Importing, Known

log = get_logger("gcounterd.imports")

# Each takes some hundred megabytes at the most, and half of the loop's time.
IMPORTS_MAX = 2


class Imports:
    """Imports under way at one node."""

    def __init__(
        self, importing: Importing, commits: Commits, check_open: Callable[[], None]
    ) -> None:
        """`check_open` raises `ClientError` while nothing is to be counted here."""
        self._importing = importing
        self._commits = commits
        self._check_open = check_open
        self._under_way = 0
        self._counting = trio.Lock()
        # For the order of work only, never for what comes out of it.
        self._rng = Random()

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Take one of the places of imports; raise `ClientError` 503 `busy` if none is free."""
        self._check_open()
        if self._under_way == IMPORTS_MAX:
            text = f"{IMPORTS_MAX} imports are under way here; try again, or at another node"
            raise ClientError(503, "busy", text)
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    async def bring(self, source: str, content: Content, *, again: bool) -> dict[str, object]:
        """Count an import, durably; raise `ClientError`."""
        given = await sliced(content.arranged(source, self._rng))
        new, refusal = False, None
        try:
            async with self._counting:
                new = await self._count(given, again=again)
        except ClientError as error:
            refusal = error.with_traceback(None)  # which would keep what is to be freed
        keys, total, column = given.keys, given.total, show(given.column)
        blocks = list(given.batch.blocks)
        del given
        await free(blocks)
        if refusal is not None:
            raise refusal
        log.info("imported", source=source, keys=keys, total=total, repeated=not new)
        shown = {"source": source, "id": column, "keys": keys, "total": total}
        return {**shown, "repeated": not new}

    async def _count(self, given: Import, *, again: bool) -> bool:
        for _ in self._importing.check(given, again=again):
            await trio.lowlevel.checkpoint()
        self._check_open()
        if not self._importing.take(given):
            return False
        await self._commits.noted()
        return True

    async def known(self, after: str, limit: int) -> dict[str, object]:
        """Return the answer of `GET /v1/imports`."""
        found = await sliced(self._importing.known(after, limit + 1))
        following = found[limit - 1].source if len(found) > limit else None
        return {"imports": [_describe(each) for each in found[:limit]], "next": following}


def _describe(known: Known) -> dict[str, object]:
    return {
        "source": known.source,
        "shown_as": known.shown_as,
        "keys": known.keys,
        "total": known.total,
        "contents": [{"id": column, "held": held} for column, held in known.contents],
    }
