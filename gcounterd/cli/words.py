"""Words: how values of the daemon's answers are written for people.

A field that this version has never heard of is shown as it is, so an older tool hides nothing of a
newer daemon. This module refuses to know which fields there are.
"""

from __future__ import annotations

import json

# As many digits of an id as people can compare; the whole is in the JSON.
ID_DIGITS = 12
# From here on a time is shown in the next larger unit.
_UNITS = ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h"), (float("inf"), 86_400, "days"))


def lasting(seconds: object) -> str:
    """Write a length of time for people, a dash for none."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return "-"
    unit, name = next((unit, name) for below, unit, name in _UNITS if seconds < below)
    return f"{seconds / unit:.{1 if unit == 1 else 0}f} {name}"


def show(value: object) -> str:
    """Write a field for people: lists as their items, objects as JSON, nothing as a dash."""
    match value:
        case None | []:
            return "-"
        case str():
            return value
        case list() if all(isinstance(item, str) for item in value):
            return "; ".join(value)
        case _:
            return json.dumps(value)
