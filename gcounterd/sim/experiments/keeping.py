"""Keeping: what runs found, in a file, so that long experiments may be stopped and gone on with.

Theory. A run depends on its setting, its seed and the code alone, so what one found need not be
found again; the code is named by its commit. Findings are appended one by one, and a torn last one
is run again. The file is local and ours: it is a pickle, and must not be taken from strangers.
"""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from gcounterd.sim.experiments.plan import Job, Plan

_Key = tuple[str, str, str, int]


class Keeper:
    """Findings of one file; nothing is kept where there is none."""

    def __init__(self, path: Path | None, plan: Plan, commit: str) -> None:
        self._path = path
        self._plan = plan
        self._commit = commit
        self._known = dict(_read(path)) if path is not None and path.exists() else {}

    def _key(self, job: Job) -> _Key:
        return self._plan.name, self._commit, repr(job.setting), job.seed

    def sort(self, todo: Iterable[Job]) -> tuple[list[tuple[Job, Any]], list[Job]]:
        """Return the jobs whose findings are known, with them, and those still to be run."""
        jobs = list(todo)
        done = [(job, self._known[key]) for job in jobs if (key := self._key(job)) in self._known]
        return done, [job for job in jobs if self._key(job) not in self._known]

    def keep(self, found: Iterable[tuple[Job, Any]]) -> Iterator[tuple[Job, Any]]:
        """Hand findings on, each after it was written down."""
        for job, finding in found:
            if self._path is not None:
                with self._path.open("ab") as file:
                    pickle.dump((self._key(job), finding), file)
            yield job, finding


def _read(path: Path) -> Iterator[tuple[_Key, Any]]:
    """Yield what a file holds; cut off what a stop in the middle of writing has left."""
    with path.open("r+b") as file:
        whole = 0
        with contextlib.suppress(EOFError, pickle.UnpicklingError):
            while True:
                yield pickle.load(file)  # noqa: S301 — ours, see above
                whole = file.tell()
        file.truncate(whole)
