"""Log lines: their shape, what strangers' text may do to them, and what a stuck reader costs."""

from __future__ import annotations

import io
import json
import logging
import os
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcounterd.daemon import logs
from gcounterd.daemon.logs import (
    FIELD_CHARS_MAX,
    ITEMS_MAX,
    LineWriter,
    configure,
    get_logger,
    render_console,
    render_json,
)

AT_S = 1_700_000_000.1239
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Give a place for lines, and put the level back as it was."""
    level = logging.getLogger("gcounterd").level
    yield io.StringIO()
    logs.flush()
    logging.getLogger("gcounterd").setLevel(level)


def lines_of(stream: io.StringIO) -> list[dict[str, object]]:
    logs.flush()
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_object_with_time_level_name_and_fields(stream: io.StringIO) -> None:
    configure("json", "info", stream)
    get_logger().info("link_opened", peer="n2", attempt=3)
    (line,) = lines_of(stream)
    assert list(line) == ["ts", "level", "event", "peer", "attempt"]
    assert (line["level"], line["event"], line["peer"]) == ("info", "link_opened", "n2")
    assert line["attempt"] == 3


def test_the_time_is_utc_to_the_millisecond() -> None:
    assert json.loads(render_json(AT_S, "info", "x", {}))["ts"] == "2023-11-14T22:13:20.123Z"


def test_a_console_line_shows_the_same_for_eyes() -> None:
    line = render_console(AT_S, "warning", "late", {"peer": "n 2", "n": 1, "ids": ["a"]})
    assert line == '2023-11-14T22:13:20.123Z warning late peer="n 2" n=1 ids=["a"]\n'


def test_levels_below_the_configured_one_are_not_written(stream: io.StringIO) -> None:
    configure("json", "warning", stream)
    log = get_logger("gcounterd.links")
    log.debug("a")
    log.info("b")
    log.warning("c")
    log.error("d")
    assert [line["event"] for line in lines_of(stream)] == ["c", "d"]


def test_configuring_again_changes_where_and_what_is_written(stream: io.StringIO) -> None:
    first = io.StringIO()
    configure("json", "error", first)
    configure("json", "debug", stream)
    get_logger().debug("now")
    assert [line["event"] for line in lines_of(stream)] == ["now"]
    assert first.getvalue() == ""


def test_records_of_other_libraries_become_log_events(stream: io.StringIO) -> None:
    configure("json", "info", stream)
    logging.getLogger("somebody").warning("hello %s", "there")
    logging.getLogger("somebody").info("too quiet")
    (line,) = lines_of(stream)
    assert (line["event"], line["logger"], line["message"]) == ("log", "somebody", "hello there")


def test_a_crash_carries_its_traceback(stream: io.StringIO) -> None:
    configure("json", "info", stream)
    try:
        raise ZeroDivisionError("oh")
    except ZeroDivisionError as error:
        get_logger().crash("bug", error, where="here")
    (line,) = lines_of(stream)
    assert line["error"] == "ZeroDivisionError: oh"
    assert "test_logs.py" in str(line["traceback"])


def test_a_traceback_on_a_console_is_indented_so_that_it_forges_no_event() -> None:
    text = render_console(AT_S, "error", "bug", {"traceback": "a\n2023 info b\x1b[31m", "n": 1})
    assert text.splitlines()[0].endswith("bug n=1")
    assert text.splitlines()[1:] == ["    a", "    2023 info b\\x1b[31m"]


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), ANYTHING, max_size=4))
def test_whatever_the_fields_hold_a_line_is_one_line_of_printable_text(
    fields: dict[str, object],
) -> None:
    fields.pop("traceback", None)
    as_json = render_json(AT_S, "info", "event", fields)
    assert as_json.endswith("\n")
    assert as_json[:-1].isascii()
    assert as_json[:-1].isprintable()
    assert set(json.loads(as_json)) >= set(fields)
    console = render_console(AT_S, "info", "event", fields)
    assert console[:-1].isprintable()


def test_long_text_long_lists_and_huge_numbers_are_cut() -> None:
    fields = {"key": "k" * 5000, "items": list(range(1000)), "n": 10**6000, "f": float("inf")}
    line = json.loads(render_json(AT_S, "info", "x", fields))
    assert line["key"] == "k" * FIELD_CHARS_MAX + f"… ({5000 - FIELD_CHARS_MAX} more)"
    assert line["items"] == list(range(ITEMS_MAX))
    assert line["n"].endswith(" bits")
    assert line["f"] == "inf"


def test_a_field_may_not_take_a_reserved_name() -> None:
    with pytest.raises(AssertionError):
        get_logger().error("x", level=3)


def record(number: int) -> logging.LogRecord:
    return logging.LogRecord("gcounterd", logging.INFO, "", 0, f"event_{number}", None, None)


def test_a_reader_that_is_stuck_costs_lines_but_never_waits() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading) as reader, os.fdopen(writing, "w") as pipe:
        writer = LineWriter("json", pipe, lines_max=10)
        # The pipe takes some 64 KiB and then blocks the thread; what follows fills the queue.
        sent = 0
        while writer.dropped < 5:
            writer.take(record(sent))
            sent += 1
        dropped = writer.dropped
        found: list[str] = []
        reading_thread = threading.Thread(target=lambda: found.extend(reader))
        reading_thread.start()
        writer.close(wait_s=30)
        pipe.close()
        reading_thread.join()
    events = [json.loads(line) for line in found]
    reports = [event["lines"] for event in events if event["event"] == "log_lines_dropped"]
    assert sum(reports) == dropped
    assert len(events) - len(reports) == sent - dropped


def test_a_reader_that_went_away_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    pipe = os.fdopen(writing, "w")
    writer = LineWriter("json", pipe)
    writer.take(record(1))
    writer.close(wait_s=30)
    assert writer.dropped == 1
    with pytest.raises(BrokenPipeError):
        pipe.close()


def test_a_record_that_cannot_be_shown_is_reported_instead_and_does_not_raise() -> None:
    stream = io.StringIO()
    writer = LineWriter("json", stream)
    writer.take(logging.LogRecord("lib", logging.INFO, "", 0, "%d", ("no number",), None))
    writer.close()
    line = json.loads(stream.getvalue())
    assert (line["event"], line["of"]) == ("log_failed", "%d")


def test_after_closing_lines_are_counted_as_dropped() -> None:
    stream = io.StringIO()
    writer = LineWriter("json", stream)
    writer.close()
    writer.take(record(1))
    assert (writer.dropped, stream.getvalue()) == (1, "")
