"""`python -m tests.mutants.seeds A-B NODES`: simulate seeds until one is violated.

Exits with `FOUND_BY_SEED` when one was. Unlike `gcounterd.sim` it does not mind that so few seeds
do not meet every event.
"""

from __future__ import annotations

import sys

from gcounterd.sim.run import run_seed
from tests.mutants.mutant import FOUND_BY_SEED


def main(span: str, nodes: str) -> int:
    """Simulate a minute of each seed; return the exit status."""
    first, last = map(int, span.split("-"))
    for seed in range(first, last + 1):
        outcome = run_seed(seed, int(nodes), minutes=1.0)
        if outcome.violation:
            print(f"FAILED seed {seed}: {outcome.violation}")
            return FOUND_BY_SEED
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
