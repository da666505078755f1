"""What the benchmarks rest on: verdicts, samples, accounts, and directories that are real."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import numpy as np
import pytest

from gcounterd.daemon.boot import Wishes, boot
from gcounterd.daemon.checkpoints import JOURNAL_BYTES_MIN
from gcounterd.storage.schema import Durability
from tests.bench import command, floors, pacer, sample
from tests.bench.large_store import CLUSTER, JOURNAL_ROOM_BYTES, make_stores
from tests.bench.nodes import parse_figures
from tests.bench.rows import Row, percentile, show_number, tabulate


@pytest.mark.parametrize(
    ("row", "verdict", "target"),
    [
        (Row("a", "w", 60.0, "ns", at_most=60), "pass", "≤ 60 ns"),
        (Row("a", "w", 60.1, "ns", at_most=60), "FAIL", "≤ 60 ns"),
        (Row("a", "w", 10.0, at_least=10), "pass", "≥ 10"),
        (Row("a", "w", 9.9, at_least=10), "FAIL", "≥ 10"),
        (Row("a", "w", 9.9, "s"), "measured", ""),
        (Row("a", "w", None, "s", at_most=1, remark="no wrk"), "not available", "≤ 1 s"),
    ],
)
def test_a_row_says_whether_its_target_is_met(row: Row, verdict: str, target: str) -> None:
    assert (row.verdict, row.target) == (verdict, target)
    assert json.loads(json.dumps(row.as_json()))["verdict"] == verdict
    line = tabulate([row]).splitlines()[2]
    assert verdict in line
    assert row.remark in line


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.01234, "0.0123"), (3.0, "3"), (26.44, "26.4"), (18461.9, "18,462")],
)
def test_numbers_are_shown_with_three_digits_that_count(value: float, text: str) -> None:
    assert show_number(value) == text


def test_a_group_stands_for_its_members_each_once() -> None:
    assert command.choose(["incr", "redis"]) == list(command.GROUPS["redis"])
    assert command.choose([]) == list(command.BENCHMARKS)
    members = [each for group in command.GROUPS.values() for each in group]
    assert set(members) <= set(command.BENCHMARKS)


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(n) for n in range(1, 101)]
    assert [percentile(values, share) for share in (0.0, 0.5, 0.99, 1.0)] == [1, 50, 99, 100]
    assert percentile([7.0], 0.99) == 7


def test_figures_are_read_by_name_and_events_by_theirs() -> None:
    text = (
        "# HELP gcounterd_commits_total Group commits.\n"
        "gcounterd_commits_total 12.0\n"
        "gcounterd_counters 1e+06\n"
        'gcounterd_events_total{event="bytes_sent"} 34.0\n'
    )
    assert parse_figures(text) == {"commits": 12, "counters": 1e6, "bytes_sent": 34}


@pytest.mark.parametrize("kind", sample.KINDS)
def test_changes_are_different_ascending_positions_and_the_same_each_time(kind: str) -> None:
    def draw() -> tuple[list[int], list[int]]:
        generator = np.random.default_rng(sample.SEED)
        positions = sample.draw_positions(kind, 50_000, 1000, generator)
        return positions.tolist(), sample.draw_counts(kind, positions, generator).tolist()

    positions, counts = draw()
    assert len(set(positions)) == len(counts) == 1000
    assert positions == sorted(positions)
    assert positions[0] >= 0
    assert positions[-1] < 50_000
    assert min(counts) >= 1
    assert draw() == (positions, counts)


def test_names_are_different_also_beyond_a_million() -> None:
    assert len(set(sample.make_names(1_010_000))) == 1_010_000


@pytest.mark.parametrize("size", [1, 2, 3, 7, 11, 12, 13, 50, 1000])
def test_answers_are_counted_once_however_they_are_cut(size: int) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        target, connection = pacer.Target(0, sent=5), pacer.Connection(ours)
        good = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{H}"
        bad = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
        stream = good + good + bad + good + b"HTTP/1.1 2"
        for at in range(0, len(stream), size):
            theirs.sendall(stream[at : at + size])
            pacer._take(target, connection)
        assert (target.good, target.answered, target.open) == (3, 4, 1)
        theirs.sendall(b"00 OK\r\n\r\n")
        pacer._take(target, connection)
        assert (target.good, target.answered, target.open) == (4, 5, 0)


def test_a_made_directory_is_one_that_a_node_starts_on(tmp_path: Path) -> None:
    counters, columns = 40_000, 2
    make_stores([tmp_path / "one", tmp_path / "two"], counters, columns, journal=True)
    hashes = []
    for number, name in enumerate(("one", "two"), 1):
        wishes = Wishes(
            data_dir=tmp_path / name,
            name=f"n{number}",
            cluster=CLUSTER,
            max_counters=counters,
            durability=Durability.COMMIT,
            salvage=False,
        )
        booted = boot(wishes)
        held = booted.restored.counters
        assert not booted.incomplete
        assert (len(held.keys), len(held.columns)) == (counters, columns)
        assert int(held.totals.min()) >= columns
        assert all(s.dirty for column in held.columns.values() for s in column.segments)
        left = JOURNAL_BYTES_MIN - booted.store.journal_bytes
        assert 0 < left <= 2 * JOURNAL_ROOM_BYTES
        hashes.append(held.digest_hash())
        booted.store.close()
    assert hashes[0] == hashes[1]


def test_entropy_is_that_of_the_models_that_samples_are_drawn_from() -> None:
    # Half of all counters change: one bit each says which, two bits for each change.
    assert (
        abs(floors.entropy_bits("uniform", 10_000, 5_000) - 2 - floors.geometric_bits(1 / 40))
        < 0.01
    )
    assert abs(floors.geometric_bits(1 / 2) - 2) < 1e-12
    assert abs(floors.poisson_bits(np.array([100.0]))[0] - 5.3679) < 0.01
    chances = floors.zipf_chances(100_000, 1_000)
    assert abs(chances.sum() - 1_000) < 1
    assert chances[0] > 0.999 > chances[-1]


def test_bare_merging_raises_counts_and_totals_alike() -> None:
    flat = [np.full(4, 5), np.zeros(4, np.int64), np.full(4, 7)]
    rows = np.array([3, 2, 1, 0])
    floors.merge_bare(flat, rows, np.array([0, 2]), np.array([6, 4]), 9)
    assert [array.tolist() for array in flat] == [[6, 5, 5, 5], [9, 0, 9, 0], [7, 7, 7, 8]]
