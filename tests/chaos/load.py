"""The load: a process that counts at all nodes, looks at all nodes, and knows what may be shown.

    python -m tests.chaos.load --rate 2500 --seed 1      commands on stdin, findings on stdout

Theory. Whoever keeps the ledger must be the one who sends and who looks, else the bounds are those
of another moment. So one process does all three: it offers increments at a steady rate to whoever
takes them, repeats elsewhere what was certainly not counted, and reads all keys of each node twice
a second. Each answer, of an increment as of a look, is held against what that node has shown before
and against all that was ever asked for. Now and then it asks a node to ask all others (a consistent
read): if that is answered, it includes everything that was acknowledged before.

Commands and findings are lines of JSON: see `talk`. This module refuses to know processes, faults
and members: it is told where nodes are, and which disks are lost or away.
"""

from __future__ import annotations

import json
import selectors
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

import attrs

from tests.chaos.ledger import Changes, Floor, Ledger, Sight, name_of, number_of
from tests.chaos.wires import Answered, Broken, Wire, request

KEYS = 200
# Requests under way at one node at most, and so what one kill makes indefinite.
WIRES = 24
# A steady rate, but what fell due while nobody took anything is not all made up for.
BACKLOG_S = 0.25
# Between two looks at one node.
LOOK_EVERY_S = 0.5
# Between two consistent reads, nodes taking turns, and how long a node may ask the others.
ASK_EVERY_S, ASK_WAIT_S = 0.25, 2
# A node that refused is left alone for so long.
REST_S = 0.1
# A node that is paused for less answers in the end; after this the answer is given up.
ANSWER_WAIT_S = 30.0
# Of requests: several counters at once, and one counter by more than 1.
MANY_SHARE, MORE_SHARE = 0.05, 0.1
MANY_KEYS, MORE_MOST = 5, 9
# All keys, in one page.
LOOK = request("GET", f"/v1/counters?prefix=c&limit={KEYS}")


@attrs.frozen
class Look:
    """A read of all keys that is under way; `floor` is what the node had shown before."""

    floor: list[int]


@attrs.frozen
class Ask:
    """A consistent read that is under way, and what it may answer at least."""

    key: int
    floor: Floor


@attrs.frozen
class Count:
    """An increment that is under way; `floor` is what the node had shown of each of its keys."""

    changes: Changes
    floor: list[int]


@attrs.define(eq=False)
class Place:
    """One node as the load sees it."""

    name: str
    sight: Sight
    wires: list[Wire]
    watch: Wire
    asker: Wire
    rests_until: float = 0.0
    looks_at: float = 0.0
    shown: dict[int, int] | None = None  # what the last look showed

    def all_wires(self) -> list[Wire]:
        """Return every connection to this node."""
        return [*self.wires, self.watch, self.asker]


