"""Session: what one connection is in the midst of, and how its commands are taken up.

Theory. Most commands are plain code: they put replies, reads and increments into a burst, and one
commit answers them all. A few wait for something else (other members, a long listing) or are worth
a step of their own; those are *slow*, and end the burst before them. So whoever owns the socket
does the same over and over: `gather`, commit if something was counted, `answers`, and `perform`
where a slow command is next.

MULTI is a queue in here: nothing of it is counted before EXEC, which makes a whole of it.

This module refuses to know sockets, and what the commands are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import attrs

from gcounterd.api.access import LOOPBACK, Access
from gcounterd.api.backend import Backend
from gcounterd.api.responses import blame
from gcounterd.errors import ClientError
from gcounterd.ids import ColumnId
from gcounterd.node.levels import Mark
from gcounterd.resp.burst import Burst
from gcounterd.resp.limits import (
    ONLY_GROW,
    OUTPUT_BYTES_MAX,
    PIPELINE_MAX,
    QUEUE_BYTES_MAX,
    QUEUE_WORDS_MAX,
)
from gcounterd.resp.permits import Permit
from gcounterd.resp.scanner import Scanner
from gcounterd.resp.writing import QUEUED, error, refuse
from gcounterd.security.tokens import Grant

Args = list[bytes]  # of a command, its name first
Plain = Callable[["Session", Burst, Args], None]
Slow = Callable[["Session", Args], Awaitable[bytes]]

# Of an unknown command, what is said of it.
_SHOWN_ARGS, _SHOWN_BYTES = 3, 32


@attrs.frozen
class Command:
    """One row of the table of commands.

    name     in capitals
    usage    its arguments, as people write them
    arity    how many words it has, itself included; negative: at least so many
    help     what it does, in a sentence
    act      does it at once, or None
    perform  does it and waits, or None
    queued   may stand between MULTI and EXEC
    flags    as Redis tells them to clients
    keys     first, last and step of the words that are keys, as Redis tells them
    group    as Redis sorts them
    since    the version of Redis that has had it, "" if none has
    """

    name: str
    usage: str
    arity: int
    help: str
    act: Plain | None = None
    perform: Slow | None = None
    queued: bool = attrs.field(default=False, kw_only=True)
    flags: tuple[str, ...] = attrs.field(default=("fast",), kw_only=True)
    keys: tuple[int, int, int] = attrs.field(default=(0, 0, 0), kw_only=True)
    group: str = attrs.field(default="connection", kw_only=True)
    since: str = attrs.field(default="1.0.0", kw_only=True)

    def takes(self, words: int) -> bool:
        """Say whether it may have so many words."""
        return words == self.arity if self.arity >= 0 else words >= -self.arity


@attrs.frozen
class Room:
    """What all sessions of a node share.

    table  the commands by name, in capitals
    others  names of commands that are refused because they would lower or set a number
    life   drawn for each process, so that cursors of another one are known
    access, base  who needs which token, and what needs none here
    judged        somebody's commands have to be looked at one by one
    """

    backend: Backend
    table: Mapping[bytes, Command]
    others: frozenset[bytes]
    life: int
    access: Access = attrs.field(factory=Access)
    base: Grant = LOOPBACK
    judged: bool = False


class Session:
    """One connection, without its socket.

    number    of this connection, never given twice by a process
    protocol  2 or 3
    name      what the client calls itself
    closing   nothing follows what is replied now
    permit    what its client may do
    """

    def __init__(self, room: Room, number: int) -> None:
        self.room = room
        self.backend = room.backend
        self.number = number
        self.protocol = 2
        self.name = b""
        self.closing = False
        self.scanner = Scanner()
        self.burst = Burst(room.backend)
        self._commands: deque[Args] = deque()
        self._next: tuple[Slow, Args] | None = None
        self._queue: list[tuple[Plain, Args]] | None = None
        self._queue_bytes = self._queue_words = 0
        self._spoilt = False  # a command since MULTI was refused
        self._counted: dict[ColumnId, int] = {}
        self.permit = Permit(room.access, room.base)

    # -- taking up --------------------------------------------------------------------------

    @property
    def engaged(self) -> bool:
        """Say whether a chunk may be anything else than what it looks like."""
        return self._queue is not None or self.scanner.begun or bool(self._commands)

    @property
    def busy(self) -> bool:
        """Say whether what was received has not all been taken up."""
        return bool(self._commands) or self.scanner.begun

    @property
    def more(self) -> bool:
        """Say whether whole commands may be left that were not taken up."""
        return bool(self._commands) or self.scanner.more

    def feed(self, data: bytes) -> None:
        """Take in what was received."""
        self.scanner.feed(data)

    def gather(self) -> bool:
        """Take up commands into the burst; False if none was left to be.

        It ends before a slow command, which `perform` does next, when the replies have become as
        large as are sent at once, and after `PIPELINE_MAX` commands: call it again after those.
        """
        commands, table = self._commands, self.room.table
        if not commands:
            commands += self.scanner.take(PIPELINE_MAX)
        if not commands:
            # So many were empty that whole ones may stand behind them.
            return (self.scanner.failure is None and self.scanner.more) or self._end_broken()
        burst = self.burst
        while commands and burst.size < OUTPUT_BYTES_MAX:
            args = commands.popleft()
            name = args[0].upper()
            command = table.get(name)
            if command is None or not command.takes(len(args)):
                self._spoilt = True
                burst.say(self._unknown(args) if command is None else _wrong_number(name))
            elif self.room.judged and (refusal := self._forbid(command, args)):
                self._spoilt = True
                burst.say(refusal)
            elif self._queue is not None and command.name not in _THROUGH:
                self._enqueue(command, args)
            elif command.act is not None:
                command.act(self, burst, args)
                if self.closing:
                    commands.clear()
            else:
                assert command.perform is not None
                self._next = command.perform, args
                return True
        return True

    def _forbid(self, command: Command, args: Args) -> bytes | None:
        if self.permit.look_again():
            self._spoilt = True  # what is queued was allowed to somebody else
            self.backend = self.permit.limit(self.room.backend)
        return self.permit.forbid(command.name, command.keys, args)

    def show(self, name: bytes, secret: bytes) -> None:
        """Take a token, and its name if that is not b""; raise `ClientError` where it is none."""
        self.permit.show(name, secret)
        self.backend = self.permit.limit(self.room.backend)

    def _end_broken(self) -> bool:
        # Say why nothing can be read any more, once.
        failure = self.scanner.failure
        if failure is None or self.closing:
            return False
        self.closing = True
        if failure:
            self.backend.count("resp_malformed")
            self.burst.say(error(failure))
        else:
            self.backend.count("resp_cross_protocol")
        return True

    def _unknown(self, args: Args) -> bytes:
        name = args[0].upper()
        if name in self.room.others:
            return error(ONLY_GROW)
        shown = " ".join(f"'{_cut(arg)}'" for arg in args[1 : 1 + _SHOWN_ARGS])
        return error(f"unknown command '{_cut(args[0])}', with args beginning with: {shown}")

    # -- committing -------------------------------------------------------------------------

    def committed(self, mark: Mark) -> None:
        """Take note where the increments of this burst lie."""
        self._counted.update(mark)

    @property
    def counted(self) -> Mark:
        """Return where all lies that this connection counted."""
        return tuple(self._counted.items())

    def state(self) -> dict[str, object]:
        """Return what another process needs to go on; nothing may have begun."""
        return {
            "protocol": self.protocol,
            "name": self.name,
            "number": self.number,
            "counted": self.counted,
        }

    def recall(self, state: Mapping[str, Any]) -> None:
        """Go on where another process was."""
        self.protocol, self.name = state["protocol"], state["name"]
        self.number = state["number"]
        self.committed(tuple((ColumnId(column), head) for column, head in state["counted"]))

    def answers(self, failure: ClientError | None = None) -> bytes:
        """Return the replies to what was gathered; `failure` is that of the commit."""
        return b"".join(self.burst.answers(failure))

    def answer_counts(
        self, keys: Sequence[bytes], refused: Mapping[int, ClientError], failure: ClientError | None
    ) -> bytes:
        """Return the replies to increments of one, some `refused` by place, or all failed."""
        for at, key in enumerate(keys):
            self.burst.counted(key, refused.get(at))
        return self.answers(failure)

    @property
    def waits(self) -> bool:
        """Say whether `perform` has something to do."""
        return self._next is not None

    async def perform(self) -> bytes:
        """Do the slow command that is next, and return its reply."""
        assert self._next is not None
        (perform, args), self._next = self._next, None
        try:
            return await perform(self, args)
        except Exception as problem:
            refusal = blame(problem)
            self.backend.count(f"resp_{refusal.code}")
            return refuse(refusal)

    # -- transactions -----------------------------------------------------------------------

    @property
    def in_transaction(self) -> bool:
        """Say whether commands are queued."""
        return self._queue is not None

    def begin(self) -> None:
        """Queue commands from now on."""
        self._queue, self._spoilt = [], False
        self._queue_bytes = self._queue_words = 0

    def end(self) -> tuple[list[tuple[Plain, Args]], bool]:
        """Stop queueing; return what was queued, and whether all that was meant to be was."""
        queue, self._queue = self._queue or [], None
        return queue, not self._spoilt

    def _enqueue(self, command: Command, args: Args) -> None:
        assert self._queue is not None
        size, words = self._queue_bytes + sum(map(len, args)), self._queue_words + len(args)
        if command.act is None or not command.queued:
            reply = error(f"{command.name} is not possible between MULTI and EXEC")
        elif words > QUEUE_WORDS_MAX or size > QUEUE_BYTES_MAX:
            reply = error(
                f"a transaction has at most {QUEUE_WORDS_MAX} words of {QUEUE_BYTES_MAX} bytes"
            )
        else:
            self._queue.append((command.act, args))
            self._queue_bytes, self._queue_words = size, words
            self.burst.say(QUEUED)
            return
        self._spoilt = True
        self.burst.say(reply)


# Between MULTI and EXEC, these are not queued.
_THROUGH = ("MULTI", "EXEC", "DISCARD", "QUIT")


def _wrong_number(name: bytes) -> bytes:
    return error(f"wrong number of arguments for '{_cut(name.lower())}' command")


def _cut(text: bytes) -> str:
    return text[:_SHOWN_BYTES].decode("ascii", "backslashreplace")
