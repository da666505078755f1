"""What HUP reads anew: a part that cannot be read stays as it is, and keeps no other from it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from gcounterd.daemon.auditing import Auditing
from gcounterd.daemon.entry import Safeguards, keep_fresh, open_access
from gcounterd.daemon.reloading import Reloading
from gcounterd.daemon.settings import Settings, load_settings
from gcounterd.errors import ClientError, ConfigError
from gcounterd.security.tokens import Scope, digest_of, new_token

LOGGER = logging.getLogger("gcounterd")


@pytest.fixture(autouse=True)
def _level() -> Iterator[None]:
    """Put the level of the log back as it was, for whoever looks at lines after us."""
    before = LOGGER.level
    yield
    LOGGER.setLevel(before)


@attrs.define
class Office:
    """A file of tokens, and settings that name it."""

    path: Path
    settings: Settings

    def write(self, *lines: str) -> None:
        self.path.write_text("\n".join(lines))
        self.path.chmod(0o600)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    path = tmp_path / "tokens"
    flags = {"token_file": str(path), "public": "read", "log_level": "warning"}
    settings, _ = load_settings(flags, {"HOME": "/h"}, host_name="h", terminal=False)
    made = Office(path, settings)
    made.write()
    return made


async def test_tokens_and_the_log_level_are_read_anew(office: Office, tmp_path: Path) -> None:
    access = open_access(office.settings)
    assert access.public.scopes == (Scope.READ,)
    reloading = Reloading()
    guards = Safeguards(access, Auditing(tmp_path), None, None, lambda: office.settings)
    keep_fresh(guards, office.settings, reloading)
    secret, token = new_token([Scope.COUNT], [], "a")
    office.write(token.line())
    await reloading.reload()
    assert LOGGER.level == logging.WARNING
    assert access.find(digest_of(secret.encode())).name == "a"
    office.write()
    await reloading.reload()
    with pytest.raises(ClientError, match="not known"):
        access.find(digest_of(secret.encode()))


async def test_a_file_that_cannot_be_read_leaves_in_force_what_was(
    office: Office, tmp_path: Path
) -> None:
    secret, token = new_token([Scope.COUNT], [], "a")
    office.write(token.line())
    access, reloading = open_access(office.settings), Reloading()

    def broken() -> Settings:
        raise ConfigError("no such level")

    guards = Safeguards(access, Auditing(tmp_path), None, None, broken)
    keep_fresh(guards, office.settings, reloading)
    for spoil in (lambda: office.write("{"), lambda: office.path.chmod(0o644)):
        spoil()
        await reloading.reload()
        assert access.find(digest_of(secret.encode())).name == "a"
    os.remove(office.path)
    await reloading.reload()
    assert access.find(digest_of(secret.encode())).name == "a"


def test_a_node_does_not_start_without_the_tokens_that_it_was_told_of(office: Office) -> None:
    office.path.chmod(0o604)
    with pytest.raises(ConfigError, match="chmod 600"):
        open_access(office.settings)


def test_without_a_file_nobody_needs_a_token() -> None:
    settings, _ = load_settings({}, {"HOME": "/h"}, host_name="h", terminal=False)
    assert open_access(settings).tokens is None
