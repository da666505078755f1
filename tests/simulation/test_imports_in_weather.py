"""Counts from elsewhere, brought again and again, in any weather and while members are removed.

`python -m gcounterd.sim --imports --removals --seeds 0-499` is the long form.
"""

from __future__ import annotations

import pytest

from gcounterd.sim.report import Report
from gcounterd.sim.run import run_seed

SEEDS = range(3001, 3005)
# What has to happen even in so few seeds.
COMMON = ("import acknowledged", "import repeated", "import refused: source_known", "kill")


@pytest.mark.slow
@pytest.mark.parametrize("removals", [False, True])
def test_what_is_imported_counts_once_in_any_weather(removals: bool) -> None:
    report = Report()
    for seed in SEEDS:
        outcome = run_seed(seed, nodes=5, minutes=0.5, removals=removals, imports=True)
        assert outcome.violation == "", f"seed {seed}\n{outcome.where}"
        report.add(outcome)
    assert [what for what in COMMON if not report.tally[what]] == []