class Load:
    """Offers `rate` increments a second, and looks. `tell` is given each finding."""

    def __init__(self, rate: float, seed: int, tell: Callable[[dict[str, Any]], None]) -> None:
        self.ledger = Ledger(KEYS)
        self.places: dict[str, Place] = {}
        self.counts: Counter[str] = Counter()
        self.offering = True
        self.selector = selectors.DefaultSelector()
        self._rate = rate
        self._draws = Random(f"load {seed}")
        self._tell = tell
        self._sights: dict[str, Sight] = {}
        # Newcomers that meet each other first are a cluster of their own for a moment, and what
        # they answer is exact there: they are not asked until all have been one.
        self.young: dict[str, None] = {}
        self._again: deque[Changes] = deque()
        self._due = self._asks_at = 0.0
        self._turn = 0
        self._now = self._scanned = time.monotonic()

    # -- who ------------------------------------------------------------------------------------

    def join(self, name: str, port: int) -> None:
        """Count at a node from now on, and look at it."""
        self.leave(name)
        if name not in self._sights and self.counts["answered"]:
            self.young[name] = None
        sight = self._sights.setdefault(name, Sight(KEYS))
        place = Place(name, sight, *self._wire(name, port))
        self.places[name] = place

    def _wire(self, name: str, port: int) -> tuple[list[Wire], Wire, Wire]:
        def tag(wire: Wire) -> tuple[Place, Wire]:
            return self.places[name], wire

        several = [Wire(port, self.selector, tag) for _ in range(WIRES)]
        return several, Wire(port, self.selector, tag), Wire(port, self.selector, tag)

    def leave(self, name: str) -> None:
        """Leave a node alone from now on."""
        place = self.places.pop(name, None)
        if place is not None:
            for wire in place.all_wires():
                self._give_up(place, wire)

    def wipe(self, name: str) -> None:
        """Take note that the disk of a node that is not running is lost."""
        assert name not in self.places
        self.ledger.wipe(name)
        self._sights.pop(name, None)
        self._expect_no_more_of(name)

    def doubt(self, name: str) -> None:
        """Take note that a node is being removed."""
        self.ledger.doubt(name)
        self._expect_no_more_of(name)

    def _expect_no_more_of(self, name: str) -> None:
        """Let the consistent reads that are under way end without what a node answered."""
        for place in self.places.values():
            if isinstance(place.asker.task, Ask):
                place.asker.task.floor.leave_out(name)

    # -- what is done all the time --------------------------------------------------------------

    def turn(self, wait_s: float) -> None:
        """Send what is due, then take in what comes within `wait_s`."""
        now = time.monotonic()
        if self.offering:
            self._offer(now)
        for place in self.places.values():
            self._look(place, now)
        self._ask(now)
        for key, _ in self.selector.select(wait_s):
            if key.data is not None:
                self._take(*key.data)
        if now > self._scanned + 1.0:
            self._scanned = now
            self._give_up_late(now)
        self._now = now

    def under_way(self) -> int:
        """Return how many increments have no answer yet."""
        return sum(wire.task is not None for p in self.places.values() for wire in p.wires)

    def _offer(self, now: float) -> None:
        self._due = min(self._due + (now - self._now) * self._rate, self._rate * BACKLOG_S)
        while self._due >= 1:
            wire = self._next_wire(now)
            if wire is None:
                return
            place, free = wire
            changes = self._again.popleft() if self._again else self._draw()
            self._send(place, free, changes, now)
            self._due -= 1

    def _next_wire(self, now: float) -> tuple[Place, Wire] | None:
        """Return the next node, in turn, that rests not and has a free wire."""
        places = list(self.places.values())
        for _ in places:
            self._turn += 1
            place = places[self._turn % len(places)]
            if place.rests_until <= now:
                for wire in place.wires:
                    if wire.task is None:
                        return place, wire
        return None

    def _draw(self) -> Changes:
        draw = self._draws.random()
        if draw < MANY_SHARE:
            return tuple((key, 1) for key in self._draws.sample(range(KEYS), MANY_KEYS))
        amount = self._draws.randint(2, MORE_MOST) if draw < MANY_SHARE + MORE_SHARE else 1
        return ((self._draws.randrange(KEYS), amount),)

    def _send(self, place: Place, wire: Wire, changes: Changes, now: float) -> None:
        floor = [place.sight.seen[key] + amount for key, amount in changes]
        self.ledger.send(place.name, changes)
        if not wire.send(encode(changes), Count(changes, floor), now):
            self._refused(place, changes, now)

    def _refused(self, place: Place, changes: Changes, now: float) -> None:
        self.ledger.refuse(place.name, changes)
        self.counts["refused"] += 1
        self._again.append(changes)
        place.rests_until = now + REST_S

    def _look(self, place: Place, now: float) -> None:
        if place.watch.task is None and now >= place.looks_at:
            place.looks_at = now + LOOK_EVERY_S
            place.watch.send(LOOK, Look(list(place.sight.seen)), now)

    def _ask(self, now: float) -> None:
        if now < self._asks_at or not self.places:
            return
        self._asks_at = now + ASK_EVERY_S
        place = self._draws.choice(list(self.places.values()))
        if place.asker.task is None and place.name not in self.young:
            key = self._draws.randrange(KEYS)
            target = f"/v1/counters/{name_of(key)}?consistency=consistent&timeout={ASK_WAIT_S}"
            task = Ask(key, self.ledger.floor(key))
            place.asker.send(request("GET", target), task, now)

    # -- what comes of it -----------------------------------------------------------------------

    def _take(self, place: Place, wire: Wire) -> None:
        try:
            answer = wire.receive()
        except Broken:
            self._give_up(place, wire)
            return
        if answer is not None:
            task, wire.task = wire.task, None
            if isinstance(task, Count):
                self._counted(place, task, answer)
            elif answer.status == 200 and isinstance(task, Look):
                self._looked(place, task, answer)
            elif answer.status == 200:
                self._asked(place, task, json.loads(answer.body)["value"])

    def _counted(self, place: Place, task: Count, answer: Answered) -> None:
        if answer.status == 200:
            self.ledger.answer(place.name, task.changes)
            self.counts["answered"] += 1
            values = values_of(task.changes, answer)
            for (key, _), value, floor in zip(task.changes, values, task.floor, strict=True):
                self._check(place, key, value, floor)
        elif is_definite(answer):
            self._refused(place, task.changes, time.monotonic())
        else:
            self.ledger.lose(place.name, task.changes)
            self.counts["unknown"] += 1

    def _looked(self, place: Place, task: Look, answer: Answered) -> None:
        self.counts["looks"] += 1
        listed = json.loads(answer.body)["counters"]
        place.shown = {number_of(item["key"]): item["value"] for item in listed}
        for key, floor in enumerate(task.floor):
            self._check(place, key, place.shown.get(key, 0), floor)

    def _asked(self, place: Place, task: Ask, value: int) -> None:
        self.counts["asked"] += 1
        least = task.floor.least
        if value < least:
            self.counts["wrong"] += 1
            text = f"{value} of {name_of(task.key)}, but {least} was acknowledged before"
            self._tell({"wrong": f"{place.name}: a consistent read shows {text}"})
        self._check(place, task.key, value, 0)

    def _check(self, place: Place, key: int, value: int, floor: int) -> None:
        wrong = place.sight.look(key, value, floor, self.ledger.ceiling(key))
        self.counts["checks"] += 1
        if wrong is not None:
            self.counts["wrong"] += 1
            self._tell({"wrong": f"{place.name}: {wrong}"})

    def _give_up(self, place: Place, wire: Wire) -> None:
        """Close a wire; what was under way on it is unknown."""
        if isinstance(wire.task, Count):
            self.ledger.lose(place.name, wire.task.changes)
            self.counts["unknown"] += 1
        wire.drop()

    def _give_up_late(self, now: float) -> None:
        for place in self.places.values():
            for wire in place.all_wires():
                if wire.task is not None and now > wire.since + ANSWER_WAIT_S:
                    self._give_up(place, wire)


