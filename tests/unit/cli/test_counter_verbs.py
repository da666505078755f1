"""`incr`, `get`, `top`: what is asked, what is printed, which status comes back."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest
from stand_in import StandIn, error, run, start

KEY = "/v1/counters/k"


def test_incr_adds_one_and_prints_the_value() -> None:
    with StandIn({f"POST {KEY}": (200, {"key": "k", "value": 2**63 - 1})}) as daemon:
        result = daemon.run("incr", "k")
        assert (result.exit_code, result.stdout, result.stderr) == (0, f"{2**63 - 1}\n", "")
        assert daemon.bodies == [{"by": 1}]


def test_incr_adds_as_much_as_it_is_told() -> None:
    with StandIn({"POST /v1/counters/a%2Fb": (200, {"key": "a/b", "value": 12})}) as daemon:
        result = daemon.run("incr", "a/b", "5", "--json")
        assert json.loads(result.stdout) == {"key": "a/b", "value": 12}
        assert daemon.bodies == [{"by": 5}]


@pytest.mark.parametrize("ack", ["majority", "all"])
def test_incr_waits_for_members_to_hold_it_and_says_when_they_do_not(ack: str) -> None:
    target = f"POST {KEY}?ack={ack}&timeout=5"
    with StandIn({target: (200, {"key": "k", "value": 7})}) as daemon:
        result = daemon.run("incr", "k", "--ack", ack)
        assert (result.exit_code, result.stdout, result.stderr) == (0, "7\n", "")
    short = {"key": "k", "value": 7, "held_by": ["n1", "n2"]}
    with StandIn({target.replace("=5", "=0.5"): (202, short)}) as daemon:
        result = daemon.run("incr", "k", "--ack", ack, "--timeout", "0.5")
        assert (result.exit_code, result.stdout) == (3, "7\n")
        assert "do not repeat it" in result.stderr
        assert "n1, n2" in result.stderr
        assert "indefinite" not in result.stderr
        result = daemon.run("incr", "k", "--ack", ack, "--timeout", "0.5", "--json")
        assert (result.exit_code, json.loads(result.stdout)) == (3, short)


def test_an_increment_for_which_nobody_waits_is_asked_for_as_ever() -> None:
    with StandIn({f"POST {KEY}": (200, {"key": "k", "value": 7})}) as daemon:
        assert daemon.run("incr", "k", "--ack", "local").exit_code == 0
        assert daemon.run("incr", "k", "--ack", "most").exit_code == 2


@pytest.mark.parametrize("amount", ["0", "2147483649", "1.5", "x"])
def test_amounts_out_of_bounds_are_never_sent(amount: str) -> None:
    with StandIn({}) as daemon:
        assert daemon.run("incr", "k", amount).exit_code == 2
        assert daemon.asked == []


@pytest.mark.parametrize("key", ["", "k" * 1025, "é" * 513, "a\udc80"])
def test_keys_out_of_bounds_are_never_sent(key: str) -> None:
    with StandIn({}) as daemon:
        for verb in ("incr", "get", "watch"):
            assert daemon.run(verb, key).exit_code == 2
        assert daemon.asked == []


def test_a_lost_answer_to_incr_is_indefinite_and_says_what_to_do() -> None:
    with StandIn({f"POST {KEY}": StandIn.hang_up}) as daemon:
        result = daemon.run("incr", "k")
        assert (result.exit_code, result.stdout) == (1, "")
        assert "indefinite: it may have taken effect" in result.stderr
        assert "before you repeat it" in result.stderr
        # It must not have been tried again.
        assert daemon.asked == [f"POST {KEY}"]


def test_a_refused_increment_is_definite_and_needs_no_advice() -> None:
    refused = 503, error("draining", "this node is going away", definite=True)
    with StandIn({f"POST {KEY}": refused}) as daemon:
        result = daemon.run("--json", "incr", "k")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == refused[1]
    assert "this node is going away [draining]" in result.stderr
    assert "definite: it did not take effect" in result.stderr
    assert "indefinite" not in result.stderr
    assert "before you repeat" not in result.stderr


def test_a_late_answer_to_incr_is_status_three_and_indefinite() -> None:
    daemon = StandIn({})
    daemon.answers[f"POST {KEY}"] = daemon.hang
    with daemon:
        result = daemon.run("incr", "k", "--timeout", "0.1")
    assert result.exit_code == 3
    assert "indefinite" in result.stderr


def test_an_interrupted_incr_says_that_it_may_have_counted() -> None:
    daemon = StandIn({})

    def interrupt(handler: object) -> None:
        # The request has been sent by now, and will get no answer.
        process.send_signal(signal.SIGINT)
        daemon.released.wait()

    daemon.answers[f"POST {KEY}"] = interrupt
    with daemon:
        process = start("--address", daemon.address, "incr", "k", stderr=subprocess.PIPE)
        _, talk = process.communicate()
    assert process.returncode == 1
    assert "indefinite" in talk
    assert "before you repeat it" in talk


def test_get_prints_the_value_alone() -> None:
    with StandIn({f"GET {KEY}": (200, {"key": "k", "value": 7})}) as daemon:
        assert daemon.run("get", "k").stdout == "7\n"


def test_get_by_node_shows_each_node_and_the_total() -> None:
    body = {"key": "k", "value": 7, "by_node": {"n1": 4, "n2~ab\x1b": 3}}
    with StandIn({f"GET {KEY}?by_node=true": (200, body)}) as daemon:
        result = daemon.run("get", "k", "--by-node")
        assert result.stdout == "node\tcount\nn1\t4\nn2~ab\\x1b\t3\ntotal\t7\n"
        assert json.loads(daemon.run("get", "k", "--by-node", "--json").stdout) == body


def test_get_consistent_asks_for_it_with_its_time() -> None:
    asked = [
        f"GET {KEY}?consistency=consistent&timeout=5",
        f"GET {KEY}?consistency=consistent&timeout=2.5",
        f"GET {KEY}?consistency=consistent&timeout=60",
    ]
    with StandIn(dict.fromkeys(asked, (200, {"key": "k", "value": 7}))) as daemon:
        daemon.run("get", "k", "--consistent")
        daemon.run("get", "k", "--consistent", "--timeout", "2.5")
        daemon.run("get", "k", "--consistent", "--timeout", "500")
        assert daemon.asked == asked


def test_get_with_a_floor_waits_for_it_and_tells_the_best_it_found() -> None:
    late = error("not_reached", "the value was below 9", definite=True, missing=[], best=7)
    answers = {
        f"GET {KEY}?min=7&timeout=5": (200, {"key": "k", "value": 8}),
        f"GET {KEY}?consistency=consistent&min=9&timeout=2.5": (503, late),
    }
    with StandIn(answers) as daemon:
        assert daemon.run("get", "k", "--min", "7").stdout == "8\n"
        result = daemon.run("get", "k", "--consistent", "--min", "9", "--timeout", "2.5")
        assert result.exit_code == 3
        assert "best value known: 7" in result.stderr
        assert "no answer from" not in result.stderr
        wanted = ("get", "k", "--consistent", "--min", "9", "--timeout", "2.5", "--json")
        shown = json.loads(daemon.run(*wanted).stdout)
        assert (shown["error"]["code"], shown["missing"], shown["best"]) == ("not_reached", [], 7)


def test_an_incomplete_read_names_who_is_missing_and_the_best_value() -> None:
    body = error("incomplete", "not all answered", definite=True, missing=["n2", "n3"], best=41)
    with StandIn({f"GET {KEY}?consistency=consistent&timeout=5": (503, body)}) as daemon:
        result = daemon.run("get", "k", "--consistent")
        assert (result.exit_code, result.stdout) == (3, "")
        assert "no answer from n2, n3; best value known: 41" in result.stderr
        shown = json.loads(daemon.run("get", "k", "--consistent", "--json").stdout)
    assert shown == body


def test_top_is_a_table_of_keys_and_values() -> None:
    counters = [{"key": "a\tb", "value": 9}, {"key": "c", "value": 1}]
    answers = {
        "GET /v1/top?limit=10": (200, {"counters": counters, "next": None}),
        "GET /v1/top?limit=2&prefix=a%2F": (200, {"counters": [], "next": None}),
    }
    with StandIn(answers) as daemon:
        # A tab within a key must not become a column.
        assert daemon.run("top").stdout == "key\tvalue\na\\tb\t9\nc\t1\n"
        assert daemon.run("top", "--limit", "2", "--prefix", "a/").stdout == "key\tvalue\n"
        assert json.loads(daemon.run("top", "--json").stdout)["counters"] == counters


@pytest.mark.parametrize("limit", ["0", "1001"])
def test_limits_out_of_bounds_are_usage_errors(limit: str) -> None:
    assert run("top", "--limit", limit).exit_code == 2


def test_a_listing_that_is_none_is_a_failure() -> None:
    with StandIn({"GET /v1/top?limit=10": (200, {"counters": [{"kee": "a"}]})}) as daemon:
        result = daemon.run("top")
    assert result.exit_code == 1
    assert "no listing of counters" in result.stderr
