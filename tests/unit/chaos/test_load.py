"""The load finds what a node may not do, and blames nobody else; nodes are in counting_node."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from counting_node import CountingNode, counting_node

from tests.chaos.load import Load
from tests.chaos.talk import TURN_S, audit, obey

PATIENCE_S = 20.0
RATE = 2000.0


@pytest.fixture
def node() -> Iterator[CountingNode]:
    with counting_node() as running:
        yield running


@pytest.fixture
def told() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def load(node: CountingNode, told: list[dict[str, Any]]) -> Iterator[Load]:
    running = Load(RATE, 1, told.append)
    running.join("n1", node.port)
    yield running
    running.leave("n1")
    running.selector.close()


def until(load: Load, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, load.counts
        load.turn(TURN_S)


def count(load: Load, times: int) -> None:
    until(load, lambda: load.counts["answered"] >= times)


def test_an_honest_node_is_not_blamed(load: Load, told: list[dict[str, Any]]) -> None:
    count(load, 300)
    assert audit(load, [], PATIENCE_S)["wrong"] == []
    count(load, 600)
    assert audit(load, [], PATIENCE_S)["wrong"] == []
    assert told == []
    assert load.counts["unknown"] == load.counts["refused"] == 0
    assert load.counts["checks"] > 600


def test_counting_twice_is_found_at_the_answer(
    load: Load, told: list[Any], node: CountingNode
) -> None:
    count(load, 50)
    node.lie = "doubles"
    until(load, lambda: bool(told))
    assert "was ever asked for" in told[0]["wrong"]


def test_a_value_that_dips_is_found(load: Load, told: list[Any], node: CountingNode) -> None:
    count(load, 50)
    node.lie = "dips"
    until(load, lambda: bool(told))
    assert "went down" in told[0]["wrong"]


def test_a_consistent_read_that_asked_nobody_is_found(
    load: Load, told: list[Any], node: CountingNode
) -> None:
    count(load, 500)
    until(load, lambda: load.counts["asked"] > 0)
    assert told == []
    node.lie = "asks nobody"
    until(load, lambda: bool(told))
    assert "a consistent read shows 0" in told[0]["wrong"]


def test_an_answer_without_a_count_is_found(
    load: Load, told: list[Any], node: CountingNode
) -> None:
    count(load, 50)
    node.lie = "drops"
    until(load, lambda: bool(told))
    found = audit(load, [], PATIENCE_S)["wrong"]
    assert "since the last audit" in found[0]


def test_a_refusal_that_counted_is_found(load: Load, told: list[Any], node: CountingNode) -> None:
    count(load, 50)
    node.lie = "refuses and counts"
    until(load, lambda: load.counts["refused"] > 20)
    found = audit(load, [], PATIENCE_S)["wrong"]
    assert found or told


def test_what_was_refused_is_counted_elsewhere(
    load: Load, told: list[Any], node: CountingNode
) -> None:
    node.lie = "refuses"
    with counting_node() as other:
        until(load, lambda: load.counts["refused"] > 0)
        load.leave("n1")
        other.counts = node.counts  # as if they were nodes of one cluster
        load.join("n2", other.port)
        count(load, 100)
        assert audit(load, [], PATIENCE_S)["wrong"] == []
        load.leave("n2")
    assert told == []


def test_what_has_no_answer_may_have_been_counted(
    load: Load, told: list[Any], node: CountingNode
) -> None:
    count(load, 50)
    node.lie = "hangs up"
    until(load, lambda: load.counts["unknown"] > 20)
    node.lie = ""
    assert audit(load, [], PATIENCE_S)["wrong"] == []
    assert told == []


def test_nodes_that_differ_do_not_agree(load: Load, node: CountingNode) -> None:
    count(load, 50)
    with counting_node() as other:
        other.counts["c1"] = 1_000_000
        load.join("n2", other.port)
        found = audit(load, [], wait_s=2.0)["wrong"]
        load.leave("n2")
    assert "n1 and n2 differ" in found[0]


def test_what_a_wiped_disk_had_is_forgiven_once(load: Load, node: CountingNode) -> None:
    count(load, 50)
    load.offering = False
    until(load, lambda: load.under_way() == 0)
    obey(load, {"do": "leave", "place": "n1"})
    obey(load, {"do": "wipe", "place": "n1"})
    node.counts.clear()
    obey(load, {"do": "join", "place": "n1", "port": node.port})
    assert audit(load, [], PATIENCE_S)["wrong"] == []
    count(load, 100)
    node.counts.clear()
    assert audit(load, [], PATIENCE_S)["wrong"] != []
