"""The tool as a whole: options before and after the verb, imports, terminals, exit statuses."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from itertools import product

import click
import pytest
from stand_in import StandIn, run, start

from gcounterd import __version__
from gcounterd.cli.gcounterctl import VERBS

VALUE = {"GET /v1/counters/k": (200, {"key": "k", "value": 7})}


@pytest.mark.parametrize(("address_first", "json_first"), list(product([True, False], repeat=2)))
def test_options_stand_before_or_after_the_verb(address_first: bool, json_first: bool) -> None:
    with StandIn(VALUE) as daemon:
        address, as_json = ["--address", daemon.address], ["--json"]
        before = (address if address_first else []) + (as_json if json_first else [])
        after = ([] if address_first else address) + ([] if json_first else as_json)
        result = run(*before, "get", *after, "k")
    assert json.loads(result.stdout) == {"key": "k", "value": 7}


def test_of_two_addresses_the_later_one_holds() -> None:
    with StandIn(VALUE) as daemon:
        result = run("--address", "/nowhere", "get", "k", "--address", daemon.address)
    assert result.stdout == "7\n"


def test_the_address_may_come_from_the_environment() -> None:
    with StandIn(VALUE) as daemon:
        result = run("get", "k", environ={"GCOUNTERCTL_ADDRESS": daemon.address})
    assert result.stdout == "7\n"


ARGUMENTS = {
    "incr": ["k"],
    "get": ["k"],
    "backup": ["/f"],
    "add-node": ["n4"],
    "remove-node": ["n4"],
    "forget": ["n4"],
    "import": ["-", "--source", "old"],
    "start-at": ["k", "7"],
}


# Groups are of verbs that ask no daemon.
ASKING = [verb for verb in VERBS if not isinstance(verb, click.Group)]


@pytest.mark.parametrize("verb", ASKING, ids=lambda verb: str(verb.name))
def test_every_verb_reports_an_unreachable_daemon_as_status_four(
    verb: object, tmp_path: object
) -> None:
    name = str(getattr(verb, "name", ""))
    result = run(name, *ARGUMENTS.get(name, []), "--json", "--address", f"{tmp_path}/none.sock")
    assert result.exit_code == 4
    assert json.loads(result.stdout)["error"]["code"] == "unreachable"
    assert "cannot be reached" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["get"],
        ["get", "k", "--timeout", "0"],
        ["get", "k", "--timeout", "nan"],
        ["watch", "--interval", "nan"],
        ["watch", "--interval", "1e9"],
        ["get", "k", "--address", "ftp://a"],
        ["--address", "127.0.0.1:1", "get", "k"],
    ],
)
def test_wrong_usage_is_status_two(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_the_version_is_printed() -> None:
    assert run("--version").stdout == f"gcounterctl, version {__version__}\n"


def test_nothing_but_click_and_the_standard_library_is_imported_to_run_a_verb() -> None:
    code = """if True:
        import sys
        before = set(sys.modules)
        from gcounterd.cli.gcounterctl import main
        main(["get", "k", "--address", "/nowhere"], standalone_mode=False)
        new = {name.split(".")[0] for name in set(sys.modules) - before}
        print(sorted(new - sys.stdlib_module_names))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['click', 'gcounterd']\n"


def on_a_terminal(environ: dict[str, str], *arguments: str) -> str:
    """Run the tool with a terminal as its stdout and return what the terminal got."""
    ours, theirs = pty.openpty()
    process = start(*arguments, stdout=theirs, env=os.environ | {"TERM": "xterm"} | environ)
    os.close(theirs)
    got = b""
    try:
        while part := os.read(ours, 4096):
            got += part
    except OSError:
        pass  # how Linux tells that the other end is closed
    os.close(ours)
    assert process.wait() == 0
    return got.decode()


def test_a_terminal_gets_a_drawn_table_in_which_keys_are_neither_markup_nor_escapes() -> None:
    counters = [{"key": "[red]x[/red]", "value": 7}, {"key": "\x1b]0;title\x07", "value": 1}]
    answer = 200, {"counters": counters, "next": None}
    with StandIn({"GET /v1/top?limit=10": answer}) as daemon:
        arguments = ("top", "--address", daemon.address)
        plain = on_a_terminal({"NO_COLOR": "1"}, *arguments)
        coloured = on_a_terminal({"NO_COLOR": ""}, *arguments)
    assert "[red]x[/red]" in plain
    assert "\\x1b]0;title\\x07" in plain
    assert "\t" not in plain
    assert "\x1b[3" not in plain
    assert "\x1b]" not in coloured


def test_a_key_that_the_output_cannot_encode_is_shown_escaped() -> None:
    answer = 200, {"counters": [{"key": "é€", "value": 1}], "next": None}
    with StandIn({"GET /v1/top?limit=10": answer}) as daemon:
        environ = os.environ | {"PYTHONIOENCODING": "latin-1"}
        process = start(
            "top",
            "--address",
            daemon.address,
            stdout=subprocess.PIPE,
            env=environ,
            encoding="latin-1",
        )
        shown, _ = process.communicate()
    assert (process.returncode, shown) == (0, "key\tvalue\né\\u20ac\t1\n")
