"""Limits of the HTTP room: every bound in one place, each with its reason.

Theory. What a stranger can make us hold is the product of three numbers: connections, bytes kept
for each, and how long. All three are bounded here, and each bound names what happens at it: an
answer that says so, then a closed connection. Sizes are part of the contract and are constants;
waiting times and the number of connections are an operator's or a test's choice and lie in
`Limits`.
"""

from __future__ import annotations

import attrs

from gcounterd.members.approvals import LIFE_MS_MAX

# One read from a socket. The shortest request is 18 bytes, so a chunk holds at most 910 of them:
# the bound on pipelining, on the answers of one send, and (with a Host) on one step of the loop.
RECEIVE_BYTES = 16 * 1024
# Request line and headers; more is answered 431. h11, nginx and Node keep to the same order.
HEAD_BYTES_MAX = 16 * 1024
# What a header costs beside its name and value: colon, space, CR, LF.
HEADER_OVERHEAD_BYTES = 4
# A key of 1,024 bytes is 3,072 when every byte is escaped; the rest is room for `?key=…&key=…`.
# More is answered 414.
TARGET_BYTES_MAX = 8 * 1024
# A body; more is answered 413, before it is read where Content-Length says so.
BODY_BYTES_MAX = 1024 * 1024
# A body that its handler takes in pieces; more is answered 413.
UPLOAD_BYTES_MAX = 64 * 1024 * 1024
# Work after which a connection that is never idle lets the others run, counted in requests, and
# what a chunk counts for beside its requests: about a millisecond.
WORK_BEFORE_YIELD = 128
CHUNK_WORK = 8
# Requests of one chunk that need more than a look at their target, likewise.
COLD_BEFORE_YIELD = 128

# Amounts of one increment. 2^31 keeps a slip of a client from using up a counter's 2^53.
AMOUNT_MIN = 1
AMOUNT_MAX = 2**31
# Counters in one request: what is added in one commit and answered without long steps.
KEYS_MAX = 10_000
# Counters handled in one step of the loop before others may run (about a millisecond).
SLICE_KEYS = 512
# Entries of a listing written in one step: long keys take most when they need escapes.
SLICE_ENTRIES = 128
# Entries of a listing: what a page shows, and what a program may ask for at once.
LISTING_DEFAULT = 100
LISTING_MAX = 1000
# Commas and opening brackets in a JSON body: bounds the time to parse it (2.5 ms at the worst).
JSON_ITEMS_MAX = 10_000
# Events of one answer: all that is written in one step of the loop.
EVENTS_DEFAULT = 100
EVENTS_MAX = 256
# The number of an event: beyond any, and exact in every reader's JSON.
EVENT_NUMBER_MAX = 2**53
# Seconds a consistent read may wait: the default of the contract and its bound. The bound
# holds for a reader of events as well, which does not wait by default.
TIMEOUT_DEFAULT_S = 5.0
TIMEOUT_MAX_S = 60.0
# Addresses in one `POST /config`: the size of the largest roster.
ACTORS_MAX = 4096
# How long an approval of a newcomer is good, if not told, and what can be told: a minute is what a
# script needs, a month is for a machine that is still to be delivered.
TTL_DEFAULT_S = 24 * 3600
TTL_MIN_S = 60
TTL_MAX_S = LIFE_MS_MAX // 1000
# Nodes removed by one request: as many as fit into a path segment, whatever they are called.
TARGETS_MAX = 14
# A path of a backup file: Linux' PATH_MAX.
PATH_BYTES_MAX = 4096

# Connections that the kernel holds until we accept them; it cuts this to its own bound.
LISTEN_BACKLOG = 1024
# Connections accepted in one go before the established ones run again.
ACCEPTS_BEFORE_YIELD = 64
# Pause after the system refused another socket although the longest-idle one was closed.
ACCEPT_PAUSE_S = 0.1
# After an answer that leaves a request unread: how much of it is thrown away, and how long we
# wait for it, so that the client reads the answer before the connection is reset.
LINGER_BYTES_MAX = 4 * BODY_BYTES_MAX
LINGER_S = 1.0
# What a client is told to wait before it repeats a request answered 429 or 503.
RETRY_AFTER_S = 1


@attrs.frozen
class Limits:
    """Waiting times in seconds, and the number of connections.

    connections_max  of all listeners together; the next one costs the longest-idle one its place
    head_s           from the first byte of a request until its headers are complete, else 408
    body_s           from then until the body is complete, else 408; of an upload, until more comes
    upload_s         until an upload is complete, else 408
    idle_s           between requests, and before the first; then the connection is closed
    session_s        the same, where clients keep connections for long, as those of RESP do
    write_s          until a client has taken what one send could not place, else it is closed
    drain_s          for answers in flight when the server is told to stop
    """

    connections_max: int = 4096
    head_s: float = 5.0
    body_s: float = 30.0
    upload_s: float = 600.0
    idle_s: float = 75.0
    session_s: float = 3600.0
    write_s: float = 30.0
    drain_s: float = 5.0

    @property
    def tick_s(self) -> float:
        """Return how often deadlines are looked at: each second, or finer for short ones."""
        return min(1.0, self.head_s / 4, self.body_s / 4, self.idle_s / 4, self.write_s / 4)
