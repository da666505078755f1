"""Tokens are drawn and listed without a daemon, and what is written is what a daemon reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from gcounterd.cli.gcounterctl import main
from gcounterd.security.tokens import Scope, digest_of, load_tokens


def run(*words: str | Path, status: int = 0) -> str:
    result = CliRunner().invoke(main, ["token", *map(str, words)])
    assert result.exit_code == status, result.output
    return result.stdout if status == 0 else result.output


def test_a_new_token_is_printed_once_and_its_line_goes_into_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    told = run("new", "--scope", "count", "--prefix", "blog/", "--name", "blog", "--file", path)
    secret = told.strip()
    assert path.stat().st_mode & 0o777 == 0o600
    run("new", "--scope", "read,count", "--expires", "30d", "--file", path)
    tokens = load_tokens(path)
    grant = tokens.find(digest_of(secret.encode()))
    assert grant is not None
    assert (grant.name, grant.scopes, grant.prefixes) == ("blog", (Scope.COUNT,), (b"blog/",))
    listed = json.loads(run("list", "--file", path, "--json"))["tokens"]

    assert listed[0] == {
        "name": "blog",
        "scopes": ["count"],
        "prefixes": ["blog/"],
        "expires": "never",
    }
    assert listed[1]["scopes"] == ["read", "count"]
    assert listed[1]["expires"].endswith("Z")
    assert secret not in run("list", "--file", path)
    assert "blog\tcount\tblog/\tnever" in run("list", "--file", path)


def test_without_a_file_the_line_is_printed_too(tmp_path: Path) -> None:
    secret, line = run("new", "--scope", "admin").splitlines()
    told = json.loads(run("new", "--scope", "read", "--json"))
    path = tmp_path / "tokens"
    path.write_text(f"{line}\n{told['line']}\n")
    path.chmod(0o600)
    tokens = load_tokens(path)
    assert tokens.find(digest_of(secret.encode())) is not None
    assert tokens.find(digest_of(told["token"].encode())) is not None


def test_a_file_without_an_end_of_line_is_added_to_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    run("new", "--scope", "read", "--name", "a", "--file", path)
    path.write_text(path.read_text().rstrip("\n"))
    run("new", "--scope", "read", "--name", "b", "--file", path)
    assert [token.grant.name for token in load_tokens(path)] == ["a", "b"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--scope", "write"], "a scope is one of read, count, admin"),
        (["--scope", "admin", "--prefix", "a"], "goes with no prefix"),
        (["--scope", "read", "--expires", "soon"], "12h, 30d, or a time"),
        (["--scope", "read", "--name", "a b"], "a name is"),
        ([], "Missing option"),
    ],
)
def test_what_makes_no_sense_is_refused(words: list[str], complaint: str) -> None:
    assert complaint in " ".join(run("new", *words, status=2).split())


def test_a_name_or_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    run("new", "--scope", "read", "--name", "a", "--file", path)
    assert "already" in run("new", "--scope", "read", "--name", "a", "--file", path, status=2)
    path.chmod(0o644)
    told = run("new", "--scope", "read", "--name", "b", "--file", path, status=2)
    assert "chmod" in told
    assert len(path.read_text().splitlines()) == 1
    assert "chmod" in run("list", "--file", path, status=2)
