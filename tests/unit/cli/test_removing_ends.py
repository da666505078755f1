"""How `remove-node` ends: in time or not, detached, interrupted, or with the node that it asks."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import Any

import pytest
from removal_answers import (
    BEGIN,
    CLOSING,
    DELETES,
    IDS,
    LOOK,
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
from stand_in import Said, StandIn, error, start


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gcounterd.cli.removal_run.POLL_S", 0)


def test_what_is_not_done_in_time_is_said_with_who_is_waited_for() -> None:
    saving = removal("n3", "saving", waiting_for=[waiting("n5", "dead", 300)])
    with StandIn({**DELETES, LOOK: seen(saving)}) as daemon:
        result = daemon.run("remove-node", "n3", "--yes", "--timeout", "0.1")
    assert result.exit_code == 3
    assert "not done within 0.1 s; last seen: n3 saving" in result.stderr
    assert "waits for n5 for 5 min (dead) [not_removed]" in result.stderr
    assert "the same command watches it again" in result.stderr


def test_programs_are_told_what_was_seen_last() -> None:
    with StandIn({**DELETES, LOOK: seen(removal("n3", "saving"))}) as daemon:
        result = daemon.run("remove-node", "n3", "--yes", "--json", "--timeout", "0.1")
    last: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    assert (result.exit_code, last["error"]["code"]) == (3, "not_removed")
    assert last["removals"] == [removal("n3", "saving")]


def test_detached_it_only_begins() -> None:
    with StandIn(DELETES) as daemon:
        result = daemon.run("remove-node", "n3", "--yes", "--detach")
        events = daemon.run("remove-node", "n3", "--yes", "--detach", "--json")
        assert LOOK not in daemon.asked
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.splitlines()[-1].startswith("gcounterctl: the removal goes on;")
    assert json.loads(events.stdout.splitlines()[-1]) == {
        "event": "detached",
        "removals": [removal("n3", "draining")],
    }


def test_a_lost_answer_may_have_begun_it() -> None:
    with StandIn({**DELETES, BEGIN: StandIn.hang_up}) as daemon:
        result = daemon.run("remove-node", "n3", "--yes")
    assert result.exit_code == 1
    assert "it may have begun: the same command again tells" in result.stderr
    assert "indefinite" in result.stderr


def test_a_daemon_that_is_away_for_a_while_is_asked_again() -> None:
    draining: Said = (503, error("draining", "stopping", definite=True))
    steps = [StandIn.hang_up, draining, seen(removal("n3", "saving")), seen(removal("n3", "done"))]
    with StandIn({**DELETES, LOOK: steps}) as daemon:
        result = daemon.run("remove-node", "n3", "--yes")
    assert result.exit_code == 0
    assert result.stderr.count("trying again") == 1
    assert result.stderr.count("answers again") == 1


def test_an_answer_that_says_the_question_is_wrong_ends_the_watching() -> None:
    with StandIn({**DELETES, LOOK: (404, error("no_such_route", "x", definite=True))}) as daemon:
        assert daemon.run("remove-node", "n3", "--yes").exit_code == 1


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"plan": {}, "removals": []},
        {"plan": {"targets": [{"node": "n3"}]}, "removals": []},
    ],
)
def test_an_answer_without_a_proper_plan_is_a_failure(said: object) -> None:
    with StandIn({PLAN: (200, said)}) as daemon:
        result = daemon.run("remove-node", "n3", "--yes")
    assert result.exit_code == 1
    assert "[bad_answer]" in result.stderr


@pytest.mark.parametrize("removals", [None, [{}], [{"id": IDS["n3"], "node": "n3"}]])
def test_an_answer_without_proper_removals_is_a_failure(removals: object) -> None:
    with StandIn({**DELETES, LOOK: (200, {"removals": removals})}) as daemon:
        result = daemon.run("remove-node", "n3", "--yes")
    assert result.exit_code == 1
    assert "[bad_answer]" in result.stderr


# -- the node that is asked is removed itself ------------------------------------------------


def asking_the_target(*looks: Said) -> Answers:
    """Return the answers of n3, which is to be removed; the last look ends the process."""
    return {**DELETES, STATUS: (200, {"id": IDS["n3"]}), LOOK: list(looks)}


def leave(daemon: StandIn) -> Said:
    """Return an answer that is none, and after which nobody listens."""

    def answer(handler: Any) -> None:
        daemon.leave()
        StandIn.hang_up(handler)

    return answer


def test_a_node_that_said_that_it_is_removed_may_go() -> None:
    with StandIn({}) as daemon:
        daemon.answers |= asking_the_target(
            seen(removal("n3", "closing", waiting_for=[waiting("n5", "dead")])), leave(daemon)
        )
        result = daemon.run("remove-node", "n3", "--yes")
    assert result.exit_code == 0
    assert "it is the node that is asked, and stops answering when it is removed" in result.stderr
    assert result.stderr.endswith("the node that was asked is removed, and has gone\n")
    assert result.stdout.splitlines() == [
        f"n3 (030303030303) {CLOSING}; what it counted is shown as counted by n2",
        "    waits for n5 for 2.0 s (dead)",
    ]


def test_a_node_that_went_without_a_word_is_not_said_to_be_removed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with StandIn({}) as daemon:
        monkeypatch.setattr("gcounterd.cli.removal_run.GONE_S", 0)
        daemon.answers |= asking_the_target(seen(removal("n3", "saving")), leave(daemon))
        result = daemon.run("remove-node", "n3", "--yes")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "has gone, and never said that it is removed; last seen: n3 saving" in result.stderr
    assert "[asked_gone]" in result.stderr
    assert "ask one of them: gcounterctl --address" in result.stderr


def test_a_node_that_went_knows_nothing_more_of_the_others() -> None:
    answers: Answers = {
        STATUS: (200, {"id": IDS["n3"]}),
        asks("n3", "n4", dry_run="true"): planned(target("n3"), target("n4")),
        begins("n3", "n4"): begun(removal("n3", "saving"), removal("n4", "saving")),
    }
    with StandIn(answers) as daemon:
        daemon.answers[LOOK] = [
            seen(removal("n3", "closing"), removal("n4", "saving")),
            leave(daemon),
        ]
        result = daemon.run("remove-node", "n3", "n4", "--yes")
    assert result.exit_code == 3
    assert "has gone before the others were removed" in result.stderr


# -- Ctrl-C ---------------------------------------------------------------------------------


def interrupt(daemon: StandIn, last_line: str, *words: str) -> tuple[int, list[str]]:
    """Run the tool, press Ctrl-C after a line that begins so; return its status and the rest."""
    tool = start(
        *("--address", daemon.address, "remove-node", "n3", *words),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert tool.stderr is not None
    while not (line := tool.stderr.readline()).startswith(f"gcounterctl: {last_line}"):
        assert line
    tool.send_signal(signal.SIGINT)
    out, err = tool.communicate()
    assert out == ""
    return tool.returncode, err.splitlines()


def test_ctrl_c_detaches_and_says_that_the_removal_goes_on() -> None:
    with StandIn({**DELETES, LOOK: seen(removal("n3", "saving"))}) as daemon:
        status, told = interrupt(daemon, "n3 saving", "--yes")
        assert set(daemon.asked[3:]) == {LOOK}
    assert status == 3
    assert told[-1].startswith("gcounterctl: the removal goes on; `gcounterctl removals` shows it")


def test_ctrl_c_before_anything_was_begun_removes_nothing() -> None:
    with StandIn({PLAN: refused("removal_suspect", "n3 is suspect")}) as daemon:
        status, told = interrupt(daemon, "n3 is suspect", "--yes")
        assert set(daemon.asked) == {PLAN}
    assert status == 1
    assert told == [
        "gcounterctl: interrupted; nothing was removed [interrupted]",
        "gcounterctl: definite: it did not take effect",
    ]


def test_ctrl_c_while_it_is_asked_for_may_have_begun_it() -> None:
    suspect = refused("removal_suspect", "n3 is suspect")
    with StandIn({**DELETES, BEGIN: suspect}) as daemon:
        status, told = interrupt(daemon, "n3 is suspect", "--yes")
    assert status == 1
    assert told[0].startswith("gcounterctl: it may have begun")
    assert told[-1].startswith("gcounterctl: indefinite")
