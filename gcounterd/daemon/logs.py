"""Log lines: one event a line, with fields, as JSON or for a console.

Theory. An event has a stable name (`link_refused`), so that searches and alarms outlive wording;
what varies goes into fields. A line is made where it is logged, in memory, and written by one
thread, because a terminal that is paused or a pipe that nobody reads would otherwise stop the
event loop. The queue between is bounded. When it is full, lines are dropped, newest first, and
how many is itself logged as soon as there is room: a daemon must not die of its own log.

Fields may hold what clients and peers sent. Control characters are escaped and text is cut, so a
key can neither forge a line nor fill a disk. Records of other libraries, which come through the
standard library's `logging`, are written as events called `log`. This module refuses to know
files, rotation and levels by module: standard error is for the supervisor to keep.
"""

from __future__ import annotations

import atexit
import collections
import json
import logging
import math
import threading
import traceback
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Protocol

from gcounterd.daemon.printable import cut, escape
from gcounterd.errors import GCounterError

# Names and addresses fit; a key of 1,024 bytes does not, and its beginning says enough.
FIELD_CHARS_MAX = 200
# Our own errors say what to do, and an operator must be able to read it to the end.
SENTENCE_CHARS_MAX = 2000
# Deep enough for an exception group of a few tasks.
TRACEBACK_CHARS_MAX = 16_000
# A list in a field is for a glance: the whole is for the API.
ITEMS_MAX = 20
# At 1 KiB a line some 8 MiB: bursts pass, a dead reader costs no more than that.
LINES_MAX = 8192
# A supervisor gives us tens of seconds to stop; a reader that is alive needs far less than this.
FLUSH_WAIT_S = 2.0

RESERVED = ("ts", "level", "event")
_ROOT = "gcounterd"
_FIELDS = "gcounterd_fields"


class LineStream(Protocol):
    """What lines are written to; `sys.stderr` is one."""

    def write(self, text: str, /) -> object:
        """Write text; may block."""

    def flush(self) -> object:
        """Hand it on; may block."""


class Log:
    """What the daemon's code calls; cheap where the level is off."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def debug(self, event: str, /, **fields: object) -> None:
        """Log what only somebody who debugs wants."""
        self._log(logging.DEBUG, event, fields)

    def info(self, event: str, /, **fields: object) -> None:
        """Log what an operator reads to know what the node did."""
        self._log(logging.INFO, event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        """Log what an operator should look at, though the node goes on."""
        self._log(logging.WARNING, event, fields)

    def error(self, event: str, /, **fields: object) -> None:
        """Log what stops the node from doing its work."""
        self._log(logging.ERROR, event, fields)

    def crash(self, event: str, error: BaseException, /, **fields: object) -> None:
        """Log an exception that is a mistake of our own, with its traceback."""
        text = "".join(traceback.format_exception(error))
        self._log(logging.ERROR, event, {"error": error, **fields, "traceback": text})

    def _log(self, level: int, event: str, fields: Mapping[str, object]) -> None:
        if self._logger.isEnabledFor(level):
            assert not any(name in RESERVED for name in fields), fields
            self._logger.log(level, event, extra={_FIELDS: fields})


def get_logger(name: str = _ROOT) -> Log:
    """Return the log of a part of the daemon; `name` starts with `gcounterd`."""
    assert name.split(".")[0] == _ROOT, name
    return Log(logging.getLogger(name))


class LineWriter:
    """The thread that writes, and the bounded queue in front of it.

    `dropped` is the number of lines lost so far: the queue was full, or the stream failed.
    """

    def __init__(self, log_format: str, stream: LineStream, lines_max: int = LINES_MAX) -> None:
        self.dropped = 0
        self._render = render_json if log_format == "json" else render_console
        self._stream = stream
        self._lines_max = lines_max
        self._lines: collections.deque[str] = collections.deque()
        self._unreported = 0
        self._closing = False
        self._changed = threading.Condition()
        # A daemon thread: a reader that never reads must not keep the process from ending.
        self._thread = threading.Thread(target=self._write_all, name="logs", daemon=True)
        self._thread.start()

    def take(self, record: logging.LogRecord) -> bool:
        """Queue the record's line, or count it as dropped; always says it is dealt with."""
        try:
            line = self._render(record.created, *_describe(record))
        except Exception as error:  # a value that cannot be shown must not stop who logs it
            failed = {"of": str(record.msg), "error": error}
            line = self._render(record.created, "error", "log_failed", failed)
        with self._changed:
            if self._closing or len(self._lines) >= self._lines_max:
                self.dropped += 1
                self._unreported += 1
            else:
                self._lines.append(line)
                self._changed.notify()
        return False

    def close(self, wait_s: float = FLUSH_WAIT_S) -> None:
        """Write what is queued, for at most `wait_s` seconds, and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(wait_s)

    def _write_all(self) -> None:
        while lines := self._next_lines():
            try:
                self._stream.write("".join(lines))
                self._stream.flush()
            except (OSError, ValueError):  # the reader is gone, or the stream is closed
                with self._changed:
                    self.dropped += len(lines)

    def _next_lines(self) -> list[str]:
        """Wait for lines and take all of them; empty when there will be no more."""
        with self._changed:
            while not self._lines and not self._closing:
                self._changed.wait()
            lines = list(self._lines)
            self._lines.clear()
            if self._unreported:
                fields: dict[str, object] = {"lines": self._unreported}
                now = datetime.now(UTC).timestamp()
                lines.append(self._render(now, "warning", "log_lines_dropped", fields))
                self._unreported = 0
            return lines


_writer: LineWriter | None = None
_handler: logging.Handler | None = None


def configure(log_format: str, level: str, stream: LineStream) -> LineWriter:
    """Write all logs to `stream` from now on, in place of where they went before.

    `log_format` is `json` or `console`; `level` is that of the daemon's own events. Other
    libraries are heard from warning upwards. May be called again, to change any of it.
    """
    global _writer, _handler  # noqa: PLW0603 - the standard library's root logger is global too
    root = logging.getLogger()
    if _handler is not None:
        root.removeHandler(_handler)
    if _writer is not None:
        _writer.close()
    else:
        atexit.register(flush)
    _writer = LineWriter(log_format, stream)
    # A handler whose filter takes the record away: the standard library's own hook for this, and
    # the writer need not be a subclass of anything.
    _handler = logging.Handler()
    _handler.addFilter(_writer.take)
    root.addHandler(_handler)
    set_level(level)
    return _writer


def set_level(level: str) -> None:
    """Log the daemon's own events from this level upwards."""
    logging.getLogger(_ROOT).setLevel(level.upper())