def encode(changes: Changes) -> bytes:
    """Return the request that counts these changes."""
    if len(changes) > 1:
        counts = {name_of(key): amount for key, amount in changes}
        return request("POST", "/v1/counters", json.dumps({"counts": counts}).encode())
    [(key, amount)] = changes
    body = b'{"by": %d}' % amount if amount > 1 else b""
    return request("POST", f"/v1/counters/{name_of(key)}", body)


def values_of(changes: Changes, answer: Answered) -> list[int]:
    """Return the values that an answer shows, in the order of the changes."""
    shown = json.loads(answer.body)
    if len(changes) == 1:
        return [shown["value"]]
    return [shown["values"][name_of(key)] for key, _ in changes]


def is_definite(answer: Answered) -> bool:
    """Say whether an error states that nothing was counted; when in doubt, False."""
    try:
        return json.loads(answer.body)["error"]["definite"] is True
    except (ValueError, KeyError, TypeError):
        return False


def agreed(places: Iterable[Place]) -> tuple[list[int] | None, str]:
    """Return the values by key that all nodes showed when last looked at, or None and why not."""
    first: Place | None = None
    for place in places:
        if place.shown is None:
            return None, f"{place.name} has not shown its counters"
        if first is not None and place.shown != first.shown:
            assert first.shown is not None
            keys = [k for k in range(KEYS) if first.shown.get(k) != place.shown.get(k)]
            key = keys[0]
            return None, (
                f"{first.name} and {place.name} differ in {len(keys)} keys, as {name_of(key)}: "
                f"{first.shown.get(key)} and {place.shown.get(key)}"
            )
        first = first or place
    if first is None or first.shown is None:
        return None, "there is no node to look at"
    return [first.shown.get(key, 0) for key in range(KEYS)], ""
