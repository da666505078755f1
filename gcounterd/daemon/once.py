"""Once: requests that carry an Idempotency-Key are counted once at this node.

Theory. A request whose key has a receipt is answered from it and counts nothing. One whose key is
under way waits until that is committed or refused, and looks again. Any other is counted, unless it
says that it is a repeat: then the first one may have been counted at another node, and counting it
here would be a guess.

What was counted before a drain, a removal or a twin is told during it as ever. This module refuses
to know headers and answers.
"""

from __future__ import annotations

from collections.abc import Callable

from gcounterd.api.backend import Counted
from gcounterd.daemon.commits import Commits
from gcounterd.daemon.slicing import sliced
from gcounterd.errors import ClientError
from gcounterd.node.node import Node
from gcounterd.node.receipts import Claim, Receipt


class Once:
    """Counts keyed requests; `check_open` raises `ClientError` where increments are refused."""

    def __init__(self, node: Node, commits: Commits, check_open: Callable[[], None]) -> None:
        self._node = node
        self._commits = commits
        self._check_open = check_open

    async def count(
        self, claim: Claim, counts: dict[bytes, int], *, repeat: bool, first: str
    ) -> Counted:
        """Count these, or return what they were answered; see `Backend.count_once`."""
        receipts = self._node.receipts
        found = await sliced(self._node.counters.looking_up(counts))
        while receipts.is_pending(claim):
            await self._commits.settled()
        receipt = receipts.find(claim, self._node.config.wall_ms())
        if receipt is not None:
            return _tell(receipt, replayed=True)
        if repeat:
            raise self._unknown(first)
        self._check_open()
        self._node.add_once(claim, counts, found)
        await self._commits.wait()
        receipt = receipts.find(claim, 0)  # however far the clock has jumped
        assert receipt is not None, "what was committed has a receipt"
        return _tell(receipt, replayed=False)

    def _unknown(self, first: str) -> ClientError:
        """Return what a repeat is told that has no receipt here."""
        text = "this node has no record of the first request, and does not guess; nothing was "
        text += "counted now"
        if first:
            text += f": ask node '{first}', which answered it"
        details = {"node": first} if first else {}
        return ClientError(409, "retry_elsewhere", text, definite=False, details=details)


def _tell(receipt: Receipt, *, replayed: bool) -> Counted:
    return Counted(receipt.values, ((receipt.column, receipt.version),), replayed=replayed)
