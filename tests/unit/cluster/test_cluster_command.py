"""`scripts/cluster` as a person uses it: real processes, the control socket, signals.

The daemons are small ones (see small_daemon.py); tests/processes/ does it with the real ones.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.control import REQUEST_BYTES_MAX, SOCKET_NAME

ROOT = Path(__file__).resolve().parents[3]
SMALL = Path(__file__).with_name("small_daemon.py")
# Runs the command with the small daemon in place of the real one, nothing else changed.
LAUNCH = f"""
import sys
from tests.cluster import command, processes
processes.DAEMON = (sys.executable, {str(SMALL)!r})
command.main()
"""
PATIENCE_S = 30


def cluster(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LAUNCH, "--directory", str(directory), *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


class Up:
    """A running `up` on free ports, its URLs read."""

    def __init__(self, directory: Path, *words: str) -> None:
        command = [sys.executable, "-c", LAUNCH, "--directory", str(directory), "up"]
        command += ["--http-base", "0", "--peer-base", "0", *words]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.said = ""
        while "ready;" not in self.said:
            line = self.process.stderr.readline()
            assert line, self.said
            self.said += line

    def end(self) -> tuple[int, str, str]:
        """Wait for the end; return the status, standard output and standard error."""
        out, said = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, out, self.said + said


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    running = Up(tmp_path, "--nodes", "2")
    yield running
    if running.process.poll() is None:
        running.process.send_signal(signal.SIGINT)
    if running.process.stdout is not None and not running.process.stdout.closed:
        running.end()


def nodes(directory: Path) -> dict[str, dict[str, object]]:
    result = cluster(directory, "status", "--json")
    assert result.returncode == 0, result.stderr
    return {node["name"]: node for node in json.loads(result.stdout)["nodes"]}


def test_up_prints_a_url_for_each_node_and_ctrl_c_stops_it_cleanly(tmp_path: Path, up: Up) -> None:
    urls = [node["url"] for node in nodes(tmp_path).values()]
    up.process.send_signal(signal.SIGINT)
    status, out, said = up.end()
    assert status == 0
    *shown, last = out.splitlines()
    lines = [re.fullmatch(r"(n\d)  (\S+)  redis://127\.0\.0\.1:\d+", line) for line in shown]
    assert [line and line.groups() for line in lines] == [("n1", urls[0]), ("n2", urls[1])]
    assert last.split()[:2] == ["dashboard", f"{urls[0]}/"]
    assert "killed" not in said
    assert said.endswith("stopped\n")
    assert not (tmp_path / SOCKET_NAME).exists()
    for name in ("n1", "n2"):
        with pytest.raises(ProcessLookupError):
            os.kill(int((tmp_path / name / "pid").read_text()), 0)


def test_the_verbs_act_on_a_running_cluster(tmp_path: Path, up: Up) -> None:
    assert cluster(tmp_path, "kill", "1").returncode == 0
    assert nodes(tmp_path)["n1"]["state"] == "SIGKILL"
    assert cluster(tmp_path, "start", "n1").returncode == 0
    assert nodes(tmp_path)["n1"]["state"] == "running"
    assert cluster(tmp_path, "stop", "1").returncode == 0
    assert nodes(tmp_path)["n1"]["state"] == "left"
    assert cluster(tmp_path, "start", "1").returncode == 0
    assert cluster(tmp_path, "pause", "2").returncode == 0
    assert nodes(tmp_path)["n2"] | {"pid": 0, "url": ""} == {
        "name": "n2",
        "pid": 0,
        "state": "paused",
        "url": "",
        "ready": False,
    }
    assert cluster(tmp_path, "resume", "2").returncode == 0
    assert cluster(tmp_path, "cut", "2", "1").returncode == 0
    table = cluster(tmp_path, "status").stdout.splitlines()
    assert table[0].split() == ["node", "pid", "state", "ready", "url"]
    assert table[2].split()[::2] == ["n2", "running", str(nodes(tmp_path)["n2"]["url"])]
    assert table[3] == "cut: n1 n2"
    assert cluster(tmp_path, "heal").returncode == 0
    assert cluster(tmp_path, "cut", "2", "1", "--one-way").returncode == 0
    assert "cut: n2 to n1 only" in cluster(tmp_path, "status").stdout.splitlines()
    assert cluster(tmp_path, "heal").returncode == 0
    assert "cut:" not in cluster(tmp_path, "status").stdout


def test_a_node_can_be_added_to_a_running_cluster(tmp_path: Path, up: Up) -> None:
    added = cluster(tmp_path, "add")
    assert added.returncode == 0
    seen = nodes(tmp_path)
    assert added.stdout == f"n3  {seen['n3']['url']}\n"
    assert seen["n3"]["state"] == "running"
    assert cluster(tmp_path, "kill", "3").returncode == 0


def test_down_ends_up_and_leaves_everything_free(tmp_path: Path, up: Up) -> None:
    assert cluster(tmp_path, "down").returncode == 0
    assert not (tmp_path / SOCKET_NAME).exists()
    status, _, said = up.end()
    assert (status, said.splitlines()[-1]) == (0, "stopped")


def test_what_cannot_be_done_fails_with_the_reason(tmp_path: Path, up: Up) -> None:
    for words, reason in (
        (("kill", "9"), "no node '9'; there are n1, n2"),
        (("cut", "1", "1"), "n1 cannot be cut off from itself"),
        (("start", "1"), "n1 is already running"),
    ):
        result = cluster(tmp_path, *words)
        assert (result.returncode, result.stderr) == (1, f"Error: {reason}\n")
    second = cluster(tmp_path, "up", "--http-base", "0", "--peer-base", "0")
    assert second.returncode == 1
    assert "a cluster is running already" in second.stderr
    assert len(nodes(tmp_path)) == 2


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"[]\n",
        b'{"verb": "explode", "arguments": []}\n',
        b'{"verb": "kill", "arguments": []}\n',
        b"x" * (REQUEST_BYTES_MAX + 1),
    ],
)
def test_the_control_socket_refuses_nonsense_and_lives_on(
    tmp_path: Path, up: Up, line: bytes
) -> None:
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(PATIENCE_S)
        caller.connect(str(tmp_path / SOCKET_NAME))
        caller.sendall(line)
        assert json.loads(caller.makefile().readline())["ok"] is False
    assert len(nodes(tmp_path)) == 2


def test_without_a_cluster_verbs_say_so(tmp_path: Path) -> None:
    result = cluster(tmp_path, "status")
    assert result.returncode == 1
    assert "no cluster is running here" in result.stderr
    assert cluster(tmp_path, "down").returncode == 0


def test_a_node_that_does_not_start_fails_up_and_shows_its_log(tmp_path: Path) -> None:
    free = ("--http-base", "0", "--peer-base", "0")
    result = cluster(tmp_path, "up", *free, "--", "--exit-at-once")
    assert result.returncode == 1
    assert "cannot go on" in result.stderr
    assert result.stdout == ""


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="finds processes in /proc")
def test_what_a_killed_up_left_is_refused_by_up_and_stopped_by_down(tmp_path: Path) -> None:
    running = Up(tmp_path, "--nodes", "2")
    running.process.kill()
    running.end()
    refused = cluster(tmp_path, "up", "--http-base", "0", "--peer-base", "0")
    assert refused.returncode == 1
    assert "n1, n2 still run" in refused.stderr
    stopped = cluster(tmp_path, "down")
    assert stopped.returncode == 0
    assert stopped.stderr.endswith("had left: n1, n2\n")
    for name in ("n1", "n2"):
        # An orphan's zombie is its new parent's to reap, so its command line is what is asked for.
        pid = int((tmp_path / name / "pid").read_text())
        command_line = Path(f"/proc/{pid}/cmdline")
        assert not command_line.exists() or not command_line.read_bytes()


def test_fresh_forgets_the_data_of_an_earlier_cluster(tmp_path: Path) -> None:
    for words, starts in (((), 1), ((), 2), (("--fresh",), 1)):
        running = Up(tmp_path, "--nodes", "1", *words)
        running.process.send_signal(signal.SIGTERM)
        assert running.end()[0] == 0
        started = tmp_path / "n1" / "data" / "started"
        assert started.read_text() == "n1\n" * starts
