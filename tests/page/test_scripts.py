"""The scripts of pages, by node's own test runner, and their vectors by the daemon's own code."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from gcounterd.counters.batches import Batch
from gcounterd.counters.counters import Counters
from gcounterd.counters.settled import Closing
from gcounterd.counters.watched import Watched
from gcounterd.ids import ColumnId, Epoch, NodeId, column_id
from tests.finishing import result_of

FOLDER = Path(__file__).parent
NODE = shutil.which("node")
STEP = 2**50  # the most that may wait for one commit
STORIES = 100
VECTORS = json.loads((FOLDER / "vectors.json").read_text())


@pytest.mark.skipif(NODE is None, reason="node is not installed")
@pytest.mark.parametrize("script", sorted(FOLDER.glob("*.test.mjs")), ids=lambda path: path.stem)
def test_the_scripts_pass_their_tests(script: Path) -> None:
    passes(script)


def passes(script: Path, **variables: str) -> None:
    """Run a script of tests, which must all pass."""
    assert NODE is not None
    run = subprocess.run(
        [NODE, "--test", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **variables},
    )
    assert run.returncode == 0, run.stdout[-4000:]
    assert "\n# fail 0" in run.stdout


def life(text: str) -> ColumnId:
    """Return the column of `node/life`: n1/2 is the second life of n1."""
    node, _, number = text.partition("/")
    return column_id(NodeId(node.encode() * 8), Epoch(bytes([int(number)]) * 16))


class World:
    """Processes that count `x`, and servers that hear of it as a vector's story says."""

    def __init__(self) -> None:
        self.batches: dict[str, list[Batch]] = {}
        self.writers: dict[str, Counters] = {}
        self.servers: dict[str, Counters] = {}
        self.told: list[dict[str, str]] = []

    def play(self, step: list[str]) -> None:
        """Carry out a step: count, hear the first commits of a process, close, tell a page."""
        match step:
            case ["count", column, amount]:
                writer = self.writers.setdefault(column, Counters(life(column), 100))
                for left in range(int(amount), 0, -STEP):
                    writer.add(b"x", min(left, STEP), STEP)
                    for batch in writer.cut():
                        writer.apply(batch)
                        self.batches.setdefault(column, []).append(batch)
                    writer.writer.settle()
            case ["hear", server, column, commits]:
                for batch in self.batches[column][: int(commits)]:
                    self.server(server).apply(batch)
            case ["close", server, column]:
                list(self.server(server).closing([Closing(life(column), 0)]))
            case ["tell", server]:
                self.told.append(shown(self.server(server)))
            case _:
                raise AssertionError(step)

    def server(self, name: str) -> Counters:
        return self.servers.setdefault(name, Counters(life(name + "/1"), 100))


def shown(held: Counters) -> dict[str, str]:
    """Return what a stream of a server with these counters would show of `x`."""
    watched = Watched(held)
    watched.watch(b"x")
    result_of(watched.search())
    counts = result_of(watched.look([b"x"]))[b"x"]
    return {node.decode()[:2]: str(count) for node, count in sorted(counts.items())}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_servers_tell_what_the_vectors_say(vector: dict[str, object]) -> None:
    world = World()
    for step in vector["story"]:  # type: ignore[attr-defined]
        world.play(step)
    assert world.told == vector["told"]
    for column, batches in world.batches.items():
        world.play(["hear", "s9", column, str(len(batches))])
    held = world.server("s9")
    assert vector["truth"] == {"total": str(held.value(b"x")), "by_node": shown(held)}


def draw_story(chance: random.Random) -> list[list[str]]:
    """Return a story: nodes with two lives each count, servers hear of it in any order."""
    columns = [f"n{node}/{number}" for node in (1, 2, 3) for number in (1, 2)]
    servers = ["s1", "s2", "s3"]
    counted: dict[str, int] = {}
    story: list[list[str]] = []
    for _ in range(chance.randint(5, 40)):
        column, server = chance.choice(columns), chance.choice(servers)
        match chance.choice(["count", "hear", "hear", "close", "tell", "tell"]):
            case "count":
                story.append(["count", column, str(chance.randint(1, 2 ** chance.randint(1, 49)))])
                counted[column] = counted.get(column, 0) + 1
            case "hear" if column in counted:
                story.append(["hear", server, column, str(chance.randint(1, counted[column]))])
            case "close":
                story.append(["close", server, column])
            case "tell":
                story.append(["tell", server])
    # In the end everybody has heard of everything, and says so.
    heard = [["hear", "s1", column, str(times)] for column, times in counted.items()]
    return [*story, *heard, ["tell", "s1"]]


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_pages_make_of_any_story_what_the_nodes_make_of_it(tmp_path: Path) -> None:
    vectors = []
    for seed in range(STORIES):
        world = World()
        for step in draw_story(random.Random(seed)):
            world.play(step)
        held = world.server("s1")
        truth = {"total": str(held.value(b"x")), "by_node": shown(held)}
        vectors.append({"name": f"seed {seed}", "told": world.told, "truth": truth})
    drawn = tmp_path / "vectors.json"
    drawn.write_text(json.dumps(vectors))
    passes(FOLDER / "merge.test.mjs", VECTORS=str(drawn))
