"""Real daemons that let in approved nodes only: the line that `add-node` prints, run as it is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from waiting import PATIENCE_S, free_port, wait_until

pytestmark = pytest.mark.slow

PROGRAMS = Path(sys.executable).parent


class Place:
    """Where one node runs: a folder of its own, ports of its own, nothing of ours around it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder / name
        self.folder.mkdir()
        self.peer, self.http = (f"127.0.0.1:{free_port()}" for _ in range(2))
        kept = {key: value for key, value in os.environ.items() if "GCOUNTER" not in key}
        self.environ = kept | {
            "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
            "GCOUNTERD_HTTP": self.http,
            "GCOUNTERD_RESP": "127.0.0.1:0",
            "GCOUNTERD_DATA_DIR": str(self.folder / "data"),
            "GCOUNTERD_PROFILE": "local",
            "GCOUNTERD_LOG_FORMAT": "json",
        }

    @contextmanager
    def running(self, line: str) -> Iterator[None]:
        """Let a shell run a line here, wait until the daemon listens, and stop it at the end."""
        log = self.folder / "log"
        with log.open("w") as into:
            shell = subprocess.Popen(
                ["bash", "-c", line], cwd=self.folder, env=self.environ, stderr=into
            )
        try:
            wait_until(lambda: '"listening"' in log.read_text() or shell.poll() is not None)
            assert shell.poll() is None, log.read_text()
            yield
            os.kill(self.pid, signal.SIGTERM)
            assert shell.wait(PATIENCE_S) == 0, log.read_text()
        finally:
            if shell.poll() is None:
                os.kill(self.pid, signal.SIGKILL)
                shell.wait()

    @property
    def pid(self) -> int:
        """Return the process that has the data directory; the shell's is another."""
        return int((self.folder / "data" / "lock").read_text())

    def run(self, line: str) -> tuple[int, list[dict[str, Any]]]:
        """Let a shell run a line here that ends by itself; return its status and its log."""
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        return done.returncode, [json.loads(row) for row in done.stderr.splitlines()]

    def ctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Ask this node."""
        command = [PROGRAMS / "gcounterctl", "--address", f"http://{self.http}", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )


def waiting(place: Place, *arguments: str) -> subprocess.Popen[str]:
    command = [PROGRAMS / "gcounterctl", "--address", f"http://{place.http}", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_cluster_grows_by_the_lines_that_add_node_prints(tmp_path: Path) -> None:
    first, second, third = (Place(tmp_path, name) for name in ("n1", "n2", "n3"))
    alone = f"gcounterd run --cluster demo --name n1 --admission approved --peer {first.peer}"
    with ExitStack() as running:
        running.enter_context(first.running(alone))
        assert first.ctl("incr", "hits", "3").returncode == 0

        # Each is approved at another member, and the second line names both.
        for approver, newcomer, name in ((first, second, "n2"), (second, third, "n3")):
            with waiting(approver, "add-node", name, newcomer.peer, "--wait") as tool:
                assert tool.stdout is not None
                line = tool.stdout.readline()
                running.enter_context(newcomer.running(line))
                _, talk = tool.communicate(timeout=PATIENCE_S)
            assert tool.returncode == 0, talk
            assert talk.endswith(f"{name}: active, alive\n")
            assert (newcomer.folder / "join-token").stat().st_mode & 0o777 == 0o600

        got = third.ctl("get", "hits", "--consistent", "--json")
        assert json.loads(got.stdout)["value"] == 3
        refused = first.ctl("add-node", "n3", "--json")
        assert refused.returncode == 5
        assert json.loads(refused.stdout)["holder"]["address"] == third.peer


def test_who_has_no_token_or_a_used_one_is_refused_with_what_to_do(tmp_path: Path) -> None:
    first, second, third = (Place(tmp_path, name) for name in ("n1", "n2", "n3"))
    alone = f"gcounterd run --cluster demo --name n1 --admission approved --peer {first.peer}"
    with first.running(alone), ExitStack() as running:
        plain = f"gcounterd run --cluster demo --name n2 --join {first.peer} --peer {second.peer}"
        status, log = second.run(plain)
        assert status == 4
        assert 'run "gcounterctl add-node n2" on a member' in log[-1]["reason"]

        line = json.loads(first.ctl("--json", "add-node", "n2", second.peer).stdout)["command"]
        running.enter_context(second.running(line))
        status, log = third.run(line.replace("n2", "n3").replace(second.peer, third.peer))
        assert status == 4
        assert "your token is for another name" in log[-1]["reason"]
