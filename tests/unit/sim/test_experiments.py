"""The harness of the experiments: what is run, how it is counted, and how it is written down."""

from __future__ import annotations

from pathlib import Path

import pytest

from gcounterd.sim.experiments.__main__ import PLANS
from gcounterd.sim.experiments.keeping import Keeper
from gcounterd.sim.experiments.plan import Plan, carry_out, gather, jobs
from gcounterd.sim.experiments.tables import Table, ratio, write_between
from gcounterd.sim.experiments.watching import Change, Watched, count_lives
from gcounterd.sim.standing import stand


def double(setting: int, seed: int) -> int:
    return 100 * setting + seed


def plan() -> Plan:
    return Plan("X", "x", lambda nodes: list(nodes) or [1, 2], lambda _: 2, double, lambda _: TABLE)


TABLE = Table(("a", "b"), (("x", 1.0), ("y", 12_345)))


@pytest.mark.parametrize("processes", [1, 2])
def test_every_setting_gets_its_runs_and_its_findings_in_order(processes: int) -> None:
    found = gather(list(carry_out(plan(), jobs(plan(), [], None), processes)))
    assert found == [(1, [101, 102]), (2, [201, 202])]


def test_seeds_and_nodes_that_are_asked_for_replace_a_plans_own() -> None:
    found = gather(list(carry_out(plan(), jobs(plan(), [7], range(3, 5)), 1)))
    assert found == [(7, [703, 704])]


def test_settings_of_one_name_can_be_played_alone() -> None:
    todo = jobs(PLANS["E1"], [50], range(1, 3), ["alpha 4"])
    assert [(job.setting.what, job.seed) for job in todo] == [("alpha 4", 2), ("alpha 4", 1)] * 4


@pytest.mark.parametrize("name", list(PLANS))
def test_each_experiment_has_settings_runs_and_a_table_of_nothing(name: str) -> None:
    each = PLANS[name]
    settings = each.settings([])
    assert settings
    assert all(each.runs(setting) > 0 for setting in settings)
    assert len(each.tabulate([(setting, []) for setting in settings]).rows) > 0


def test_a_table_is_written_between_its_markers_and_nothing_else_is_touched(tmp_path: Path) -> None:
    document = tmp_path / "d.md"
    document.write_text("before\n<!-- E1: begin -->\nold\n<!-- E1: end -->\nafter\n")
    write_between(document, "E1", TABLE.markdown())
    assert document.read_text() == (
        "before\n<!-- E1: begin -->\n| a | b |\n| --- | --- |\n| x | 1.00 |\n| y | 12,345 |\n"
        "<!-- E1: end -->\nafter\n"
    )
    with pytest.raises(ValueError, match="no markers of E2"):
        write_between(document, "E2", "")


def test_a_share_of_nothing_is_none() -> None:
    assert (ratio(1, 3), ratio(1, 0)) == ("33.33 %", "-")


def test_lives_are_counted_once_however_many_report_them() -> None:
    changes = [Change(0.0, where, "dead", "n1", b"e", 0) for where in ("n2", "n3")]
    changes.append(Change(1.0, "n2", "dead", "n1", b"e", 1))
    assert count_lives(changes) == 2


def test_a_standing_cluster_knows_itself_from_the_start_and_says_nothing_of_joining() -> None:
    cluster = Watched(1)
    names = stand(cluster, 5)
    cluster.settle(10.0)
    assert [len(cluster.node(name).roster) for name in names] == [5] * 5
    assert cluster.changes == []


def test_a_watched_cluster_tells_false_deaths_from_true_ones() -> None:
    cluster = Watched(1)
    names = stand(cluster, 5)
    cluster.run(5.0)
    cluster.crash("n1")
    cluster.split(["n2"], names)
    cluster.run(60.0)
    assert {each.member for each in cluster.changes if each.event == "dead"} == set(names)
    assert {each.member for each in cluster.false_deaths} == set(names[1:])


def test_runs_that_were_kept_are_not_made_again(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    todo = jobs(plan(), [2], range(1, 4))
    keeper = Keeper(path, plan(), "c1")
    assert keeper.sort(todo) == ([], todo)
    made = list(keeper.keep((job, job.seed * 10) for job in todo[:2]))
    with path.open("ab") as file:
        file.write(b"\x80\x05torn")
    done, lacking = Keeper(path, plan(), "c1").sort(todo)
    assert done == made
    assert lacking == todo[2:]
    list(Keeper(path, plan(), "c1").keep([(todo[2], 7)]))
    assert len(Keeper(path, plan(), "c1").sort(todo)[0]) == 3, "nothing behind the torn one is lost"
    assert Keeper(path, plan(), "c2").sort(todo)[1] == todo, "another commit is another experiment"
