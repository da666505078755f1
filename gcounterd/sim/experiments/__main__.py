"""`scripts/experiment`: run an experiment on membership, print its table, or write it down.

scripts/experiment E1                          its own settings and numbers of runs
scripts/experiment E1 --nodes 10,50 --seeds 1-20 --jobs 2
scripts/experiment E2 --what defaults          the settings of that name alone
scripts/experiment E2 --keep e2.kept           may be stopped, and gone on with
scripts/experiment E2 --write                  into docs/membership-experiments.md
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs

from gcounterd.sim.experiments import (
    ablation,
    counting,
    crash,
    datagrams,
    grey,
    harsh,
    joins,
    load,
    rumours,
    stalls,
    starved,
    sweep,
)
from gcounterd.sim.experiments.keeping import Keeper
from gcounterd.sim.experiments.plan import Plan, carry_out, gather, jobs
from gcounterd.sim.experiments.tables import write_between

_MODULES = (
    *(datagrams, crash, starved, ablation, sweep, joins, grey, rumours, load, harsh, stalls),
    counting,
)
PLANS: dict[str, Plan] = {module.PLAN.name: module.PLAN for module in _MODULES}
DOCUMENT = Path("docs/membership-experiments.md")


def main() -> int:
    """Run what is asked for."""
    asked = _arguments()
    plan = PLANS[asked.experiment]
    todo = jobs(plan, asked.nodes, asked.seeds, asked.what or ())
    started = time.monotonic()
    keeper = Keeper(asked.keep, plan, asked.commit)
    done, lacking = keeper.sort(todo)
    for each in keeper.keep(carry_out(plan, lacking, asked.jobs)):
        done.append(each)
        if sys.stderr.isatty():
            print(f"\r{len(done)} of {len(todo)} runs", end="", file=sys.stderr, flush=True)
    found = gather(done)
    if asked.json:
        print(json.dumps([_plain(setting, findings) for setting, findings in found]))
        return 0
    origin = _origin(len(todo), time.monotonic() - started, asked.commit)
    text = f"{plan.tabulate(found).markdown()}\n\n{origin}"
    print(f"\n{plan.name}. {plan.title}\n\n{text}")
    if asked.write:
        write_between(DOCUMENT, plan.name, text)
    return 0


def _plain(setting: Any, findings: list[Any]) -> dict[str, Any]:
    return {
        "setting": attrs.asdict(setting),
        "findings": [attrs.asdict(finding) for finding in findings],
    }


def _origin(runs: int, seconds: float, commit: str) -> str:
    """Say how a table was made."""
    asked = [a for a in sys.argv[1:] if a != "--write" and not a.startswith("--commit")]
    command = " ".join(["scripts/experiment", *asked])
    day = datetime.now(UTC).date().isoformat()
    return f"`{command}`, {runs} runs in {seconds:.0f} s, commit {commit}, {day}."


def _seeds(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/experiment",
        description="Experiments on membership in the simulator; one seed is one history.",
        epilog="; ".join(f"{plan.name}: {plan.title}" for plan in PLANS.values()),
    )
    parser.add_argument("experiment", choices=list(PLANS))
    parser.add_argument("--seeds", type=_seeds, metavar="A-B", help="for every setting")
    parser.add_argument("--nodes", type=_numbers, default=[], metavar="N,N,…")
    parser.add_argument(
        "--what", action="append", metavar="NAME", help="settings named so, as defaults or alpha 4"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument(
        "--keep", type=Path, metavar="FILE", help="what runs found, to go on with after a stop"
    )
    parser.add_argument("--json", action="store_true", help="print every finding")
    parser.add_argument("--write", action="store_true", help=f"put the table into {DOCUMENT}")
    parser.add_argument("--commit", default="unknown", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
