"""What a scenario is: a story with chance in it, a criterion, and the figure that it ends in.

Theory. What goes wrong in production goes wrong at a moment, so each story is played over many
seeds, which draw who is hit, when, and what else is going on. A story is written once. It raises
`ViolationError` where its criterion does not hold, or where the simulator's invariants do not; and
returns one figure, whose worst value over all seeds is worth reading.

This module refuses to know stories.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable

import attrs

from gcounterd.sim.checkers import ViolationError


@attrs.frozen
class Scenario:
    """One story.

    name    what research and reports call it, as P1
    says    what must come out, in words
    figure  what `play` returns, with its unit; the larger the worse
    share   plays it with this share of the seeds asked for, where one takes long
    """

    name: str
    says: str
    figure: str
    play: Callable[[int], float]
    share: float = 1.0


@attrs.frozen
class Played:
    """What became of one seed; violation is "" if nothing was wrong, where its stack."""

    seed: int
    figure: float
    violation: str = ""
    where: str = ""


def play(scenario: Scenario, seed: int) -> Played:
    """Play a scenario with a seed; never raises for what the cluster did wrong."""
    try:
        return Played(seed, scenario.play(seed))
    except ViolationError as error:
        return Played(seed, 0.0, str(error), traceback.format_exc())
    except Exception as error:  # whatever the code raises is a finding
        text = f"{type(error).__name__}: {error}"
        return Played(seed, 0.0, text, traceback.format_exc())
