"""`scripts/replay`: play a real access log to a cluster, kill a node on the way, compare totals.

Theory. The log's own counts are the oracle: they were made by neither this program nor the daemon.
Every request is one increment at a node drawn from the seed, over connections that are kept. Half
way through a node is killed (kill -9) with requests in flight, at three quarters it is started
again on its disk. What it acknowledged must come back with it, and what is lost on the wire must
count once or not at all (see `ledger`).

With `--urls` the cluster is somebody else's: nothing is killed, and counters that were there before
are subtracted. This module refuses to know how a cluster is run.
"""

from __future__ import annotations

import functools
import json
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import attrs
import click
import trio

from tests.cluster.client import Client, Lost, NotSent, counter_target, read_counters, why_not_ready
from tests.cluster.ledger import Ledger, read_log
from tests.cluster.processes import Cluster, ClusterError, Plan, find_causes, open_cluster

LOG = Path(__file__).resolve().parents[1] / "data" / "access.log.gz"
NODES = 3
# Progress is told this often, in requests.
PROGRESS_REQUESTS = 1000
# How long a request may be refused by every node before the replay gives up: far above a node's
# start, far below anyone's patience.
REFUSED_WAIT_S = 60.0
REFUSED_POLL_S = 0.1
# How long the nodes may take to agree after the last request.
AGREE_WAIT_S = 60.0
AGREE_POLL_S = 0.2


class ReplayError(Exception):
    """The replay could not be carried out, or its result is wrong. For people to read."""


@attrs.frozen
class Settings:
    """What to play. `connections` is how many requests are under way at once."""

    seed: int = 1
    connections: int = 16
    limit: int | None = None


@attrs.define
class Milestone:
    """Something that happens when so many requests have been finished."""

    requests: int
    reached: trio.Event = attrs.field(factory=trio.Event)


