"""A plan: what an experiment varies, how one run of it goes, and how its table is made.

Theory. Runs know nothing of each other, so as many processes as are asked for share them; what a
run finds depends on its setting and its seed alone. Settings and findings are values, so they
travel between processes and can be printed.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs

from gcounterd.sim.experiments.tables import Table


@attrs.frozen
class Plan:
    """One experiment.

    settings   from the numbers of nodes asked for (none: its own) to what is run
    runs       how many seeds a setting gets unless told otherwise
    run        from a setting and a seed to a finding
    tabulate   from all settings and their findings to the table
    """

    name: str
    title: str
    settings: Callable[[Sequence[int]], list[Any]]
    runs: Callable[[Any], int]
    run: Callable[[Any, int], Any]
    tabulate: Callable[[list[tuple[Any, list[Any]]]], Table]


@attrs.frozen
class Job:
    """One run that is to be made."""

    number: int
    setting: Any
    seed: int


def jobs(
    plan: Plan, nodes: Sequence[int], seeds: range | None, what: Sequence[str] = ()
) -> list[Job]:
    """Return all runs of an experiment, or those of the settings named so; the longest first."""
    settings = plan.settings(nodes)
    if what:
        settings = [each for each in settings if getattr(each, "what", "") in what]
    found = [
        Job(number, setting, seed)
        for number, setting in enumerate(settings)
        for seed in (range(1, plan.runs(setting) + 1) if seeds is None else seeds)
    ]
    return found[::-1]  # large clusters come last in a setting's list


def carry_out(plan: Plan, todo: list[Job], processes: int) -> Iterator[tuple[Job, Any]]:
    """Yield what each run found, in any order."""
    work = [(plan.run, job) for job in todo]
    if processes == 1:
        yield from map(_run, work)
        return
    with multiprocessing.Pool(processes) as pool:
        yield from pool.imap_unordered(_run, work)


def _run(work: tuple[Callable[[Any, int], Any], Job]) -> tuple[Job, Any]:
    run, job = work
    return job, run(job.setting, job.seed)


def gather(found: list[tuple[Job, Any]]) -> list[tuple[Any, list[Any]]]:
    """Return settings in their order, each with its findings in the order of the seeds."""
    grouped: dict[int, tuple[Any, list[Any]]] = {}
    for job, finding in sorted(found, key=lambda each: (each[0].number, each[0].seed)):
        grouped.setdefault(job.number, (job.setting, []))[1].append(finding)
    return list(grouped.values())
