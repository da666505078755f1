"""`python -m gcounterd.sim`: run a range of seeds and say what happened.

Theory. Seeds know nothing of each other, so they are run by as many processes as are asked for;
the outcome of a seed depends on the seed, the number of nodes and the minutes alone.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Iterator
from functools import partial

from gcounterd.sim.report import Report, describe
from gcounterd.sim.run import Outcome, run_seed

# Seeds handed to a worker at a time: few enough that none is left alone at the end.
CHUNK = 4


def main() -> int:
    """Run the seeds asked for; return 0 if nothing was violated."""
    asked = _arguments()
    first, last = asked.seeds
    started = time.monotonic()
    report = Report()
    seeds = range(first, last + 1)
    for outcome in _outcomes(
        seeds,
        asked.nodes,
        asked.minutes,
        asked.jobs,
        removals=asked.removals,
        imports=asked.imports,
    ):
        report.add(outcome)
        if outcome.violation:
            command = (
                f"python -m gcounterd.sim --seeds {outcome.seed}-{outcome.seed} "
                f"--nodes {asked.nodes} --minutes {asked.minutes:g}"
                f"{' --removals' if asked.removals else ''}"
                f"{' --imports' if asked.imports else ''}"
            )
            print(describe(outcome, command), flush=True)
        if asked.trace:
            print(outcome.seed, outcome.trace, flush=True)
        if outcome.violation and first == last:
            print(outcome.where)
    for line in report.lines(max(time.monotonic() - started, 1e-3)):
        print(line)
    return 1 if report.failures or report.missing else 0


def _outcomes(
    seeds: range, nodes: int, minutes: float, jobs: int, *, removals: bool, imports: bool
) -> Iterator[Outcome]:
    run = partial(run_seed, nodes=nodes, minutes=minutes, removals=removals, imports=imports)
    if jobs == 1:
        yield from map(run, seeds)
        return
    with multiprocessing.Pool(jobs) as pool:
        yield from pool.imap_unordered(run, seeds, CHUNK)


def _seeds(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    span = int(first), int(last or first)
    if not 0 <= span[0] <= span[1]:
        raise argparse.ArgumentTypeError("seeds are A-B, 0 <= A <= B")
    return span


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m gcounterd.sim",
        description="Simulate clusters under faults; one seed is one history.",
    )
    parser.add_argument("--seeds", type=_seeds, default=(0, 99), metavar="A-B")
    parser.add_argument("--nodes", type=int, default=5, choices=range(2, 16), metavar="N")
    parser.add_argument("--minutes", type=float, default=2.0, help="simulated, under faults")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--removals", action="store_true", help="remove members meanwhile")
    parser.add_argument("--imports", action="store_true", help="bring counts from elsewhere")
    parser.add_argument("--trace", action="store_true", help="print each seed's trace hash")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
