"""Entry: who may ask this node what, from its settings.

Theory. Whether a client needs a token is decided once, at the start, by the settings; which tokens
there are is read from their file, then and at each HUP.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import attrs

from gcounterd.api.access import Access
from gcounterd.api.encrypted import Encryption
from gcounterd.daemon.auditing import Auditing
from gcounterd.daemon.logs import get_logger, set_level
from gcounterd.daemon.reloading import Reloading
from gcounterd.daemon.securing import Securing
from gcounterd.daemon.settings import Settings
from gcounterd.security.audit import Deed
from gcounterd.security.client_tls import load_context
from gcounterd.security.rates import Rates
from gcounterd.security.tokens import Scope, load_tokens

log = get_logger("gcounterd.entry")


@attrs.frozen(eq=False)
class Safeguards:
    """What keeps strangers out, and what is asked for settings that may have changed.

    access      what clients may do
    auditing    takes down what operators do
    encryption  of the client ports, None if they are not encrypted
    securing    what links between peers are secured with, if with anything
    read_again  returns the settings as they are given at that moment; raises `ConfigError`
    """

    access: Access
    auditing: Auditing
    encryption: Encryption | None
    securing: Securing | None
    read_again: Callable[[], Settings]


def open_access(settings: Settings, note: Callable[[Deed], None] = lambda deed: None) -> Access:
    """Read what clients may do; raise `ConfigError` where their tokens cannot be read.

    `note` is told what operators do.
    """
    public = tuple(Scope(scope) for scope in settings.public.split(",")) if settings.public else ()
    path = settings.token_file
    tokens = None if path is None else load_tokens(path)
    rates = None if settings.rate_limit is None else Rates(settings.rate_limit)
    return Access(public, tokens, rates=rates, note=note)


def open_encryption(settings: Settings) -> Encryption | None:
    """Load what client ports are encrypted with; raise `ConfigError`."""
    cert, key = settings.http_tls_cert, settings.http_tls_key
    return None if cert is None or key is None else Encryption(load_context(cert, key))


def warn_of_clear_tokens(settings: Settings) -> None:
    """Say it where tokens cross a network that others can read."""
    for port, encrypted in (
        (settings.http, settings.http_tls_cert is not None),
        (settings.resp, settings.resp_tls),
    ):
        if settings.token_file and port and not (encrypted or port.is_loopback()):
            log.warning("tokens_in_clear", port=str(port))


def keep_fresh(guards: Safeguards, settings: Settings, reloading: Reloading) -> None:
    """Have read anew at each HUP what can be; all else needs a new start."""
    access, encryption = guards.access, guards.encryption

    def read_level() -> Callable[[], None]:
        return partial(set_level, guards.read_again().log_level)

    def read_tokens(path: Path) -> Callable[[], None]:
        return partial(access.replace, load_tokens(path))

    def read_certificate(old: Encryption) -> Callable[[], None]:
        new = open_encryption(settings)
        assert new is not None
        return partial(setattr, old, "context", new.context)

    reloading.add("log_level", read_level)
    if encryption is not None:
        reloading.add("http_tls", partial(read_certificate, encryption))
    if settings.token_file is not None:
        reloading.add("tokens", partial(read_tokens, settings.token_file))
