"""The daemon's command: settings shown and checked, errors as exit statuses, offline checks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gcounterd import __version__
from gcounterd.cli.gcounterd import exit_status, main
from gcounterd.daemon.options import OPTIONS, Shape
from gcounterd.daemon.settings import Settings
from gcounterd.errors import (
    ClientError,
    ConfigError,
    PeerError,
    RefusedError,
    StorageError,
)
from gcounterd.storage.store import Store


def run(*arguments: str, **environ: str) -> Result:
    cleared = {name: None for name in os.environ if name.startswith("GCOUNTER")}
    return CliRunner().invoke(main, arguments, env={**cleared, "HOME": "/h", **environ})


def run_apart(*arguments: str, python: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    code = "from gcounterd.cli.gcounterd import main; main()"
    command = [sys.executable, *python, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_version_is_printed_by_both_ways_of_asking() -> None:
    for arguments in (["--version"], ["run", "--version"]):
        assert run(*arguments).stdout == f"gcounterd, version {__version__}\n"


# Two ways to secure links, of which a node has one.
KEY = {"cluster-key-file": "/k9"}
TLS = {"tls-cert": "/n9.pem", "tls-key": "/n9.key", "tls-ca": "/c9.pem"}


@pytest.mark.parametrize(("way", "other"), [(KEY, TLS), (TLS, KEY)], ids=["key", "certificates"])
def test_every_option_is_a_flag_and_every_flag_wins_over_the_environment(
    way: dict[str, str], other: dict[str, str]
) -> None:
    values = {
        "name": "n9",
        "cluster": "c9",
        "data-dir": "/d9",
        "peer": "127.0.0.9:9",
        "advertise": "a9:9",
        "http": "127.0.0.9:99",
        "http-of": "n8=http://h9:9",
        "resp": "127.0.0.9:98",
        "http-tls-cert": "/c8",
        "http-tls-key": "/k8",
        "resp-tls": "",
        "token-file": "/t8",
        "public": "read",
        "join": "j9:9",
        "join-token-file": "/t9",
        "admission": "approved",
        "take-over": "",
        "new-identity": "",
        "profile": "wan",
        "durability": "memory",
        "drain-delay": "9",
        "growth-limit": "99",
        "archive-budget": "99",
        "max-counters": "99",
        "max-connections": "99",
        "rate-limit": "9",
        "fronts": "0",
        "salvage": "",
        "log-format": "console",
        "log-level": "error",
        **way,
    }
    options = [option for option in OPTIONS if option.name not in other]
    flags = [part for name, text in values.items() for part in (f"--{name}", text) if part]
    environ = {option.variable: "?" for option in options}
    printed = run("run", "--print-config", *flags, **environ).stdout.splitlines()
    lines = [line for line in printed if not line.endswith("# default")]
    assert [line.rpartition("#")[2].strip() for line in lines] == [
        f"flag {option.flag}" for option in options
    ]
    for line, option in zip(lines, options, strict=True):
        assert ("true" if option.shape is Shape.SWITCH else values[option.name]) in line


def test_a_switch_that_the_environment_turns_on_is_turned_off_by_a_flag() -> None:
    assert "salvage = true" in run("run", "--print-config", GCOUNTERD_SALVAGE="1").stdout
    off = run("run", "--print-config", "--no-salvage", GCOUNTERD_SALVAGE="1")
    assert "salvage = false  # flag --salvage" in off.stdout


def test_good_settings_are_status_zero_and_touch_nothing(tmp_path: Path) -> None:
    result = run("run", "--check-config", "--data-dir", str(tmp_path / "d"))
    assert (result.exit_code, result.stdout) == (0, "")
    assert "the settings are good" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_join_token_that_cannot_be_read_is_found_by_checking_the_settings(tmp_path: Path) -> None:
    flags = ("--data-dir", str(tmp_path / "d"), "--join-token-file", str(tmp_path / "t"))
    result = run("run", "--check-config", *flags)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "join-token-file: " in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [["--check-config"], ["--print-config"], []])
def test_wrong_settings_are_status_two_with_one_line_per_problem(mode: list[str]) -> None:
    result = run("run", *mode, "--name", "?", "--durability", "fast")
    assert (result.exit_code, result.stdout) == (2, "")
    assert [line.split(" (")[0] for line in result.stderr.splitlines()] == [
        "gcounterd: name",
        "gcounterd: durability",
    ]


def test_an_address_that_others_could_reach_is_status_two() -> None:
    result = run("run", "--http", "0.0.0.0:7777")
    assert result.exit_code == 2
    assert "--public" in result.stderr


@pytest.mark.parametrize("flag", ["--new-identity", "--otlp-endpoint", "--fronts"])
def test_options_of_later_versions_are_not_accepted(flag: str) -> None:
    assert run("run", "--check-config", flag, "x").exit_code == 2


def test_settings_are_checked_without_loading_the_daemon() -> None:
    code = """if True:
        import sys
        from gcounterd.cli.gcounterd import main
        main(["run", "--check-config"], standalone_mode=False)
        print([name for name in ("trio", "numpy", "msgpack") if name in sys.modules])
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_python_without_assertions_is_refused(tmp_path: Path) -> None:
    done = run_apart("run", "--data-dir", str(tmp_path / "d"), python=("-O",))
    assert done.returncode == 2
    assert "-O" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigError("x"), 2),
        (StorageError("x"), 3),
        (RefusedError("x"), 4),
        (ExceptionGroup("g", [RefusedError("x")]), 4),
        (ExceptionGroup("g", [RefusedError("x"), ExceptionGroup("h", [StorageError("y")])]), 3),
        (ExceptionGroup("g", [RefusedError("x"), ValueError("bug")]), None),
        (PeerError("x"), None),
        (ClientError(400, "x", "y"), None),
    ],
)
def test_an_error_has_the_status_of_whose_fault_it_is(
    error: BaseException, status: int | None
) -> None:
    assert exit_status(error) == status


