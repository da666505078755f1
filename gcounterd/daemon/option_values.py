"""Values of options: how the text of each kind is read.

Each reader takes text and returns the value, or raises `ValueError` with what is wrong. Nothing is
looked up, opened or resolved here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gcounterd.daemon.addresses import Address, parse_address
from gcounterd.members.roster import NAME_PATTERN
from gcounterd.security.tokens import PUBLIC_SCOPES

PEER_PORT = 7700
HTTP_PORT = 7777
RESP_PORT = 7379
OFF = "off"

TRUE_WORDS = ("1", "true", "yes", "on")
FALSE_WORDS = ("0", "false", "no", "off")


def read_name(text: str) -> str:
    """Check a node's or cluster's name."""
    if not NAME_PATTERN.fullmatch(text):
        raise ValueError("a name is 1 to 64 of A-Z a-z 0-9 . _ - and starts with a letter or digit")
    return text


def read_path(text: str) -> Path:
    """Read a path; refuse what is more likely an accident than a directory or file."""
    if not text:
        raise ValueError("the path is empty")
    if not text.isprintable():
        raise ValueError("the path holds characters that do not print, or is not UTF-8")
    if text.split("/")[0].startswith("~"):
        raise ValueError("~ is not expanded here: write the path out")
    return Path(text)


def read_peer(text: str) -> Address:
    """Read an address that peers may connect to."""
    return parse_address(text, PEER_PORT)


def read_http(text: str) -> Address:
    """Read an address for HTTP."""
    return parse_address(text, HTTP_PORT)


def read_resp(text: str) -> Address | None:
    """Read an address for RESP, or that there is none."""
    return None if text == OFF else parse_address(text, RESP_PORT)


def read_public(text: str) -> str:
    """Read scopes that everybody has."""
    words = text.split(",")
    if any(word not in PUBLIC_SCOPES for word in words):
        raise ValueError("give read, count, or read,count; what operates the node is never public")
    return ",".join(scope for scope in PUBLIC_SCOPES if scope in words)


def read_seed(text: str) -> Address:
    """Read an address to call, so with a real port."""
    address = parse_address(text, PEER_PORT)
    if address.port == 0 or address.is_wildcard():
        raise ValueError("this is an address to listen at, not one to connect to")
    return address


def read_switch(text: str) -> bool:
    """Read a switch from the environment."""
    word = text.lower()
    if word not in TRUE_WORDS + FALSE_WORDS:
        raise ValueError(f"a switch is one of {', '.join(TRUE_WORDS + FALSE_WORDS)}")
    return word in TRUE_WORDS


def one_of(words: tuple[str, ...]) -> Callable[[str], str]:
    """Make a reader that accepts just these words."""

    def read_word(text: str) -> str:
        if text not in words:
            raise ValueError(f"choose one of {', '.join(words)}")
        return text

    return read_word


def number_between(least: int, most: int) -> Callable[[str], int]:
    """Make a reader of whole numbers, which may be grouped as in 16_000_000."""

    def read_number(text: str) -> int:
        digits = text.replace("_", "")
        # The length is checked first, since turning a megabyte of digits into a number is slow.
        if not (digits.isascii() and digits.isdecimal() and len(digits) <= len(str(most))):
            raise ValueError(f"give a whole number from {least} to {most}")
        if not least <= int(digits) <= most:
            raise ValueError(f"give a whole number from {least} to {most}")
        return int(digits)

    return read_number
