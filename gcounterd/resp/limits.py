"""Limits of the RESP room: every bound in one place, each with its reason.

Theory. As in `api.limits`, a stranger can make us hold connections times bytes times time, and each
factor is bounded here. A length that a client announces is looked at before anything is made of
that size. What is read is answered and sent before more is read, so what a connection holds unsent
is one portion of replies, whatever its client does: a client that does not read is not read, and
one that takes nothing for `api.limits.Limits.write_s` is closed.
"""

from __future__ import annotations

# Arguments of one command, its name included: an MGET of as many keys is answered in a millisecond.
ARGUMENTS_MAX = 1024
# One argument. Keys are at most 1,024 bytes; the rest is room for ECHO.
BULK_BYTES_MAX = 64 * 1024
# One whole command: what a connection holds of one that is not complete.
COMMAND_BYTES_MAX = 1024 * 1024
# A command written as a line of words, as people do over telnet.
INLINE_BYTES_MAX = 16 * 1024
# Digits of a length: more than any that is allowed, and few enough to be read at once.
LENGTH_DIGITS_MAX = 10
# Commands taken up in one step: 2 to 3 ms of the loop. Others run before the rest of a chunk.
PIPELINE_MAX = 512
# Replies gathered before they are sent, about: the next one may come on top of it.
OUTPUT_BYTES_MAX = 64 * 1024
# Words of commands between MULTI and EXEC, and their bytes: what a connection holds until EXEC,
# which is one step.
QUEUE_WORDS_MAX = 4096
QUEUE_BYTES_MAX = 1024 * 1024
# Bytes of a connection's name, and of what a library says about itself.
NAME_BYTES_MAX = 128
# Counters that one SCAN looks at, whatever COUNT says, and if it says nothing (as Redis does).
SCAN_COUNT_MAX = 1000
SCAN_COUNT_DEFAULT = 10
# A pattern of SCAN: reading one takes a millisecond at the most.
PATTERN_BYTES_MAX = 256
# Patterns of one CONFIG GET, and of what size: names of settings are shorter.
CONFIG_PATTERNS_MAX = 16
CONFIG_PATTERN_BYTES_MAX = 32
# How long SCAN goes on before others run.
SCAN_STEP_S = 0.001
# How long WAIT and GCOUNTER.GET may wait; Redis' "for ever" (0) is this.
WAIT_S_MAX = 60.0
# The largest number of a reply: clients read them as 64 bits with a sign.
INTEGER_MAX = 2**63 - 1
# What a command is told that would lower a number, or set it.
ONLY_GROW = "counters only grow"
# What Redis calls itself to clients that look for what they may send.
REDIS_VERSION = "7.0.0"
