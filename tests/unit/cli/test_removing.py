"""`remove-node`: the plan, the word, the progress and the report. (How it ends: `_ends`.)"""

from __future__ import annotations

import json

import pytest
from removal_answers import (
    BEGIN,
    CLOSING,
    DELETES,
    IDS,
    LOOK,
    ME,
    PLAN,
    STATUS,
    Answers,
    asks,
    begins,
    begun,
    planned,
    refused,
    removal,
    seen,
    target,
    waiting,
)
from stand_in import StandIn, error


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gcounterd.cli.removal_run.POLL_S", 0)


# -- the plan -------------------------------------------------------------------------------


def test_a_dry_run_shows_the_plan_and_does_nothing() -> None:
    answers: Answers = {
        STATUS: ME,
        PLAN: planned(target("n3", columns=2), warnings=["n5 is dead"], alive=4),
    }
    with StandIn(answers) as daemon:
        result = daemon.run("remove-node", "n3", "--dry-run")
        assert daemon.asked == [PLAN, STATUS]
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "remove n3 (030303030303): active, alive, 2 columns, last heard 0.3 s ago",
        "what was counted there stays, and is shown as counted by n2 (020202020202)",
        "4 of 5 members that decide on it are alive",
        "warning: n5 is dead",
    ]


def test_a_dry_run_for_programs_is_one_event() -> None:
    with StandIn(DELETES) as daemon:
        result = daemon.run("remove-node", "n3", "--dry-run", "--json")
    said = planned(target("n3"))
    assert isinstance(said, tuple)
    assert isinstance(said[1], dict)
    assert json.loads(result.stdout) == {"event": "plan", "plan": said[1]["plan"]}


def test_what_is_wanted_is_asked_for() -> None:
    wanted = {"dead": "true", "without_majority": "true", "into": "n4", "dry_run": "true"}
    with StandIn({STATUS: ME, asks("n3", "n5~0a1b2c", **wanted): planned(target("n3"))}) as daemon:
        words = ("--dead", "--without-majority", "--into", "n4", "--dry-run")
        assert daemon.run("remove-node", "n3", "n5~0a1b2c", *words).exit_code == 0


def test_without_a_terminal_and_without_a_word_nothing_is_begun() -> None:
    with StandIn(DELETES) as daemon:
        result = daemon.run("remove-node", "n3")
        told = json.loads(daemon.run("remove-node", "n3", "--json").stdout.splitlines()[-1])
        assert BEGIN not in daemon.asked
    assert (result.exit_code, result.stdout) == (5, "")
    assert "remove n3 (030303030303)" in result.stderr
    assert "give --yes" in result.stderr
    assert (told["error"]["code"], told["error"]["definite"]) == ("not_confirmed", True)


@pytest.mark.parametrize("text", ["", "-n3", "n 3", "n3,n4", "n" * 65, "n3~xyz"])
def test_what_is_no_name_is_a_usage_error(text: str) -> None:
    with StandIn({}) as daemon:
        assert daemon.run("remove-node", "--dry-run", "--", text).exit_code == 2
        assert daemon.run("remove-node", "n3", f"--into={text}").exit_code == 2


def test_too_many_at_once_are_a_usage_error() -> None:
    with StandIn({}) as daemon:
        result = daemon.run("remove-node", *(f"n{number}" for number in range(15)))
    assert result.exit_code == 2
    assert "at most 14" in result.stderr


@pytest.mark.parametrize(
    "code",
    [
        "unknown_node",
        "removal_self_heir",
        "removal_last",
        "removal_no_majority",
        "removal_needs_dead",
        "removal_is_alive",
        "removal_no_heir",
        "removal_joining_only",
    ],
)
def test_a_refusal_of_a_safety_check_is_status_5_and_is_said(code: str) -> None:
    with StandIn({PLAN: refused(code, "this way out")}) as daemon:
        result = daemon.run("remove-node", "n3", "--yes")
        assert daemon.asked == [PLAN]
    assert result.exit_code == 5
    assert f"this way out [{code}]" in result.stderr


