"""Text that is safe to show: control characters escaped, length bounded.

Names, keys and addresses come from clients and peers. Written raw, they could move the cursor of
an operator's terminal, forge log lines or fill a disk. So everything that is shown to people or
logged goes through here. This module refuses to know where the text comes from or goes to.
"""

from __future__ import annotations


def escape(text: str) -> str:
    """Return `text` with every character that does not print as a backslash escape.

    Backslashes stay as they are: the result is for eyes, not for parsing.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def cut(text: str, chars_max: int) -> str:
    """Return `text`, or its first `chars_max` characters and how many were left out."""
    if len(text) <= chars_max:
        return text
    return f"{text[:chars_max]}… ({len(text) - chars_max} more)"
