"""Access: who a client is, and whether that is enough for what it asks.

Theory. A way in gives something to everybody who comes by it: the admin socket and a loopback
listener of a node without tokens give everything, others what `--public` says. A token adds
what it was made for. What everybody may do needs no token, whatever the token is made for.

Tokens change while connections last: the file is read anew, or one expires. So whatever was worked
out for a connection is good for one *generation* of this object, a number that changes then.

What a client is told: 401 where a token is missing, unknown or too old, 403 where it is not for
this. This module refuses to know routes, sockets and files.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence

from gcounterd.api.listeners import Listener
from gcounterd.errors import ClientError
from gcounterd.security.audit import Deed
from gcounterd.security.rates import Rates
from gcounterd.security.tokens import (
    ALL_SCOPES,
    NOTHING,
    PUBLIC_SCOPES,
    TOKEN_CHARS_MAX,
    Grant,
    Scope,
    Tokens,
    digest_of,
)

SOCKET = Grant("admin socket", ALL_SCOPES)
LOOPBACK = Grant("loopback", ALL_SCOPES)
_BEARER = re.compile(rb"bearer +([!-~]{1,%d})" % TOKEN_CHARS_MAX, re.IGNORECASE)


class Access:
    """What needs which token, at this moment.

    public      what everybody may do who is not trusted anyway
    tokens      those that are known; None: nobody needs one, and none is looked at
    generation  changes when a grant may have become another
    rates       how often each client may ask; None: as often as it likes
    """

    def __init__(
        self,
        public: Sequence[Scope] = (),
        tokens: Tokens | None = None,
        clock: Callable[[], float] = time.time,
        *,
        rates: Rates | None = None,
        note: Callable[[Deed], None] = lambda deed: None,
    ) -> None:
        """`clock` gives seconds since 1970; `note` is told what operators do."""
        self.public = Grant("public", tuple(public), (b"",) if public else ())
        self.tokens = tokens
        self.generation = 0
        self.rates = rates
        self.note = note
        self._clock = clock
        self._expiry = 0.0
        self._plan()

    def replace(self, tokens: Tokens) -> None:
        """Know these tokens from now on, and no others."""
        self.tokens = tokens
        self._plan()

    def tick(self) -> None:
        """Take note of the time; called each second."""
        if self._clock() >= self._expiry:
            self._plan()

    def _plan(self) -> None:
        self.generation += 1
        self._expiry = (self.tokens or Tokens()).next_expiry(self._clock())

    def base(self, listener: Listener) -> Grant:
        """Return what everybody may do at a listener."""
        if listener.path is not None:
            return SOCKET
        return LOOPBACK if listener.local and self.tokens is None else self.public

    def is_free(self, listener: Listener) -> bool:
        """Say whether everybody may count and read all keys there, as often as they like."""
        base = self.base(listener)
        unlimited = self.rates is None or base is SOCKET
        return unlimited and all(scope in base.scopes for scope in PUBLIC_SCOPES)

    def judges(self, listener: Listener) -> bool:
        """Say whether somebody may come there whose requests have to be looked at one by one."""
        return self.base(listener) is not SOCKET and (
            self.tokens is not None or not self.is_free(listener)
        )

    def read_header(self, header: bytes | None, listener: Listener) -> Grant:
        """Return the grant of a request with this `Authorization`; raise `ClientError` 401.

        Other kinds of credentials are those of somebody in front of us, and none here.
        """
        base = self.base(listener)
        if header is None or self.tokens is None or base is SOCKET:
            return base
        match = _BEARER.fullmatch(header)
        return base if match is None else self.find(digest_of(match[1]))

    def find(self, digest: bytes) -> Grant:
        """Return the grant of the token that has this hash; raise `ClientError` 401."""
        grant = None if self.tokens is None else self.tokens.find(digest)
        if grant is None:
            raise ClientError(401, "token_unknown", "this token is not known here")
        if self._clock() >= grant.expires_s:
            raise ClientError(401, "token_expired", f"the token {grant.name} has expired")
        return grant

    def choose(self, grant: Grant, scope: Scope | None) -> Grant:
        """Return the grant by which something of a scope may be done.

        What needs none is done by whatever lets its client read, or by nothing. Raises
        `ClientError` 401 `token_needed`, 403 `scope_missing`, 403 `forbidden`.
        """
        if scope is None:
            read = Scope.READ in self.public.scopes and grant.token
            may_read = read or Scope.READ in grant.scopes
            return (self.public if read else grant) if may_read else NOTHING
        if scope in self.public.scopes and grant.token:
            return self.public
        if scope in grant.scopes:
            return grant
        if grant.token:
            raise ClientError(
                403, "scope_missing", f"this needs the scope {scope}, which {grant.name} has not"
            )
        if self.tokens is None:
            raise ClientError(
                403, "forbidden", f"{scope}: only on the admin socket and on loopback listeners"
            )
        raise ClientError(401, "token_needed", f"this needs a token with the scope {scope}")

    def spend(self, grant: Grant, client: str, number: int) -> bool:
        """Take note that a client asks so often; False if that is too much, and then of nothing.

        `client` is where it comes from; who shows a token is known by that.
        """
        if self.rates is None or grant is SOCKET:
            return True
        name = f"token {grant.name}" if grant.token else client
        return self.rates.take(name, number, self._clock())

    def charge(self, grant: Grant, client: str) -> None:
        """Do it for one request; raise `ClientError` 429 `rate_limited`."""
        if not self.spend(grant, client, 1):
            assert self.rates is not None
            text = f"rate limit: at most {self.rates.per_s} a second; nothing was done, try again"
            raise ClientError(429, "rate_limited", text)

    def prefixes(self, grant: Grant, scope: Scope) -> tuple[bytes, ...]:
        """Return the prefixes of the keys with which something of a scope may be done."""
        if scope in self.public.scopes:
            return self.public.prefixes
        return grant.prefixes if scope in grant.scopes else ()


def refuse_key(grant: Grant) -> ClientError:
    """Return what a client is told whose token is for other keys."""
    return ClientError(403, "key_forbidden", f"the token {grant.name} is not for this key")
