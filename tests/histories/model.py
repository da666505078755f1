"""A model of a cluster that counts right, to make histories that every rule must accept.

Theory. Each place holds, by writer, what it knows of each key; merging is the larger of both. A
step takes a random one of all that may happen: a request begins, takes effect, is answered, is
refused, loses its answer, arrives late; two places exchange; a disk is lost; all comes to rest and
is audited. Nothing else is promised than what the product promises, and all of that may be seen.

Whatever the rules say of these histories beyond "right" is wrong with the rules. Spoiled in one
place, they must be rejected. This module refuses to know the rules.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import attrs

from tests.histories.history import History, Loss, Operation, Outcome

# (place and how often its disk was lost, key) → count: one writer each.
Held = dict[tuple[str, int, str], int]

KEYS = ("a", "b")
STEP_S = 1.0
# Between two losses or audits.
QUIET_STEPS = 40
# Of answered increments with a token: they are asked for once more.
REPEATED_SHARE = 0.3


@attrs.define(eq=False)
class Request:
    """A request under way; `value` once it took effect; `open` until the client stops waiting."""

    operation: Operation
    value: int | None = None
    repeated: bool = False
    open: bool = True


class Model:
    """Some places and clients. `amounts` gives the amount of the next increment."""

    def __init__(self, rng: Random, places: int, clients: int, amounts: Callable[[], int]) -> None:
        self.history = History()
        self._rng = rng
        self._amounts = amounts
        self._now = 0.0
        self._lives = {f"p{number}": 0 for number in range(places)}
        self._held: dict[str, Held] = {place: {} for place in self._lives}
        self._receipts: dict[str, dict[str, int]] = {place: {} for place in self._lives}
        self._idle = [f"c{number}" for number in range(clients)]
        self._tasks: list[Request] = []
        self._late: list[Request] = []
        self._least: dict[tuple[str, str], int] = {}
        self._again: dict[str, Operation] = {}
        self._audits = self._tokens = 0

    def play(self, steps: int) -> History:
        """Take so many steps, and audit."""
        ways = [self._begin, self._effect, self._answer] * 4 + [self._exchange] * 3
        ways += [self._refuse, self._leave, self._arrive]
        for number in range(steps):
            self._tick()
            if number % QUIET_STEPS == QUIET_STEPS - 1:
                self._rng.choice((self.audit, self._lose))()
            else:
                self._rng.choice(ways)()
        self.audit()
        return self.history

    def _tick(self) -> None:
        self._now += STEP_S

    # -- requests ---------------------------------------------------------------------------

    def _begin(self) -> None:
        if not self._idle:
            return
        client = self._idle.pop(self._rng.randrange(len(self._idle)))
        self._tasks.append(Request(self._draw(client)))

    def _draw(self, client: str) -> Operation:
        place, key = self._rng.choice(list(self._lives)), self._rng.choice(KEYS)
        blank = Operation(client, place, key, self._now, self._now, Outcome.UNKNOWN)
        again = self._again.pop(client, None)
        if again is not None:
            return attrs.evolve(again, invoked=self._now)
        if self._rng.random() < 0.5:
            return attrs.evolve(blank, **self._draw_increment())
        chained = self._rng.random() < 0.5
        least = self._least.get((client, key), 0) if chained else 0
        return attrs.evolve(blank, consistent=self._rng.random() < 0.4, least=least)

    def _draw_increment(self) -> dict[str, Any]:
        drawn: dict[str, Any] = {"amount": self._amounts()}
        ack = self._rng.choice(["local", "local", "majority", "all"])
        if ack == "majority":
            drawn["holders"] = len(self._lives) // 2 + 1
        elif ack == "all":
            drawn |= {"holders": len(self._lives), "to_all": True}
        if self._rng.random() < 0.4:
            self._tokens += 1
            drawn["token"] = f"t{self._tokens}"
        return drawn

    def _pick(self, *, done: bool) -> Request | None:
        found = [task for task in self._tasks if (task.value is not None) is done]
        return self._rng.choice(found) if found else None

    def _effect(self) -> None:
        task = self._pick(done=False)
        if task is not None:
            self._act(task)

    def _act(self, task: Request) -> None:
        asked = task.operation
        place, key = asked.place, asked.key
        if asked.consistent:
            for other in self._lives:
                self._merge(place, other)
        if asked.token in self._receipts[place]:
            task.value, task.repeated = self._receipts[place][asked.token], True
            self._spread(asked)
            return
        if asked.amount:
            held, writer = self._held[place], (place, self._lives[place], key)
            held[writer] = held.get(writer, 0) + asked.amount
            self._spread(asked)
        value = self._value(place, key)
        if value < asked.least:
            return  # it waits for more
        task.value = value
        if asked.token:
            self._receipts[place][asked.token] = value

    def _spread(self, asked: Operation) -> None:
        others = [place for place in self._lives if place != asked.place]
        for other in self._rng.sample(others, asked.holders - 1):
            self._merge(other, asked.place)

    def _answer(self) -> None:
        task = self._pick(done=True)
        if task is not None:
            self._end(task, Outcome.OK, task.value)

    def _refuse(self) -> None:
        """Refuse a request that took no effect; a read is told the best value, perhaps."""
        task = self._pick(done=False)
        if task is not None:
            asked = task.operation
            best = self._rng.random() < 0.5 and not asked.amount
            self._end(task, Outcome.REFUSED, self._value(asked.place, asked.key) if best else None)

    def _leave(self) -> None:
        """Let a client give up; its request may still be on its way."""
        if not self._tasks:
            return
        task = self._rng.choice(self._tasks)
        if task.value is None and task.operation.amount:
            self._late.append(attrs.evolve(task, open=False))
        self._end(task, Outcome.UNKNOWN, None)
        if task.operation.token:
            self._again[task.operation.client] = task.operation

    def _arrive(self) -> None:
        """Let a request take effect that nobody waits for."""
        if self._late:
            self._act(self._late.pop(self._rng.randrange(len(self._late))))

    def _end(self, task: Request, outcome: Outcome, value: int | None) -> None:
        self._tasks.remove(task)
        asked = task.operation
        done = attrs.evolve(
            asked, returned=self._now, outcome=outcome, value=value, repeated=task.repeated
        )
        if outcome is not Outcome.OK:
            done = attrs.evolve(done, repeated=False)
        self.history.operations.append(done)
        self._idle.append(asked.client)
        if outcome is Outcome.OK and asked.token and self._rng.random() < REPEATED_SHARE:
            self._again[asked.client] = asked  # a client may forget that it was answered
        if outcome is Outcome.OK and value is not None and not asked.amount:
            known = self._least.get((asked.client, asked.key), 0)
            self._least[asked.client, asked.key] = max(known, value)

    # -- places -----------------------------------------------------------------------------

    def _value(self, place: str, key: str) -> int:
        return sum(count for (*_, name), count in self._held[place].items() if name == key)

    def _merge(self, into: str, giver: str) -> None:
        held = self._held[into]
        for writer, count in self._held[giver].items():
            held[writer] = max(held.get(writer, 0), count)

    def _exchange(self) -> None:
        self._merge(*self._rng.choices(list(self._lives), k=2))

    def _lose(self) -> None:
        """Lose a disk: requests there have no answer, and it begins anew as another writer."""
        place = self._rng.choice(list(self._lives))
        for task in [task for task in self._tasks if task.operation.place == place]:
            self._end(task, Outcome.UNKNOWN, None)
        self._late = [task for task in self._late if task.operation.place != place]
        self._again = {c: each for c, each in self._again.items() if each.place != place}
        self._held[place], self._receipts[place] = {}, {}
        self._lives[place] += 1
        self._tick()
        self.history.losses.append(Loss(place, self._now))

    def audit(self) -> None:
        """Let everything come to rest, and read everywhere."""
        for task in list(self._tasks):
            self._end(task, Outcome.UNKNOWN, None)
        while self._late:
            self._arrive()
        self._again = {}
        self._tick()
        self._audits += 1
        for place in self._lives:
            for other in self._lives:
                self._merge(place, other)
        for place in self._lives:
            for key in KEYS:
                began, self._now = self._now, self._now + STEP_S
                read = Operation("auditor", place, key, began, self._now, Outcome.OK)
                shown = attrs.evolve(read, value=self._value(place, key), final=self._audits)
                self.history.operations.append(shown)
                self._tick()
