"""Limits of links: every queue and wait between two peers, and what happens when it is full.

What a caller may choose is in `Limits`; the rest are constants, since nothing would be gained by
choosing. This module refuses to know how any of them is kept.
"""

from __future__ import annotations

import attrs

from gcounterd.node.messages import Channel
from gcounterd.wire.frames import FRAME_BYTES_MAX

# One receive: large enough that bulk costs few wake-ups, and at most this lies undecoded per link.
READ_BYTES = 64 * 1024
# One send: small frames that wait are joined up to here, one system call for all of them.
WRITE_BYTES = 256 * 1024
# Messages handed over before others get a turn; the dearest small ones take some 30 us each. Bytes
# of messages likewise: in large ones a name of 20 bytes takes half a microsecond.
MESSAGES_PER_STEP = 64
BYTES_PER_STEP = 16 * 1024
# Control carries probes: a frame that would delay them is not allowed there.
CONTROL_FRAME_BYTES_MAX = 16 * 1024
# Connections that the kernel holds for us while we are busy; beyond, dialling peers wait.
BACKLOG_CONNECTIONS = 512
# After an accept without a descriptor to give: time for one to come free, instead of spinning.
ACCEPT_PAUSE_SECONDS = 0.1
# What one side of a handshake sends, a chain of certificates in it; beyond, it has failed.
HANDSHAKE_BYTES_MAX = 64 * 1024
# Connections that have not been greeted yet, where they shake hands: each takes some 45 KiB then.
# Beyond, they are closed at once, as those of one address are far sooner (`Limits.greeting`).
HANDSHAKES_MAX = 512
# Dials that have a socket at the same time; more wait for their turn, and their timeout starts
# with it. Bounds descriptors when a whole network is unreachable.
DIALS_MAX = 256
# Threads for names that have to be asked for. A name server that is silent holds one for up to
# half a minute; more dials by name wait, and fail as NAME.
RESOLVERS_MAX = 8
# Addresses tried of one name in one dial, in random order.
TARGETS_MAX = 16
# Head start of one address of a name before the next is tried beside it.
STAGGER_SECONDS = 0.25
# An idle connection whose peer lost power is noticed after about a minute, so that its descriptor
# does not stay for ever.
KEEPALIVE_IDLE_SECONDS = 30
KEEPALIVE_EVERY_SECONDS = 10
KEEPALIVE_TRIES = 3


@attrs.frozen
class Limits:
    """What a test or a profile may want to set.

    hello_seconds    for the peer's first frame to be there in whole; then the connection is closed
    dial_seconds     for a whole dial: resolving, connecting, both hellos; then it has failed
    control_seconds  for a write to end and for unacknowledged bytes, on control; then the link is
    bulk_seconds     closed as that of a slow reader; the same on bulk
    parting_seconds  for last words to be read before a connection is closed without them
    control_bytes    waiting to be sent per link; when full, the newest message is dropped: probes
    bulk_bytes       are repeated and state is asked for again; the same on bulk
    inbound          connections that peers dialled; more are closed at once
    greeting         connections of one address that have not yet been accepted; the same
    """

    hello_seconds: float = 5.0
    dial_seconds: float = 2.0
    control_seconds: float = 2.0
    bulk_seconds: float = 10.0
    parting_seconds: float = 0.5
    control_bytes: int = 64 * 1024
    bulk_bytes: int = 4 * 1024 * 1024
    inbound: int = 4096  # two for each of 1,024 members, and as many for those being replaced
    greeting: int = 64  # a cluster on one host shares an address

    @classmethod
    def patient(cls, interval: float, timeout: float) -> Limits:
        """Return limits that suit members probed so often, with so much patience.

        A connection without an answer is given up after two intervals: what it still holds back
        must not outlive the probes (research on SWIM over TCP), nor be given up before them.
        """
        return cls(dial_seconds=max(2.0, 2 * timeout), control_seconds=max(2.0, 2 * interval))

    def write_seconds(self, channel: Channel) -> float:
        """Return how long a write may take."""
        return self.control_seconds if channel is Channel.CONTROL else self.bulk_seconds

    def queue_bytes(self, channel: Channel) -> int:
        """Return how much may wait to be sent."""
        return self.control_bytes if channel is Channel.CONTROL else self.bulk_bytes


def frame_bytes_max(channel: Channel) -> int:
    """Return how long a frame may be, once the hello is accepted."""
    return CONTROL_FRAME_BYTES_MAX if channel is Channel.CONTROL else FRAME_BYTES_MAX
