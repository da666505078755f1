"""`import`, `start-at`, `imports`, `export`: what is sent, what is printed, which status."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from click.testing import CliRunner
from stand_in import StandIn, error

from gcounterd.cli.gcounterctl import main

BROUGHT = {"source": "old", "id": "00", "keys": 2, "total": 12, "repeated": False}
IMPORT = "POST /v1/imports?source=old&format=json"
KNOWN = error("source_known", "both would count; say `again` if that is meant", definite=True)


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "old.json"
    path.write_text('{"apples": 7, "pears": 5}')
    return str(path)


def test_a_file_is_sent_as_it_is_and_what_it_came_to_is_printed(file: str) -> None:
    with StandIn({IMPORT: (200, BROUGHT)}) as daemon:
        result = daemon.run("import", file, "--source", "old")
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout == "2 counters, 12 in all: counted\n"
        assert daemon.bodies == [{"apples": 7, "pears": 5}]


def test_a_file_that_was_counted_before_is_no_failure(file: str) -> None:
    with StandIn({IMPORT: (200, {**BROUGHT, "keys": 1, "repeated": True})}) as daemon:
        result = daemon.run("import", file, "--source", "old")
        assert (result.exit_code, result.stdout) == (0, "1 counter, 12 in all: counted before\n")
        result = daemon.run("import", file, "--source", "old", "--json")
        assert json.loads(result.stdout)["repeated"] is True


def test_the_format_is_guessed_by_the_name_unless_it_is_said(tmp_path: Path) -> None:
    path = tmp_path / "old.CSV"
    path.write_text("7")  # the stand-in takes JSON only
    said = {
        "POST /v1/imports?source=old&format=csv": (200, BROUGHT),
        "POST /v1/imports?source=old&format=json&again=true": (200, BROUGHT),
    }
    with StandIn(said) as daemon:
        assert daemon.run("import", str(path), "--source", "old").exit_code == 0
        options = ("--source", "old", "--format", "json", "--again")
        assert daemon.run("import", str(path), *options).exit_code == 0


def test_standard_input_is_sent_in_chunks() -> None:
    received: list[bytes] = []

    def read_chunks(handler: BaseHTTPRequestHandler) -> None:
        while size := int(handler.rfile.readline(), 16):
            received.append(handler.rfile.read(size))
            handler.rfile.readline()
        handler.rfile.readline()
        data = json.dumps(BROUGHT).encode()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    with StandIn({IMPORT: read_chunks}) as daemon:
        arguments = ["--address", daemon.address, "import", "-", "--source", "old"]
        result = CliRunner().invoke(main, arguments, input='{"apples": 7}')
        assert (result.exit_code, received) == (0, [b'{"apples": 7}'])


@pytest.mark.parametrize("code", ["source_known", "partly_counted"])
def test_what_only_again_lets_through_is_refused_with_status_five(file: str, code: str) -> None:
    said = error(code, "both would count; say `again` if that is meant", definite=True)
    with StandIn({IMPORT: (409, said)}) as daemon:
        result = daemon.run("import", file, "--source", "old")
    assert result.exit_code == 5
    assert "give --again if that is meant" in result.stderr
    assert "definite: it did not take effect" in result.stderr


def test_a_lost_answer_says_that_repeating_is_safe(file: str) -> None:
    with StandIn({IMPORT: StandIn.hang_up}) as daemon:
        result = daemon.run("import", file, "--source", "old")
    assert result.exit_code == 1
    assert "repeat it: the same counts of a source count once" in result.stderr


def test_an_answer_in_the_middle_of_a_large_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    path.write_bytes(b" " * 8_000_000)

    def refuse(handler: BaseHTTPRequestHandler) -> None:
        raise AssertionError("the whole file came")

    # Refused by a server that does not read the body: see `do_POST` of the stand-in.
    with StandIn({IMPORT: refuse}) as daemon:
        result = daemon.run("import", str(path), "--source", "old")
    assert result.exit_code == 1


def test_a_file_that_is_not_there_is_a_wrong_use() -> None:
    with StandIn({}) as daemon:
        result = daemon.run("import", "/nowhere", "--source", "old")
        assert (result.exit_code, daemon.asked) == (2, [])
        assert daemon.run("import", "-").exit_code == 2


def test_a_start_is_an_import_of_one_counter() -> None:
    said = {
        "POST /v1/start-at/a%2Fb": (200, {**BROUGHT, "keys": 1, "total": 40}),
        "POST /v1/start-at/a%2Fb?again=true": (200, {**BROUGHT, "keys": 1, "total": 41}),
    }
    with StandIn(said) as daemon:
        result = daemon.run("start-at", "a/b", "40")
        assert (result.exit_code, result.stdout) == (0, "1 counter, 40 in all: counted\n")
        assert daemon.run("start-at", "a/b", "41", "--again").exit_code == 0
        assert daemon.bodies == [{"value": 40}, {"value": 41}]
        assert daemon.run("start-at", "a/b", "0").exit_code == 2
    with StandIn({"POST /v1/start-at/k": (409, KNOWN)}) as daemon:
        assert daemon.run("start-at", "k", "3").exit_code == 5


def test_imports_are_listed_over_all_pages() -> None:
    def known(source: str, **more: object) -> dict[str, object]:
        contents = [{"id": "00", "held": True}]
        counts = {"keys": 2, "total": 12, "contents": contents}
        return {"source": source, "shown_as": f"import:{source}", **counts, **more}

    several = [{"id": "00", "held": True}, {"id": "01", "held": False}]
    said = {
        "GET /v1/imports?limit=1000": (200, {"imports": [known("a")], "next": "a"}),
        "GET /v1/imports?limit=1000&after=a": (
            200,
            {"imports": [known("b", contents=several)], "next": None},
        ),
    }
    with StandIn(said) as daemon:
        result = daemon.run("imports")
        assert result.stdout.splitlines() == [
            "source\tcounters\ttotal\tstate",
            "a\t2\t12\tcounted",
            "b\t2\t12\t2 contents, all counted; on its way to this node",
        ]
        result = daemon.run("imports", "--json")
        assert [each["source"] for each in json.loads(result.stdout)["imports"]] == ["a", "b"]


def test_an_export_is_printed_as_it_comes() -> None:
    lines = b'{"key":"a","value":1}\n{"key":"b","value":2}\n'
    with StandIn({"GET /v1/export?format=json": (200, lines)}) as daemon:
        result = daemon.run("export")
        assert (result.exit_code, result.stdout_bytes) == (0, lines)
    with StandIn({"GET /v1/export?format=csv&prefix=a": (200, b"key,value\na,1\n")}) as daemon:
        assert daemon.run("export", "--format", "csv", "--prefix", "a").exit_code == 0


def test_an_export_that_breaks_off_is_a_failure() -> None:
    def break_off(handler: BaseHTTPRequestHandler) -> None:
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        handler.wfile.write(head + b"4\r\na,1\n\r\n")
        handler.close_connection = True

    with StandIn({"GET /v1/export?format=json": break_off}) as daemon:
        assert daemon.run("export").exit_code == 1
    unready = error("not_ready", "not ready", definite=True)
    with StandIn({"GET /v1/export?format=json": (503, unready)}) as daemon:
        result = daemon.run("export")
        assert (result.exit_code, result.stdout) == (1, "")
