"""Bounds of the client: what it sends at once, keeps, and waits for.

Theory. A client lives inside somebody else's program, so whatever it gathers, remembers or opens
is bounded, and at each bound something is said or given up rather than memory taken. What is sent
keeps to the node's own limits, which are repeated here: this room imports none of the node's.
"""

from __future__ import annotations

# Of the node: what it takes of one key, one increment, one request and its timeout.
KEY_BYTES_MAX = 1024
AMOUNT_MAX = 2**31
BATCH_KEYS_MAX = 10_000
TIMEOUT_S_MAX = 60.0
# A body, by our own estimate of it; the node refuses more than 1 MiB.
BATCH_BYTES_MAX = 768 * 1024
# How many keys `add` may gather before they are answered; more is `DefiniteError`, `full`.
GATHERED_KEYS_MAX = 100_000
# Keys of which the last value seen is remembered; the key not used for longest is forgotten.
SEEN_KEYS_MAX = 100_000
# Addresses of one client: those of a large cluster's nodes would all be tried in turn.
ADDRESSES_MAX = 64
# Connections kept open to one address while nobody uses them; others are closed after use.
IDLE_CONNECTIONS_MAX = 8
# An answer: 10,000 keys of 1,024 bytes, each byte escaped, are never all in one batch.
ANSWER_BYTES_MAX = 16 * 1024 * 1024

# A node on the same network accepts in milliseconds; the next address is worth more than waiting.
CONNECT_WAIT_S_MAX = 1.0
# Between two rounds over all addresses: short at first, since a node restarts in well under 1 s.
PAUSE_S_MIN = 0.02
PAUSE_S_MAX = 0.5
# After a failure an address is tried last for this long, doubling.
AVOIDED_S_MIN = 0.1
AVOIDED_S_MAX = 5.0
