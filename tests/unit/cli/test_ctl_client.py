"""The HTTP client: how a request can fail, and what is known then."""

from __future__ import annotations

import socket
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from stand_in import StandIn, error

from gcounterd.cli.client import ANSWER_BYTES_MAX, Answer, Client, key_path
from gcounterd.cli.failures import CallError
from gcounterd.cli.targets import Target, parse_target


def client_of(daemon: StandIn, wait_s: float = 30.0) -> Client:
    return Client(parse_target(daemon.address), wait_s)


def failure_of(daemon: StandIn, method: str, wait_s: float = 30.0) -> CallError:
    client = client_of(daemon, wait_s)
    with pytest.raises(CallError) as caught:
        client.get("/x") if method == "GET" else client.post("/x", {})
    return caught.value


def test_an_answer_is_its_status_and_its_object() -> None:
    with StandIn({"GET /x?a=%26+b&a=%C3%A9".replace("+", "%20"): (200, {"n": 2**63})}) as daemon:
        answer = client_of(daemon).get("/x", [("a", "& b"), ("a", "é")])
    assert answer == Answer(200, {"n": 2**63})


def test_a_unix_socket_works_as_well(tmp_path: Path) -> None:
    with StandIn({"POST /x": (202, {"ok": 1})}, tmp_path / "s") as daemon:
        assert client_of(daemon).post("/x", {"by": 2}, accept=(202,)).status == 202
        assert daemon.bodies == [{"by": 2}]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nothing_is_sent_to_a_daemon_that_is_not_there(tmp_path: Path, method: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    targets = [Target("127.0.0.1", port), Target(socket_path=str(tmp_path / "none"))]
    targets += [Target(socket_path="x" * 200), Target("a" * 64 + ".invalid")]
    for target in targets:
        client = Client(target, 5.0)
        with pytest.raises(CallError, match="cannot be reached") as caught:
            client.get("/x") if method == "GET" else client.post("/x", {})
        assert (caught.value.exit, caught.value.code) == (4, "unreachable")
        assert caught.value.definite is (True if method == "POST" else None)


@pytest.mark.parametrize("way", [StandIn.hang_up, StandIn.break_off])
def test_a_lost_answer_leaves_open_what_happened(way: object) -> None:
    assert callable(way)
    with StandIn({"GET /x": way, "POST /x": way}) as daemon:
        for method, definite in (("GET", None), ("POST", False)):
            failure = failure_of(daemon, method)
            assert (failure.exit, failure.code, failure.definite) == (1, "lost", definite)
        assert len(daemon.asked) == 2


def test_an_answer_that_is_late_is_not_waited_for() -> None:
    daemon = StandIn({})
    daemon.answers |= {"GET /x": daemon.hang, "POST /x": daemon.hang}
    with daemon:
        for method, definite in (("GET", None), ("POST", False)):
            failure = failure_of(daemon, method, 0.1)
            assert (failure.exit, failure.code, failure.definite) == (3, "timeout", definite)


@pytest.mark.parametrize("definite", [True, False])
def test_an_error_answer_says_itself_whether_it_took_effect(definite: bool) -> None:
    said = 507, error("disk_full", "no room", definite=definite)
    with StandIn({"POST /x": said}) as daemon:
        failure = failure_of(daemon, "POST")
    assert (failure.exit, failure.code, failure.message) == (1, "disk_full", "no room")
    assert failure.definite is definite


def test_an_error_answer_that_does_not_say_is_taken_as_indefinite() -> None:
    with StandIn({"POST /x": (500, {"error": {"message": "?"}})}) as daemon:
        failure = failure_of(daemon, "POST")
    assert (failure.code, failure.definite) == ("http_500", False)


def test_who_was_missing_means_not_finished_in_time() -> None:
    body = error("incomplete", "not all answered", definite=True, missing=["n3"], best=4)
    with StandIn({"GET /x": (503, body)}) as daemon:
        failure = failure_of(daemon, "GET")
    assert (failure.exit, failure.more) == (3, {"missing": ["n3"], "best": 4})


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
    try:
        for _ in range(ANSWER_BYTES_MAX // 2**20 + 8):
            handler.wfile.write(b" " * 2**20)
    except OSError:
        pass  # the client has had enough


@pytest.mark.parametrize(
    "said",
    [
        (200, b"hello"),
        (200, b"[1]"),
        (200, b"[" * 200_000),
        (200, b""),
        (200, b"\xff"),
        (502, b"<html>"),
        (503, {"error": "text"}),
        (301, {}),
        endless,
    ],
)
def test_an_answer_that_is_not_a_gcounterds_is_a_failure(said: object) -> None:
    answers: dict[str, object] = {"GET /x": said, "POST /x": said}
    with StandIn(answers) as daemon:  # type: ignore[arg-type]
        for method, definite in (("GET", None), ("POST", False)):
            failure = failure_of(daemon, method)
            assert (failure.exit, failure.code, failure.definite) == (1, "bad_answer", definite)


@pytest.mark.parametrize("body", [{}, {"value": "7"}, {"value": True}, {"value": None}])
def test_a_field_of_another_type_is_a_failure(body: dict[str, object]) -> None:
    with pytest.raises(CallError, match="no proper 'value'"):
        Answer(200, body).field("value", int)


def test_keys_are_escaped_whole() -> None:
    assert key_path("a/b c+%é") == "/v1/counters/a%2Fb%20c%2B%25%C3%A9"
