"""What the processes of a cluster say of each other, and when: any membership system's.

Theory. Each system tells its news in its own way; its module turns a line into a `Told`, and
everything after that is the same for all of them. A death is *known* at a watcher from its first
report of it after the fault. Any other report of a death is false: of a member that lives, or of
the victim before anything was done to it. This module knows no processes and no clock.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

import attrs


class Sign(enum.Enum):
    """What a line may say that matters here. UP: the process listens; it says so of itself."""

    UP = enum.auto()
    ALIVE = enum.auto()
    DEAD = enum.auto()


@attrs.frozen
class Told:
    """One piece of news; `member` is whom it is of, "" for the process itself."""

    sign: Sign
    member: str = ""


@attrs.frozen
class Death:
    """A report that a member is dead; `at` in seconds of the harness's clock."""

    watcher: str
    member: str
    at: float


@attrs.define
class Sightings:
    """All that was told in one run of a cluster of the members `names`."""

    names: Sequence[str]
    up: dict[str, float] = attrs.Factory(dict)
    alive: dict[str, set[str]] = attrs.Factory(dict)
    deaths: list[Death] = attrs.Factory(list)

    def take(self, watcher: str, told: Told, at: float) -> None:
        """Take in what a process told at a time."""
        seen = self.alive.setdefault(watcher, set())
        match told.sign:
            case Sign.UP:
                self.up.setdefault(watcher, at)
            case Sign.ALIVE:
                seen.add(told.member)
            case Sign.DEAD:
                seen.discard(told.member)
                self.deaths.append(Death(watcher, told.member, at))

    @property
    def complete(self) -> bool:
        """Say whether all see all others."""
        everyone = set(self.names)
        return all(everyone <= self.alive.get(name, set()) | {name} for name in self.names)

    def missing(self) -> dict[str, list[str]]:
        """Return, for each watcher that does not see all, whom it does not see."""
        found = {
            name: sorted(set(self.names) - self.alive.get(name, set()) - {name})
            for name in self.names
        }
        return {name: others for name, others in found.items() if others}

    def knowing(self, victim: str, fault_at: float) -> dict[str, float]:
        """Return the watchers that know of the victim's death: seconds after the fault."""
        times: dict[str, float] = {}
        for death in self.deaths:
            if death.member == victim and death.watcher != victim and death.at >= fault_at:
                times.setdefault(death.watcher, death.at - fault_at)
        return times

    def false_deaths(self, victim: str, fault_at: float, since: float) -> list[Death]:
        """Return the false reports from `since` on; what the victim itself says counts not."""
        return [
            death
            for death in self.deaths
            if death.at >= since
            and death.watcher != victim
            and (death.member != victim or death.at < fault_at)
        ]
