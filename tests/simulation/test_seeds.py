"""Whole histories: a range of seeds holds all invariants, and one seed is one history.

`python -m gcounterd.sim --seeds 0-499 --jobs 2` is the long form of the first test.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from gcounterd.sim.report import Report
from gcounterd.sim.run import run_seed

# Few: scripts/test plays 160 beside this.
SEEDS = range(1000, 1016)
# What has to happen even in so few seeds.
COMMON = ("kill", "power cut", "pause", "halves", "disk full", "stale disk", "read exact")


@pytest.mark.slow
def test_a_range_of_seeds_holds_every_invariant() -> None:
    report = Report()
    for seed in SEEDS:
        outcome = run_seed(seed, nodes=5, minutes=1.0)
        assert outcome.violation == "", f"seed {seed}\n{outcome.where}"
        report.add(outcome)
    assert [what for what in COMMON if not report.tally[what]] == []
    assert report.frames > 1000 * len(SEEDS)


def traces(hash_seed: str) -> list[str]:
    command = [sys.executable, "-m", "gcounterd.sim", "--seeds", "5-8", "--minutes", "0.5"]
    found = subprocess.run(
        [*command, "--trace"],
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return found.stdout.splitlines()[:4]


def test_one_seed_is_one_history_whatever_the_hash_seed() -> None:
    one, two = traces("1"), traces("2")
    assert one == two
    assert len(dict.fromkeys(line.split()[1] for line in one)) == 4


def test_a_failing_range_says_how_to_repeat_it_and_fails() -> None:
    script = (
        "import sys; from gcounterd.counters.counters import Counters; value = Counters.value; "
        "Counters.value = lambda *at: value(*at) + 2**60; sys.argv = ['sim', '--seeds', '3-3', "
        "'--nodes', '2', '--minutes', '0.2']; from gcounterd.sim.__main__ import main; "
        "sys.exit(main())"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ran.returncode == 1
    assert "seed 3: I1 never over" in ran.stdout
    assert "python -m gcounterd.sim --seeds 3-3 --nodes 2 --minutes 0.2" in ran.stdout
