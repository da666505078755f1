"""`add-node`: the line for the new host on stdout, and the wait until the node is in."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest
from stand_in import StandIn, error, start

ADD, LOOK = "POST /v1/cluster/nodes", "GET /v1/cluster"
INVITATION = {
    "name": "n4",
    "token": "ab" * 32,
    "expires": "2027-01-15T09:00:00Z",
    "command": "(umask 077; echo abab > join-token) && gcounterd run --name n4",
    "join": ["127.0.0.1:7701"],
}


def members(*nodes: tuple[str, str, str]) -> tuple[int, object]:
    keys = ("name", "roster", "liveness")
    return 200, {"self": "n1", "nodes": [dict(zip(keys, node, strict=True)) for node in nodes]}


def test_the_line_to_run_is_all_that_goes_to_stdout() -> None:
    with StandIn({ADD: (200, INVITATION)}) as daemon:
        result = daemon.run("add-node", "n4")
        assert daemon.bodies == [{"name": "n4", "ttl_s": 86_400}]
    assert (result.exit_code, result.stdout) == (0, f"{INVITATION['command']}\n")
    assert "n4 may join once, until 2027-01-15T09:00:00Z" in result.stderr


def test_where_admission_is_open_it_is_said_that_the_token_is_not_needed() -> None:
    for admission, said in (("open", True), ("approved", False)):
        with StandIn({ADD: (200, {**INVITATION, "admission": admission})}) as daemon:
            told = daemon.run("add-node", "n4").stderr
        assert ("also without its token" in told) is said


def test_programs_get_the_whole_invitation() -> None:
    with StandIn({ADD: (200, INVITATION)}) as daemon:
        result = daemon.run("add-node", "n4", "10.0.0.4", "--json")
        assert daemon.bodies == [{"name": "n4", "ttl_s": 86_400, "address": "10.0.0.4"}]
    assert json.loads(result.stdout) == INVITATION


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("2h", 7200), ("7d", 604_800)]
)
def test_a_length_of_time_has_a_unit(text: str, seconds: int) -> None:
    with StandIn({ADD: (200, INVITATION)}) as daemon:
        assert daemon.run("add-node", "n4", "--ttl", text).exit_code == 0
        assert daemon.bodies == [{"name": "n4", "ttl_s": seconds}]


@pytest.mark.parametrize("text", ["", "h", "-1h", "1.5h", "1w", "forever", "9999999999s"])
def test_what_is_no_length_of_time_is_a_usage_error(text: str) -> None:
    with StandIn({}) as daemon:
        result = daemon.run("add-node", "n4", "--ttl", text)
    assert result.exit_code == 2
    assert "such as 90s, 15m, 24h or 7d" in result.stderr


def test_a_name_in_use_is_refused_by_a_safety_check() -> None:
    holder = {"id": "00", "name": "n2", "address": "b:1"}
    taken = error("name_in_use", "the name 'n2' is at b:1", definite=True, holder=holder)
    with StandIn({ADD: (409, taken)}) as daemon:
        result = daemon.run("add-node", "n2")
        told = json.loads(daemon.run("add-node", "n2", "--json").stdout)
    assert (result.exit_code, result.stdout) == (5, "")
    assert "the name 'n2' is at b:1 [name_in_use]" in result.stderr
    assert told["holder"] == holder


def test_any_other_refusal_is_a_failure() -> None:
    full = error("too_many_approvals", "1024 approvals wait", definite=True)
    with StandIn({ADD: (409, full)}) as daemon:
        assert daemon.run("add-node", "n4").exit_code == 1


def test_waiting_follows_the_node_until_it_is_active_and_alive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gcounterd.cli.adding.WAIT_POLL_S", 0)
    steps = [
        members(("n4", "removed", "dead")),
        members(("n4", "joining", "suspect")),
        (503, error("draining", "stopping", definite=True)),
        members(("n4", "active", "suspect")),
        members(("n4", "active", "suspect")),
        members(("n1", "active", "alive"), ("n4", "active", "alive")),
    ]
    with StandIn({ADD: (200, INVITATION), LOOK: steps}) as daemon:
        result = daemon.run("add-node", "n4", "--wait", "--json")
    assert result.exit_code == 0
    invitation, joined = map(json.loads, result.stdout.splitlines())
    assert invitation == INVITATION
    assert joined == {"joined": {"name": "n4", "roster": "active", "liveness": "alive"}}
    assert result.stderr.splitlines() == [
        "gcounterctl: n4: not seen yet",
        "gcounterctl: n4: joining, suspect",
        "gcounterctl: n4: the node that approved it does not answer: stopping",
        "gcounterctl: n4: active, suspect",
        "gcounterctl: n4: active, alive",
    ]


def test_waiting_ends_unfinished_when_the_token_has_expired(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gcounterd.cli.adding.WAIT_POLL_S", 0)
    seconds = iter([0.0, 59.0, 60.0])
    monkeypatch.setattr("gcounterd.cli.adding.time.monotonic", lambda: next(seconds))
    with StandIn({ADD: (200, INVITATION), LOOK: members()}) as daemon:
        result = daemon.run("add-node", "n4", "--ttl", "60", "--wait")
    assert result.exit_code == 3
    assert "not an active member when its token expired: not seen yet [not_joined]" in result.stderr


def test_an_answer_that_says_the_question_is_wrong_ends_the_wait() -> None:
    with StandIn(
        {ADD: (200, INVITATION), LOOK: (404, error("no_such_route", "x", definite=True))}
    ) as daemon:
        assert daemon.run("add-node", "n4", "--wait").exit_code == 1


def test_ctrl_c_ends_the_waiting_and_takes_nothing_back() -> None:
    with StandIn({ADD: (200, INVITATION), LOOK: members()}) as daemon:
        tool = start(
            *("--address", daemon.address, "add-node", "n4", "--wait"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert tool.stderr is not None
        lines = [tool.stderr.readline() for _ in range(2)]
        assert lines[1] == "gcounterctl: n4: not seen yet\n"
        tool.send_signal(signal.SIGINT)
        out, err = tool.communicate()
        assert daemon.asked[0] == ADD
        assert set(daemon.asked[1:]) == {LOOK}
    assert (tool.returncode, out) == (3, f"{INVITATION['command']}\n")
    assert err == (
        "gcounterctl: not waiting any more; the approval of n4 stays until 2027-01-15T09:00:00Z\n"
    )
