"""Chaos for a minute: seven real daemons under load, faults every few seconds, exact to the end.

`scripts/soak chaos` is the same for half an hour.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.play import Settings, play

pytestmark = pytest.mark.slow

# Two rounds of this seed have every kind of fault in some 30 seconds, mending not counted.
SEED = 2443
FAULTS = ("kill", "pause", "split", "add", "remove", "bury", "replace", "return", "renew")


async def test_all_values_stay_exact_while_nodes_die_are_cut_off_and_removed(
    tmp_path: Path,
) -> None:
    report = await play(Settings(SEED, seconds=300, rounds=2), tmp_path, print)
    assert report.story.wrong == []
    assert set(FAULTS) <= set(report.story.faults())
    assert report.counts["answered"] > 0
    assert report.counts["checks"] > report.counts["answered"]