class Player:
    """Sends the requests of a log to nodes and keeps the ledger."""

    def __init__(self, urls: Mapping[str, str], targets: Sequence[str], settings: Settings) -> None:
        self.ledger = Ledger()
        self.finished = 0
        self.half = Milestone(len(targets) // 2)
        self.three_quarters = Milestone(len(targets) * 3 // 4)
        self._urls = list(urls.values())
        self._settings = settings
        draws = Random(settings.seed)
        self._total = len(targets)
        # Drawn beforehand, so that the seed decides whom a request goes to, however fast each is.
        self._requests = iter([(key, draws.randrange(len(self._urls))) for key in targets])

    async def play(self) -> None:
        """Send everything; returns when every request has ended."""
        async with trio.open_nursery() as nursery:
            for _ in range(self._settings.connections):
                nursery.start_soon(self._work)

    async def _work(self) -> None:
        clients = [Client.at(url) for url in self._urls]
        try:
            for key, first in self._requests:
                await self._count(clients, key, first)
                self._finish()
        finally:
            for client in clients:
                client.drop()

    async def _count(self, clients: Sequence[Client], key: str, first: int) -> None:
        """Send one increment, at the next node where it certainly did not count."""
        why = ""
        with trio.move_on_after(REFUSED_WAIT_S):
            attempt = 0
            while True:
                client = clients[(first + attempt) % len(clients)]
                try:
                    answer = await client.request("POST", counter_target(key))
                except NotSent as error:
                    why = str(error)
                except Lost:
                    self.ledger.lost[key] += 1
                    return
                else:
                    if answer.status == 200:
                        self.ledger.acknowledged[key] += 1
                        return
                    if not answer.definite():
                        self.ledger.lost[key] += 1
                        return
                    why = f"{answer.status} {answer.body[:200]!r}"
                attempt += 1
                if attempt % len(clients) == 0:
                    await trio.sleep(REFUSED_POLL_S)
        raise ReplayError(f"no node took {key} in {REFUSED_WAIT_S:g} s; the last said: {why}")

    def _finish(self) -> None:
        self.finished += 1
        for milestone in (self.half, self.three_quarters):
            if self.finished >= milestone.requests:
                milestone.reached.set()
        if self.finished % PROGRESS_REQUESTS == 0 or self.finished == self._total:
            lost = self.ledger.lost.total()
            click.echo(f"{self.finished} of {self._total} requests, {lost} lost", err=True)


async def agree(urls: Mapping[str, str], wait_s: float = AGREE_WAIT_S) -> dict[str, dict[str, int]]:
    """Wait until all nodes are ready and show the same counters; return them by node.

    Raises `ReplayError` after `wait_s`, with why.
    """
    clients = {name: Client.at(url) for name, url in urls.items()}
    why = "no node has answered yet"
    try:
        with trio.move_on_after(wait_s):
            while why:
                try:
                    seen, why = await _compare(clients)
                except (NotSent, Lost, ConnectionError) as error:
                    why = str(error)
                if why:
                    await trio.sleep(AGREE_POLL_S)
            return seen
    finally:
        for client in clients.values():
            client.drop()
    raise ReplayError(f"the nodes did not agree in {wait_s:g} s: {why}")


async def _compare(clients: Mapping[str, Client]) -> tuple[dict[str, dict[str, int]], str]:
    """Return the counters by node and "", or nothing and why they cannot be compared or differ."""
    for name, client in clients.items():
        reason = await why_not_ready(client)
        if reason is not None:
            return {}, f"{name} is not ready: {reason}"
    seen = {name: await read_counters(client) for name, client in clients.items()}
    return seen, _difference(seen)


def _difference(seen: Mapping[str, Mapping[str, int]]) -> str:
    """Return "" if all nodes show the same, else which two differ in what."""
    (first, counters), *others = seen.items()
    for name, theirs in others:
        keys = [
            key
            for key in sorted({**counters, **theirs})
            if counters.get(key, 0) != theirs.get(key, 0)
        ]
        if keys:
            key = keys[0]
            values = f"{counters.get(key, 0)} at {first}, {theirs.get(key, 0)} at {name}"
            return f"{first} and {name} differ in {len(keys)} keys, as {key}: {values}"
    return ""


async def _kill_and_restart(
    cluster: Cluster, player: Player, victim: str, events: dict[str, int]
) -> None:
    await player.half.reached.wait()
    await cluster.kill(victim)
    events["killed_at"] = player.finished
    click.echo(f"{victim} killed after {player.finished} requests", err=True)
    await player.three_quarters.reached.wait()
    events["restarted_at"] = player.finished
    await cluster.start(victim)
    click.echo(f"{victim} started again after {player.finished} requests", err=True)


async def replay_own(settings: Settings, directory: Path) -> dict[str, Any]:
    """Replay to a cluster of our own in `directory`; return the report (see `make_report`)."""
    # Only `commit` promises that a killed process takes nothing acknowledged with it.
    plan = Plan(directory, NODES, 0, 0, durability="commit")
    targets = read_log(LOG, settings.limit)
    events: dict[str, int] = {}
    async with open_cluster(plan) as cluster:
        await cluster.start_all()
        await cluster.ready()
        urls = {name: node.url for name, node in cluster.nodes.items()}
        player = Player(urls, targets, settings)
        victim = Random(f"victim {settings.seed}").choice(list(urls))
        started = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_kill_and_restart, cluster, player, victim, events)
            await player.play()
        seconds = trio.current_time() - started
        await cluster.ready()
        seen = await agree(urls)
    return make_report(player.ledger, targets, seen, {"victim": victim, **events}, seconds)


async def replay_to(settings: Settings, urls: Mapping[str, str]) -> dict[str, Any]:
    """Replay to a running cluster; what it had counted before is subtracted."""
    targets = read_log(LOG, settings.limit)
    before = await agree(urls)
    player = Player(urls, targets, settings)
    started = trio.current_time()
    await player.play()
    seconds = trio.current_time() - started
    after = await agree(urls)
    seen = {
        name: {
            key: value - before[name].get(key, 0)
            for key, value in counters.items()
            if value != before[name].get(key, 0)
        }
        for name, counters in after.items()
    }
    return make_report(player.ledger, targets, seen, {}, seconds)


def make_report(
    ledger: Ledger,
    targets: Sequence[str],
    seen: Mapping[str, Mapping[str, int]],
    events: Mapping[str, Any],
    seconds: float,
) -> dict[str, Any]:
    """Compare and sum up; `wrong` lists every fault in words and is empty if all is well."""
    wrong = ledger.check_log(targets)
    for name, counters in seen.items():
        wrong += ledger.check_node(name, counters)
    difference = _difference(seen)
    return {
        "requests": len(targets),
        "acknowledged": ledger.acknowledged.total(),
        "indefinite": ledger.lost.total(),
        "victim": events.get("victim"),
        "killed_at": events.get("killed_at"),
        "restarted_at": events.get("restarted_at"),
        "seconds": round(seconds, 1),
        "nodes_equal": not difference,
        "exact_paths": ledger.exact(),
        "range_paths": ledger.ranges(),
        "wrong": wrong + ([difference] if difference else []),
    }


def show_report(report: Mapping[str, Any]) -> None:
    """Print a report as a short table."""
    words = {None: "-", True: "yes", False: "no"}
    for key, value in report.items():
        if key != "wrong":
            text = words[value] if value is None or isinstance(value, bool) else value
            click.echo(f"{key.replace('_', ' '):<14} {text}")
    for fault in report["wrong"]:
        click.echo(f"WRONG: {fault}")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seed", default=1, show_default=True, help="Whom each request goes to, who dies.")
@click.option(
    "--times", default=1, show_default=True, help="Again, with the next seed, from empty."
)
@click.option("--connections", default=16, show_default=True, help="Requests under way at once.")
@click.option("--limit", type=int, help="Only so many requests, from the start of the log.")
@click.option("--urls", help="A running cluster instead: http://host:port,… of its nodes.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a run instead of tables.")
def main(times: int, urls: str | None, as_json: bool, **options: Any) -> None:
    """Play an access log to a cluster and compare every total with the log's own.

    Starts three nodes, kills one half way, starts it again at three quarters. Exits 0 if all nodes
    agree and every total is right.
    """
    settings = Settings(**options)
    failed = False
    for number in range(times):
        report = _replay(attrs.evolve(settings, seed=settings.seed + number), urls)
        click.echo(json.dumps(report)) if as_json else show_report(report)
        failed = failed or bool(report["wrong"])
    sys.exit(1 if failed else 0)


def _replay(settings: Settings, urls: str | None) -> dict[str, Any]:
    click.echo(f"seed {settings.seed}", err=True)
    if urls is not None:
        return _run(functools.partial(replay_to, settings, {url: url for url in urls.split(",")}))
    directory = Path(tempfile.mkdtemp(prefix="gcounterd-replay-"))
    keep = True
    try:
        report = _run(functools.partial(replay_own, settings, directory))
        keep = bool(report["wrong"])
        return report
    finally:
        if keep:
            click.echo(f"data and logs are kept in {directory}", err=True)
        else:
            shutil.rmtree(directory)


def _run(replay: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    failures: list[BaseException] = []
    try:
        return trio.run(replay)
    except* (ReplayError, ClusterError) as group:
        failures = find_causes(group)
    raise click.ClickException("\n".join(str(failure) for failure in failures))


if __name__ == "__main__":
    main()
