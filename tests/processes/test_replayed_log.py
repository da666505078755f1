"""`scripts/replay` against real daemons: a part of the log, with a node killed and restarted.

The whole log, three times, is `scripts/replay --times 3`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
REQUESTS = 2000
PATIENCE_S = 240


def test_every_total_is_right_although_a_node_was_killed_half_way() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "tests.cluster.replay", "--json", "--limit", str(REQUESTS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    report = json.loads(result.stdout)
    assert report["wrong"] == []
    assert report["nodes_equal"] is True
    assert report["acknowledged"] + report["indefinite"] == report["requests"] == REQUESTS
    assert REQUESTS // 2 <= report["killed_at"] < report["restarted_at"] <= REQUESTS
    # One request a connection can be under way at the victim when it dies.
    assert report["indefinite"] <= 16
    assert report["exact_paths"] > 0
