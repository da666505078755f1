"""The faults of a simulated process: it stands still, reads late, sleeps, or is gone."""

from __future__ import annotations

from typing import Any

import pytest

from gcounterd.sim.cluster import Cluster
from gcounterd.sim.network import BACKLOG_CONNECTIONS


@pytest.fixture
def cluster() -> Cluster:
    cluster = Cluster(1)
    for name in ("n1", "n2"):
        cluster.add_host(name, seeds=["n1:7700", "n2:7700"])
        cluster.start(name)
    cluster.settle(60.0)
    return cluster


def watch(cluster: Cluster, name: str, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return a list that gets the moments at which a process reads a frame."""
    process = cluster.process(name)
    moments: list[float] = []
    arrived = process.arrived

    def note(*arguments: Any) -> None:
        moments.append(cluster.world.now)
        arrived(*arguments)

    monkeypatch.setattr(process, "arrived", note)
    return moments


def test_a_starved_process_hears_in_order_however_late_each_is() -> None:
    cluster = Cluster(1)
    cluster.add_host("n1")
    process = cluster.start("n1")
    lags = iter([2.0, 0.5, 3.0])
    process.starve(lambda: next(lags))
    heard: list[tuple[int, float]] = []
    for number in range(3):
        process.hear(lambda number: heard.append((number, cluster.world.now)), number)
    cluster.run(10.0)
    assert heard == [(0, 2.0), (1, 2.0), (2, 3.0)]


def test_the_timers_of_a_starved_process_are_on_time(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = cluster.process("n2")
    moments = watch(cluster, "n2", monkeypatch)
    wakes, start = process.wakes, cluster.world.now
    process.starve(lambda: 2.0)
    cluster.run(1.9)
    assert moments == []
    assert process.wakes > wakes
    cluster.run(2.0)
    assert moments[0] >= start + 2.0


def test_what_was_read_late_is_not_overtaken_when_starving_ends(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = cluster.process("n2")
    moments = watch(cluster, "n2", monkeypatch)
    process.starve(lambda: 2.0)
    cluster.run(1.5)
    process.starve(None)
    cluster.run(0.4)
    assert moments == []
    cluster.run(5.0)
    assert moments


def test_a_blocked_loop_does_nothing_until_it_is_free(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = cluster.process("n2")
    moments = watch(cluster, "n2", monkeypatch)
    wakes = process.wakes
    process.block(5.0)
    cluster.run(4.9)
    assert (moments, process.wakes) == ([], wakes)
    cluster.run(1.0)
    assert moments
    assert process.wakes > wakes


def test_the_clock_of_a_host_that_sleeps_stands_still(cluster: Cluster) -> None:
    process = cluster.process("n2")
    before = process.now
    cluster.suspend("n2")
    cluster.run(3600.0)
    cluster.rouse("n2")
    assert process.now == pytest.approx(before)
    assert cluster.process("n1").now == pytest.approx(before + 3600.0)
    cluster.settle(60.0)
    assert cluster.add("n2", b"key")
    cluster.settle(60.0)
    assert cluster.value("n1", b"key") == 1


def test_the_clock_of_a_process_that_was_stopped_goes_on(cluster: Cluster) -> None:
    process = cluster.process("n2")
    process.pause()
    cluster.run(60.0)
    process.resume()
    assert process.now == cluster.world.now
    cluster.settle(60.0)


def test_a_process_that_stands_still_leaves_the_backlog_to_its_kernel(cluster: Cluster) -> None:
    process = cluster.process("n2")
    process.pause()
    for _ in range(BACKLOG_CONNECTIONS):
        process.knocked()
    assert process.is_crowded
    process.resume()
    assert not process.is_crowded


def test_a_killed_process_refuses_and_a_host_without_power_is_silent(cluster: Cluster) -> None:
    cluster.kill("n2")
    cluster.run(1.0)
    assert cluster.tally["dial refused"] > 0
    assert cluster.tally["link lost: end of stream"] > 0
    cluster.start("n2")
    cluster.settle(60.0)
    refused = cluster.tally["dial refused"]
    cluster.kill("n2", power=True)
    cluster.run(20.0)
    assert cluster.tally["dial refused"] == refused
    assert cluster.tally["dial timed out"] > 0
