"""`removals` and `forget`: what has been removed, what came of it, and letting go of it."""

from __future__ import annotations

import json

import pytest
from removal_answers import IDS, LOOK, removal, seen, waiting
from stand_in import StandIn, error

SAVING = "saving: the members bring their copies of what it counted to one level"
FORGET = "POST /v1/cluster/nodes/n3/forget"


def test_each_removal_is_shown_with_all_that_is_known_of_it() -> None:
    columns = [{"column": IDS["n3"] + "ab" * 16, "version": 4, "final": False, "from": ["n1"]}]
    unfinished = removal("n3", "saving", columns=columns, waiting_for=[waiting("n5", "dead")])
    past = removal("n4", "done", into=None, cold=2, cold_why="within the archive budget")
    with StandIn({LOOK: seen(unfinished, past)}) as daemon:
        result = daemon.run("removals")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        f"n3 (030303030303) {SAVING}; what it counted is shown as counted by n2",
        "    waits for n5 for 2.0 s (dead)",
        "    life abababababab saved up to version 4 from n1",
        "n4 (040404040404) done: it is removed",
        "    2 cold copies kept: within the archive budget",
    ]


def test_what_came_late_is_shown_with_what_was_refused() -> None:
    with StandIn({LOOK: seen(removal("n4", "done", into=None, late=700, refused=1))}) as daemon:
        result = daemon.run("removals")
    assert result.stdout.splitlines()[1:] == [
        "    700 late increments taken in since",
        "    1 version of its columns came too late to be counted: see files under refused/",
    ]


def test_members_that_refuse_each_other_are_shown_with_both_maps() -> None:
    versions = [{"column": IDS["n3"] + digits * 16, "version": 4} for digits in ("ab", "cd")]
    conflict = {
        "node": "n3",
        "id": IDS["n3"],
        "peer": "n5",
        "ours": versions,
        "ours_all": 2,
        "theirs": versions[:1],
        "theirs_all": 1,
    }
    with StandIn({LOOK: (200, {"removals": [], "conflicts": [conflict]})}) as daemon:
        result = daemon.run("removals")
    assert result.stdout.splitlines() == [
        "n3: what this node and n5 have forgotten cannot be joined",
        "    2 columns forgotten at this node: abababababab@4 cdcdcdcdcdcd@4",
        "    1 column forgotten at n5: abababababab@4",
        "    remove one of the two: what only it has is then in a file under refused/",
    ]


def test_programs_get_them_as_they_are() -> None:
    with StandIn({LOOK: seen(removal("n3", "done", later="more"))}) as daemon:
        result = daemon.run("removals", "--json")
    assert json.loads(result.stdout) == {"removals": [removal("n3", "done", later="more")]}


def test_a_phase_of_a_newer_daemon_is_shown_as_it_is() -> None:
    with StandIn({LOOK: seen(removal("n3", "resting", into=None))}) as daemon:
        assert daemon.run("removals").stdout == "n3 (030303030303) resting\n"


def test_without_removals_there_is_no_data() -> None:
    with StandIn({LOOK: seen()}) as daemon:
        result = daemon.run("removals")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "gcounterctl: no node has been removed\n"


def test_names_are_escaped() -> None:
    with StandIn({LOOK: seen(removal("n3", "done", into="\x1b[2J"))}) as daemon:
        assert "\x1b" not in daemon.run("removals").stdout


@pytest.mark.parametrize(("number", "noun"), [(0, "columns"), (1, "column"), (2, "columns")])
def test_forgetting_says_how_much_was_released(number: int, noun: str) -> None:
    with StandIn({FORGET: (200, {"released": number, "removals": []})}) as daemon:
        result = daemon.run("forget", "n3")
        as_json = daemon.run("forget", "n3", "--json")
    assert (result.exit_code, result.stdout) == (0, f"{number} {noun} of n3 released\n")
    assert json.loads(as_json.stdout) == {"released": number, "removals": []}


@pytest.mark.parametrize(
    ("status", "code", "exit_status"),
    [(409, "removal_unfinished", 5), (404, "unknown_node", 5), (501, "unsupported", 1)],
)
def test_what_cannot_be_forgotten_is_not(status: int, code: str, exit_status: int) -> None:
    with StandIn({FORGET: (status, error(code, "remove it first", definite=True))}) as daemon:
        result = daemon.run("forget", "n3")
    assert (result.exit_code, result.stdout) == (exit_status, "")
    assert f"remove it first [{code}]" in result.stderr


def test_a_name_that_is_none_is_not_sent() -> None:
    with StandIn({}) as daemon:
        assert daemon.run("forget", "n3/forget").exit_code == 2
        assert daemon.asked == []