@pytest.mark.parametrize(
    ("outcome", "status"),
    [(0, 0), (5, 5), (StorageError("the disk\nis gone"), 3), (RefusedError("no"), 4)],
)
def test_how_the_daemon_ends_is_the_exit_status(
    monkeypatch: pytest.MonkeyPatch, outcome: int | Exception, status: int
) -> None:
    def run_daemon(settings: Settings, read_again: Callable[[], Settings]) -> int:
        assert settings.name == "n1"
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    # The daemon has its own tests with real processes; here only its end matters.
    stand_in = types.ModuleType("gcounterd.daemon.run")
    monkeypatch.setattr(stand_in, "main", run_daemon, raising=False)
    monkeypatch.setitem(sys.modules, "gcounterd.daemon.run", stand_in)
    result = run("run", "--name", "n1", "--log-format", "json")
    assert result.exit_code == status
    if isinstance(outcome, Exception):
        line = json.loads(result.stderr)
        assert (line["event"], line["reason"], line["status"]) == (
            "stopped_by_error",
            str(outcome),
            status,
        )


def test_a_mistake_of_our_own_is_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def run_daemon(settings: Settings, read_again: Callable[[], Settings]) -> int:
        raise AssertionError("ours")

    stand_in = types.ModuleType("gcounterd.daemon.run")
    monkeypatch.setattr(stand_in, "main", run_daemon, raising=False)
    monkeypatch.setitem(sys.modules, "gcounterd.daemon.run", stand_in)
    assert isinstance(run("run").exception, AssertionError)


def test_a_sound_store_is_verified_offline(tmp_path: Path) -> None:
    Store.open(tmp_path / "d").close()
    result = run("verify", "--data-dir", str(tmp_path / "d"))
    assert result.exit_code == 0
    assert result.stdout.endswith("the store is sound\n")
    as_json = run("verify", "--json", GCOUNTERD_DATA_DIR=str(tmp_path / "d"))
    assert json.loads(as_json.stdout)["ok"] is True


def test_a_directory_without_a_store_is_status_three(tmp_path: Path) -> None:
    result = run("verify", "--data-dir", str(tmp_path))
    assert result.exit_code == 3
    assert result.stderr.startswith("gcounterd: ")


def test_a_store_that_is_no_store_any_more_is_status_three(tmp_path: Path) -> None:
    Store.open(tmp_path / "d").close()
    for path in (tmp_path / "d").glob("store.db*"):
        path.write_bytes(b"x" * path.stat().st_size)
    assert run("verify", "--data-dir", str(tmp_path / "d")).exit_code == 3


def test_a_directory_that_is_not_there_is_status_two(tmp_path: Path) -> None:
    assert run("verify", "--data-dir", str(tmp_path / "none")).exit_code == 2
