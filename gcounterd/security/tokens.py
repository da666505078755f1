"""Tokens: what clients show to say who they are, and what each of them may do.

Theory. A token is 32 random bytes, so there is nothing to guess and nothing that a slow hash
would protect: SHA-256 of it is kept, and whoever reads the file cannot ask anything with what is
there. A token is found by its hash. How long that takes tells an attacker about a hash which he
could work out himself, not about a token; the last comparison takes the same time all the same.

What a token may do is a *grant*: scopes, and the beginnings of the keys that it may touch.
`admin` is for the whole node, so it comes without prefixes and with the other two scopes. The file
has a line of JSON for each token; a line that cannot be read is an error of the whole file, since
a token that was meant to be taken away must not live on by a slip.

This module refuses to know requests, and the clock: callers bring the time.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import json
import math
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gcounterd.errors import ConfigError
from gcounterd.security.private_files import read_private

# A line is some 250 bytes; more clients than this are told apart by whoever stands in front.
TOKENS_MAX = 4096
FILE_BYTES_MAX = 4 * 1024 * 1024
# Prefixes of one token: each is one more range in a listing.
PREFIXES_MAX = 16
PREFIX_BYTES_MAX = 1024
TOKEN_BYTES = 32
# What tokens begin with, so that scanners for leaked secrets, and people, know one.
TOKEN_MARK = "gct_"  # noqa: S105 - not a secret, but what one begins with
# What is looked at as a token at all; ours have 47 characters.
TOKEN_CHARS_MAX = 256

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FIELDS = ("name", "scopes", "prefixes", "expires", "sha256")
_TIME = "%Y-%m-%dT%H:%M:%SZ"


class Scope(enum.StrEnum):
    """What may be done: read counts and the state of the node, count, operate the cluster."""

    READ = "read"
    COUNT = "count"
    ADMIN = "admin"


ALL_SCOPES = tuple(Scope)
# What may be given to everybody.
PUBLIC_SCOPES = (Scope.READ, Scope.COUNT)


@dataclass(frozen=True, slots=True, eq=False)
class Grant:
    """What whoever asks may do.

    name       of the token; of a way in that needs none, what people call it
    prefixes   beginnings of keys; (b"",) is all keys, () none
    expires_s  in seconds since 1970
    token      it was shown, and not given to everybody who comes this way
    """

    name: str
    scopes: tuple[Scope, ...]
    prefixes: tuple[bytes, ...] = (b"",)
    expires_s: float = math.inf
    token: bool = False

    def covers(self, key: bytes) -> bool:
        """Say whether a key is among those that it may touch."""
        return key.startswith(self.prefixes)

    @property
    def whole(self) -> bool:
        """Say whether it may touch all keys."""
        return self.prefixes == (b"",)

    def within(self, prefix: bytes) -> tuple[bytes, ...]:
        """Return the prefixes of what it may touch among the keys that begin so, in order."""
        if self.covers(prefix):
            return (prefix,)
        return tuple(each for each in self.prefixes if each.startswith(prefix))


# That of whoever was not looked at yet.
NOTHING = Grant("nobody", (), ())


@dataclass(frozen=True, slots=True)
class Token:
    """A line of the file: a grant, and the hash of the token that has it."""

    grant: Grant
    digest: bytes

    def line(self) -> str:
        """Return it as a line, without its end."""
        grant = self.grant
        told: dict[str, object] = {"name": grant.name, "scopes": list(grant.scopes)}
        if not grant.whole:
            told["prefixes"] = [prefix.decode() for prefix in grant.prefixes]
        if grant.expires_s < math.inf:
            told["expires"] = write_time(grant.expires_s)
        return json.dumps({**told, "sha256": self.digest.hex()})


class Tokens:
    """The tokens of a file."""

    def __init__(self, tokens: Sequence[Token] = ()) -> None:
        self._by_digest = {token.digest: token for token in tokens}

    def __len__(self) -> int:
        return len(self._by_digest)

    def __iter__(self) -> Iterator[Token]:
        return iter(self._by_digest.values())

    def find(self, digest: bytes) -> Grant | None:
        """Return the grant of the token that has this hash, expired or not."""
        found = self._by_digest.get(digest)
        if found is None or not hmac.compare_digest(found.digest, digest):
            return None
        return found.grant

    def next_expiry(self, now_s: float) -> float:
        """Return when the next one expires after now, infinity if none does."""
        times = (token.grant.expires_s for token in self if token.grant.expires_s > now_s)
        return min(times, default=math.inf)


def digest_of(secret: bytes) -> bytes:
    """Return the hash under which a token is known."""
    return hashlib.sha256(secret).digest()


def new_token(
    scopes: Sequence[Scope], prefixes: Sequence[str], name: str = "", expires_s: float = math.inf
) -> tuple[str, Token]:
    """Draw a token; return it and its line. Raises `ValueError` with what is wrong."""
    secret = TOKEN_MARK + secrets.token_urlsafe(TOKEN_BYTES)
    digest = digest_of(secret.encode())
    name = name or f"token-{digest.hex()[:8]}"
    return secret, Token(make_grant(name, scopes, prefixes, expires_s), digest)


def make_grant(
    name: object, scopes: Sequence[object], prefixes: Sequence[object], expires_s: float
) -> Grant:
    """Check what a token is to be allowed; raise `ValueError` with what is wrong."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError("a name is 1 to 64 of A-Z a-z 0-9 . _ - and starts with a letter or digit")
    wanted = [read_scope(scope) for scope in scopes]
    if not wanted:
        raise ValueError(f"say its scopes: {', '.join(Scope)}")
    beginnings = sorted({_read_prefix(prefix) for prefix in prefixes})
    if len(beginnings) > PREFIXES_MAX:
        raise ValueError(f"a token has at most {PREFIXES_MAX} prefixes")
    if Scope.ADMIN in wanted and beginnings:
        raise ValueError("admin is for the whole node, and goes with no prefix")
    held = ALL_SCOPES if Scope.ADMIN in wanted else tuple(s for s in Scope if s in wanted)
    kept: list[bytes] = []
    for each in beginnings:  # in order, so what is within another comes behind it
        if not (kept and each.startswith(kept[-1])):
            kept.append(each)
    return Grant(name, held, tuple(kept) or (b"",), expires_s, token=True)


