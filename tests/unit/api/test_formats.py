"""Formats of counts: each file whole, byte by byte, with what must be refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcounterd.api.formats import CSV_HEAD, RECORD_CHARS_MAX, Format, Reader, write
from gcounterd.errors import ClientError
from gcounterd.ids import ColumnId
from gcounterd.storage.refused import write_refused

keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9)
counts = st.dictionaries(keys, st.integers(1, 2**53), min_size=1, max_size=9)


class Taken:
    """A sink that keeps everything, repetitions included."""

    def __init__(self) -> None:
        self.counts: list[tuple[bytes, int]] = []

    def add(self, key: bytes, count: int) -> None:
        self.counts.append((key, count))


def read(
    form: Format, data: bytes, *, size: int = 16_384, again: bool = False
) -> list[tuple[bytes, int]]:
    """Read a file in pieces of a size."""
    taken = Taken()
    reader = Reader(form, taken, again=again)
    for at in range(0, len(data), size):
        for _ in reader.feed(data[at : at + size]):
            pass
    for _ in reader.feed(b"", last=True):
        pass
    return taken.counts


def refusal(form: Format, data: bytes, size: int = 16_384) -> ClientError:
    with pytest.raises(ClientError) as refused:
        read(form, data, size=size)
    assert refused.value.definite
    return refused.value


def outcome(form: Format, data: bytes, size: int) -> list[tuple[bytes, int]] | str:
    try:
        return read(form, data, size=size)
    except ClientError as refused:
        return refused.code


GOOD = [
    (Format.JSON, b'{"key": "a", "value": 1}\n{"value":2,"key":"b"}\n'),
    (Format.JSON, b'{"key":"a","value":1}\r\n\r\n{"key":"b","value":2}'),
    (Format.JSON, b'\xef\xbb\xbf{"key":"a","count":1}\n{"key":"b","count":2,"version":7}\n'),
    (Format.JSON, b'{"node":"0","epoch":"1","version":3,"counted":0}\n{"key":"a","count":1}\n'),
    (Format.JSON, b'{"a":1,"b":2}'),
    (Format.JSON, b' {\n  "a" : 1 ,\n  "b" : 2\n}\n'),
    (Format.JSON, b'{"\\u0061": 1}'),
    (Format.JSON, b'[{"key":"a","value":1},{"key":"b","value":2}]'),
    (Format.JSON, b' [\n {"key": "a", "value": 1} ,\n {"value": 2, "key": "b"}\n]\n'),
    (Format.CSV, b"a,1\nb,2\n"),
    (Format.CSV, b"key,value\r\na,1\r\nb, 2\r\n"),
    (Format.CSV, b'\xef\xbb\xbfKey,Value\n"a",1\n\nb,2'),
]


@pytest.mark.parametrize("size", [1, 2, 7, 16_384])
@pytest.mark.parametrize(("form", "data"), GOOD)
def test_a_file_is_read_alike_however_its_bytes_come(form: Format, data: bytes, size: int) -> None:
    assert read(form, data, size=size) in ([(b"a", 1), (b"b", 2)], [(b"a", 1)])
    assert read(form, data, size=size) == read(form, data)


@pytest.mark.parametrize("form", list(Format))
@given(counts, st.integers(1, 50))
def test_what_is_written_is_read_again(form: Format, held: dict[str, int], size: int) -> None:
    items = [(key.encode(), count) for key, count in held.items()]
    head = f"{CSV_HEAD}\n".encode() if form is Format.CSV else b""
    assert read(form, head + write(form, items), size=size) == items


@given(counts, st.integers(1, 50), st.sampled_from([None, 2]), st.booleans())
def test_one_object_of_all_is_read(
    held: dict[str, int], size: int, indent: int | None, ascii_only: bool
) -> None:
    data = json.dumps(held, indent=indent, ensure_ascii=ascii_only).encode()
    expected = [(key.encode(), count) for key, count in held.items()]
    assert read(Format.JSON, data, size=size) == expected


def test_an_object_may_have_counters_named_as_the_members_of_a_line() -> None:
    assert read(Format.JSON, b'{"key":5,"value":7}') == [(b"key", 5), (b"value", 7)]
    assert read(Format.JSON, b'{"counted":5}') == [(b"counted", 5)]


@given(counts, st.integers(1, 50), st.sampled_from([None, 2]))
def test_an_array_of_objects_is_read(held: dict[str, int], size: int, indent: int | None) -> None:
    data = json.dumps([{"key": k, "value": n} for k, n in held.items()], indent=indent).encode()
    expected = [(key.encode(), count) for key, count in held.items()]
    assert read(Format.JSON, data, size=size) == expected


SPACES = [
    (
        Format.JSON,
        b'{"namespace":"mysite.com","key":"visits","ttl":1555,"created":1586,"value":7}\n%b'
        % b'{"namespace":null,"key":"b","value":2}\n',
    ),
    (
        Format.JSON,
        b'[{"namespace":"mysite.com","key":"visits","value":7},{"key":"b","value":2}]',
    ),
    (Format.CSV, b"namespace,key,value\nmysite.com,visits,7\n,b,2\n"),
]


@pytest.mark.parametrize("size", [1, 16_384])
@pytest.mark.parametrize(("form", "data"), SPACES)
def test_a_namespace_is_the_first_part_of_a_key(form: Format, data: bytes, size: int) -> None:
    assert read(form, data, size=size) == [(b"mysite.com/visits", 7), (b"b", 2)]


def test_a_quoted_key_may_hold_anything() -> None:
    data = b'"a, ""b""\nc",3\n" d ",4\n'
    for size in (1, 5, 100):
        assert read(Format.CSV, data, size=size) == [(b'a, "b"\nc', 3), (b" d ", 4)]


def test_a_head_is_one_only_in_the_first_line() -> None:
    assert refusal(Format.CSV, b"a,1\nkey,value\n").code == "bad_import"


def test_a_refused_file_that_is_counted_in_part_is_refused_unless_it_is_meant() -> None:
    data = b'{"node":"0","epoch":"1","version":3,"counted":2}\n{"key":"a","count":9}\n'
    refused = refusal(Format.JSON, data)
    assert (refused.status, refused.code) == (409, "partly_counted")
    assert read(Format.JSON, data, again=True) == [(b"a", 9)]


def test_the_files_of_what_was_refused_can_be_read(tmp_path: Path) -> None:
    counts = [('pärs, "ripe"'.encode(), 3), (b"apples", 2**53)]
    for counted in (0, 2):
        path = write_refused(tmp_path, ColumnId(b"c" * 32), 4 + counted, counted, counts)
        assert read(Format.JSON, path.read_bytes(), again=counted > 0) == counts


BAD = [
    (Format.JSON, b"[1]\n", "bad_import"),
    (Format.JSON, b'{"key":"a","value":1}\n"b"\n', "bad_import"),
    (Format.JSON, b'{"key":"a","value":1.0}\n', "bad_import"),
    (Format.JSON, b'{"key":"a","value":true}\n', "bad_import"),
    (Format.JSON, b'{"key":"a","value":"1"}\n', "bad_import"),
    (Format.JSON, b'{"key":"a","value":NaN}\n', "bad_import"),
    (Format.JSON, b'{"key":"a"}\n', "bad_import"),
    (Format.JSON, b'{"key":"a","value":1,"value":2}\n', "bad_import"),
    (Format.JSON, b'{"key":"","value":1}\n', "bad_key"),
    (Format.JSON, b'{"key":"\\ud800","value":1}\n', "bad_key"),
    (Format.JSON, b'{"key":"a","value":%b}\n' % (b"9" * 5000), "bad_import"),
    (Format.JSON, b'{"key":"a","value":%b}\n' % (b"[" * 9000), "bad_import"),
    (Format.JSON, b'{"key":"\xff","value":1}\n', "bad_import"),
    (Format.JSON, b'{"key":"a","value":1}\n{"key":"%b' % (b"x" * RECORD_CHARS_MAX), "bad_import"),
    (Format.JSON, b'{"a":1', "bad_import"),
    (Format.JSON, b'{"a":1,}', "bad_import"),
    (Format.JSON, b'{"a":1}x', "bad_import"),
    (Format.JSON, b'{"a":01}', "bad_import"),
    (Format.JSON, b'{"a":-1}', "bad_import"),
    (Format.JSON, b'{"a":{"b":1}}', "bad_import"),
    (Format.JSON, b'{"%b' % (b"x" * 2 * RECORD_CHARS_MAX), "bad_import"),
    (Format.JSON, b'{"%b":1}' % (b"x" * 1025), "bad_key"),
    (Format.JSON, b'{"\\x":1}', "bad_import"),
    (Format.JSON, b"{", "bad_import"),
    (Format.JSON, b'{"namespace":5,"key":"a","value":1}\n', "bad_import"),
    (Format.JSON, b'[{"key":"a","value":1}', "bad_import"),
    (Format.JSON, b'[{"key":"a","value":1},]', "bad_import"),
    (Format.JSON, b'[{"key":"a","value":1}{"key":"b","value":1}]', "bad_import"),
    (Format.JSON, b'[{"key":"a","value":1}] x', "bad_import"),
    (Format.JSON, b'[{"key":"a","value":1.5}]', "bad_import"),
    (Format.JSON, b'[{"key":"","value":1}]', "bad_key"),
    (Format.JSON, b'[{"key":"%b' % (b"x" * 2 * RECORD_CHARS_MAX), "bad_import"),
    (Format.JSON, b"[[[[", "bad_import"),
    (Format.CSV, b"namespace,key,value\na,1\n", "bad_import"),
    (Format.CSV, b"a,b,1\n", "bad_import"),
    (Format.CSV, b"a\n", "bad_import"),
    (Format.CSV, b"a,1,2\n", "bad_import"),
    (Format.CSV, b"a,-1\n", "bad_import"),
    (Format.CSV, b"a,1e3\n", "bad_import"),
    (Format.CSV, b'"a,1\n', "bad_import"),
    (Format.CSV, b'"a"b,1\n', "bad_import"),
    (Format.CSV, b",1\n", "bad_key"),
    (Format.CSV, b'a,1\n"%b' % (b"x" * RECORD_CHARS_MAX), "bad_import"),
]


@pytest.mark.parametrize("size", [1000, 16_384])
@pytest.mark.parametrize(("form", "data", "code"), BAD)
def test_what_is_no_count_is_refused(form: Format, data: bytes, code: str, size: int) -> None:
    assert refusal(form, data, size).code == code


@given(st.sampled_from(list(Format)), st.binary(max_size=60), st.integers(1, 9))
def test_any_bytes_are_counts_or_refused(form: Format, data: bytes, size: int) -> None:
    found = outcome(form, data, size)
    assert found == outcome(form, data, 60)
    assert isinstance(found, list) or found in ("bad_import", "bad_key", "partly_counted")


def test_the_place_of_a_mistake_is_said() -> None:
    text = refusal(Format.JSON, b'{"key":"a","value":1}\n{"key":"b","value":-1.5}\n').message
    assert text.startswith("record 2: ")
    assert refusal(Format.JSON, b'{"a":1,"b":2,"c":x}').message.startswith("member 3: ")
    array = b'[{"key":"a","value":1},{"key":"b","value":-1}]'
    assert refusal(Format.JSON, b'[{"key":"a","value":1},5]').message.startswith("near element 2: ")
    assert read(Format.JSON, array)[1] == (b"b", -1)  # whether it can be one is for its sink to say


def test_reading_pauses_in_a_long_piece() -> None:
    pair, element = b'"a":1', b'{"key":"a","value":1}'
    for form, data in (
        (Format.CSV, b"a,1\n" * 2000),
        (Format.JSON, b"{" + b",".join([pair] * 4000)),
        (Format.JSON, b"[\n" + b",".join([element] * 2000)),
    ):
        reader = Reader(form, Taken())
        assert sum(1 for _ in reader.feed(data)) >= 3
