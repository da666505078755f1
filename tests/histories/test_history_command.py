"""A history that was kept can be checked again, and says what is wrong with it."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from tests.histories.command import Sums, histories
from tests.histories.history import History, Operation, Outcome

ANSWERED = Operation("c1", "n1", "k", 1, 2, Outcome.OK, 5, 5)
SHORT = Operation("c2", "n2", "k", 3, 4, Outcome.OK, 0, 3, consistent=True)
RIGHT = Operation("c2", "n2", "k", 3, 4, Outcome.OK, 0, 5, consistent=True)


def check_kept(path: Path, *operations: Operation) -> tuple[int, str]:
    path.write_text("".join(f"{line}\n" for line in History(list(operations)).lines()))
    ran = CliRunner().invoke(histories, ["--check", str(path)])
    return ran.exit_code, ran.output


def test_a_kept_history_that_is_right_is_accepted(tmp_path: Path) -> None:
    status, said = check_kept(tmp_path / "kept.jsonl", ANSWERED, RIGHT)
    assert (status, said) == (0, "0 findings, 6 judgements\n")


def test_what_is_wrong_with_a_kept_history_is_said_by_its_rule(tmp_path: Path) -> None:
    status, said = check_kept(tmp_path / "kept.jsonl", ANSWERED, SHORT)
    assert status == 1
    assert "asks everybody: k: 3, but 5 was acknowledged before" in said


def test_a_file_that_is_no_history_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    path.write_text("{}\n")
    ran = CliRunner().invoke(histories, ["--check", str(path)])
    assert ran.exit_code == 1
    assert ran.output.startswith("Error: '{}")


def test_the_sums_are_tables() -> None:
    sums = Sums(histories=2, wrong=1)
    sums.outcomes["increment ok"] = 1234
    sums.judged["no dip"] = 5678
    lines = list(sums.lines("simulated"))
    assert lines[0] == "\nsimulated: 2 histories, 1 wrong\n"
    assert "| increment | 1,234 | 0 | 0 |" in lines
    assert "| no dip | 5,678 |" in lines