def read_scope(text: object) -> Scope:
    """Read a scope; raise `ValueError`."""
    if text not in ALL_SCOPES:
        raise ValueError(f"a scope is one of {', '.join(Scope)}")
    return Scope(str(text))


def _read_prefix(text: object) -> bytes:
    if not isinstance(text, str):
        raise ValueError("a prefix is text")
    try:
        prefix = text.encode()
    except UnicodeEncodeError:
        raise ValueError("a prefix is UTF-8") from None
    if not 1 <= len(prefix) <= PREFIX_BYTES_MAX:
        raise ValueError(f"a prefix is 1 to {PREFIX_BYTES_MAX} bytes; without any, all keys")
    return prefix


def read_time(text: object) -> float:
    """Read a time in UTC, as `2027-01-31T00:00:00Z`; raise `ValueError`."""
    try:
        return datetime.strptime(str(text), _TIME).replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise ValueError("a time is in UTC, as 2027-01-31T00:00:00Z") from None


def write_time(at_s: float) -> str:
    """Write a time in seconds since 1970 as `read_time` reads it."""
    return datetime.fromtimestamp(at_s, UTC).strftime(_TIME)


def load_tokens(path: Path) -> Tokens:
    """Read a file of tokens; raise `ConfigError` with what is wrong in which line."""
    data = read_private(path, FILE_BYTES_MAX, "the token file")
    try:
        lines = data.decode().split("\n")
    except UnicodeDecodeError:
        raise ConfigError(f"the token file {path} is not UTF-8") from None
    tokens: list[Token] = []
    names: set[str] = set()
    digests: set[bytes] = set()
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            token = read_line(line)
            if token.grant.name in names or token.digest in digests:
                raise ValueError(f"the token {token.grant.name}, or its name, stands here twice")
        except ValueError as error:
            raise ConfigError(f"the token file {path}, line {number}: {error}") from None
        names.add(token.grant.name)
        digests.add(token.digest)
        tokens.append(token)
        if len(tokens) > TOKENS_MAX:
            raise ConfigError(f"the token file {path} holds over {TOKENS_MAX} tokens")
    return Tokens(tokens)


def read_line(line: str) -> Token:
    """Read a line of the file; raise `ValueError` with what is wrong."""
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("not a JSON object; gcounterctl token new prints such lines") from None
    if not isinstance(told, dict):
        raise ValueError("not a JSON object; gcounterctl token new prints such lines")
    unknown = [name for name in told if name not in _FIELDS]
    if unknown:
        # What is not known might have been meant to limit it.
        raise ValueError(f"an unknown field; there are {', '.join(_FIELDS)}")
    scopes, prefixes = told.get("scopes", []), told.get("prefixes", [])
    if not isinstance(scopes, list) or not isinstance(prefixes, list):
        raise ValueError("scopes and prefixes are lists")
    if "prefixes" in told and not prefixes:
        raise ValueError("no prefixes are none at all: leave the field away for all keys")
    expires_s = read_time(told["expires"]) if "expires" in told else math.inf
    grant = make_grant(told.get("name"), scopes, prefixes, expires_s)
    return Token(grant, _read_digest(told.get("sha256")))


def _read_digest(text: object) -> bytes:
    if not isinstance(text, str) or not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError("sha256 is 64 hexadecimal digits")
    return bytes.fromhex(text)
