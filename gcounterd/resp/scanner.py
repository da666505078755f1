"""Scanner: bytes as they come, to commands; every byte that a RESP client can send ends here.

Theory. hiredis reads quickly and trusts lengths: `*1000000000` makes it reserve 7.8 GB. So each
length is looked at first, as soon as its line is there, and hiredis is given whole commands only,
whose lengths are known to be right; it never holds half of one. Where a command is not complete the
scanner remembers how far it looked, so that a client which sends single bytes costs no more than
others. How the bytes were cut into chunks makes no difference to what comes out.

A line that begins with none of RESP's signs is an inline command, words with spaces between. That
is also what a web page sees to it that a browser sends to this port, so whatever looks like HTTP
ends the connection before any command that comes after it.

This module refuses to know what commands mean.
"""

from __future__ import annotations

import re

import hiredis

from gcounterd.resp.limits import (
    ARGUMENTS_MAX,
    BULK_BYTES_MAX,
    COMMAND_BYTES_MAX,
    INLINE_BYTES_MAX,
    LENGTH_DIGITS_MAX,
)

_BLANK = re.compile(rb"[\r\n]+")
# No length has a 0 in front: neither Redis nor hiredis takes one.
_NUMBER = rb"0|[1-9][0-9]{0,%d}" % (LENGTH_DIGITS_MAX - 1)
_ARRAY = re.compile(rb"\*(%b|-[1-9][0-9]{0,%d})\r\n" % (_NUMBER, LENGTH_DIGITS_MAX - 1))
_BULK = re.compile(rb"\$(%b)\r\n" % _NUMBER)
# A line of a length: its sign, an own sign, digits, CR, LF.
_HEAD_BYTES_MAX = LENGTH_DIGITS_MAX + 4
_HTTP_WORDS = (b"POST", b"HOST:")
_HTTP_LINE = re.compile(rb"HTTP/[0-9.]+$", re.IGNORECASE)


class _IncompleteError(Exception):
    """More bytes are needed."""


class _BrokenError(Exception):
    """This is no RESP; the text is for the client."""