def flush() -> None:
    """Write what is queued before the process ends."""
    if _writer is not None:
        _writer.close()


def render_json(at_s: float, level: str, event: str, fields: Mapping[str, object]) -> str:
    """Make one line of JSON in ASCII; `at_s` is in seconds since 1970."""
    line: dict[str, object] = {"ts": stamp(at_s), "level": level, "event": event}
    for name, value in fields.items():
        traced = name == "traceback"
        line[name] = cut(str(value), TRACEBACK_CHARS_MAX) if traced else _show(value)
    # DEL is the one control character that JSON leaves as it is.
    return json.dumps(line).replace("\x7f", "\\u007f") + "\n"


def render_console(at_s: float, level: str, event: str, fields: Mapping[str, object]) -> str:
    """Make one line for eyes: time, level, event, `name=value` pairs."""
    line = f"{stamp(at_s)} {level:<7} {escape(event)}"
    after = ""
    for name, value in fields.items():
        if name == "traceback":  # wanted as lines by whoever reads a console
            shown = cut(str(value), TRACEBACK_CHARS_MAX).splitlines()
            after = "".join(f"    {escape(part)}\n" for part in shown)
        else:
            line += f" {name}={_show_console(_show(value))}"
    return f"{line}\n{after}"


def _describe(record: logging.LogRecord) -> tuple[str, str, Mapping[str, object]]:
    level = record.levelname.lower()
    fields = getattr(record, _FIELDS, None)
    if fields is not None:
        return level, str(record.msg), fields
    foreign: dict[str, object] = {"logger": record.name, "message": record.getMessage()}
    if record.exc_info and record.exc_info[1] is not None:
        foreign["traceback"] = "".join(traceback.format_exception(record.exc_info[1]))
    return level, "log", foreign


def stamp(at_s: float) -> str:
    """Write a time in seconds since 1970: ISO 8601 in UTC, with milliseconds."""
    at = datetime.fromtimestamp(at_s, UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def _show(value: object, depth: int = 0) -> object:
    match value:
        case None | bool():
            return value
        case int():
            # Beyond 64 bits a number is a mistake, and writing a huge one takes long.
            return int(value) if value.bit_length() <= 64 else f"{value.bit_length()} bits"
        case float():
            return value if math.isfinite(value) else str(value)
        case str():
            return cut(str(value), FIELD_CHARS_MAX)
        case bytes():
            return cut(value.decode(errors="backslashreplace"), FIELD_CHARS_MAX)
        case GCounterError():
            return cut(str(value), SENTENCE_CHARS_MAX)
        case BaseException():
            return cut(f"{type(value).__name__}: {value}", FIELD_CHARS_MAX)
        case Mapping() if depth == 0:
            return {str(name): _show(item, 1) for name, item in islice(value.items(), ITEMS_MAX)}
        case Sequence() if depth == 0:
            return [_show(item, 1) for item in islice(value, ITEMS_MAX)]
        case _:
            return cut(str(value), FIELD_CHARS_MAX)


def _show_console(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    shown = escape(text)
    return f'"{shown}"' if " " in shown or not shown else shown
