"""A file of tokens is read whole or not at all, and says nothing of what clients show."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcounterd.errors import ConfigError
from gcounterd.security.tokens import (
    ALL_SCOPES,
    PREFIXES_MAX,
    Grant,
    Scope,
    digest_of,
    load_tokens,
    new_token,
    read_line,
    read_time,
    write_time,
)

DIGEST = "0" * 64


def write(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "tokens"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_token_is_found_by_what_its_client_shows_and_the_file_does_not_hold_it(
    tmp_path: Path,
) -> None:
    secret, token = new_token([Scope.COUNT], ["blog/"], "blog", read_time("2100-01-01T00:00:00Z"))
    other, second = new_token([Scope.ADMIN], [])
    path = write(tmp_path, f"# clients\n\n{token.line()}\n{second.line()}\n")
    tokens = load_tokens(path)
    found = tokens.find(digest_of(secret.encode()))
    assert found is not None
    assert (found.name, found.scopes, found.prefixes) == ("blog", (Scope.COUNT,), (b"blog/",))
    assert write_time(found.expires_s) == "2100-01-01T00:00:00Z"
    admin = tokens.find(digest_of(other.encode()))
    assert admin is not None
    assert (admin.scopes, admin.whole, admin.expires_s) == (ALL_SCOPES, True, math.inf)
    assert tokens.find(digest_of(b"gct_x")) is None
    assert len(tokens) == 2
    assert secret not in path.read_text()
    assert secret.startswith("gct_")
    assert len(secret) == 47


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "not a JSON object"),
        ("[]", "not a JSON object"),
        ('{"name": "a", "scopes": ["read"]}', "sha256 is 64"),
        ('{"name": "a", "scopes": [], "sha256": "%s"}', "say its scopes"),
        ('{"name": "a", "scopes": ["write"], "sha256": "%s"}', "a scope is one of"),
        ('{"name": "a", "scopes": "read", "sha256": "%s"}', "are lists"),
        ('{"name": "", "scopes": ["read"], "sha256": "%s"}', "a name is"),
        ('{"scopes": ["read"], "sha256": "%s"}', "a name is"),
        ('{"name": "a", "scopes": ["read"], "prefix": "b", "sha256": "%s"}', "unknown field"),
        ('{"name": "a", "scopes": ["read"], "prefixes": [], "sha256": "%s"}', "none at all"),
        ('{"name": "a", "scopes": ["read"], "prefixes": [""], "sha256": "%s"}', "1 to 1024"),
        ('{"name": "a", "scopes": ["read"], "prefixes": [1], "sha256": "%s"}', "is text"),
        ('{"name": "a", "scopes": ["admin"], "prefixes": ["b"], "sha256": "%s"}', "no prefix"),
        ('{"name": "a", "scopes": ["read"], "expires": "soon", "sha256": "%s"}', "in UTC"),
    ],
)
def test_a_line_that_is_wrong_is_refused_with_its_place(
    tmp_path: Path, line: str, complaint: str
) -> None:
    text = line.replace("%s", DIGEST)
    with pytest.raises(ConfigError, match=rf"line 2: .*{complaint}"):
        load_tokens(write(tmp_path, f"# first\n{text}\n"))


def test_a_name_and_a_token_stand_there_once(tmp_path: Path) -> None:
    _, token = new_token([Scope.READ], [], "a")
    _, named = new_token([Scope.READ], [], "a")
    for twice in (token, named):
        with pytest.raises(ConfigError, match="line 2: the token a, or its name"):
            load_tokens(write(tmp_path, f"{token.line()}\n{twice.line()}\n"))


@pytest.mark.parametrize(
    ("mode", "good"), [(0o600, True), (0o640, True), (0o644, False), (0o660, False), (0o602, False)]
)
def test_a_file_that_others_can_read_or_change_is_refused(
    tmp_path: Path, mode: int, good: bool
) -> None:
    path = write(tmp_path, "", mode)
    if good:
        assert len(load_tokens(path)) == 0
    else:
        with pytest.raises(ConfigError, match=rf"its mode is {mode:04o}\): chmod 600"):
            load_tokens(path)


def test_what_is_no_file_or_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a file"):
        load_tokens(tmp_path)
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_tokens(tmp_path / "none")
    path = write(tmp_path, "")
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_tokens(path)


def test_there_are_only_so_many_prefixes() -> None:
    with pytest.raises(ValueError, match="at most 16 prefixes"):
        new_token([Scope.READ], [f"{number}/" for number in range(PREFIXES_MAX + 1)])


PREFIXES = st.lists(st.text("ab/", min_size=1, max_size=4), min_size=1, max_size=6)


@given(PREFIXES, st.text("ab/", max_size=6))
def test_a_key_is_covered_by_any_of_the_prefixes_that_were_given(
    prefixes: list[str], key: str
) -> None:
    _, token = new_token([Scope.READ], prefixes)
    grant = read_line(token.line()).grant
    assert grant.covers(key.encode()) == any(key.startswith(prefix) for prefix in prefixes)
    # None lies within another, and they are in order, so that lists of each make one list.
    kept = grant.prefixes
    assert list(kept) == sorted(kept)
    assert not any(a != b and a.startswith(b) for a in kept for b in kept)


@given(PREFIXES, st.text("ab/", max_size=3), st.text("ab/", max_size=6))
def test_what_lies_within_a_prefix_is_what_is_covered_and_begins_so(
    prefixes: list[str], prefix: str, key: str
) -> None:
    grant = new_token([Scope.READ], prefixes)[1].grant
    inside = any(key.encode().startswith(each) for each in grant.within(prefix.encode()))
    assert inside == (grant.covers(key.encode()) and key.startswith(prefix))


def test_a_grant_without_prefixes_covers_nothing() -> None:
    assert not Grant("nobody", (), ()).covers(b"a")
