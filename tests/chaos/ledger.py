"""The ledger: what was asked of the cluster, what it answered, and which values that allows.

Theory. An increment that was answered counts. One that was refused as `definite`, or never sent,
does not. One whose answer never came may count or not. So a key's value lies between two bounds at
any time, and the bounds are kept tight by auditing: when all disks are within reach, nothing is
under way and all nodes show one value, that value is final, and the next bounds start from it.

    since the last audit    agreed + answered ≤ value ≤ agreed + answered + unknown
    since the beginning               answered ≤ value ≤ answered + unknown

Both are checked: the first finds what one audit's slack would hide, the second what all audits
agreed on too early. A disk may be *away* (its node was removed while it was down): what it
answered may be missing until it is brought back, and may come at any time. A disk may be *wiped*:
what it answered since the last audit may be missing for ever, but what was agreed on may not.

This module refuses to know how requests are sent, and reads no clock. Keys are numbers from 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs

# Wrong keys shown of one audit; the rest are only counted.
SHOWN_MAX = 5

# One request: (key, amount) pairs that count together or not at all.
Changes = tuple[tuple[int, int], ...]


@attrs.define(eq=False)
class Page:
    """Sums by key of what one place was asked since the last audit; `open` is under way."""

    answered: list[int]
    unknown: list[int]
    open: list[int]

    @classmethod
    def blank(cls, keys: int) -> Page:
        """Return a page without entries."""
        return cls([0] * keys, [0] * keys, [0] * keys)

    def most(self, key: int) -> int:
        """Return how much this place may have added."""
        return self.answered[key] + self.unknown[key] + self.open[key]


@attrs.frozen(eq=False)
class Floor:
    """What a read that asks every member must show at least; `answered` is by place.

    A read that is under way while a place is removed may end with or without it, so the place's
    part is taken out of the floors of all such reads, too.
    """

    agreed: int
    answered: dict[str, int]

    @property
    def least(self) -> int:
        """The smallest value that is right."""
        return self.agreed + sum(self.answered.values())

    def leave_out(self, place: str) -> None:
        """Ask no longer for what a place has answered since the last audit."""
        self.answered.pop(place, None)


class Ledger:
    """What was asked of all places, by key."""

    def __init__(self, keys: int) -> None:
        self.keys = keys
        self.audits = 0
        self.answered = [0] * keys
        self.unknown = [0] * keys
        self.forgiven = [0] * keys
        self.agreed = [0] * keys
        self._open = [0] * keys
        self._ceiling = [0] * keys
        self._pages: dict[str, Page] = {}
        self._away: dict[str, Page] = {}
        self._doubted: dict[str, None] = {}

    def send(self, place: str, changes: Changes) -> None:
        """Note that a request is under way to a place."""
        page = self._page(place)
        for key, amount in changes:
            page.open[key] += amount
            self._open[key] += amount
            self._ceiling[key] += amount

    def answer(self, place: str, changes: Changes) -> None:
        """Note that it was counted."""
        page = self._page(place)
        for key, amount in changes:
            self._close(page, key, amount)
            page.answered[key] += amount
            self.answered[key] += amount

    def lose(self, place: str, changes: Changes) -> None:
        """Note that its answer will never come."""
        page = self._page(place)
        for key, amount in changes:
            self._close(page, key, amount)
            page.unknown[key] += amount
            self.unknown[key] += amount

    def refuse(self, place: str, changes: Changes) -> None:
        """Note that it was certainly not counted."""
        page = self._page(place)
        for key, amount in changes:
            self._close(page, key, amount)
            self._ceiling[key] -= amount

    def wipe(self, place: str) -> None:
        """Note that a place's disk is gone for good, with what only it had."""
        page = self._page(place)
        away = self._away.pop(place, Page.blank(self.keys))
        for key in range(self.keys):
            self.forgiven[key] += page.answered[key] + away.answered[key]
            page.unknown[key] += page.answered[key] + away.most(key)
            page.answered[key] = 0

    def doubt(self, place: str) -> None:
        """Note that a place is being removed: what it answers from now on, while cut off, nobody
        may be able to tell before it comes back. Until the next audit.
        """
        self._doubted[place] = None

    def floor(self, key: int) -> Floor:
        """Return what a read that asks every member must show at least, if it begins now."""
        pages = self._pages.items()
        sure = {place: page.answered[key] for place, page in pages if place not in self._doubted}
        return Floor(self.agreed[key], sure)

    def ceiling(self, key: int) -> int:
        """Return the largest value that any node may show now."""
        return self._ceiling[key]

    def audit(self, values: Sequence[int], away: Iterable[str]) -> list[str]:
        """Return what is wrong with the values that all nodes agree on; start anew from them.

        `values` are by key, `away` the places whose disks are out of reach. Nothing may be under
        way. What is wrong is said as `c7: 12, not 13 to 15 …`.
        """
        assert not any(self._open)
        held = dict.fromkeys(away)
        wrong = []
        for key in range(self.keys):
            for since, low, high in self._bounds(key, held):
                if not low <= values[key] <= high:
                    wrong.append(f"{name_of(key)}: {values[key]}, not {low} to {high} ({since})")
        self._start_anew(values, held)
        if len(wrong) > SHOWN_MAX:
            wrong[SHOWN_MAX:] = [f"and {len(wrong) - SHOWN_MAX} more"]
        return wrong

    def _bounds(self, key: int, held: Mapping[str, None]) -> list[tuple[str, int, int]]:
        """Return the two pairs of bounds of a key, each with what it is counted from."""
        low = self.agreed[key]
        missing = self.forgiven[key]
        for place, page in self._pages.items():
            if place in held:
                missing += page.answered[key]
            else:
                low += page.answered[key]
        missing += sum(page.answered[key] for place, page in self._away.items() if place in held)
        answered = self.answered[key]
        return [
            ("since the last audit", low, self.ceiling(key)),
            ("since the start", answered - missing, answered + self.unknown[key]),
        ]

    def _start_anew(self, values: Sequence[int], held: Mapping[str, None]) -> None:
        kept: dict[str, Page] = {}
        for place in held:
            page, before = self._page(place), self._away.get(place, Page.blank(self.keys))
            for key in range(self.keys):
                before.answered[key] += page.answered[key]
                before.unknown[key] += page.unknown[key]
            kept[place] = before
        self._away, self._pages, self._doubted = kept, {}, {}
        self.agreed = list(values)
        self._ceiling = [
            values[key] + sum(page.most(key) for page in kept.values()) for key in range(self.keys)
        ]
        self.audits += 1

    def _close(self, page: Page, key: int, amount: int) -> None:
        page.open[key] -= amount
        self._open[key] -= amount

    def _page(self, place: str) -> Page:
        page = self._pages.get(place)
        if page is None:
            page = self._pages[place] = Page.blank(self.keys)
        return page


class Sight:
    """What one node has shown of each key: within one identity it never goes down."""

    def __init__(self, keys: int) -> None:
        self.seen = [0] * keys
        self.checked = 0

    def forget(self) -> None:
        """Start anew: the place has a new disk."""
        self.seen = [0] * len(self.seen)

    def look(self, key: int, value: int, at_least: int, at_most: int) -> str | None:
        """Take in a value; return what is wrong with it, if anything is.

        `at_least` is what this node had shown when the request was sent.
        """
        self.checked += 1
        self.seen[key] = max(self.seen[key], value)
        if value < at_least:
            return f"{name_of(key)} went down: {value} after {at_least}"
        if value > at_most:
            return f"{name_of(key)}: {value}, but only {at_most} was ever asked for"
        return None


def name_of(key: int) -> str:
    """Return how a key is called at the nodes."""
    return f"c{key}"


def number_of(name: str) -> int:
    """Return the key that is called so."""
    return int(name[1:])
