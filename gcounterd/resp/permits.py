"""Permits: what each command needs, and how a client is told that it lacks it.

Theory. As `api.scopes`, with the words of Redis: `NOAUTH` to whoever has shown no token, `NOPERM`
to a token that is for something else. Which words of a command are keys stands in the table of
commands, for clients; here they are looked at. A command without a scope is about the connection:
it needs some permit, whichever, as in Redis.

This module refuses to know tokens, and what the commands do.
"""

from __future__ import annotations

from collections.abc import Sequence

from gcounterd.api.access import Access
from gcounterd.api.backend import Backend
from gcounterd.api.limited import limit
from gcounterd.errors import ClientError
from gcounterd.resp.writing import error
from gcounterd.security.tokens import Grant, Scope, digest_of

SCOPES: dict[str, Scope | None] = {
    "INCR": Scope.COUNT,
    "INCRBY": Scope.COUNT,
    "GET": Scope.READ,
    "MGET": Scope.READ,
    "EXISTS": Scope.READ,
    "TYPE": Scope.READ,
    "DBSIZE": Scope.READ,
    "SCAN": Scope.READ,
    "GCOUNTER.GET": Scope.READ,
    "CONFIG": Scope.READ,
    "INFO": Scope.READ,
    "WAIT": None,
    "MULTI": None,
    "EXEC": None,
    "DISCARD": None,
    "PING": None,
    "ECHO": None,
    "SELECT": None,
    "CLIENT": None,
    "COMMAND": None,
}
# What may be said before anything else.
GREETINGS = ("AUTH", "HELLO", "QUIT")
# Of all keys, and not to be cut.
_WHOLE = ("DBSIZE", "INFO")
# The name that a Redis gives to whoever gives none.
_DEFAULT_NAME = b"default"

_NO_AUTH = error("Authentication required.", "NOAUTH")


class Permit:
    """What one client may do, for as long as its token is good.

    grant   that of its token; of its way in before it has shown one
    client  where it comes from
    """

    __slots__ = ("_access", "_base", "_digest", "_generation", "client", "grant")

    def __init__(self, access: Access, base: Grant) -> None:
        self._access = access
        self._base = self.grant = base
        self.client = ""
        self._digest = b""  # of the token that was shown
        self._generation = access.generation

    @property
    def asked(self) -> bool:
        """Say whether there are tokens at all."""
        return self._access.tokens is not None

    @property
    def empty(self) -> bool:
        """Say whether nothing may be done before a token is shown."""
        return not (self.grant.scopes or self._access.public.scopes)

    def show(self, name: bytes, secret: bytes) -> None:
        """Take a token; raise `ClientError` where it is none, and nothing is different then."""
        digest = digest_of(secret)
        grant = self._access.find(digest)
        if name not in (b"", _DEFAULT_NAME, grant.name.encode()):
            raise ClientError(401, "token_unknown", "this token has another name")
        self.grant, self._digest = grant, digest
        self._generation = self._access.generation

    def look_again(self) -> bool:
        """Where tokens have changed, find out whether its own is still good; True if not."""
        if self._generation == self._access.generation:
            return False
        self._generation = self._access.generation
        grant = self._base
        if self._digest:
            try:
                grant = self._access.find(self._digest)
            except ClientError:
                self._digest = b""
        changed, self.grant = grant is not self.grant, grant
        return changed

    def limit(self, backend: Backend) -> Backend:
        """Return the backend as far as it may be read."""
        readable = self._access.public if Scope.READ in self._access.public.scopes else self.grant
        return limit(backend, readable)

    def may_count(self, keys: Sequence[bytes]) -> bool:
        """Say whether increments of these keys may be gathered as they are."""
        self.look_again()
        prefixes = self._access.prefixes(self.grant, Scope.COUNT)
        may = prefixes == (b"",) or all(key.startswith(prefixes) for key in keys)
        return may and self._access.spend(self.grant, self.client, len(keys))

    def forbid(self, name: str, keys: tuple[int, int, int], args: list[bytes]) -> bytes | None:
        """Return why a command may not be done, None if it may; `keys` says which words are."""
        if name in GREETINGS:
            return None
        scope = SCOPES[name]
        if scope is None:
            return _NO_AUTH if self.empty else None
        grant = self.grant
        if not self._access.spend(grant, self.client, 1):
            assert self._access.rates is not None
            return error(f"rate limit: at most {self._access.rates.per_s} a second; try again")
        prefixes = self._access.prefixes(grant, scope)
        if not prefixes:
            if not grant.token:
                return _NO_AUTH
            text = f"the token {grant.name} has no scope {scope}, which '{name.lower()}' needs"
            return error(text, "NOPERM")
        if prefixes == (b"",):
            return None
        first, last, step = keys
        named = args[first : last % len(args) + 1 : step] if first else ()
        if name in _WHOLE or not all(key.startswith(prefixes) for key in named):
            return error(f"the token {grant.name} is not for this key", "NOPERM")
        return None
