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
from gcounterd.daemon.logs import set_level
from gcounterd.daemon.reloading import Reloading
from gcounterd.daemon.securing import Securing
from gcounterd.daemon.settings import Settings
from gcounterd.security.tokens import Scope, load_tokens


@attrs.frozen(eq=False)
class Safeguards:
    """What keeps strangers out, and what is asked for settings that may have changed.

    access      what clients may do
    securing    what links between peers are secured with, if with anything
    read_again  returns the settings as they are given at that moment; raises `ConfigError`
    """

    access: Access
    securing: Securing | None
    read_again: Callable[[], Settings]


def open_access(settings: Settings) -> Access:
    """Read what clients may do; raise `ConfigError` where their tokens cannot be read."""
    public = tuple(Scope(scope) for scope in settings.public.split(",")) if settings.public else ()
    path = settings.token_file
    return Access(public, None if path is None else load_tokens(path))


def keep_fresh(
    access: Access, settings: Settings, read_again: Callable[[], Settings], reloading: Reloading
) -> None:
    """Have tokens and the log level read anew at each HUP; all else needs a new start."""

    def read_level() -> Callable[[], None]:
        return partial(set_level, read_again().log_level)

    def read_tokens(path: Path) -> Callable[[], None]:
        return partial(access.replace, load_tokens(path))

    reloading.add("log_level", read_level)
    if settings.token_file is not None:
        reloading.add("tokens", partial(read_tokens, settings.token_file))
