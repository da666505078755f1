"""`watch`: a line per change, and a node that goes away meanwhile."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest
from stand_in import Said, StandIn, error, start

KEYS = "GET /v1/counters?key=a&key=b"
TOP = "GET /v1/top?limit=10"
FAST = ("--interval", "0.1")


def listing(**values: int) -> Said:
    return 200, {"counters": [{"key": k, "value": v} for k, v in values.items()], "next": None}


def test_a_line_is_printed_for_each_change_only() -> None:
    said: list[Said] = [listing(a=1, b=2), listing(a=1, b=2), listing(a=4, b=2)]
    with StandIn({KEYS: said}) as daemon:
        result = daemon.run("watch", "a", "b", "a", "--count", "3", *FAST)
        assert daemon.asked == [KEYS] * 3
    assert (result.exit_code, result.stdout) == (0, "a\t1\t\nb\t2\t\na\t4\t+3\n")


def test_json_is_a_line_per_change() -> None:
    with StandIn({KEYS: [listing(a=1), listing(a=3)]}) as daemon:
        result = daemon.run("watch", "a", "b", "--json", "--count", "2", *FAST)
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {"key": "a", "value": 1, "change": None},
        {"key": "a", "value": 3, "change": 2},
    ]


def test_without_keys_the_largest_are_watched() -> None:
    with StandIn({TOP: [listing(x=9), listing(y=10, x=9), listing(x=11, y=10)]}) as daemon:
        result = daemon.run("watch", "--count", "3", *FAST)
    assert result.stdout == "x\t9\t\ny\t10\t\nx\t11\t+2\n"


@pytest.mark.parametrize("code", ["not_ready", "busy", "draining"])
def test_a_node_that_goes_away_is_asked_again_and_that_is_said_once(code: str) -> None:
    away: Said = (503, error(code, "not now", definite=True))
    said: list[Said] = [listing(x=1), StandIn.hang_up, away, listing(x=2)]
    with StandIn({TOP: said}) as daemon:
        result = daemon.run("watch", "--count", "4", *FAST)
    assert (result.exit_code, result.stdout) == (0, "x\t1\t\nx\t2\t+1\n")
    assert result.stderr.count("trying again") == 1
    assert result.stderr.count("answers again") == 1


def test_a_watch_that_ends_while_the_node_is_away_fails() -> None:
    with StandIn({TOP: [listing(x=1), StandIn.hang_up]}) as daemon:
        result = daemon.run("watch", "--count", "3", *FAST)
    assert (result.exit_code, result.stdout) == (1, "x\t1\t\n")


def test_an_error_in_the_first_round_ends_the_watch() -> None:
    with StandIn({TOP: StandIn.hang_up}) as daemon:
        assert daemon.run("watch", *FAST).exit_code == 1
        assert daemon.asked == [TOP]


def test_an_answer_that_the_question_is_wrong_ends_the_watch() -> None:
    wrong: Said = (400, error("bad_key", "no", definite=True))
    with StandIn({TOP: [listing(x=1), wrong]}) as daemon:
        assert daemon.run("watch", *FAST).exit_code == 1


def test_more_keys_than_a_request_holds_are_a_usage_error() -> None:
    with StandIn({}) as daemon:
        assert daemon.run("watch", *(f"{n}{'é' * 400}" for n in range(4))).exit_code == 2
        assert daemon.asked == []


def test_ctrl_c_ends_a_watch_with_status_zero() -> None:
    with StandIn({TOP: listing(x=1)}) as daemon:
        arguments = ("watch", "--address", daemon.address, "--interval", "3600")
        process = start(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None
        # The line has to come at once, although stdout is a pipe.
        assert process.stdout.readline() == "x\t1\t\n"
        process.send_signal(signal.SIGINT)
        rest = process.communicate()
    assert (process.returncode, rest) == (0, ("", ""))
