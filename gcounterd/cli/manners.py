"""What all verbs of `gcounterctl` share: their options, and how a failure becomes a status.

The shared options may stand before or after the verb; the later one holds. To that end the group
and each verb have them, and they are kept in what Click shares between the two.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Concatenate, ParamSpec

import click

from gcounterd.cli.client import Client
from gcounterd.cli.failures import CallError
from gcounterd.cli.output import Output
from gcounterd.cli.targets import ADDRESS_VARIABLE, TOKEN_VARIABLE, find_target, read_token
from gcounterd.errors import ConfigError

# Longer than a consistent read takes by default, shorter than a person's patience.
WAIT_S_DEFAULT = 10.0
WAIT_S_MIN = 0.1
WAIT_S_MAX = 86_400.0
# As `counters.batches` has it; named again because this tool must not import NumPy.
KEY_BYTES_MAX = 1024
# A name, the larger id of two that share one, or an id, which looks like a name.
_NODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}(~[0-9a-f]{6})?")
_MARK = "gcounterctl."

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Call:
    """What a verb works with. `wait_s` is None unless `--timeout` was given."""

    client: Client
    output: Output
    wait_s: float | None

    def waiting(self, wait_s: float) -> Client:
        """Return a client for a request that takes longer than most, unless told otherwise."""
        return self.client if self.wait_s is not None else Client(self.client.target, wait_s)


def shared_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that every verb has."""
    for option in (
        click.option(
            "--timeout",
            metavar="SECONDS",
            type=float,
            help=f"How long to wait for an answer. [default: {WAIT_S_DEFAULT:g}, longer for work "
            "on the whole store and for remove-node]",
            expose_value=False,
            callback=_keep,
        ),
        click.option(
            "--json",
            is_flag=True,
            help="Print JSON.",
            expose_value=False,
            callback=_keep,
        ),
        click.option(
            "--tls-ca",
            metavar="FILE",
            help="Of https://: trust the authorities of this file. [default: those of the system]",
            expose_value=False,
            callback=_keep,
        ),
        click.option(
            "--token-file",
            metavar="FILE",
            help="Show the token in this file, which others may not read. [default: none; env: "
            f"{TOKEN_VARIABLE} has the token itself]",
            expose_value=False,
            callback=_keep,
        ),
        click.option(
            "--address",
            metavar="URL|PATH",
            help="The daemon: an HTTP URL or a socket's path. [default: the local admin socket, "
            f"else http://127.0.0.1:7777; env: {ADDRESS_VARIABLE}]",
            expose_value=False,
            callback=_keep,
        ),
    ):
        command = option(command)
    return command


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if parameter.name == "timeout":
        read_seconds(context, parameter, value)
    if value not in (None, False):
        context.meta[f"{_MARK}{parameter.name}"] = value


def verb(function: Callable[Concatenate[Call, P], None]) -> Callable[..., None]:
    """Make a Click callback of a function of a `Call`: shared options, failures as statuses."""

    @functools.wraps(function)
    def invoke(*args: P.args, **kwargs: P.kwargs) -> None:
        context = click.get_current_context()
        wait_s: float | None = context.meta.get(f"{_MARK}timeout")
        try:
            target = replace(
                find_target(context.meta.get(f"{_MARK}address"), os.environ),
                token=read_token(context.meta.get(f"{_MARK}token_file"), os.environ),
                tls_ca=context.meta.get(f"{_MARK}tls_ca"),
            )
        except ConfigError as error:
            raise click.UsageError(str(error)) from error
        output = Output(as_json=bool(context.meta.get(f"{_MARK}json")))
        client = Client(target, WAIT_S_DEFAULT if wait_s is None else wait_s)
        try:
            function(Call(client, output, wait_s), *args, **kwargs)
        except CallError as failure:
            output.fail(failure)
            context.exit(failure.exit)

    return shared_options(invoke)


def read_seconds(
    context: click.Context, parameter: click.Parameter, value: float | None
) -> float | None:
    """Check a length of time. (Click's own range lets through what is not a number.)"""
    if value is not None and not WAIT_S_MIN <= value <= WAIT_S_MAX:
        raise click.BadParameter(f"give from {WAIT_S_MIN:g} to {WAIT_S_MAX:g} seconds")
    return value


def read_key(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Check a key, or several, as the daemon would: 1 to 1,024 bytes of UTF-8."""
    for key in value if isinstance(value, tuple) else (value,):
        _check_key(key, least=1)
    return value


def read_prefix(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Check the beginning of a key, which may be empty."""
    _check_key(value, least=0)
    return value


def _check_key(key: str, least: int) -> None:
    try:
        size = len(key.encode())
    except UnicodeEncodeError as error:
        raise click.BadParameter("a key is UTF-8") from error
    if not least <= size <= KEY_BYTES_MAX:
        raise click.BadParameter(f"a key is {least} to {KEY_BYTES_MAX} bytes, this is {size}")


def read_node(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Check the name or id of a node, or several, or none."""
    for name in value if isinstance(value, tuple) else (value,):
        if name is not None and not _NODE.fullmatch(name):
            raise click.BadParameter(f"{name!r} is neither a node's name nor its id")
    return value
