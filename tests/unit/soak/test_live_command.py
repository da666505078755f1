"""How live stories are reported, with stories that start no process."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from gcounterd.sim.checkers import check
from tests.cluster.processes import Cluster
from tests.soak.command import main
from tests.soak.live import LIVE
from tests.soak.live_command import play_live
from tests.soak.live_stage import LiveScenario


async def end_well(cluster: Cluster) -> None:
    cluster.find("n1").directory.mkdir()


async def end_badly(cluster: Cluster) -> None:
    cluster.find("n1").directory.mkdir()
    check(False, "X2", "it was to be so")


@pytest.fixture
def stories(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the folder under which the stories X1 and X2 run."""
    monkeypatch.setitem(LIVE, "X1", LiveScenario("X1", "all is well", 1, end_well))
    monkeypatch.setitem(LIVE, "X2", LiveScenario("X2", "all is not", 1, end_badly))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_failure_is_counted_with_its_reason_and_only_its_logs_stay(
    stories: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert play_live(["X1", "X2"]) == 1
    *_, first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("| X1 | all is well | 1 |")
    assert first.endswith("| passed |")
    assert second.endswith("| failed: ViolationError: X2: it was to be so |")
    (left,) = stories.iterdir()
    assert left.name.startswith("gcounterd-X2-")
    assert (left / "n1").is_dir()


def test_a_scenario_that_is_not_played_live_is_refused_with_those_that_are() -> None:
    result = CliRunner().invoke(main, ["--live", "--only", "P8"])
    assert result.exit_code == 2
    assert "not played live: P8; there are P1, P2, P5" in result.output
