"""`status`, `members`, `health`: what a node says of itself, shown."""

from __future__ import annotations

import json

import pytest
from removal_answers import removal, waiting
from stand_in import StandIn, error

STATUS = {
    "node": "n1",
    "ready": True,
    "reasons": [],
    "warnings": ["a", "b"],
    "counters": 3,
    "commits": {"count": 1},
    "something_new": "x\x1b[31m",
}
CLUSTER = {
    "cluster": "c",
    "self": "ab" * 16,
    "ready": True,
    "nodes": [
        {
            "id": "ab" * 16,
            "name": "n1",
            "roster": "active",
            "liveness": "alive",
            "since_s": 7300.0,
            "incarnation": 2,
            "address": "127.0.0.1:7700",
            "epoch": "01" * 16,
            "columns": 2,
        },
        {"id": "cd" * 16, "name": "n2", "roster": "joining"},
    ],
    "removals": [],
    "health": 0,
    "alone": False,
}
DOUBTED = {
    "self": "n1",
    "health": 3,
    "alone": True,
    "nodes": [
        {
            "name": "n2",
            "roster": "active",
            "liveness": "dead",
            "since_s": 12.34,
            "accusations": [
                {"by": "n1", "ago_s": 14.1, "why": "refused", "path": "direct: refused; n3: no"},
                {"by": "n3\x1b", "ago_s": 200, "why": "silent", "path": "told"},
            ],
        },
        {"name": "n3", "liveness": "suspect", "since_s": 260_000, "accusations": []},
        {"name": "n4", "liveness": "left", "since_s": 1},
    ],
}


def test_status_shows_every_field_also_unknown_ones() -> None:
    with StandIn({"GET /v1/status": (200, STATUS)}) as daemon:
        lines = daemon.run("status").stdout.splitlines()
        assert json.loads(daemon.run("status", "--json").stdout) == STATUS
    assert lines == [
        "what\tvalue",
        "node\tn1",
        "ready\ttrue",
        "reasons\t-",
        "warnings\ta; b",
        "counters\t3",
        'commits\t{"count": 1}',
        "something_new\tx\\x1b[31m",
    ]


def test_members_are_a_table_with_short_ids() -> None:
    with StandIn({"GET /v1/cluster": (200, CLUSTER)}) as daemon:
        lines = daemon.run("members").stdout.splitlines()
        assert json.loads(daemon.run("members", "--json").stdout) == CLUSTER
    assert lines == [
        "name\tid\troster\tliveness\tsince\taddress\tepoch\tcolumns",
        "n1 (asked)\tabababababab\tactive\talive\t2 h\t127.0.0.1:7700\t010101010101\t2",
        "n2\tcdcdcdcdcdcd\tjoining\t-\t-\t-\t-\t-",
    ]


def test_members_stand_in_the_order_of_their_names_as_people_count() -> None:
    names = ["n10", "n2", "a", "n2~ab", "10", "n1", "9"]
    body = {"self": "n1", "nodes": [{"name": name} for name in names]}
    with StandIn({"GET /v1/cluster": (200, body)}) as daemon:
        lines = daemon.run("members").stdout.splitlines()[1:]
        assert json.loads(daemon.run("members", "--json").stdout) == body
    shown = [line.split("\t")[0].removesuffix(" (asked)") for line in lines]
    assert shown == ["9", "10", "a", "n1", "n2", "n2~ab", "n10"]


def test_a_member_that_is_doubted_is_shown_with_its_accusers() -> None:
    with StandIn({"GET /v1/cluster": (200, DOUBTED)}) as daemon:
        lines = daemon.run("members").stdout.splitlines()
    assert lines[4:] == [
        "n2 has been dead for 12.3 s, accused by",
        "    n1, 14.1 s ago: refused (direct: refused; n3: no)",
        "    n3\\x1b, 3 min ago: silent (told)",
        "n3 has been suspect for 3 days",
        "the node asked, n1, has local health 3 (0 is well)",
        "it is alone: no other member answers it",
    ]


@pytest.mark.parametrize(("health", "said"), [(0, 0), (1, 1)])
def test_a_node_that_doubts_itself_says_so_also_when_all_are_alive(health: int, said: int) -> None:
    body = {"self": "n1", "health": health, "alone": False, "nodes": []}
    with StandIn({"GET /v1/cluster": (200, body)}) as daemon:
        assert daemon.run("members").stdout.count(f"has local health {health}") == said


def test_who_is_approved_and_has_not_joined_yet_is_shown_below_the_members() -> None:
    approvals = [{"name": "n4\x1b", "expires": "2026-01-02T03:04:05Z"}, {"name": "n5"}]
    body = {"self": "n1", "nodes": [], "approvals": approvals}
    with StandIn({"GET /v1/cluster": (200, body)}) as daemon:
        lines = daemon.run("members").stdout.splitlines()
    assert lines[1:] == [
        "n4\\x1b is approved and has not joined; its token is good until 2026-01-02T03:04:05Z",
        "n5 is approved and has not joined; its token is good until -",
    ]


def test_removals_under_way_are_shown_below_the_members() -> None:
    saving = removal("n3", "saving", waiting_for=[waiting("n5", "dead")])
    body = {"self": "n1", "nodes": [], "removals": [saving, {"node": "n4"}]}
    with StandIn({"GET /v1/cluster": (200, body)}) as daemon:
        (line,) = daemon.run("members").stdout.splitlines()[1:]
    assert line.startswith("n3 saving: ")
    assert line.endswith("; waits for n5 for 2.0 s (dead)")


def test_an_answer_without_members_is_a_failure() -> None:
    with StandIn({"GET /v1/cluster": (200, {"nodes": {}, "a": 1})}) as daemon:
        assert daemon.run("members").exit_code == 1


def test_a_ready_node_is_healthy_even_with_warnings() -> None:
    body = {"ready": True, "reasons": [], "warnings": ["two nodes are called n2"]}
    with StandIn({"GET /healthz": (200, body)}) as daemon:
        result = daemon.run("health")
    assert result.exit_code == 0
    assert result.stdout == "ready\nwarning: two nodes are called n2\n"


@pytest.mark.parametrize("as_json", [False, True])
def test_a_node_that_is_not_ready_is_status_one_with_the_reasons(as_json: bool) -> None:
    why = {"ready": False, "reasons": ["waits for n2", "draining"], "warnings": []}
    body = error("not_ready", "this node should not get traffic now", definite=True, **why)
    with StandIn({"GET /healthz": (503, body)}) as daemon:
        result = daemon.run("health", *(["--json"] if as_json else []))
    assert result.exit_code == 1
    if as_json:
        assert json.loads(result.stdout) == body
    else:
        assert result.stdout == "not ready\nreason: waits for n2\nreason: draining\n"


def test_something_else_that_answers_503_is_no_health_report() -> None:
    with StandIn({"GET /healthz": (503, {"oops": 1})}) as daemon:
        result = daemon.run("health")
    assert (result.exit_code, result.stdout) == (1, "")