class Scanner:
    """One connection's input.

    failure  why nothing can be read any more, for the client; "" where it is not to be told
    more     the last `take` may have left whole commands
    """

    __slots__ = ("_at", "_begin", "_data", "_left", "_run_commands", "_run_from", "failure", "more")

    def __init__(self) -> None:
        self.failure: str | None = None
        self.more = False
        self._data: bytes | bytearray = b""
        self._begin = 0  # where the first command begins that is not complete
        self._at = 0  # how far that was looked at
        self._left = 0  # arguments that it still lacks; 0 if not even its length is known
        self._run_from = 0  # where whole commands begin that hiredis has not been given
        self._run_commands = 0

    @property
    def begun(self) -> bool:
        """Say whether part of a command is here, or whole ones not taken yet."""
        return self._begin < len(self._data)

    def feed(self, data: bytes) -> None:
        """Take in what was received."""
        if not self._data:
            self._data = data
        else:
            if isinstance(self._data, bytes):
                self._data = bytearray(self._data)
            self._data += data

    def take(self, most: int) -> list[list[bytes]]:
        """Return up to `most` whole commands, in order, without empty ones.

        Those before a `failure` are returned with it. Fewer than `most`: there are no more.
        """
        commands: list[list[bytes]] = []
        if self.failure is not None:
            return commands
        self._run_from, self._run_commands = self._begin, 0
        seen = 0
        try:
            while seen < most:
                self._step(commands)
                seen += 1
        except _IncompleteError:
            pass
        except _BrokenError as broken:
            self.failure = str(broken)
        self._flush(commands)
        self._drop()
        self.more = seen == most or self.failure is not None
        return commands

    def _step(self, commands: list[list[bytes]]) -> None:
        # Look at one command to its end.
        data = self._data
        if not self._left:
            if self._begin >= len(data):
                raise _IncompleteError
            first = data[self._begin]
            if first == 0x2A:  # *
                self._left = self._read_array()
            else:
                self._flush(commands)
                self._read_line(commands)
                self._run_from = self._begin
                return
        while self._left > 0:
            self._skip_bulk()
            self._left -= 1
        if self._left == 0:
            self._run_commands += 1
        else:  # an empty array is no command
            self._flush(commands)
            self._run_from = self._at
        self._left = 0
        self._begin = self._at

    def _read_array(self) -> int:
        # Return the number of arguments, -1 if there are none.
        number = self._read_length(_ARRAY, self._begin, "invalid multibulk length")
        if number > ARGUMENTS_MAX:
            raise _BrokenError(f"Protocol error: more than {ARGUMENTS_MAX} arguments")
        return number if number > 0 else -1

    def _skip_bulk(self) -> None:
        data, at = self._data, self._at
        if at < len(data) and data[at] != 0x24:  # $
            got = chr(data[at]).encode("ascii", "backslashreplace").decode()
            raise _BrokenError(f"Protocol error: expected '$', got '{got}'")
        size = self._read_length(_BULK, at, "invalid bulk length")
        if size > BULK_BYTES_MAX:
            self._at = at
            raise _BrokenError(f"Protocol error: an argument is at most {BULK_BYTES_MAX} bytes")
        end = self._at + size
        if end + 2 - self._begin > COMMAND_BYTES_MAX:
            raise _BrokenError(f"Protocol error: a command is at most {COMMAND_BYTES_MAX} bytes")
        if end + 2 > len(data):
            self._at = at
            raise _IncompleteError
        if data[end : end + 2] != b"\r\n":
            raise _BrokenError("Protocol error: an argument is longer or shorter than it says")
        self._at = end + 2

    def _read_length(self, pattern: re.Pattern[bytes], at: int, wrong: str) -> int:
        # Return the number in the line that begins at `at`, and go behind it.
        found = pattern.match(self._data, at)
        if found is None:
            line = bytes(self._data[at : at + _HEAD_BYTES_MAX])
            if b"\n" in line or len(line) == _HEAD_BYTES_MAX:
                raise _BrokenError(f"Protocol error: {wrong}")
            raise _IncompleteError
        self._at = found.end()
        return int(found[1])

    def _read_line(self, commands: list[list[bytes]]) -> None:
        # Take an inline command, or what stands between commands.
        data = self._data
        if blank := _BLANK.match(data, self._begin):
            self._begin = self._at = blank.end()
            return
        end = data.find(b"\n", self._begin, self._begin + INLINE_BYTES_MAX)
        if end < 0:
            if len(data) - self._begin >= INLINE_BYTES_MAX:
                raise _BrokenError("Protocol error: too big inline request")
            raise _IncompleteError
        line = bytes(data[self._begin : end]).strip()
        words = line.split()
        if words and (words[0].upper() in _HTTP_WORDS or _HTTP_LINE.search(line)):
            raise _BrokenError("")
        if b'"' in line or b"'" in line:
            raise _BrokenError("Protocol error: no quotes in an inline command; send an array")
        self._begin = self._at = end + 1
        if len(words) > ARGUMENTS_MAX:
            raise _BrokenError(f"Protocol error: more than {ARGUMENTS_MAX} arguments")
        if words:
            commands.append(words)

    def _flush(self, commands: list[list[bytes]]) -> None:
        # Let hiredis read the whole commands that were looked at.
        if self._run_commands:
            reader = hiredis.Reader()
            reader.feed(bytes(self._data[self._run_from : self._begin]))
            commands += [reader.gets() for _ in range(self._run_commands)]
            self._run_commands = 0
        self._run_from = self._begin

    def _drop(self) -> None:
        # Let go of what was taken.
        if self.failure is not None or self._begin >= len(self._data):
            self._data, self._begin, self._at = b"", 0, 0
        elif self._begin:
            self._data = self._data[self._begin :]
            self._at -= self._begin
            self._begin = 0
