"""The table of commands: the one place that says what there is, for sessions and for the reference.

`OTHERS` are commands of Redis that would lower a number, set it or let it end. They are told why
they are refused, and not that they are unknown.
"""

from __future__ import annotations

from gcounterd.resp import counting, greeting, transactions, waiting
from gcounterd.resp.session import Command

COMMANDS: tuple[Command, ...] = (
    *counting.COMMANDS,
    *waiting.COMMANDS,
    *transactions.COMMANDS,
    *greeting.COMMANDS,
)
TABLE: dict[bytes, Command] = {command.name.encode(): command for command in COMMANDS}
OTHERS = frozenset(
    b"DECR DECRBY SET SETEX PSETEX SETNX MSET MSETNX GETSET GETDEL GETEX APPEND SETRANGE SETBIT "
    b"INCRBYFLOAT DEL UNLINK FLUSHALL FLUSHDB EXPIRE PEXPIRE EXPIREAT PEXPIREAT RENAME RENAMENX "
    b"RESTORE MOVE COPY SWAPDB BITOP".split()
)
