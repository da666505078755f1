"""A crowd of clients that count at real nodes, and record what they ask and are told.

Theory. Each client does one thing at a time, on a connection of its own to a node that it keeps for
a while. All of them are tasks of one process, so that all moments are of one clock. Of the clients
some carry `min`: what they have read of a key they ask for at least. Some name their increments,
and ask again where they were not answered: at the same node, or elsewhere as a retry.

A consistent read covers the *settled* places: those that belonged at the audit before, and whose
removal nobody asked for since. The crowd is what `tests.chaos` calls a watcher: it is told which
disks are lost, and at an audit it comes to rest, reads every node, and has its history checked.

This module refuses to know faults.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import attrs
import trio

from tests.chaos.story import Story
from tests.cluster.client import Answer, Client, Lost, NotSent
from tests.histories.checker import check
from tests.histories.history import Operation, Outcome
from tests.histories.looking import look, look_until_agreed
from tests.histories.recorder import Recorder
from tests.histories.talking import Said, Wish, understand

KEYS = ("h/a", "h/b", "h/c", "h/d")
CLIENTS = 16
# So large that few totals can be had in two ways.
AMOUNT_MAX = 99_999
# Seconds that a node may take, and that a client waits: some give up first.
ASKING_S, PATIENCE_S = (0.2, 3.0), (0.3, 6.0)
# A client stays with its node for some time, and leaves it when it was not answered well.
MOVES_SHARE = 0.1
# Of operations: increments, and of the others consistent reads.
COUNT_SHARE, CONSISTENT_SHARE = 0.55, 0.4
ACKS = ("local",) * 6 + ("majority",) * 3 + ("all",)
# Of clients: those that carry min, and those that name their increments.
CHAINED_SHARE, NAMED_SHARE = 0.5, 0.5
# How often an increment without an answer is asked for again, and of answered ones, once more.
AGAIN_TIMES, REPEATED_SHARE = 3, 0.1
# Of those that are asked for again: elsewhere.
ELSEWHERE_SHARE = 0.2
# Nobody is there to talk to.
LONELY_S = 0.1
# Of increments: those of several counters at once.
BUNDLE_SHARE, BUNDLE_KEYS = 0.1, 2


@attrs.define
class Person:
    """One client: its name, where it is, how it talks, and what it has read of each key."""

    name: str
    rng: Random
    chained: bool
    named: bool
    place: str = ""
    client: Client | None = None
    seen: dict[str, int] = attrs.Factory(dict)
    tokens: int = 0


class Crowd:
    """The clients; made by `open_crowd`. `counts` are of operations by what came of them."""

    def __init__(self, rate: float, seed: int, story: Story) -> None:
        self.counts: dict[str, int] = {}
        self.recorder = Recorder(trio.current_time)
        self._pause_s = CLIENTS / rate
        self._story = story
        self._ports: dict[str, int] = {}
        self._settled: dict[str, None] = {}
        self._away: dict[str, None] = {}
        self._draws = Random(f"crowd {seed}")
        self._counts: Counter[str] = Counter()
        self._open = trio.Event()
        self._busy = self._audits = 0
        self._said: dict[str, None] = {}

    # -- what the run tells -----------------------------------------------------------------

    async def join(self, place: str, port: int) -> None:
        """Count there from now on."""
        self._ports[place] = port
        self._away.pop(place, None)
        if not self.recorder.history.operations:
            self._settled[place] = None
        self._open.set()

    async def leave(self, place: str) -> None:
        """Leave it alone."""
        self._ports.pop(place, None)

    async def wipe(self, place: str) -> None:
        """Take note that its disk is lost."""
        await self.leave(place)
        self._settled.pop(place, None)
        self.recorder.lose(place)

    async def doubt(self, place: str) -> None:
        """Take note that it is being removed."""
        self._settled.pop(place, None)

    async def audit(self, away: list[str], wait_s: float) -> dict[str, Any]:
        """Come to rest, read every node, and check the whole history."""
        began = trio.current_time()
        self._open = trio.Event()
        while self._busy:
            await trio.sleep(LONELY_S)
        for place in away:
            if place not in self._away:
                self._away[place] = None
                self.recorder.lose(place)
        self._audits += 1
        with trio.move_on_after(wait_s):
            await look_until_agreed(self.recorder, self._ports, KEYS)
        wrong = await look(self.recorder, self._ports, KEYS, final=self._audits)
        wrong += await self.judge()
        self._settled = dict.fromkeys(self._ports)
        self._open.set()
        return {"wrong": wrong, "seconds": round(trio.current_time() - began, 2)}

    async def end(self) -> dict[str, int]:
        """Return the last counts."""
        return self.counts

    async def until(self, operations: int) -> None:
        """Wait until so many more operations have ended."""
        wanted = len(self.recorder.history.operations) + operations
        while len(self.recorder.history.operations) < wanted:
            await trio.sleep(LONELY_S)

    async def judge(self) -> list[str]:
        """Return what is wrong with the history so far and was not said before."""
        verdict = await trio.to_thread.run_sync(check, self.recorder.history)
        self.counts = dict(self._counts) | {f"judged: {k}": n for k, n in verdict.judged.items()}
        found = [str(each) for each in verdict.findings if str(each) not in self._said]
        self._said |= dict.fromkeys(found)
        return found

    def keep(self, path: Path) -> None:
        """Write the history so far to a file."""
        path.write_text("".join(f"{line}\n" for line in self.recorder.history.lines()))

    # -- clients ----------------------------------------------------------------------------

    async def live(self, number: int) -> None:
        """Be one client, for ever."""
        rng = Random(f"{self._draws.random()} {number}")
        named, chained = rng.random() < NAMED_SHARE, rng.random() < CHAINED_SHARE
        person = Person(f"c{number}", rng, chained, named)
        while True:
            await self._open.wait()
            if not self._ports:
                await trio.sleep(LONELY_S)
                continue
            self._busy += 1
            try:
                await self._act(person)
            finally:
                self._busy -= 1
            await trio.sleep(rng.uniform(0, 2 * self._pause_s))

    async def _act(self, person: Person) -> None:
        """Do one thing; where it is an increment, until its end is known or all hope is gone."""
        wish = self._draw(person)
        if wish.amount and person.rng.random() < BUNDLE_SHARE:
            await self._count_many(person)
            return
        said = await self._ask(person, wish)
        for _ in range(AGAIN_TIMES):
            again = said.outcome is Outcome.UNKNOWN or person.rng.random() < REPEATED_SHARE
            if not wish.token or not again or not self._open.is_set():
                return
            here = person.place
            if here not in self._settled:
                return  # another node may answer there by now, which has no record of it
            if person.rng.random() < ELSEWHERE_SHARE:
                self._move(person)
            wish = attrs.evolve(wish, retry=wish.retry or person.place != here)
            said = await self._ask(person, wish)

    def _draw(self, person: Person) -> Wish:
        rng = person.rng
        if person.place not in self._ports or rng.random() < MOVES_SHARE:
            self._move(person)
        key, seconds = rng.choice(KEYS), rng.uniform(*ASKING_S)
        if rng.random() < COUNT_SHARE:
            person.tokens += 1
            token = f"{person.name}-{person.tokens}" if person.named else ""
            return Wish(key, seconds, rng.randint(1, AMOUNT_MAX), rng.choice(ACKS), token)
        consistent = person.place in self._settled and rng.random() < CONSISTENT_SHARE
        least = person.seen.get(key, 0) if person.chained else 0
        return Wish(key, seconds, consistent=consistent, least=least)

    def _move(self, person: Person) -> None:
        """Go to another node, or to the same on another connection."""
        if person.client is not None:
            person.client.drop()
        person.place = person.rng.choice(list(self._ports))
        person.client = Client("127.0.0.1", self._ports[person.place])

    async def _ask(self, person: Person, wish: Wish) -> Said:
        asked = self.recorder.begin(
            person.name,
            person.place,
            wish.key,
            amount=wish.amount,
            token=wish.token,
            consistent=wish.consistent,
            least=wish.least,
        )
        settled = dict(self._settled)
        said = await self._talk(person, wish)
        known = self._learn(wish, said, [name for name in settled if name in self._settled])
        self._note(asked, self.recorder.end(asked, said.outcome, said.value, **known))
        if said.outcome is not Outcome.OK:
            person.place = "" if not wish.token else person.place
        elif not wish.amount and said.value is not None:
            person.seen[wish.key] = max(said.value, person.seen.get(wish.key, 0))
        return said

    async def _count_many(self, person: Person) -> None:
        """Count several counters by one request; each is recorded as an operation of its own."""
        person.tokens += 1
        name = f"{person.name}-{person.tokens}"
        keys = person.rng.sample(KEYS, BUNDLE_KEYS)
        counts = {key: person.rng.randint(1, AMOUNT_MAX) for key in keys}
        parts = [
            self.recorder.begin(
                f"{person.name} {key}", person.place, key, amount=amount, bundle=name
            )
            for key, amount in counts.items()
        ]
        wish = Wish("", person.rng.uniform(*ASKING_S), amount=1, counts=counts)
        said = await self._talk(person, wish)
        for part in parts:
            value = said.values.get(part.key)
            self._note(part, self.recorder.end(part, said.outcome, value))
        if said.outcome is not Outcome.OK:
            person.place = ""

    async def _talk(self, person: Person, wish: Wish) -> Said:
        assert person.client is not None
        wait_s = person.rng.uniform(*PATIENCE_S)
        send = partial(person.client.request, wish.method(), wish.target(), wish.body())
        try:
            answer: Answer = await send(headers=wish.headers(), wait_s=wait_s)
            return understand(wish, answer)
        except NotSent:
            return Said(Outcome.REFUSED)
        except Lost:
            return Said(Outcome.UNKNOWN)

    def _learn(self, wish: Wish, said: Said, settled: list[str]) -> dict[str, Any]:
        """Return what is known of an operation beside its outcome and value.

        At least a majority of those settled hold what a majority was asked to.
        """
        known: dict[str, Any] = {"repeated": said.repeated, "covers": tuple(settled)}
        if said.outcome is not Outcome.OK or not wish.amount:
            return known
        if said.held_by is not None:
            known["holders"] = said.held_by
        elif wish.ack != "local":
            is_all = wish.ack == "all"
            known["holders"] = max(1, len(settled) if is_all else len(settled) // 2 + 1)
            known["to_all"] = is_all
        return known

    def _note(self, asked: Operation, ended: Operation) -> None:
        kind = "increment" if asked.amount else "consistent" if asked.consistent else "read"
        self._counts[f"{kind} {ended.outcome.value}"] += 1
        self._counts["repeated"] += ended.repeated


@asynccontextmanager
async def open_crowd(
    rate: float, seed: int, story: Story, kept: Path | None = None
) -> AsyncIterator[Crowd]:
    """Let clients do about so many things a second in all; they end with the block.

    kept  where the history is written then
    """
    crowd = Crowd(rate, seed, story)
    async with trio.open_nursery() as nursery:
        for number in range(CLIENTS):
            nursery.start_soon(crowd.live, number)
        try:
            yield crowd
        finally:
            nursery.cancel_scope.cancel()
            if kept is not None:
                crowd.keep(kept)
