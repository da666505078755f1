"""Chaos for a minute: seven real daemons under load, faults every few seconds, exact to the end.

`scripts/soak chaos` is the same for half an hour.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.play import Settings, play
from tests.chaos.schedule import REMOVING, WEIGHTS

pytestmark = pytest.mark.slow

VERBS = tuple(verb for verb in WEIGHTS if verb not in REMOVING)


async def test_all_values_stay_exact_while_nodes_die_stall_and_are_cut_off(tmp_path: Path) -> None:
    report = await play(Settings(seconds=60, verbs=VERBS), tmp_path, print)
    assert report.story.wrong == []
    assert report.rounds >= 1
    assert report.counts["answered"] > 0
    assert report.counts["checks"] > report.counts["answered"]
