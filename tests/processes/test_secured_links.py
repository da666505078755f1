"""Real nodes whose links are secured: they count while keys are replaced, and strangers stay out.

One cluster of three under a shared key goes through all of it, so that little time is spent.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
from waiting import ask_json, free_port, wait_until

pytestmark = pytest.mark.slow

RUN = (sys.executable, "-c", "from gcounterd.cli.gcounterd import main; main()", "run")
OLD, NEW = "0a" * 32, "0b" * 32
# What the file holds, in each step of replacing a key.
STEPS = (f"{OLD}\n{NEW}\n", f"{NEW}\n{OLD}\n", f"{NEW}\n")


@attrs.define(eq=False)
class Node:
    """A node; `counted` is how often this test has counted at it."""

    name: str
    folder: Path
    http: int = attrs.field(factory=free_port)
    peer: int = attrs.field(factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    counted: int = 0

    def start(self, seeds: list[int], *options: str) -> None:
        command = [*RUN, "--name", self.name, "--cluster", "demo", "--resp", "off"]
        command += ["--data-dir", str(self.folder / self.name), "--log-format", "json"]
        command += ["--http", f"127.0.0.1:{self.http}", "--peer", f"127.0.0.1:{self.peer}"]
        for seed in seeds:
            command += ["--join", f"127.0.0.1:{seed}"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([*command, *options], stderr=log)

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def keyed(self) -> tuple[str, str]:
        return "--cluster-key-file", str(self.folder / f"{self.name}.key")

    def write_key(self, text: str) -> None:
        path = Path(self.keyed[1])
        path.touch(0o600)
        path.write_text(text)

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(60)

    def ask(self, method: str, path: str) -> tuple[int, Any]:
        return ask_json(self.http, method, path)

    def count(self) -> None:
        assert self.ask("POST", "/v1/counters/hits")[0] == 200
        self.counted += 1

    def logged(self, event: str) -> list[dict[str, object]]:
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [line for line in lines if line["event"] == event]

    def reload(self) -> None:
        """Have it read its key again, and wait until it has."""
        before = len(self.logged("reloaded"))
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(self.logged("reloaded")) > before)


@contextmanager
def cluster(folder: Path) -> Iterator[list[Node]]:
    nodes = [Node(name, folder) for name in ("n1", "n2", "n3")]
    seeds = [node.peer for node in nodes]
    with ExitStack() as stack:
        for node in nodes:
            node.write_key(f"{OLD}\n")
            node.start(seeds, *node.keyed)
            stack.callback(node.stop)
        wait_until(lambda: all(is_ready(node) for node in nodes))
        yield nodes


def is_ready(node: Node) -> bool:
    return node.ask("GET", "/readyz")[0] == 200


def test_a_key_is_replaced_while_counting_goes_on_and_strangers_stay_out(tmp_path: Path) -> None:
    with cluster(tmp_path) as nodes:
        seeds = [node.peer for node in nodes]
        for text in STEPS:
            for node in nodes:
                node.write_key(text)
                node.reload()
                for each in nodes:
                    each.count()
        # A key that cannot be read leaves what was in use.
        nodes[0].write_key("correct horse battery staple\n")
        nodes[0].reload()
        assert len(nodes[0].logged("reload_failed")) == 1
        nodes[0].write_key(STEPS[-1])

        # All links of the last node are new ones now, under the new key alone.
        assert nodes[2].stop() == 0
        nodes[2].start(seeds, *nodes[2].keyed)
        wait_until(lambda: is_ready(nodes[2]))
        nodes[2].count()
        total = sum(node.counted for node in nodes)
        for node in nodes:
            seen = f"/v1/counters/hits?min={total}&timeout=60"
            assert node.ask("GET", seen) == (200, {"key": "hits", "value": total})
            assert node.ask("GET", "/v1/status")[1]["security"] == "key"
        assert not [line for node in nodes for line in node.logged("handshake_failed")]

        check_strangers(tmp_path, nodes)


def check_strangers(folder: Path, nodes: list[Node]) -> None:
    seeds = [node.peer for node in nodes]
    late, plain = Node("late", folder), Node("plain", folder)
    late.write_key(f"{OLD}\n")
    late.start(seeds, *late.keyed)
    plain.start(seeds)
    try:
        wait_until(lambda: bool(late.logged("handshake_failed")))
        assert late.logged("handshake_failed")[0]["reason"] == "authority"
        assert not is_ready(late)
        assert plain.process is not None
        assert plain.process.wait(60) == 4
        assert "--cluster-key-file" in str(plain.logged("stopped_by_error")[0]["reason"])
    finally:
        late.stop()
        plain.stop()
    reasons = {line["reason"] for node in nodes for line in node.logged("handshake_failed")}
    assert reasons == {"authority", "plain"}
    assert [node.ask("GET", "/v1/status")[1]["members"] for node in nodes] == [3, 3, 3]
