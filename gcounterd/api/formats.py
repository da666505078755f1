"""Formats: counts as JSON lines, as one JSON object, or as CSV, read and written piece by piece.

    {"key": "visits", "value": 7}       one object a line; "count" does for "value", and other
    {"key": "pears", "value": 3}        members are passed over
    [{"key": "visits", …}, …]           the same as one array
    {"visits": 7, "pears": 3}           one object of all
    visits,7                            with or without a first line key,value
    "pears, ripe",3

Where counters are kept by namespace, as CountAPI and its heirs do, a member "namespace", or a first
line namespace,key,value, makes the key of both: `namespace/key`.

Theory. What comes is strangers' text, as with any body (`api.bodies`): a number is digits and
nothing else, a record is bounded in length, and what does not fit is refused with its place. A
reader keeps no more than one unfinished record, so a file is read while it arrives. After so many
records it pauses.

The files in which a node writes down what it refused to count (`storage.refused`) are lines too.
Their first line says up to which version the rest is counted already; where that is not 0,
importing the file would count that part twice, and is refused unless it is meant.

This module refuses to know what is done with the counts.
"""

from __future__ import annotations

import codecs
import csv
import enum
import json
import re
from collections.abc import Iterable, Iterator
from typing import Protocol

from gcounterd.api.arrays import ArrayReader
from gcounterd.api.requests import check_key
from gcounterd.api.responses import dump
from gcounterd.errors import ClientError

# A record: a key of 1,024 bytes, each escaped in six, and its number, with room for other members.
RECORD_CHARS_MAX = 16 * 1024
# Records read in one step: about a millisecond.
_SLICE_RECORDS = 512
_QUOTE = '"'
_SPACE = r"[ \t\r\n]*+"
_OBJECT_START = re.compile(rf"{_SPACE}\{{{_SPACE}")
_OBJECT_PAIR = re.compile(
    rf'{_SPACE}"((?:[^"\\\x00-\x1f]++|\\.)*+)"{_SPACE}:{_SPACE}(0|[1-9][0-9]{{0,18}}){_SPACE}([,}}])'
)
_DIGITS = re.compile(r"[0-9]{1,19}")
_BOM = "\ufeff"
CSV_HEAD = "key,value"
_CSV_HEADS = {CSV_HEAD: 2, f"namespace,{CSV_HEAD}": 3}


class Format(enum.StrEnum):
    """How counts are written."""

    JSON = "json"
    CSV = "csv"


class Sink(Protocol):
    """Whatever takes counts."""

    def add(self, key: bytes, count: int) -> None:
        """Take a count; raise `ClientError` if it cannot be one."""


def _bad(place: str, why: str) -> ClientError:
    return ClientError(400, "bad_import", f"{place}: {why}")


class Reader:
    """Reads counts from pieces of a file into a sink."""

    def __init__(self, form: Format, sink: Sink, *, again: bool = False) -> None:
        """`again`: take what may be counted already."""
        self._sink = sink
        self._again = again
        self._text = codecs.getincrementaldecoder("utf-8")()
        self._rest = ""
        self._begun = False
        self._number = 0
        self._object: _Object | _Array | None = None
        self._columns = 2
        self._is_csv = form is Format.CSV

    def feed(self, piece: bytes, *, last: bool = False) -> Iterator[None]:
        """Read on, pausing between slices. Raises `ClientError` 400 or 409."""
        try:
            text = self._rest + self._text.decode(piece, final=last)
        except UnicodeDecodeError:
            raise _bad(f"after record {self._number}", "this is not UTF-8") from None
        if not self._begun:
            text = text.removeprefix(_BOM)
            if not (last or "\n" in text.lstrip() or len(text) > RECORD_CHARS_MAX):
                self._rest = text
                return
            self._begun, self._rest = True, ""
            if not self._is_csv and text.lstrip().startswith("["):
                self._object = _Array(self._sink)
            elif not self._is_csv and _is_object(text):
                self._object = _Object(self._sink)
        if self._object is not None:
            yield from self._object.feed(text, last=last)
            return
        records, self._rest = self._split(text, last=last)
        for at in range(0, len(records), _SLICE_RECORDS):
            if at:
                yield
            self._take(records[at : at + _SLICE_RECORDS])

    def _split(self, text: str, *, last: bool) -> tuple[list[str], str]:
        """Return the records that are whole, and what is left."""
        lines = text.split("\n")
        rest = "" if last else lines.pop()
        records = _join_quoted(lines) if self._is_csv and '"' in text else lines
        if not last and records and self._is_csv and records[-1].count(_QUOTE) % 2:
            rest = f"{records.pop()}\n{rest}"
        if len(rest) > RECORD_CHARS_MAX:
            raise _bad(f"record {self._number + len(records) + 1}", "it is too long")
        return records, rest

    def _take(self, records: list[str]) -> None:
        for record in records:
            self._number += 1
            place = f"record {self._number}"
            if len(record) > RECORD_CHARS_MAX:
                raise _bad(place, "it is too long")
            if not record.strip():
                continue
            try:
                found = self._read_row(record) if self._is_csv else self._read_line(record)
                if found is not None:
                    self._sink.add(*found)
            except ClientError as error:
                text = f"{place}: {error.message}"
                raise ClientError(error.status, error.code, text, definite=True) from None
            except (ValueError, RecursionError, csv.Error) as error:
                raise _bad(place, str(error)) from None

    def _read_line(self, record: str) -> tuple[bytes, int] | None:
        line = json.loads(record, object_pairs_hook=_distinct)
        if not isinstance(line, dict):
            raise ValueError("not an object")
        if "key" not in line and "counted" in line:
            self._check_refused(line["counted"])
            return None
        return _counted(line)

    def _check_refused(self, counted: object) -> None:
        if counted != 0 and not self._again:
            text = (
                f"up to version {counted} of what follows is counted already, and would count twice"
            )
            raise ClientError(409, "partly_counted", f"{text}; say `again` if that is meant")

    def _read_row(self, record: str) -> tuple[bytes, int] | None:
        (row,) = csv.reader([record.removesuffix("\r")], strict=True)
        if self._number == 1 and (columns := _CSV_HEADS.get(",".join(row).lower())):
            self._columns = columns
            return None
        if len(row) != self._columns or not _DIGITS.fullmatch(row[-1].strip()):
            raise ValueError("not a key, a comma and a whole number")
        return _encode(_join(*row[:-1])), int(row[-1])


