"""Removed nodes as real processes: how they end, what they say, and how they begin anew."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from waiting import PATIENCE_S, ask_json, free_port, wait_until

pytestmark = pytest.mark.slow

DAEMON = [sys.executable, "-c", "from gcounterd.cli.gcounterd import main; main()", "run"]
TOOL = [sys.executable, "-c", "from gcounterd.cli.gcounterctl import main; main()"]


class Machine:
    """Where one node runs: its name, ports of its own, a data directory, a log."""

    def __init__(self, folder: Path, name: str, seeds: list[str]) -> None:
        self.name = name
        self.peer, self.port = f"127.0.0.1:{free_port()}", free_port()
        self.data = folder / f"data-{self.port}"
        self.log = folder / f"log-{self.port}"
        self.seeds = seeds
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *more: str) -> None:
        line = [*DAEMON, "--name", self.name, "--cluster", "demo", "--profile", "local"]
        line += ["--peer", self.peer, "--http", f"127.0.0.1:{self.port}", "--resp", "off"]
        line += ["--data-dir", str(self.data), *more]
        line += [part for seed in self.seeds for part in ("--join", seed)]
        kept = {key: value for key, value in os.environ.items() if "GCOUNTER" not in key}
        with self.log.open("w") as into:
            self.process = subprocess.Popen(line, env=kept, stderr=into)

    def ask(self, method: str, target: str, body: str | None = None) -> tuple[int, Any]:
        return ask_json(self.port, method, target, body)

    @property
    def ready(self) -> bool:
        return self.ask("GET", "/readyz")[0] == 200

    @property
    def hits(self) -> int:
        value: int = self.ask("GET", "/v1/counters/hits")[1].get("value", -1)
        return value

    def count(self, amount: int) -> None:
        assert self.ask("POST", "/v1/counters/hits", json.dumps({"by": amount}))[0] == 200

    def sees(self, name: str) -> list[tuple[str, str]]:
        """Return roster state and liveness of the members of a name."""
        nodes = self.ask("GET", "/v1/cluster")[1].get("nodes", [])
        return [(each["roster"], each["liveness"]) for each in nodes if each["name"] == name]

    def wait(self) -> int:
        assert self.process is not None
        return self.process.wait(PATIENCE_S)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def ctl(self, *verb: str) -> subprocess.CompletedProcess[str]:
        line = [*TOOL, "--address", f"http://127.0.0.1:{self.port}", *verb]
        return subprocess.run(line, capture_output=True, text=True, check=False, timeout=PATIENCE_S)


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[list[Machine]]:
    """Yield three nodes, all ready; whatever else is put in the list is ended as well."""
    made = [Machine(tmp_path, f"n{number}", []) for number in (1, 2, 3)]
    for machine in made:
        machine.seeds = [each.peer for each in made]
        machine.start()
    try:
        wait_until(lambda: all(machine.ready for machine in made))
        yield made
    finally:
        for machine in made:
            if machine.process is not None and machine.process.poll() is None:
                machine.kill()


def test_one_that_lives_ends_with_0_and_with_5_when_it_is_started_again(
    machines: list[Machine],
) -> None:
    one, two, three = machines
    for number, machine in enumerate(machines):
        machine.count(10**number)
    done = one.ctl("remove-node", "n2", "--into", "n3", "--yes")
    assert done.returncode == 0, done.stderr
    assert two.wait() == 0
    assert "all of its" in two.log.read_text()
    assert one.hits == three.hits == 111
    by_node = one.ask("GET", "/v1/counters/hits?by_node=true")[1]["by_node"]
    assert by_node == {"n1": 1, "n3": 110}
    again = one.ctl("remove-node", "n2", "--yes")  # done: it says so
    assert again.returncode == 0, again.stderr
    two.start()
    assert two.wait() == 5
    assert "--new-identity" in two.log.read_text()
    one.kill()
    one.start()
    wait_until(lambda: one.ready)
    (removal,) = one.ask("GET", "/v1/removals")[1]["removals"]
    assert (removal["phase"], removal["live"], removal["into"]) == ("done", True, "n3")
    assert sorted(removal["columns"][0]["from"]) == ["n1", "n3"]  # remembered over the restart


def test_the_old_disk_of_a_dead_one_hands_over_and_begins_anew_as_another_node(
    machines: list[Machine],
) -> None:
    one, two, three = machines
    two.count(10)
    one.kill()
    three.kill()
    two.count(100)  # which only its disk has
    two.kill()
    for machine in (one, three):
        machine.start()
    wait_until(lambda: all(m.sees("n2") == [("active", "dead")] for m in (one, three)))
    wait_until(lambda: one.sees("n3") == three.sees("n1") == [("active", "alive")])
    assert one.ctl("remove-node", "n2", "--yes").returncode == 5
    assert one.ctl("remove-node", "n2", "--dead", "--yes").returncode == 0
    two.start()
    assert two.wait() == 5
    assert one.hits == three.hits == 110
    two.start("--new-identity")
    wait_until(lambda: two.ready)
    two.count(1000)
    wait_until(lambda: one.hits == three.hits == 1110)
    assert sorted(state for state, _ in one.sees("n2")) == ["active", "removed"]


def test_an_empty_disk_takes_over_from_a_dead_node_of_its_name(
    machines: list[Machine], tmp_path: Path
) -> None:
    one, two, three = machines
    two.count(10)
    wait_until(lambda: one.hits == three.hits == 10)
    two.kill()
    shutil.rmtree(two.data)
    wait_until(lambda: all(m.sees("n2") == [("active", "dead")] for m in (one, three)))
    new = Machine(tmp_path, "n2", two.seeds)
    machines.append(new)
    new.start()
    assert new.wait() == 4  # the name is that of a member
    new.start("--take-over")
    wait_until(lambda: new.ready)
    wait_until(lambda: ("removed", "dead") in one.sees("n2"))
    assert new.hits == 10
    new.count(100)
    wait_until(lambda: one.hits == three.hits == 110)
