"""The schedule: which faults happen, in what order, to whom; a function of the seed alone.

Theory. Real processes cannot be replayed, but what was done to them can. So the schedule never
looks at the cluster: it keeps a model of what it has asked for, and draws each step from what is
possible in the model. Whatever the cluster makes of a round, at its end it is mended until it is as
the model says, so the next round starts from the same state in every run of a seed.

Bounds keep a round worth looking at: enough members stay that a majority of them lives, and some
always take increments. Steps follow each other by some seconds, or at once where the step before
begins something that takes a moment, a start or a removal: that is when faults matter.

This module refuses to know processes, clocks and numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from random import Random

import attrs

# Members that are asked for: never fewer that stay, never more in all.
STAY_MIN, MEMBERS_MAX = 4, 8
# Places beyond the first nodes, for those that are added.
PLACES_MAX = 12
# Members that may be down, paused or alone at the same time; the others take the load.
ILL_MAX = 3
# Removals asked for in one round.
REMOVALS_MAX = 2
# Faults of one round before it is mended.
STEPS_MIN, STEPS_MAX = 6, 12
# Seconds between two steps, and after a step that begins something.
PAUSE_S, SOON_S = (1.0, 4.0), (0.0, 0.6)
SOON_SHARE = 0.6


class Role(Enum):
    """What a place is in the model.

    EMPTY    it has no disk
    MEMBER   it belongs
    LEAVING  its removal was asked for in this round, while it ran
    BURIED   its removal was asked for in this round, while it was down
    REMOVED  it was removed in an earlier round, and has its old disk
    """

    EMPTY = "empty"
    MEMBER = "member"
    LEAVING = "leaving"
    BURIED = "buried"
    REMOVED = "removed"


@attrs.define
class Place:
    """One place in the model.

    alone  it is cut off from all others
    away   its old disk holds what nobody else may have: it was buried and not brought back
    new    its node began in this round, so it may still be joining: nobody takes it over
    fresh  its name was another's before this round, so a removal by name would be ambiguous
    """

    name: str
    role: Role = Role.EMPTY
    up: bool = False
    paused: bool = False
    alone: bool = False
    away: bool = False
    new: bool = False
    fresh: bool = False

    @property
    def ill(self) -> bool:
        """Say whether it belongs and takes no part."""
        return self.role is Role.MEMBER and (not self.up or self.paused or self.alone)


@attrs.frozen
class Step:
    """One thing to do, `pause_s` after the one before. `who` are places, `how` a variant."""

    pause_s: float
    verb: str
    who: tuple[str, ...] = ()
    how: str = ""

    def __str__(self) -> str:
        return " ".join((self.verb, *self.who, *([f"({self.how})"] if self.how else [])))


# How often each verb is drawn when all are possible.
WEIGHTS = {
    "kill": 6,
    "stop": 2,
    "start": 6,
    "pause": 5,
    "resume": 4,
    "cut": 3,
    "block": 3,
    "isolate": 3,
    "split": 2,
    "heal": 2,
    "add": 4,
    "remove": 8,
    "bury": 8,
    "return": 5,
    "renew": 7,
    "replace": 3,
}
# Verbs that need what takes nodes out of the roster.
REMOVING = ("remove", "bury", "return", "renew", "replace")
# After these something is under way for a moment.
_BEGIN = ("start", "add", "remove", "bury", "return", "renew", "replace", "heal")
# How a removal is asked for: once; at two nodes at once with two heirs; by one who does not wait;
# by one who is interrupted.
REMOVAL_WAYS = ("once", "once", "twice", "detached", "interrupted")
RENEWAL_WAYS = ("wiped", "new identity")


class Schedule:
    """Draws rounds. `verbs` are those that may be drawn."""

    def __init__(self, seed: int, nodes: int, verbs: tuple[str, ...] = tuple(WEIGHTS)) -> None:
        names = [f"n{number}" for number in range(1, max(nodes, PLACES_MAX) + 1)]
        self.places = {name: Place(name) for name in names}
        for name in names[:nodes]:
            self.places[name] = Place(name, Role.MEMBER, up=True)
        self._draws = Random(f"chaos {seed}")
        self._verbs = verbs
        self._removals = 0
        self._possible: dict[str, Callable[[], list[tuple[str, ...]]]] = {
            "kill": lambda: self._each(lambda p: self._can_fall(p) or self._is_on_its_way(p)),
            "stop": lambda: self._each(lambda place: self._can_fall(place) and not place.paused),
            "start": lambda: self._each(
                lambda p: not p.up and p.role in (Role.MEMBER, Role.BURIED)
            ),
            "pause": lambda: self._each(lambda place: self._can_fall(place) and not place.paused),
            "resume": lambda: self._each(lambda place: place.paused),
            "cut": self._pairs,
            "block": self._pairs,
            "isolate": lambda: self._each(lambda p: self._can_fall(p) and not p.paused),
            "split": lambda: [()],
            "heal": lambda: [()],
            "add": lambda: self._each(self._can_join)[:1],
            "remove": lambda: self._with_heirs(lambda p: p.up and not p.paused and not p.alone),
            "bury": lambda: self._with_heirs(lambda place: not place.up or place.alone),
            "return": lambda: self._each(lambda p: p.role is Role.REMOVED and not p.up),
            "renew": lambda: self._each(lambda p: p.role is Role.REMOVED and self._has_room()),
            "replace": lambda: self._each(self._can_be_replaced),
        }

    def rounds(self) -> Iterator[Iterator[Step]]:
        """Yield rounds for ever. Each must be taken to its end before the next is asked for, and
        `mend` be called between them.
        """
        while True:
            yield self._round()

    def _round(self) -> Iterator[Step]:
        self._removals = 0
        last = ""
        for _ in range(self._draws.randint(STEPS_MIN, STEPS_MAX)):
            soon = last in _BEGIN and self._draws.random() < SOON_SHARE
            pause_s = self._draws.uniform(*(SOON_S if soon else PAUSE_S))
            step = self._draw(round(pause_s, 2))
            self._note(step)
            last = step.verb
            yield step

    def mend(self) -> None:
        """Take note that all is whole again: who was to be removed is, all others run."""
        for place in self.places.values():
            returned = place.up
            place.paused = place.alone = place.new = place.fresh = False
            if place.role in (Role.LEAVING, Role.BURIED):
                # Those that left alive are started again by mending, so that all their counts come.
                place.away = place.role is Role.BURIED and not returned
                place.role = Role.REMOVED
            elif place.role is Role.REMOVED:
                place.away = place.away and not returned
            place.up = place.role is Role.MEMBER

    def members(self) -> list[str]:
        """Return the places that belong and are not to be removed."""
        return [place.name for place in self.places.values() if place.role is Role.MEMBER]

    def _draw(self, pause_s: float) -> Step:
        possible = {verb: self._possible[verb]() for verb in self._verbs}
        verbs = [verb for verb, choices in possible.items() if choices]
        [verb] = self._draws.choices(verbs, [WEIGHTS[verb] for verb in verbs])
        who = self._draws.choice(possible[verb])
        how = ""
        if verb in ("remove", "bury"):
            how = self._draws.choice(REMOVAL_WAYS)
        elif verb == "renew":
            how = self._draws.choice(RENEWAL_WAYS)
        elif verb == "split":
            who = self._half()
        return Step(pause_s, verb, who, how)

    def _note(self, step: Step) -> None:
        """Make the model what it is after the step."""
        places = [self.places[name] for name in step.who]
        match step.verb:
            case "kill" | "stop":
                places[0].up = places[0].paused = False
            case "start" | "return":
                places[0].up = True
            case "pause" | "resume":
                places[0].paused = step.verb == "pause"
            case "isolate":
                places[0].alone = True
            case "heal":
                for place in self.places.values():
                    place.alone = False
            case "add" | "renew" | "replace":
                places[0].role, places[0].up, places[0].away = Role.MEMBER, True, False
                places[0].paused, places[0].new = False, True
                places[0].fresh = step.verb != "add"
                self._removals += step.verb == "replace"
            case "remove" | "bury":
                left = step.verb == "remove" or places[0].up
                places[0].role = Role.LEAVING if left else Role.BURIED
                self._removals += 1

    # -- what is possible -----------------------------------------------------------------------

    def _each(self, fits: Callable[[Place], bool]) -> list[tuple[str, ...]]:
        return [(place.name,) for place in self.places.values() if fits(place)]

    def _pairs(self) -> list[tuple[str, ...]]:
        running = [place.name for place in self.places.values() if place.up]
        return [(one, other) for one in running for other in running if one != other]

    def _with_heirs(self, fits: Callable[[Place], bool]) -> list[tuple[str, ...]]:
        """Return whom a removal may be asked of, each with itself alone or with an heir."""
        if self._removals >= REMOVALS_MAX or len(self.members()) <= STAY_MIN:
            return []
        members = [place for place in self.places.values() if place.role is Role.MEMBER]
        goes = [place.name for place in members if not place.fresh and fits(place)]
        heirs = [place.name for place in members if not place.ill]
        pairs = [(one, heir) for one in goes for heir in heirs if one != heir]
        return [*((one,) for one in goes), *pairs]

    def _half(self) -> tuple[str, ...]:
        running = [place.name for place in self.places.values() if place.up]
        return tuple(sorted(self._draws.sample(running, len(running) // 2)))

    def _can_fall(self, place: Place) -> bool:
        """Say whether this place may be taken out: who leaves always may, of others only some."""
        if not place.up or place.alone:
            return False
        if place.role is Role.LEAVING or (place.role is Role.MEMBER and place.paused):
            return True
        ill = sum(other.ill for other in self.places.values())
        return place.role is Role.MEMBER and ill < min(ILL_MAX, (len(self.members()) - 1) // 2)

    def _is_on_its_way(self, place: Place) -> bool:
        """Say whether it runs on the disk of a node that was buried."""
        return place.up and place.role in (Role.BURIED, Role.REMOVED)

    def _has_room(self) -> bool:
        return len(self.members()) < MEMBERS_MAX

    def _can_join(self, place: Place) -> bool:
        return place.role is Role.EMPTY and self._has_room()

    def _can_be_replaced(self, place: Place) -> bool:
        room = self._removals < REMOVALS_MAX and len(self.members()) > STAY_MIN
        return room and place.role is Role.MEMBER and not place.new and self._can_fall(place)
