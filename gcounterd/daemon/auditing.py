"""Auditing: each action of an operator as a line of the log, and in the audit file.

Theory. The log has it at once. The file is written by a thread, so a slow disk delays nobody; what
waits for it is bounded, and what is lost then is said. Refused attempts are told apart, and only so
many in a while, since whoever has no token can make any number of them.
"""

from __future__ import annotations

import time
from pathlib import Path

import trio

from gcounterd.daemon.logs import get_logger, stamp
from gcounterd.security.audit import AuditFile, Deed
from gcounterd.security.rates import Rates

log = get_logger("gcounterd.audit")

# Deeds that wait for the disk; what comes then is only in the log.
DEEDS_WAITING_MAX = 256
# Refused attempts told in a second, of all who try.
REFUSED_PER_S_MAX = 5


class Auditing:
    """What operators did at one node."""

    def __init__(self, folder: Path) -> None:
        self._file = AuditFile(folder)
        self._send, self._receive = trio.open_memory_channel[tuple[str, Deed]](DEEDS_WAITING_MAX)
        self._refused = Rates(REFUSED_PER_S_MAX)

    def note(self, deed: Deed) -> None:
        """Take down what was done or refused."""
        now = time.time()
        if deed.status in (401, 403):
            if not self._refused.take("", 1, now):
                return
            log.warning(
                "operator_refused",
                who=deed.who,
                action=deed.action,
                asked=deed.asked,
                code=deed.code,
            )
        else:
            log.info(
                "operator_action",
                who=deed.who,
                action=deed.action,
                asked=deed.asked,
                status=deed.status,
                code=deed.code,
            )
        try:
            self._send.send_nowait((stamp(now), deed))
        except trio.WouldBlock:
            log.warning("audit_unwritten", reason="too much waits for the disk")

    async def run(self) -> None:
        """Write the file, until cancelled."""
        async for at, deed in self._receive:
            try:
                await trio.to_thread.run_sync(self._file.write, at, deed)
            except OSError as error:
                log.warning("audit_unwritten", reason=error)
