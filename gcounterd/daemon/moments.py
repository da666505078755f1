"""Moments: durations turned into moments, so that what is told does not change by itself.

Theory. "Suspect for 3.2 s" is another text each time it is written; "suspect since 17:04:05" is
not. Whoever is told of moments needs to be told again only when something happened. A moment is
worked out from a duration that was rounded, so two of the same may differ a little: the first one
stays.

This module refuses to know what it is that lasts.
"""

from __future__ import annotations

from typing import Any

from gcounterd.daemon.identity import wall_ms

# Fields that are durations, in seconds; each becomes a field of that name with `_at` for `_s`.
_ENDING = "_s"
# Two moments that are nearer to each other than this are one.
SAME_MS = 100


class Moments:
    """The moments that were told last, by where they stood."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], int] = {}

    def fix(self, value: Any) -> Any:
        """Return a copy of a JSON value with `…_s` replaced by `…_at`, in ms since 1970."""
        known: dict[tuple[object, ...], int] = {}
        fixed = self._fix(value, (), wall_ms(), known)
        self._known = known
        return fixed

    def _fix(
        self, value: Any, at: tuple[object, ...], now_ms: int, known: dict[tuple[object, ...], int]
    ) -> Any:
        if isinstance(value, list):
            items = [(_name(each, place), each) for place, each in enumerate(value)]
            return [self._fix(each, (*at, name), now_ms, known) for name, each in items]
        if not isinstance(value, dict):
            return value
        fixed: dict[str, Any] = {}
        for name, part in value.items():
            if not name.endswith(_ENDING):
                fixed[name] = self._fix(part, (*at, name), now_ms, known)
                continue
            moment = None if part is None else now_ms - int(1000 * part)
            place = (*at, name)
            before = self._known.get(place)
            if moment is not None:
                if before is not None and abs(before - moment) < SAME_MS:
                    moment = before
                known[place] = moment
            fixed[f"{name.removesuffix(_ENDING)}_at"] = moment
        return fixed


def _name(value: object, place: int) -> object:
    """Return what tells an item from others of its list: an id if it has one."""
    return value.get("id", value.get("node", place)) if isinstance(value, dict) else place
