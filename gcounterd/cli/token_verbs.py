"""The verbs about client tokens: draw one, list those of a file.

They ask no daemon: what is written is the file that `gcounterd run --token-file` reads. A token is
shown once, on stdout, and its line goes into the file or, without one, to stdout as well; whoever
loses the token draws another.
"""

from __future__ import annotations

import fcntl
import math
import os
import re
import time
from pathlib import Path

import click

from gcounterd.cli.output import Output
from gcounterd.errors import ConfigError
from gcounterd.security.tokens import (
    FILE_BYTES_MAX,
    Scope,
    Token,
    load_tokens,
    new_token,
    read_scope,
    read_time,
    write_time,
)

_SPAN = re.compile(r"([1-9][0-9]{0,4})([hd])")
_HOUR_S = 3600
_UNITS_S = {"h": _HOUR_S, "d": 24 * _HOUR_S}
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def token() -> None:
    """Make and list the tokens of clients. No daemon is asked."""


@token.command()
@click.option(
    "--scope",
    "scopes",
    metavar="SCOPE",
    multiple=True,
    required=True,
    help=f"What it is for: {', '.join(Scope)}. Repeat it, or write commas between. admin has all.",
)
@click.option(
    "--prefix",
    "prefixes",
    metavar="PREFIX",
    multiple=True,
    help="Only keys that begin so; repeat it. [default: all keys]",
)
@click.option("--name", default="", help="What logs and errors call it. [default: of its hash]")
@click.option(
    "--expires",
    metavar="TIME",
    help="When it is good no more: 12h, 30d, or a time as 2027-01-31T00:00:00Z. [default: never]",
)
@click.option(
    "--file",
    "path",
    metavar="FILE",
    type=Path,
    help="Add its line to this file, which is made with mode 0600; a daemon reads it on HUP.",
)
@_JSON
def new(
    scopes: tuple[str, ...],
    prefixes: tuple[str, ...],
    name: str,
    expires: str | None,
    path: Path | None,
    as_json: bool,
) -> None:
    """Draw a token, and print it. It cannot be shown again."""
    try:
        wanted = [read_scope(word) for text in scopes for word in text.split(",")]
        secret, made = new_token(wanted, prefixes, name, _read_expiry(expires))
        if path is not None:
            _append(path, made)
    except (ValueError, ConfigError) as error:
        raise click.UsageError(str(error)) from error
    output = Output(as_json=as_json)
    if as_json:
        output.record({"token": secret, "name": made.grant.name, "line": made.line()})
        return
    output.line(secret)
    if path is None:
        output.say("this is the token; the line below is for the file of --token-file")
        output.line(made.line())
    else:
        output.say(f"{made.grant.name} stands in {path}; HUP tells a running daemon")


@token.command("list")
@click.option("--file", "path", metavar="FILE", type=Path, required=True, help="The file to read.")
@_JSON
def list_(path: Path, as_json: bool) -> None:
    """List the tokens of a file: what they are for, never what clients show."""
    try:
        tokens = load_tokens(path)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error
    output = Output(as_json=as_json)
    rows = [_describe(each) for each in tokens]
    if as_json:
        output.record({"tokens": rows})
        return
    headers = ("name", "scopes", "prefixes", "expires")
    output.table(
        headers,
        [
            (row["name"], ",".join(row["scopes"]), " ".join(row["prefixes"]) or "-", row["expires"])
            for row in rows
        ],
    )


def _describe(each: Token) -> dict[str, str | list[str]]:
    grant = each.grant
    expiry = "never" if grant.expires_s == math.inf else write_time(grant.expires_s)
    prefixes = [] if grant.whole else [prefix.decode() for prefix in grant.prefixes]
    expired = " (expired)" if grant.expires_s <= time.time() else ""
    return {
        "name": grant.name,
        "scopes": [str(scope) for scope in grant.scopes],
        "prefixes": prefixes,
        "expires": expiry + expired,
    }


def _read_expiry(text: str | None) -> float:
    if text is None:
        return math.inf
    span = _SPAN.fullmatch(text)
    if span is not None:
        return time.time() + int(span[1]) * _UNITS_S[span[2]]
    try:
        return read_time(text)
    except ValueError as error:
        raise ValueError(f"--expires is 12h, 30d, or a time: {error}") from None


def _append(path: Path, made: Token) -> None:
    """Add a line to a file, or make it; raise `ConfigError` where it would not be read then."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "rb+", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # two at once add two lines
            if any(each.grant.name == made.grant.name for each in load_tokens(path)):
                raise ConfigError(f"there is a token {made.grant.name} in {path} already")
            last = file.read(FILE_BYTES_MAX)[-1:]
            begin = "" if last in (b"", b"\n") else "\n"
            file.write(f"{begin}{made.line()}\n".encode())
            os.fsync(file.fileno())
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from error
