"""`watch --events`: a line per event, over restarts and failures of the daemon."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest
from stand_in import Said, StandIn, error, start

from gcounterd.cli.following import describe

LIFE, NEXT_LIFE = "01" * 16, "02" * 16
FIRST = "GET /v1/events?after=0&limit=256&timeout=0"


def event(number: int, name: str, member: str = "n3", day: str = "01", **more: object) -> object:
    time = f"2026-03-{day}T12:00:0{number}.234Z"
    fields = {"member": member, "id": "ab"} if member else {}
    return {"number": number, "time": time, "event": name, **fields, **more}


def page(*events: object, life: str = LIFE, following: int, **more: object) -> Said:
    return 200, {"node": "n1", "life": life, "events": list(events), "next": following, **more}


def asked(after: int, limit: int = 256, hold: str = "20", life: str = LIFE) -> str:
    return f"GET /v1/events?after={after}&limit={limit}&timeout={hold}&life={life}"


SUSPECT = event(1, "suspect", by="n2", why="silent")
DEAD = event(2, "dead", by="n2", why="refused")


def test_kept_events_are_printed_and_then_each_as_it_comes() -> None:
    answers = {
        "GET /v1/events?after=0&limit=2&timeout=0": page(SUSPECT, following=1),
        asked(1, 1): [page(following=1), page(DEAD, following=2)],
    }
    with StandIn(answers) as daemon:
        result = daemon.run("watch", "--events", "--count", "2")
    assert (result.exit_code, result.stdout) == (
        0,
        "12:00:01.234 n3 suspect (silent, says n2)\n12:00:02.234 n3 dead (refused, says n2)\n",
    )
    assert result.stderr == "gcounterctl: 2026-03-01, times are UTC\n"


def test_json_is_a_line_per_event_with_its_node_and_life() -> None:
    answers = {"GET /v1/events?after=0&limit=1&timeout=0": page(DEAD, following=2)}
    with StandIn(answers) as daemon:
        result = daemon.run("watch", "--events", "--json", "--count", "1")
    assert isinstance(DEAD, dict)
    assert json.loads(result.stdout) == {"node": "n1", "life": LIFE, **DEAD}
    assert result.stderr == ""


def test_a_new_day_is_said() -> None:
    answers = {
        "GET /v1/events?after=0&limit=2&timeout=0": page(
            event(1, "left", day="01"), event(2, "back", day="02"), following=2
        )
    }
    with StandIn(answers) as daemon:
        result = daemon.run("watch", "--events", "--count", "2")
    assert result.stdout == "12:00:01.234 n3 left\n12:00:02.234 n3 back\n"
    assert result.stderr.count("2026-03-0") == 2


def test_a_restarted_daemon_is_read_from_its_first_event() -> None:
    answers = {
        "GET /v1/events?after=0&limit=3&timeout=0": page(SUSPECT, DEAD, following=2),
        asked(2, 1): StandIn.hang_up,
        asked(2, 1, "0"): page(event(1, "joined"), life=NEXT_LIFE, following=1),
    }
    with StandIn(answers) as daemon:
        result = daemon.run("watch", "--events", "--count", "3", "--interval", "0.1")
    assert result.exit_code == 0
    assert result.stdout.endswith("12:00:01.234 n3 joined\n")
    told = [line.split(": ", 1)[1] for line in result.stderr.splitlines()]
    assert told[1].endswith("trying again")
    assert told[2:] == ["answers again", "n1 was started anew"]


def test_a_daemon_that_is_away_for_long_is_said_to_be_so_once() -> None:
    busy: Said = (503, error("busy", "64 readers wait for events already", definite=True))
    answers: dict[str, Said | list[Said]] = {
        "GET /v1/events?after=0&limit=2&timeout=0": page(SUSPECT, following=1),
        asked(1, 1): busy,
        asked(1, 1, "0"): [StandIn.hang_up, busy, page(DEAD, following=2)],
    }
    with StandIn(answers) as daemon:
        result = daemon.run("watch", "--events", "--count", "2", "--interval", "0.1")
    assert result.exit_code == 0
    assert result.stderr.count("trying again") == 1


def test_events_that_were_missed_are_said() -> None:
    answers = {"GET /v1/events?after=0&limit=1&timeout=0": page(DEAD, following=2, lost=41)}
    with StandIn(answers) as daemon:
        result = daemon.run("watch", "--events", "--count", "1")
    assert "41 earlier events are not kept any more" in result.stderr


def test_a_daemon_is_told_to_hold_a_request_as_long_as_we_wait() -> None:
    answers = {
        "GET /v1/events?after=0&limit=1&timeout=0": page(following=0),
        asked(0, 1, "60"): page(SUSPECT, following=1),
    }
    with StandIn(answers) as daemon:
        assert daemon.run("watch", "--events", "--count", "1", "--timeout", "500").exit_code == 0


@pytest.mark.parametrize(
    "said",
    [
        StandIn.hang_up,
        (404, error("no_such_route", "an older daemon", definite=True)),
        page({"event": "dead"}, following=1),
        page(event(1, "dead") | {"time": "now"}, following=1),  # type: ignore[operator]
        (200, {"events": [], "next": 0}),
    ],
)
def test_a_daemon_that_never_gave_an_answer_ends_the_watch(said: Said) -> None:
    with StandIn({FIRST: said}) as daemon:
        result = daemon.run("watch", "--events")
        assert (result.exit_code, result.stdout) == (1, "")
        assert daemon.asked == [FIRST]


def test_events_and_keys_do_not_go_together() -> None:
    with StandIn({}) as daemon:
        result = daemon.run("watch", "--events", "k")
        assert (result.exit_code, daemon.asked) == (2, [])
    assert "a second command" in result.stderr


def test_ctrl_c_while_nothing_happens_is_status_zero() -> None:
    daemon = StandIn({FIRST: page(SUSPECT, following=1)})

    def interrupt(handler: object) -> None:
        process.send_signal(signal.SIGINT)
        daemon.released.wait()

    daemon.answers[asked(1)] = interrupt
    with daemon:
        arguments = ("watch", "--events", "--address", daemon.address)
        process = start(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        shown, _ = process.communicate()
    assert (process.returncode, shown) == (0, "12:00:01.234 n3 suspect (silent, says n2)\n")


@pytest.mark.parametrize(
    ("shown", "line"),
    [
        (event(1, "joined"), "n3 joined"),
        (event(1, "refuted"), "n3 refuted (alive after all)"),
        (event(1, "member", "n4", state="active"), "n4 member (active)"),
        (event(1, "alone", ""), "n1 alone (no other member answers)"),
        (event(1, "company", ""), "n1 company (another member answers again)"),
        (event(1, "slow", "", seconds=2.345), "n1 slow (stood still for 2.3 s)"),
        (event(1, "dead"), "n3 dead"),
        (event(1, "newer", "n3", x=1, y="z"), "n3 newer (x=1 y=z)"),
    ],
)
def test_an_event_is_a_line_also_one_that_is_not_known(shown: object, line: str) -> None:
    assert isinstance(shown, dict)
    assert describe(shown, "n1") == f"12:00:01.234 {line}"
