r"""Globs: the patterns of `SCAN … MATCH` and `CONFIG GET`, as Redis reads them.

Theory. `*` any bytes, `?` one, `[ab]`, `[a-z]`, `[^a]` one of those or none of them, `\` takes the
next byte as it is. A star is written as an atomic group that ends at the first place where what
follows it is found: then nothing is ever tried twice, and matching takes pattern times key steps at
most.
"""

from __future__ import annotations

import re

_STAR = None


def compile_glob(pattern: bytes) -> re.Pattern[bytes]:
    """Make a pattern that a whole key is matched with."""
    pieces = _pieces(pattern)
    if _STAR not in pieces:
        return re.compile(b"".join(piece or b"" for piece in pieces), re.DOTALL)
    runs: list[bytes] = [b""]
    for piece in pieces:
        if piece is _STAR:
            runs.append(b"")
        else:
            runs[-1] += piece
    first, *middle, last = runs
    stars = b"".join(b"(?>.*?%b)" % run for run in middle if run)
    return re.compile(b"%b%b.*%b" % (first, stars, last), re.DOTALL)


def _pieces(pattern: bytes) -> list[bytes | None]:
    """Return an expression of one byte for each part, and `_STAR`."""
    pieces: list[bytes | None] = []
    at = 0
    while at < len(pattern):
        sign = pattern[at : at + 1]
        at += 1
        if sign == b"*":
            pieces.append(_STAR)
        elif sign == b"?":
            pieces.append(b".")
        elif sign == b"[":
            piece, at = _read_class(pattern, at)
            pieces.append(piece)
        else:
            if sign == b"\\" and at < len(pattern):
                sign = pattern[at : at + 1]
                at += 1
            pieces.append(re.escape(sign))
    return pieces


def _read_class(pattern: bytes, at: int) -> tuple[bytes, int]:
    """Read what follows `[`; return an expression and where the pattern goes on."""
    negated = pattern[at : at + 1] == b"^"
    at += negated
    members: list[bytes] = []
    while at < len(pattern) and pattern[at : at + 1] != b"]":
        low, at = _read_member(pattern, at)
        if pattern[at : at + 1] == b"-" and at + 1 < len(pattern) and pattern[at + 1] != 0x5D:
            high, at = _read_member(pattern, at + 1)
            low, high = min(low, high), max(low, high)
            members.append(b"%b-%b" % (re.escape(low), re.escape(high)))
        else:
            members.append(re.escape(low))
    at += 1  # the bracket, or the end: Redis takes what is there
    if not members:
        return (b"." if negated else b"(?!)"), at
    return b"[%b%b]" % (b"^" if negated else b"", b"".join(members)), at


def _read_member(pattern: bytes, at: int) -> tuple[bytes, int]:
    if pattern[at : at + 1] == b"\\" and at + 1 < len(pattern):
        at += 1
    return pattern[at : at + 1], at + 1
