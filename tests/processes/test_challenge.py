"""The counters challenge, played to real daemons as `scripts/challenge` does; it has teeth."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.challenge import NODES, open_contest, play, show_table

pytestmark = pytest.mark.slow

# Of a consistent read: below the challenge's own, since the nodes that it waits for are all here.
TIMEOUT_S = 1.0


async def test_the_challenge_holds_from_the_config_to_the_healed_network(tmp_path: Path) -> None:
    findings = await play(tmp_path, TIMEOUT_S)
    assert [finding for finding in findings if not finding.holds] == [], show_table(findings)
    assert {finding.priority for finding in findings} == {"P0", "P1", "P2"}
    refused = [each.step for each in findings if each.seen.startswith("503 not_exact")]
    assert {*refused} == {"n3 paused", "n2 killed", "n1 cut off"}


async def test_nodes_that_were_told_of_nobody_are_found_inaccurate(tmp_path: Path) -> None:
    # They will never be whole, so there is nothing to wait for.
    async with open_contest(tmp_path, TIMEOUT_S, whole_wait_s=0.2) as contest:
        await contest.add_at_two()
    wrong = [f.asked for f in contest.findings if f.priority == "P0" and not f.holds]
    assert wrong == [f"consistent_value at {name}" for name in NODES]
