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
        self._fixed: dict[tuple[object, ...], int] = {}

    def sweep(self) -> None:
        """Forget the moments that were not told since the last sweep."""
        self._known, self._fixed = self._fixed, {}

    def fix(self, value: Any, *at: object) -> Any:
        """Return a copy of a JSON value with `…_s` replaced by `…_at`, in ms since 1970.

        `at` says where it stands.
        """
        return self._fix(value, at, wall_ms())

    def _fix(self, value: Any, at: tuple[object, ...], now_ms: int) -> Any:
        if isinstance(value, list):
            items = [(_name(each, place), each) for place, each in enumerate(value)]
            return [self._fix(each, (*at, name), now_ms) for name, each in items]
        if not isinstance(value, dict):
            return value
        fixed: dict[str, Any] = {}
        for name, part in value.items():
            if name.endswith(_ENDING):
                moment = None if part is None else self._place((*at, name), now_ms, part)
                fixed[f"{name.removesuffix(_ENDING)}_at"] = moment
            else:
                is_plain = isinstance(part, str | int | float) or part is None
                fixed[name] = part if is_plain else self._fix(part, (*at, name), now_ms)
        return fixed

    def _place(self, place: tuple[object, ...], now_ms: int, seconds: float) -> int:
        moment = now_ms - int(1000 * seconds)
        before = self._known.get(place)
        if before is not None and abs(before - moment) < SAME_MS:
            moment = before
        self._fixed[place] = moment
        return moment


def _name(value: object, place: int) -> object:
    """Return what tells an item from others of its list: an id if it has one."""
    return value.get("id", value.get("node", place)) if isinstance(value, dict) else place
