"""Random schedules over the search's actions; Hypothesis shortens what fails."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.search.machine import ClusterMachine
from tests.search.scale import small


def test_whatever_happens_to_three_hosts_the_numbers_are_right() -> None:
    some = settings(
        max_examples=15,
        stateful_step_count=30,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    with small():
        run_state_machine_as_test(ClusterMachine, settings=some)
