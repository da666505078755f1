"""A run: rounds of faults under load, each mended and audited, until the time is over.

Theory. What must hold at the end of every round, once all is whole: every removal that was asked
for has ended, every member shows the same roster and is alive to all others, and all nodes show the
same value for every key, which the ledger allows. What must hold all the time is looked at by the
load.

This module refuses to know how anything is done.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import trio

from tests.chaos.account import Opener, Watcher, open_account
from tests.chaos.errands import Operator
from tests.chaos.hand import Hand
from tests.chaos.schedule import WEIGHTS, Schedule
from tests.chaos.story import Story
from tests.cluster.processes import Plan, open_cluster

# Let the load run before the first fault.
WARM_UP_S = 2.0
# From whole to equal: hashes of everything are compared each half minute, where all else failed.
AUDIT_WAIT_S = 90.0


@attrs.frozen
class Settings:
    """What to play: as many rounds as begin within `seconds`, at most `rounds`.

    `rate` is of increments a second, all nodes together.
    """

    seed: int = 1
    nodes: int = 7
    seconds: float = 60.0
    rounds: int | None = None
    rate: float = 3000.0
    verbs: tuple[str, ...] = tuple(WEIGHTS)


@attrs.frozen
class Report:
    """What came of it."""

    settings: Settings
    rounds: int
    steps: int
    seconds: float
    counts: dict[str, int]
    story: Story

    @property
    def rate(self) -> float:
        """Return how many increments were answered a second, faults and mending included."""
        return self.counts.get("answered", 0) / self.seconds

    def as_json(self) -> dict[str, Any]:
        """Return everything."""
        return {
            "seed": self.settings.seed,
            "nodes": self.settings.nodes,
            "rounds": self.rounds,
            "steps": self.steps,
            "seconds": round(self.seconds, 1),
            "increments_per_second": round(self.rate),
            "counts": self.counts,
            "waits": self.story.waits,
            "notes": dict(self.story.notes),
            "faults": self.story.faults(),
            "wrong": self.story.wrong,
        }


async def play(
    settings: Settings,
    directory: Path,
    show: Callable[[str], None],
    opener: Opener = open_account,
) -> Report:
    """Play to a cluster of our own in `directory`; the log is left there.

    `opener` makes whoever counts meanwhile and judges what is shown.
    """
    story = Story(directory / "chaos.log", show)
    schedule = Schedule(settings.seed, settings.nodes, settings.verbs)
    plan = Plan(directory, settings.nodes, 0, 0)
    async with open_cluster(plan, story.say) as cluster:
        await cluster.start_all()
        await cluster.ready()
        async with opener(settings.rate, settings.seed, story) as account:
            async with trio.open_nursery() as nursery:
                operator = Operator(cluster, story, nursery, settings.seed)
                hand = Hand(cluster, schedule, account, operator, story)
                for node in cluster.nodes.values():
                    await account.join(node.name, node.http_port)
                story.say(f"seed {settings.seed}, {settings.nodes} nodes")
                rounds, steps, seconds = await _go(settings, schedule, hand, account, story)
                nursery.cancel_scope.cancel()
            counts = await account.end()
    return Report(settings, rounds, steps, seconds, counts, story)


async def _go(
    settings: Settings, schedule: Schedule, hand: Hand, account: Watcher, story: Story
) -> tuple[int, int, float]:
    await trio.sleep(WARM_UP_S)
    rounds = steps = 0
    for faults in schedule.rounds():
        for step in faults:
            await trio.sleep(step.pause_s)
            await hand.do(step)
            steps += 1
            if story.seconds > settings.seconds:
                break
        rounds += 1
        await hand.mend()
        schedule.mend()
        await _audit(schedule, account, story)
        story.say(f"round {rounds} mended: {', '.join(schedule.members())}; {account.counts}")
        if story.seconds > settings.seconds or story.wrong or rounds == settings.rounds:
            break
    return rounds, steps, story.seconds


async def _audit(schedule: Schedule, account: Watcher, story: Story) -> None:
    away = [place.name for place in schedule.places.values() if place.away]
    found = await account.audit(away, AUDIT_WAIT_S)
    story.took("an audit", found["seconds"])
    for text in found["wrong"]:
        story.complain(text)
