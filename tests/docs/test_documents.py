"""The documents are true: every command that they show is run, and prints what they show.

See `documents` for the conventions, `reader` for how. Links and titles are the matter of tidy.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.processes import Plan
from tests.cluster.programs import find_program
from tests.docs.documents import Block, drop_lines, pattern_of, read_blocks
from tests.docs.reader import ROOT, Place, ReadingError, open_reader

RUN = ("README.md", "docs/tutorial/*.md", "docs/how-to/*.md")
UP = "scripts/cluster up"
# Documents that start all nodes that they need themselves.
ALONE = ("docs/how-to/shards.md", "docs/how-to/secure-the-peers.md")

# Command lines that are shown and not run here, by document and line: why.
SHOWN_ONLY: dict[tuple[str, str], str] = {
    ("README.md", "scripts/test"): "it is what runs this",
    ("docs/tutorial/first-cluster.md", "scripts/test"): "it is what runs this",
    ("docs/how-to/run-a-local-cluster.md", "scripts/replay"): "the tutorial's is run",
    ("docs/how-to/run-a-local-cluster.md", "scripts/challenge"): "tests/processes plays it",
}


def documents() -> dict[str, str]:
    """Return the text of each document whose commands are run, by path."""
    paths = sorted(path for pattern in RUN for path in ROOT.glob(pattern))
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in paths}


def to_run(document: str, text: str) -> list[Block]:
    """Return the blocks to run; a cluster is started first for a document that expects one."""
    dropped = frozenset(line for name, line in SHOWN_ONLY if name == document)
    kept = [drop_lines(block, dropped) for block in read_blocks(text)]
    blocks = [block for block in kept if block is not None]
    up = document in ALONE or any("scripts/cluster up" in block.commands for block in blocks)
    if blocks and not up:
        blocks.insert(0, Block(0, UP))
    return blocks


@pytest.mark.slow
@pytest.mark.parametrize("document", list(documents()))
async def test_every_command_shown_works_and_prints_what_is_shown(
    document: str, tmp_path: Path
) -> None:
    blocks = to_run(document, documents()[document])
    if not blocks:
        pytest.skip("shows no commands")
    for program in ("curl", "redis-cli", "redis-benchmark", "haproxy", "nutcracker"):
        if any(program in block.commands for block in blocks) and find_program(program) is None:
            pytest.skip(f"shows {program}, which is not installed")
    async with open_reader(tmp_path, document) as reader:
        for block in blocks:
            await reader.follow(block)


def test_what_is_not_run_is_shown_and_has_a_reason() -> None:
    texts = documents()
    for (document, line), reason in SHOWN_ONLY.items():
        shown = [
            row for block in read_blocks(texts[document]) for row in block.commands.split("\n")
        ]
        assert line in shown
        assert reason


def test_the_map_leads_to_every_document() -> None:
    shown = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    paths = [path.relative_to(ROOT / "docs") for path in sorted((ROOT / "docs").rglob("*.md"))]
    # Decisions are read in their order, from the folder.
    listed = [str(path) for path in paths if path.parts[0] not in ("index.md", "decisions")]
    assert listed
    assert [path for path in listed if f"]({path})" not in shown] == []


def test_documents_say_the_ports_that_a_cluster_has_by_default() -> None:
    plan = Plan(Path("anywhere"))
    assert (plan.http_base, plan.peer_base, plan.resp_base) == (7781, 7701, 7381)


# From here on: that a document that is not true is found.


def test_shell_blocks_are_paired_with_what_follows_without_a_language() -> None:
    text = (
        "# A\n```sh\nfirst\nsecond\n```\nSo:\n```\nout\n```\n```text\nnot run\n```\n"
        "1. item\n   ```sh\n   third\n   ```\n"
    )
    assert read_blocks(text) == [Block(3, "first\nsecond", "out\n"), Block(15, "third")]


def test_output_that_no_command_prints_is_refused() -> None:
    with pytest.raises(ValueError, match="line 3: no command prints this"):
        read_blocks("# A\n```\nout\n```\n")


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a  b\n", "a\tb", True),
        ('{"value":1}\n{"value":2}\n', '{"value":1}{"value":2}', True),
        ("n1 … running\n", "n1  4711  running\n", True),
        ("n1 … running\n", "n1  4711\nn2  4712  running\n", False),
        ("a\n…\nz\n", "a\nb\nc\nz\n", True),
        ('{"value":1}', '{"value":12}', False),
        ("a.b", "axb", False),
    ],
)
def test_output_is_compared_but_for_white_space_and_dots(
    shown: str, printed: str, same: bool
) -> None:
    assert (pattern_of(shown).fullmatch(printed) is not None) is same


@pytest.mark.parametrize(
    ("commands", "stays", "only_looks"),
    [
        ("scripts/cluster up --fresh", True, False),
        (".venv/bin/gcounterd run --name a", True, False),
        (".venv/bin/gcounterd run --name a --check-config", False, False),
        ('gcounterd run --name a || echo "exit status $?"', False, False),
        ("GCOUNTERD_HTTP=127.0.0.1:1 bash add-n4.sh", True, False),
        ("gcounterctl --address http://x add-node n4 > add-n4.sh", False, False),
        ("gcounterctl --address http://x watch", True, True),
        ("gcounterctl watch visits --count 2", False, True),
        ("curl http://127.0.0.1:7781/v1/counters/visits", False, True),
        ("curl -X POST http://127.0.0.1:7781/v1/counters/visits", False, False),
        ("scripts/cluster status", False, True),
        ("redis-cli -p 7381 GET visits", False, True),
        ("haproxy -V -f haproxy.cfg", True, False),
        ("nutcracker -c nutcracker.yml", True, False),
        ("redis-cli -p 7381 INCR visits", False, False),
        ("scripts/cluster cut 1 2", False, False),
        ("scripts/cluster stop 2", False, False),
        ("scripts/cluster add", False, False),
        ("gcounterctl --address http://x remove-node n4 --yes", False, False),
        ("gcounterctl --address http://x remove-node n4 --dry-run", False, True),
        ("gcounterctl incr visits", False, False),
    ],
)
def test_commands_that_stay_and_those_that_only_look_are_known(
    commands: str, stays: bool, only_looks: bool
) -> None:
    block = Block(1, commands)
    assert (block.stays, block.only_looks) == (stays, only_looks)


def test_a_line_that_is_not_run_leaves_the_others() -> None:
    assert drop_lines(Block(1, "a\nb", "out"), frozenset(["b"])) == Block(1, "a")
    assert drop_lines(Block(1, "a\nb", "out"), frozenset(["c"])) == Block(1, "a\nb", "out")
    assert drop_lines(Block(1, "b"), frozenset(["b"])) is None


def test_ports_are_written_both_ways() -> None:
    place = Place(Path("anywhere"), 234)
    assert place.to_own("curl http://127.0.0.1:7781/a") == "curl http://127.0.0.1:23481/a"
    assert place.to_shown("n1  http://127.0.0.1:23481") == "n1  http://127.0.0.1:7781"
    assert place.to_own("redis-cli -p 7383 incr a") == "redis-cli -p 23423 incr a"
    assert place.to_shown("redis://127.0.0.1:23423") == "redis://127.0.0.1:7383"
    assert place.to_own("scripts/cluster up --fresh") == (
        "scripts/cluster up --http-base 23481 --peer-base 23401 --resp-base 23421 --fresh"
    )


@pytest.mark.parametrize(
    ("block", "complaint"),
    [
        (Block(7, "echo one", "two\n"), "a.md:7: prints something else"),
        (Block(7, "false"), "a.md:7: exit status 1"),
        (Block(7, "false | true"), "a.md:7: exit status 1"),
        (Block(7, "gcounterd run --version", "none\n"), "a.md:7: does not come up as shown"),
        (Block(7, "gcounterd run"), "a.md:7: stays in the foreground: show what"),
    ],
)
async def test_a_document_that_is_not_true_is_found(
    block: Block, complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(ReadingError) as found:
        async with open_reader(tmp_path, "a.md") as reader:
            await reader.follow(block)
    assert str(found.value).startswith(complaint)


async def test_a_reader_looks_again_until_what_is_shown_is_there(tmp_path: Path) -> None:
    # The file stands for a counter that another node has still to hear of.
    looks = "[ -e heard ] || { touch heard; exit 1; }"
    commands = f"gcounterctl --version | sed d\n{looks}\necho there"
    async with open_reader(tmp_path, "a.md") as reader:
        await reader.follow(Block(1, commands, "there"))
