"""The commands that a document shows, and the output that it shows for them.

Theory. A command in a document is a promise to somebody who will paste it, so it is read from the
Markdown and run, not copied into a test. Three conventions are enough. A block marked `sh` is run,
whole, by one bash. A block without a language is what the last `sh` block prints, word for word but
for white space; `…` in it stands for anything within a line, and a line of `…` alone for any lines.
A block of any other language (`text`, `toml`, `json`) is only to be read.

This module refuses to run anything; see `reader`.
"""

from __future__ import annotations

import re
import textwrap

import attrs

# The body may be indented, as within a list; the closing fence is then indented alike.
_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>[^\n`]*)\n(?P<body>.*?)^(?P=indent)```[ ]*$",
    re.MULTILINE | re.DOTALL,
)
ANYTHING = "…"
# A block that has none of these only looks, so it may look again until it sees what is shown.
_CHANGES = re.compile(
    r" -X| -d\b| --data| -T\b|>|/hit/|"
    r"\b(incr|kill|stop|start|pause|resume|cut|heal|up|down|backup|replay|test|cp|mv|rm|mkdir)\b|"
    r"remove-node(?!.*--dry-run)|\b(add|forget|drain|undrain|pki)\b"
)
_LOOKS = re.compile(r"\bcurl\b|\bgcounterctl\b|scripts/cluster status|\bredis-cli -p \d+ M?GET\b")
# These stay in the foreground until Ctrl-C.
_STAYS = re.compile(
    r"^(scripts/cluster( --directory \S+)? up|\S*gcounterd run|\S*gcounterctl.* watch"
    r"|GCOUNTERD_\S+ .*\bbash add-\S+\.sh|haproxy -V|nutcracker -c)\b"
)
# But not with these: they end by themselves, and the next block waits for that.
_ENDS = re.compile(r" --count\b| --check-config\b|\|\| echo ")


@attrs.frozen
class Block:
    """Commands as they are shown, from which line on, and the output shown for them, if any."""

    line: int
    commands: str
    output: str | None = None

    @property
    def stays(self) -> bool:
        """Say whether this runs until Ctrl-C."""
        return _STAYS.match(self.commands) is not None and _ENDS.search(self.commands) is None

    @property
    def only_looks(self) -> bool:
        """Say whether running this again changes nothing."""
        return _CHANGES.search(self.commands) is None and _LOOKS.search(self.commands) is not None


def read_blocks(text: str) -> list[Block]:
    """Return what a document shows to be run, in its order."""
    blocks: list[Block] = []
    for fence in _FENCE.finditer(text):
        body = textwrap.dedent(fence["body"])
        language = fence["language"].strip()
        line = text.count("\n", 0, fence.start("body")) + 1
        if language == "sh":
            blocks.append(Block(line, body.strip("\n")))
        elif not language:
            if not blocks or blocks[-1].output is not None:
                raise ValueError(f"line {line}: no command prints this; name its language")
            blocks[-1] = attrs.evolve(blocks[-1], output=body)
    return blocks


def drop_lines(block: Block, dropped: frozenset[str]) -> Block | None:
    """Return the block without these command lines, None if no other is left.

    Output can only be compared whole, so it goes with the line.
    """
    lines = block.commands.splitlines()
    kept = [line for line in lines if line not in dropped]
    if len(kept) == len(lines):
        return block
    if not "".join(kept).strip():
        return None
    return Block(block.line, "\n".join(kept))


def pattern_of(shown: str) -> re.Pattern[str]:
    """Return what matches output that is as shown."""
    parts = [
        [".*" if line.strip() == ANYTHING else _pattern_of_word(word) for word in line.split()]
        for line in shown.splitlines()
    ]
    words = [word for line in parts for word in line]
    return re.compile(r"\s*" + r"\s*".join(words) + r"\s*", re.DOTALL)


def _pattern_of_word(word: str) -> str:
    return r"[^\n]*?".join(re.escape(piece) for piece in word.split(ANYTHING))
