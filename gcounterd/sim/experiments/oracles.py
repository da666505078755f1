"""Oracles: what theory says before anything is simulated.

Theory. A simulator is believed where it agrees with what can be had on paper. SWIM leaves much of
that (Das, Gupta, Motivala 2002): who is probed next is a uniform draw without replacement, so the
time to a first failed probe has a closed form; so has the chance that all ways of a probe fail.
The time from a crash to *dead* is then the first suspicion plus the shortest suspicion timeout. A
rumour spreads as an epidemic does.

Times are seconds, T is the probe interval. Nothing here knows the simulator.
"""

from __future__ import annotations

import math
from random import Random

# The median of an exponential of mean 1: ln 2.
_HALF = math.log(2)


def detection_median(members: int, alpha: float, interval: float = 1.0) -> float:
    """Return the median time from a silent crash to *dead*, 0.69 T + T + alpha log10 N T."""
    return (_HALF + 1 + alpha * max(1.0, math.log10(members))) * interval


def first_suspicions(rng: Random, members: int, draws: int, interval: float = 1.0) -> list[float]:
    """Draw so many times how long it takes from a crash to the end of the first failed probe.

    Each of the others has its rounds at a moment of its own and the dead one at a random place of
    its present order.
    """
    found = []
    for _ in range(draws):
        rounds = [rng.randrange(members - 1) + rng.random() for _ in range(members - 1)]
        found.append((min(rounds) + 1) * interval)
    return found


def failed_probe(delivered: float, relays: int) -> float:
    """Return the chance that a probe of a live member fails on all ways.

    `delivered` is the chance that one message arrives in time.
    """
    return float((1 - delivered**2) * (1 - delivered**4) ** relays)


def false_detection(delivered: float, relays: int) -> float:
    """Return SWIM's PM: false detections per member and detection interval, all members alive.

    A detection takes e / (e - 1) intervals in the mean.
    """
    return failed_probe(delivered, relays) * math.e / (math.e - 1)


def infected(members: int, fan_out: int, rounds: float, loss: float = 0.0) -> float:
    """Return the share of members that know a rumour after so many rounds: serf's curve."""
    contact = fan_out / members * (1 - loss) / 2
    return 1 / (1 + (members + 1) * math.exp(-contact * members * rounds))


def rounds_to(share: float, members: int, fan_out: int, loss: float = 0.0) -> int:
    """Return after how many rounds at least that share knows a rumour."""
    rounds = 0
    while infected(members, fan_out, rounds, loss) < share:
        rounds += 1
    return rounds


def tellings(members: int, retransmit: int) -> int:
    """Return how often each node tells one rumour."""
    return retransmit * math.ceil(math.log10(members + 1))
