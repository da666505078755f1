"""Transactions: MULTI, EXEC and DISCARD.

Theory. EXEC is one commit, all or none, which is more than Redis promises and what people take it
for. It sees no WATCH: increments never conflict, so there is nothing to watch for.
"""

from __future__ import annotations

from gcounterd.resp.burst import Burst
from gcounterd.resp.session import Args, Command, Session
from gcounterd.resp.writing import OK, error


def multi(session: Session, burst: Burst, args: Args) -> None:
    """`MULTI`."""
    if session.in_transaction:
        burst.say(error("MULTI calls can not be nested"))
    else:
        session.begin()
        burst.say(OK)


def execute(session: Session, burst: Burst, args: Args) -> None:
    """`EXEC`."""
    if not session.in_transaction:
        burst.say(error("EXEC without MULTI"))
        return
    queue, complete = session.end()
    if not complete:
        text = "Transaction discarded because of previous errors."
        burst.say(error(text, "EXECABORT"))
        return
    burst.begin_whole()
    for act, queued in queue:
        act(session, burst, queued)
    burst.end_whole()


def discard(session: Session, burst: Burst, args: Args) -> None:
    """`DISCARD`."""
    if session.in_transaction:
        session.end()
        burst.say(OK)
    else:
        burst.say(error("DISCARD without MULTI"))


COMMANDS = (
    Command(
        "MULTI",
        "",
        1,
        "Queues what follows, until EXEC or DISCARD.",
        multi,
        group="transactions",
        since="1.2.0",
    ),
    Command(
        "EXEC",
        "",
        1,
        "Does what is queued: its increments in one commit, all or none. If one is refused, or a "
        "command was, the answer is EXECABORT and nothing was counted.",
        execute,
        flags=(),
        group="transactions",
        since="1.2.0",
    ),
    Command(
        "DISCARD", "", 1, "Forgets what is queued.", discard, group="transactions", since="2.0.0"
    ),
)
