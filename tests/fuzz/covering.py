"""Fuzzing that is led by coverage: `python -m tests.fuzz.covering TARGET CORPUS [libFuzzer's
options]`.

Theory. atheris watches which branches of our code an input takes and keeps those that take new
ones, so it finds the way into a parser by itself. It ends the process at the first find and
writes the input to a file; so it runs in a process of its own. It is not needed for anything
else, and is installed only where somebody fuzzes for long.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import attrs

MEMORY_MIB_MAX = 2048


@attrs.frozen
class Covered:
    """What came of one target: inputs read, features of the code reached, files that failed."""

    executions: int
    features: int
    finds: tuple[Path, ...]


def is_there() -> bool:
    """Say whether atheris is installed."""
    return find_spec("atheris") is not None


def cover(target: str, examples: list[bytes], folder: Path, seconds: float) -> Covered:
    """Fuzz a target for so long in a process of its own."""
    corpus, found = folder / f"{target}-corpus", folder / f"{target}-found"
    corpus.mkdir(parents=True, exist_ok=True)
    found.mkdir(exist_ok=True)
    for number, example in enumerate(examples):
        (corpus / f"example-{number}").write_bytes(example)
    options = [f"-max_total_time={round(seconds)}", "-print_final_stats=1", "-timeout=10"]
    options += [f"-rss_limit_mb={MEMORY_MIB_MAX}", f"-artifact_prefix={found}/", "-max_len=8192"]
    command = [sys.executable, "-m", "tests.fuzz.covering", target, str(corpus), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    log = done.stdout + done.stderr
    (folder / f"{target}.log").write_text(log)
    return Covered(
        _figure(log, "stat::number_of_executed_units:"), _last(log, "ft:"), tuple(found.iterdir())
    )


def _figure(log: str, name: str) -> int:
    after = log.rpartition(name)[2].split()
    return int(after[0]) if name in log and after else 0


def _last(log: str, name: str) -> int:
    words = log.split()
    places = [at for at, word in enumerate(words) if word == name]
    return int(words[places[-1] + 1]) if places else 0


def main() -> None:
    """Fuzz the target that is named first; the rest of the command line is libFuzzer's."""
    import atheris

    name = sys.argv.pop(1)
    with atheris.instrument_imports(include=["gcounterd"]):
        from tests.fuzz.targets import TARGETS
    (target,) = [one for one in TARGETS if one.name == name]
    atheris.Setup(sys.argv, target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