@pytest.mark.parametrize(("status", "code"), [(501, "unsupported"), (503, "storage_failed")])
def test_any_other_refusal_is_a_failure(status: int, code: str) -> None:
    with StandIn({PLAN: (status, error(code, "x", definite=True))}) as daemon:
        assert daemon.run("remove-node", "n3", "--yes").exit_code == 1


def test_a_refusal_that_comes_after_the_plan_is_one_too() -> None:
    with StandIn({**DELETES, BEGIN: refused("removal_no_majority")}) as daemon:
        assert daemon.run("remove-node", "n3", "--yes").exit_code == 5


# -- progress and report --------------------------------------------------------------------


def test_each_change_is_a_line_and_the_report_is_the_data() -> None:
    handing = removal("n3", "draining", waiting_for=[waiting("n1", "lacks 2 versions")])
    longer = removal("n3", "draining", waiting_for=[waiting("n1", "lacks 2 versions", 3.0)])
    column = {"column": IDS["n3"] + "ab" * 16, "version": 12, "final": True, "from": ["n1", "n2"]}
    steps = [
        seen(handing),
        seen(longer),
        seen(removal("n4", "saving"), removal("n3", "closing")),
        seen(removal("n4", "saving"), removal("n3", "done", columns=[column])),
    ]
    with StandIn({**DELETES, LOOK: steps}) as daemon:
        result = daemon.run("remove-node", "n3", "--yes")
        assert daemon.asked == [PLAN, STATUS, BEGIN, *[LOOK] * 4]
    assert result.exit_code == 0
    drains = "gcounterctl: n3 draining: it takes no more increments and hands over what it holds"
    assert result.stderr.splitlines()[3:] == [
        drains,
        f"{drains}; waits for n1 for 2.0 s (lacks 2 versions)",
        f"gcounterctl: n3 {CLOSING}",
        "gcounterctl: n3 done: it is removed",
    ]
    assert result.stdout.splitlines() == [
        "n3 (030303030303) done: it is removed; what it counted is shown as counted by n2",
        "    life abababababab saved up to version 12 from n1, n2, after which nothing follows",
    ]


def test_programs_get_an_event_for_each_change_and_then_the_report() -> None:
    states = [
        removal("n3", "draining"),
        removal("n3", "draining", waiting_for=[waiting("n1", "suspect")]),
        removal("n3", "draining", waiting_for=[waiting("n1", "dead")]),
        removal("n3", "done"),
    ]
    looks = [seen(state) for state in states[1:]]
    with StandIn({**DELETES, LOOK: looks}) as daemon:
        result = daemon.run("remove-node", "n3", "--yes", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    first, *progress, last = map(json.loads, result.stdout.splitlines())
    assert first["event"] == "plan"
    assert progress == [{"event": "progress", "removal": state} for state in states]
    assert last == {"event": "report", "removals": [states[-1]]}


def test_several_are_removed_together_and_reported_in_their_order() -> None:
    answers: Answers = {
        STATUS: ME,
        asks("n5", "n3", dry_run="true"): planned(target("n5"), target("n3")),
        begins("n5", "n3"): begun(removal("n3", "saving"), removal("n5", "saving")),
        LOOK: [
            seen(removal("n3", "done"), removal("n5", "saving")),
            seen(removal("n3", "done"), removal("n5", "done")),
        ],
    }
    with StandIn(answers) as daemon:
        result = daemon.run("remove-node", "n5", "n3", "--yes")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["n5", "n3"]


def test_the_report_of_a_dead_node_says_what_was_saved_from_whom() -> None:
    columns = [
        {"column": IDS["n3"] + "aa" * 16, "version": 7, "final": True, "from": ["n1"]},
        {"column": IDS["n3"] + "bb" * 16, "version": 41, "final": False, "from": ["n1", "n4"]},
    ]
    done = removal(
        *("n3", "done"),
        live=False,
        forced=True,
        columns=columns,
        not_asked=["n5", "n6"],
        last_heard_s=900,
        late=3,
        cold=1,
        cold_why="n5 has not shown that it has them",
    )
    answers: Answers = {
        STATUS: ME,
        asks("n3", dead="true", dry_run="true"): planned(target("n3", liveness="dead")),
        begins("n3", dead="true"): begun(done),
    }
    with StandIn(answers) as daemon:
        result = daemon.run("remove-node", "n3", "--dead", "--yes")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1:] == [
        "    it was removed without a majority",
        "    life aaaaaaaaaaaa saved up to version 7 from n1, after which nothing follows",
        "    life bbbbbbbbbbbb saved up to version 41 from n1, n4",
        "    could not be asked: n5, n6",
        "    last heard 15 min ago",
        "    3 late increments taken in since",
        "    1 cold copy kept: n5 has not shown that it has them",
    ]