def _join_quoted(lines: list[str]) -> list[str]:
    """Put lines together that a quoted line feed had split."""
    records: list[str] = []
    is_open = False
    for line in lines:
        if is_open:
            records[-1] += f"\n{line}"
        else:
            records.append(line)
        is_open ^= line.count(_QUOTE) % 2 == 1
    return records


def _is_object(text: str) -> bool:
    """Say whether a file begins as one object of all counts, and not with a line."""
    first = text.lstrip().partition("\n")[0]
    if not first.startswith("{"):
        return False
    try:
        line = json.loads(first) if len(first) <= RECORD_CHARS_MAX else None
    except (ValueError, RecursionError):
        line = None
    if not isinstance(line, dict):
        return True
    return not (isinstance(line.get("key"), str) or ("counted" in line and "node" in line))


def _counted(line: object) -> tuple[bytes, int]:
    """Return the key and the count that an object of a file names; raise `ValueError`."""
    if not isinstance(line, dict):
        raise ValueError("not an object")
    space, key = line.get("namespace") or "", line.get("key")
    value = line.get("value", line.get("count"))
    if type(space) is not str or type(key) is not str or type(value) is not int:
        raise ValueError('not {"key": text, "value": whole number}')
    return _encode(_join(space, key)), value


def _join(*names: str) -> str:
    return "/".join(name for name in names if name)


class _Array:
    """Reads a JSON array of objects."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._reader = ArrayReader(
            self._add,
            json.JSONDecoder(object_pairs_hook=_distinct),
            element_chars_max=RECORD_CHARS_MAX,
            slice_elements=_SLICE_RECORDS,
        )

    def feed(self, text: str, *, last: bool) -> Iterator[None]:
        """Read on, pausing between slices."""
        try:
            yield from self._reader.feed(text, last=last)
        except ClientError as error:
            text = f"element {self._reader.number}: {error.message}"
            raise ClientError(error.status, error.code, text, definite=True) from None
        except (ValueError, RecursionError) as error:
            raise _bad(f"near element {self._reader.number + 1}", str(error)) from None

    def _add(self, element: object) -> None:
        self._sink.add(*_counted(element))


class _Object:
    """Reads one JSON object, member by member."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._rest = ""
        self._number = 0
        self._state = "start"

    def feed(self, text: str, *, last: bool) -> Iterator[None]:
        """Read on, pausing between slices."""
        text = self._rest + text
        at = self._start(text) if self._state == "start" else 0
        steps = 0
        while self._state == "pairs":
            pair = _OBJECT_PAIR.match(text, at)
            if pair is None:
                break
            self._number += 1
            steps += 1
            if steps % _SLICE_RECORDS == 0:
                yield
            self._add(pair[1], int(pair[2]))
            at = pair.end()
            if pair[3] == "}":
                self._state = "end"
        self._rest = text[at:]
        self._check(last=last)

    def _start(self, text: str) -> int:
        start = _OBJECT_START.match(text)
        if start is None:
            raise _bad("the beginning", "not an object")
        is_empty = text.startswith("}", start.end())
        self._state = "end" if is_empty else "pairs"
        return start.end() + is_empty

    def _add(self, raw: str, value: int) -> None:
        try:
            self._sink.add(_encode(json.loads(f'"{raw}"') if "\\" in raw else raw), value)
        except ClientError as error:
            text = f"member {self._number}: {error.message}"
            raise ClientError(error.status, error.code, text, definite=True) from None
        except ValueError as error:
            raise _bad(f"member {self._number}", str(error)) from None

    def _check(self, *, last: bool) -> None:
        if self._state == "end" and self._rest.strip():
            raise _bad("the end", "something follows the object")
        if self._state == "pairs" and (last or len(self._rest) > RECORD_CHARS_MAX):
            why = 'not "key": whole number, followed by a comma or the end'
            raise _bad(f"member {self._number + 1}", why)


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _encode(key: str) -> bytes:
    try:
        return check_key(key.encode())
    except UnicodeEncodeError:
        raise ClientError(400, "bad_key", "a key is UTF-8") from None


def write(form: Format, counters: Iterable[tuple[bytes, int]]) -> bytes:
    """Write counters as lines of a format."""
    if form is Format.JSON:
        lines = [dump({"key": key.decode(), "value": value}) + b"\n" for key, value in counters]
        return b"".join(lines)
    return b"".join([b"%b,%d\n" % (_quote(key), value) for key, value in counters])


def _quote(key: bytes) -> bytes:
    # An empty first field, or one that is the head's, would not be read as a key.
    needs = any(mark in key for mark in (b'"', b",", b"\n", b"\r")) or key != key.strip()
    return b'"%b"' % key.replace(b'"', b'""') if needs else key
