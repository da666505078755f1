"""Timing: how often members are probed, how long they are suspected, how far rumours are told.

Theory. Detection time is decided by the suspicion timeout (research on memberlist and its kin: the
median time from a crash to *dead* is 0.69 T + T + alpha * max(1, log10 N) * T), and false deaths by
how well rumours get through meanwhile. Over TCP extra copies of a rumour are cheap, so these
defaults suspect for less long than the usual alpha of 4 and tell rumours more often than the usual
4 times; `docs/membership-experiments.md` (E4) has what was measured.

All times are seconds; nothing here reads a clock.
"""

from __future__ import annotations

import math

import attrs

# Logarithms differ between machines in their last bit; a simulated history must not. So they are
# rounded.
_DIGITS = 6


@attrs.frozen
class Timing:
    """Constants of the detector.

    interval        one member is probed per interval, T
    timeout         an ack that takes longer is asked for through others
    relays          how many others are asked
    alpha           shortest suspicion, in units of max(1, log10 N) intervals
    beta            longest suspicion, in units of the shortest; 1 for a constant one
    gossip_every    how often rumours are told apart from probes
    fan_out         to how many members then
    retransmit      how often each rumour is told by each node, times log10(N + 1)
    refused_after   how long a member whose port refuses is suspected
    refused_needed  how many must have seen it refuse, or all others where they are fewer
    health_max      how far the local health may fall; 0 turns it off
    buddy           tell a suspect at once, before anyone else, that it is suspected
    """

    interval: float = 1.0
    timeout: float = 0.5
    relays: int = 3
    alpha: float = 3.0
    beta: float = 6.0
    gossip_every: float = 0.2
    fan_out: int = 3
    retransmit: int = 6
    refused_after: float = 2.0
    refused_needed: int = 2
    health_max: int = 8
    buddy: bool = True

    @property
    def nack_after(self) -> float:
        """Return when a relay without an answer says so: early enough to count in the round.

        memberlist's relays wait for a whole timeout, and their answer meets the end of the round;
        every probe of a dead member then costs the prober its own health.
        """
        return 0.8 * min(self.timeout, self.interval - self.timeout)

    @property
    def stall(self) -> float:
        """Return how late this process may be before it doubts itself instead of others."""
        return self.timeout / 2

    def shortest(self, members: int) -> float:
        """Return the shortest suspicion among so many live members."""
        scale = round(math.log10(max(members, 1)), _DIGITS)
        return self.alpha * max(1.0, scale) * self.interval

    def confirmations(self, members: int) -> int:
        """Return after how many confirmations a suspicion is as short as it gets.

        Lifeguard's K (Dadgar, Phillips, Currey 2017, section IV-B), bounded by who could confirm.
        """
        wanted = max(0, math.ceil(self.alpha) - 2)
        return wanted if members - 2 >= wanted else 0

    def suspected_for(self, members: int, confirmed: int) -> float:
        """Return how long to suspect after so many confirmations beside the first accusation."""
        shortest = self.shortest(members)
        most = self.confirmations(members)
        if most == 0:
            return shortest
        longest = self.beta * shortest
        share = round(math.log(min(confirmed, most) + 1) / math.log(most + 1), _DIGITS)
        return max(shortest, longest - (longest - shortest) * share)

    def tellings(self, members: int) -> int:
        """Return how often a node tells one rumour among so many members."""
        return self.retransmit * len(str(members))  # log10(N + 1), rounded up


# By the name that an operator gives: one host, one data centre, several.
PROFILES = {
    "local": Timing(interval=0.5, timeout=0.2, gossip_every=0.1, refused_after=1.0),
    "lan": Timing(),
    "wan": Timing(
        interval=5.0, timeout=3.0, alpha=4.0, gossip_every=0.5, fan_out=4, refused_after=10.0
    ),
}
LAN = PROFILES["lan"]
