"""Simulated histories: clients of a cluster in the simulator's weather, from its start to rest.

Theory. When the weather has cleared and all nodes agree, each is read once more: that is the audit.
The checkers of the simulator judge the same run, so that a finding of only one of the two tells
which of them is wrong. A seed is a history, as ever.
"""

from __future__ import annotations

import contextlib
import traceback
from collections import Counter
from random import Random

import attrs

from gcounterd.sim.checkers import ViolationError
from gcounterd.sim.departures import Departures
from gcounterd.sim.run import AFTERMATH_S, AGREEMENT_S_MAX, form
from gcounterd.sim.squeeze import squeezed
from gcounterd.sim.weather import Weather
from tests.histories.checker import Verdict, check
from tests.histories.clients import Clients, Watched
from tests.histories.history import History


@attrs.frozen
class Played:
    """What came of a seed.

    violation  what the simulator's own checkers found, or what was raised; where  with its stack
    """

    seed: int
    history: History
    verdict: Verdict
    violation: str
    where: str
    tally: Counter[str]

    @property
    def wrong(self) -> list[str]:
        """Return everything that is wrong."""
        return [*([self.violation] if self.violation else []), *map(str, self.verdict.findings)]


def play(seed: int, nodes: int = 5, minutes: float = 1.0, *, removals: bool = False) -> Played:
    """Play a seed and check its history; never raises for what the cluster did wrong."""
    cluster = Watched(seed)
    rng = cluster.world.derive("run")
    clients = Clients(cluster, cluster.world.derive("clients"))
    violation = where = ""
    with squeezed(rng) if rng.random() < 0.5 else contextlib.nullcontext():
        try:
            _run(cluster, clients, rng, nodes, 60 * minutes, removals)
        except ViolationError as error:
            violation, where = str(error), traceback.format_exc()
        except Exception as error:  # whatever the code raises is a finding
            violation, where = f"{type(error).__name__}: {error}", traceback.format_exc()
    history = cluster.recorder.close()
    return Played(seed, history, check(history), violation, where, cluster.tally + clients.tally)


def _run(
    cluster: Watched, clients: Clients, rng: Random, nodes: int, seconds: float, removals: bool
) -> None:
    weather = Weather(cluster, cluster.world.derive("weather"))
    form(cluster, rng, [f"n{number}" for number in range(1, nodes + 1)], seconds)
    departures = Departures(cluster, cluster.world.derive("departures")) if removals else None
    weather.rage(departures)
    clients.begin()
    cluster.run(seconds)
    clients.end()
    weather.clear()
    cluster.run(AFTERMATH_S)
    for process in cluster.running:
        process.join([host.address for host in cluster.hosts.values()])
    cluster.settle(AGREEMENT_S_MAX)
    cluster.check_everything()
    clients.audit()
