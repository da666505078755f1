"""`scripts/bench detection`: how soon all know of a failure, beside serf and kinship.

Theory. A figure for failure detection depends on the machine, on how the fault is made and on
what counts as known; so all systems run here, in turn, under one harness. A repeat is a cluster of
its own, made new and killed at the end, so nobody remembers an earlier victim and a stopped victim
need not come back: ten processes assemble, the news of their joining dies down, and a pause whose
length is drawn puts the fault anywhere in the systems' rounds. Systems take turns repeat by repeat,
so that what else happens on the machine hits all of them.

Each is at its defaults for a LAN. Victims and pauses are drawn from a seed, by repeat and fault,
and are the same for all systems.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import attrs
import click
import trio

from tests.bench import kinship_peer, our_peer, serf_peer
from tests.bench.crowd import Crowd, CrowdError, System, Unavailable, draw_ports, open_crowd
from tests.bench.machine import describe, read_ticks, show_load
from tests.bench.outcomes import NAME, Fault, Outcome, make_rows
from tests.bench.rows import Row, tabulate

SYSTEMS = {s.name: s for s in (our_peer.OURS, serf_peer.SERF, kinship_peer.KINSHIP)}
SIZE = 10
# Rumours of a join are out in some 2 s, and health that a busy start has lowered is back.
SETTLE_S = 10.0
# Longer than a protocol period of any of them, so that a fault may come at any moment of it.
DRAWN_PAUSE_S = 2.0
# Several times what any of them takes: who does not know by now is taken never to know.
KNOW_WAIT_S = 60.0
# False deaths that the fault brings about may come after the true one.
LINGER_S = 2.0
# Others' work, seen over a second, above which a repeat is put off, and for how long at most.
BUSY_MAX = 0.25
QUIET_WAIT_S = 30.0


@attrs.frozen
class Turn:
    """One repeat to be run."""

    system: System
    fault: Fault
    repeat: int
    victim: int
    pause_s: float


def plan(
    systems: Sequence[System], faults: Sequence[Fault], repeats: int, seed: int
) -> Iterator[Turn]:
    """Yield the repeats in their order. A victim is never the first, who is everybody's seed."""
    for fault in faults:
        for repeat in range(repeats):
            chance = random.Random(f"{seed}/{fault.value}/{repeat}")
            victim = chance.randrange(1, SIZE)
            pause_s = SETTLE_S + chance.uniform(0, DRAWN_PAUSE_S)
            for system in systems:
                yield Turn(system, fault, repeat, victim, pause_s)


async def run(turn: Turn, place: Path, ports: Callable[[], int]) -> Outcome:
    """Run one repeat. Raises `CrowdError` if the processes do not get as far as the fault."""
    await _until_quiet()
    began = trio.current_time()
    async with open_crowd(turn.system, SIZE, place, ports) as crowd:
        await crowd.assemble()
        together = trio.current_time()
        await trio.sleep(turn.pause_s)
        crowd.check()
        return await _strike(crowd, turn, together - began, together)


async def _strike(crowd: Crowd, turn: Turn, assembled_s: float, together: float) -> Outcome:
    sightings = crowd.sightings
    victim = sightings.names[turn.victim]
    before = read_ticks()
    at = crowd.strike(victim, turn.fault.number)
    watchers = [name for name in sightings.names if name != victim]
    with trio.move_on_after(KNOW_WAIT_S):
        await crowd.until(lambda: len(sightings.knowing(victim, at)) == len(watchers))
    busy = before.busy_until(read_ticks())
    await trio.sleep(LINGER_S)
    crowd.check()
    times = sightings.knowing(victim, at)
    false = sightings.false_deaths(victim, at, since=together)
    return Outcome(
        system=turn.system.name,
        fault=turn.fault,
        repeat=turn.repeat,
        victim=victim,
        assembled_s=assembled_s,
        times=times,
        silent=tuple(name for name in watchers if name not in times),
        false_deaths=tuple(f"{death.watcher}: {death.member}" for death in false),
        busy=busy,
    )


async def _until_quiet() -> None:
    """Wait until others leave the machine alone, though not for ever."""
    with trio.move_on_after(QUIET_WAIT_S):
        while True:
            before = read_ticks()
            await trio.sleep(1)
            if before.busy_until(read_ticks()) <= BUSY_MAX:
                return


def _names(_: click.Context, __: click.Parameter, value: str) -> list[str]:
    names = value.split(",")
    for name in names:
        if name not in SYSTEMS:
            raise click.BadParameter(f"{name!r} is none of {', '.join(SYSTEMS)}")
    return names


@click.command(NAME)
@click.option("--repeats", default=20, show_default=True, type=click.IntRange(min=1))
@click.option("--systems", default=",".join(SYSTEMS), show_default=True, callback=_names)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    type=click.Choice([fault.value for fault in Fault]),
    help="kill: SIGKILL, the port refuses; stop: SIGSTOP, nothing answers. [default: both]",
)
@click.option("--seed", default=1, show_default=True, help="Draws victims and pauses.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all there.")
def compare(
    repeats: int, systems: list[str], faults: tuple[str, ...], seed: int, json_file: Path | None
) -> None:
    """Measure how soon all of ten nodes know that one failed, beside serf and kinship.

    A repeat takes 20 to 30 s. Systems that cannot be run here are left out, and why is said.
    """
    facts, chosen, rows = describe(), [], []
    for name in systems:
        try:
            facts[name] = SYSTEMS[name].prepare()
            chosen.append(SYSTEMS[name])
        except Unavailable as why:
            rows.append(Row(NAME, name, None, remark=str(why)))
    for key, value in facts.items():
        click.echo(f"{key}: {value}")
    order = [fault for fault in Fault if not faults or fault.value in faults]
    outcomes, failed = _run_all(list(plan(chosen, order, repeats, seed)))
    facts["load after"] = show_load()
    rows += make_rows(outcomes, systems)
    click.echo(f"load after: {facts['load after']}\n\n{tabulate(rows)}")
    if json_file is not None:
        found = {
            **facts,
            "seed": seed,
            "failed": failed,
            "rows": [row.as_json() for row in rows],
            "repeats": [outcome.as_json() for outcome in outcomes],
        }
        json_file.write_text(json.dumps(found, indent=1) + "\n")
    sys.exit(1 if failed else 0)


def _run_all(turns: list[Turn]) -> tuple[list[Outcome], list[str]]:
    """Run all repeats; return the outcomes, and why some have none."""
    outcomes: list[Outcome] = []
    failed: list[str] = []
    ports = draw_ports()
    for turn in turns:
        title = f"{turn.system.name} {turn.fault.value} {turn.repeat + 1}"
        with tempfile.TemporaryDirectory() as place:
            try:
                outcome = trio.run(run, turn, Path(place), ports)
            except CrowdError as error:
                failed.append(f"{title}: {error}")
                click.echo(failed[-1], err=True)
                continue
        outcomes.append(outcome)
        click.echo(_describe(title, outcome), err=True)
    return outcomes, failed


def _describe(title: str, outcome: Outcome) -> str:
    text = (
        f"{title}: {outcome.victim}, all know after {outcome.all_know_s:.2f} s, "
        f"the first after {outcome.first_knows_s:.2f} s; "
        f"{outcome.busy:.0%} busy; assembled in {outcome.assembled_s:.1f} s"
    )
    if outcome.false_deaths:
        text += f"; false deaths: {', '.join(outcome.false_deaths)}"
    return text