def test_many_that_are_waited_for_are_counted() -> None:
    waits = [waiting(f"n{number}", "silent") for number in range(1, 10)]
    steps = [seen(removal("n3", "closing", waiting_for=waits)), seen(removal("n3", "done"))]
    with StandIn({**DELETES, LOOK: steps}) as daemon:
        result = daemon.run("remove-node", "n3", "--yes")
    assert "n4 for 2.0 s (silent) and 5 more\n" in result.stderr


# -- repeating ------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["removing", "removed"])
def test_what_was_decided_before_needs_no_word_and_no_other_heir(state: str) -> None:
    answers: Answers = {
        STATUS: ME,
        PLAN: planned(target("n3", roster=state, liveness="dead")),
        asks(IDS["n3"]): begun(removal("n3", "done")),
    }
    with StandIn(answers) as daemon:
        result = daemon.run("remove-node", "n3")
    assert result.exit_code == 0
    assert result.stdout.startswith("n3 (030303030303) done: it is removed")
    first = {"removing": "go on removing n3", "removed": "removed already: n3"}[state]
    assert result.stderr.startswith(f"gcounterctl: {first} (")


def test_lifting_the_majority_of_one_under_way_needs_a_word() -> None:
    wanted = {"without_majority": "true", "dry_run": "true"}
    answers: Answers = {STATUS: ME, asks("n3", **wanted): planned(target("n3", roster="removing"))}
    with StandIn(answers) as daemon:
        assert daemon.run("remove-node", "n3", "--without-majority").exit_code == 5


# -- suspects -------------------------------------------------------------------------------


def test_a_suspect_is_waited_for_until_it_is_known_to_be_dead() -> None:
    dead = {"dead": "true", "dry_run": "true"}
    suspect = refused("removal_suspect", "n3 is suspect for 0.4 s")
    answers: Answers = {
        STATUS: ME,
        asks("n3", **dead): [suspect, suspect, planned(target("n3", liveness="dead"))],
        begins("n3", dead="true"): [suspect, begun(removal("n3", "done"))],
    }
    with StandIn(answers) as daemon:
        result = daemon.run("remove-node", "n3", "--dead", "--yes")
        events = daemon.run("remove-node", "n3", "--dead", "--yes", "--json")
    assert result.exit_code == 0
    told = "gcounterctl: n3 is suspect for 0.4 s; waiting for the verdict"
    assert result.stderr.splitlines().count(told) == 2  # for the plan, and for the removal
    assert [json.loads(line)["event"] for line in events.stdout.splitlines()] == [
        "plan",
        "progress",
        "report",
    ]


def test_a_suspect_that_turns_out_to_be_alive_is_not_removed_as_dead() -> None:
    said = [refused("removal_suspect"), refused("removal_is_alive", "n3 answers")]
    with StandIn({asks("n3", dead="true", dry_run="true"): said}) as daemon:
        result = daemon.run("remove-node", "n3", "--dead", "--yes")
    assert result.exit_code == 5
    assert "n3 answers [removal_is_alive]" in result.stderr


def test_a_verdict_that_does_not_come_in_time_is_unfinished() -> None:
    with StandIn({PLAN: refused("removal_suspect", "n3 is suspect")}) as daemon:
        result = daemon.run("remove-node", "n3", "--yes", "--json", "--timeout", "0.1")
        assert dict.fromkeys(daemon.asked) == {PLAN: None}
    assert result.exit_code == 3
    waits, failure = map(json.loads, result.stdout.splitlines())
    assert waits == {"event": "waiting", "message": "n3 is suspect; waiting for the verdict"}
    assert failure["error"]["code"] == "removal_suspect"
