"""Reading: numbers in the words of commands.

Redis takes 64 bits with a sign, without spaces, plus signs or leading zeros, and so is it here.
What a number may be beyond that is for its command to say.
"""

from __future__ import annotations

import re

from gcounterd.resp.limits import INTEGER_MAX

NOT_A_NUMBER = "value is not an integer or out of range"
_NUMBER = re.compile(rb"-?(0|[1-9][0-9]{0,18})")


class ArgumentError(Exception):
    """A word of a command is wrong; the text is for the client."""


def read_number(text: bytes) -> int | None:
    """Return a decimal of 64 bits with a sign as Redis reads it, None if it is none."""
    if not _NUMBER.fullmatch(text):
        return None
    number = int(text)
    return number if -INTEGER_MAX - 1 <= number <= INTEGER_MAX else None
