"""A little of what `scripts/fuzz` does for long, and that it would find something."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fuzz import clients, mutating, stores
from tests.fuzz.targets import TARGETS, Target

EXECUTIONS = 120
# A bit of so many bytes changes; of each byte with `scripts/crash-images --flips`.
FLIP_STRIDE = 1009
# Each of these was once a find.
FOUND = {
    "commands": [b"*01\r\n$4\r\nPING\r\n", b"*1\r\n$04\r\nPING\r\n"],
}


@pytest.fixture(scope="module", autouse=True)
def _swept() -> Iterator[None]:
    yield
    stores.sweep()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_nothing_that_is_read_breaks_a_rule(target: Target) -> None:
    for data in FOUND.get(target.name, []):
        target.run(data)
    outcome = mutating.run(target, executions=EXECUTIONS)
    assert [find.text for find in outcome.finds] == []
    assert outcome.executions == EXECUTIONS


def test_no_bit_of_any_file_changes_content_in_silence() -> None:
    outcomes, problems = stores.flip(FLIP_STRIDE)
    assert problems == []
    assert len(outcomes) > 4


def test_a_mistake_a_reader_makes_now_and_then_is_found() -> None:
    def run(data: bytes) -> None:
        assert b"ac" not in data

    outcome = mutating.run(Target("x", run, lambda: [b"abc"]), executions=2000)
    assert len(outcome.finds) == mutating.FINDS_MAX
    assert all(b"ac" in find.data for find in outcome.finds)


def test_memory_out_of_proportion_is_found() -> None:
    def run(data: bytes) -> None:
        bytearray(mutating.MEMORY_MIN + 1000)

    outcome = mutating.run(Target("x", run, lambda: [b"abc"], held=1), executions=1)
    assert "bytes for" in outcome.finds[0].text


def test_two_readings_of_one_stream_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n"
    clients.requests(stream)
    monkeypatch.setattr(clients, "_read_requests", lambda data: ([(b"GET", b"/", b"")], False))
    with pytest.raises(AssertionError):
        clients.requests(stream)
