"""Members that are removed, come back and are replaced, in any weather.

`python -m gcounterd.sim --removals --seeds 0-499` is the long form.
"""

from __future__ import annotations

import pytest

from gcounterd.sim.report import Report
from gcounterd.sim.run import run_seed
from gcounterd.sim.steering import CELL, PHASES

SEEDS = range(2001, 2009)
# What has to happen even in so few seeds.
COMMON = ("removal asked for", "old disk brought back", "newcomer", "forgotten", "kill")


@pytest.mark.slow
def test_removals_in_any_weather_end_and_lose_nothing() -> None:
    report = Report()
    for seed in SEEDS:
        outcome = run_seed(seed, nodes=5, minutes=1.0, removals=True)
        assert outcome.violation == "", f"seed {seed}\n{outcome.where}"
        report.add(outcome)
    assert [what for what in COMMON if not report.tally[what]] == []
    met = [cell for cell, times in report.tally.items() if cell.startswith(CELL) and times]
    assert {cell.split(" x ")[0] for cell in met} == {CELL + phase for phase in PHASES}
