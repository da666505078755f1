"""What this node runs with, and where each value came from.

Theory. A value is taken from the first source that gives it: flags, the environment
(`GCOUNTERD_…`), a TOML file, defaults. A source replaces the ones below it as a whole; lists are
not joined. An empty environment variable counts as not given, as container tools set those.
Unknown keys of the file are errors, since a misspelt safety setting would otherwise be silently
off; unknown environment variables are not, since orchestrators inject some that begin like ours
(a service called gcounterd gives every container a `GCOUNTERD_PORT`).

Wrong values are reported all at once, then wrong combinations. Apart from reading the file
nothing here touches the world: environment, host name and terminal are arguments, and no name is
resolved.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from gcounterd.daemon.addresses import Address
from gcounterd.daemon.combinations import find_problems
from gcounterd.daemon.neighbours import HttpOf
from gcounterd.daemon.option_values import HTTP_PORT, PEER_PORT, RESP_PORT, read_path, read_switch
from gcounterd.daemon.options import (
    JOIN_ADDRESSES_MAX,
    MAX_COUNTERS_DEFAULT,
    OPTIONS,
    Option,
    Shape,
)
from gcounterd.daemon.places import state_directory
from gcounterd.daemon.printable import cut, escape
from gcounterd.errors import ConfigError
from gcounterd.members.roster import NAME_PATTERN

CONFIG_VARIABLE = "GCOUNTERD_CONFIG"
# A file of every option with a long comment each is a few KiB; this stops `--config /dev/zero`.
CONFIG_BYTES_MAX = 1024 * 1024
# So that one wrong value cannot fill the screen.
SHOWN_CHARS_MAX = 120

Origins = dict[str, str]


@attrs.frozen
class Settings:
    """Every option that works, checked.

    advertise        its port 0 stands for the peer port that was bound
    join             without repeats, in the order given
    growth_limit     increments a second; None: any number
    archive_budget   bytes; None: any number
    drain_delay      seconds
    http_of          where browsers reach other nodes
    resp             None: no Redis protocol
    http_tls_cert    None: HTTP is not encrypted
    token_file       None: no client needs a token
    public           scopes that need none, with commas between; None: there are no such
    max_connections  None: as many as the raised limit of open files allows
    rate_limit       in a second; None: as many as they like
    fronts           0: this process takes its clients itself
    """

    name: str
    cluster: str
    data_dir: Path
    peer: Address
    advertise: Address
    http: Address
    http_of: tuple[HttpOf, ...]
    resp: Address | None
    http_tls_cert: Path | None
    http_tls_key: Path | None
    resp_tls: bool
    token_file: Path | None
    public: str | None
    join: tuple[Address, ...]
    join_token_file: Path | None
    admission: str
    cluster_key_file: Path | None
    tls_cert: Path | None
    tls_key: Path | None
    tls_ca: Path | None
    take_over: bool
    new_identity: bool
    profile: str
    durability: str
    max_counters: int
    growth_limit: int | None
    archive_budget: int | None
    drain_delay: int
    max_connections: int | None
    rate_limit: int | None
    fronts: int
    salvage: bool
    log_format: str
    log_level: str


def load_settings(
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    *,
    host_name: str,
    terminal: bool,
) -> tuple[Settings, Origins]:
    """Combine the sources into settings, and say per option name where its value came from.

    `flags` is by field name, with text, truth values or sequences of text; None and empty
    sequences are not given. `flags["config"]` is the file's path. `terminal` says whether logs go
    to one. Raises `ConfigError` with one line per problem.
    """
    path = flags.get("config") or environ.get(CONFIG_VARIABLE)
    table = _read_file(Path(str(path))) if path else {}
    problems = _unknown_keys(table, path)
    values: dict[str, Any] = {}
    origins: Origins = {}
    for option in OPTIONS:
        origin, given = _find(option, flags, environ, table, str(path))
        if given is None:
            continue
        try:
            values[option.field] = _read(option, given)
            origins[option.name] = origin
        except (ValueError, ConfigError) as error:
            problems.append(f"{option.name} ({origin}) = {_show(given)}: {error}")
    if not problems:
        problems = _fill_defaults(values, origins, environ, host_name, terminal)
    if not problems:
        problems = find_problems(values, origins)
    if problems:
        raise ConfigError("\n".join(problems))
    return Settings(**values), origins


def sanitise_name(host_name: str) -> str:
    """Make a legal node name of a host name."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", host_name).lstrip("._-")[:64].rstrip("-.")
    assert not name or NAME_PATTERN.fullmatch(name)
    return name or "node"


def print_settings(settings: Settings, origins: Origins) -> str:
    """Write settings as a TOML file with each value's origin as a comment.

    Read back as `--config`, it gives the same settings.
    """
    lines = []
    for option in OPTIONS:
        value = getattr(settings, option.field)
        origin = escape(origins[option.name])
        if value is None and option.without:
            lines.append(f"{option.name} = {_write_toml(option.without)}  # {origin}")
        elif value is None:
            lines.append(f"# {option.name}: {option.default}  # {origin}")
        else:
            lines.append(f"{option.name} = {_write_toml(value)}  # {origin}")
    return "\n".join(lines) + "\n"


def _read_file(path: Path) -> dict[str, object]:
    shown = escape(str(path))
    try:
        with path.open("rb") as file:
            body = file.read(CONFIG_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"the configuration file {shown} cannot be read: {reason}") from error
    if len(body) > CONFIG_BYTES_MAX:
        raise ConfigError(f"the configuration file {shown} is over {CONFIG_BYTES_MAX} bytes")
    try:
        return tomllib.loads(body.decode())
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"the configuration file {shown} is not TOML: {error}") from error


def _unknown_keys(table: Mapping[str, object], path: object) -> list[str]:
    names = [option.name for option in OPTIONS]
    problems = []
    for key in table:
        if key not in names:
            near = difflib.get_close_matches(key.lower().replace("_", "-"), names, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            problems.append(f"unknown key {_show(key)} in {escape(str(path))}{hint}")
    return problems


def _find(
    option: Option,
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    table: Mapping[str, object],
    path: str,
) -> tuple[str, object]:
    """Return origin and raw value of the first source that gives the option, else a None."""
    flag = flags.get(option.field)
    if flag is not None and flag != ():
        return f"flag {option.flag}", flag
    if variable := environ.get(option.variable):
        return f"environment {option.variable}", variable
    return f"file {path}", table.get(option.name)


def _read(option: Option, given: object) -> object:
    """Turn a raw value of any source into that of `Settings`; raise `ValueError`."""
    match option.shape, given:
        case Shape.LIST, str():
            return _read_list(option, re.split(r"[,\s]+", given.strip(", \t\n")))
        case Shape.LIST, list() | tuple() if all(isinstance(item, str) for item in given):
            return _read_list(option, given)
        case Shape.SWITCH, bool():
            return given
        case Shape.SWITCH, str():
            return read_switch(given)
        case Shape.NUMBER, int() if not isinstance(given, bool):
            return option.read(str(given))
        case ((Shape.TEXT | Shape.NUMBER), str()):
            return option.read(given)
    raise ValueError(f"expected: {option.shape.value}")


def _read_list(option: Option, items: Sequence[str]) -> tuple[object, ...]:
    if len(items) > JOIN_ADDRESSES_MAX:
        raise ValueError(f"more than {JOIN_ADDRESSES_MAX} entries")
    values: dict[object, None] = {}
    for item in items:
        try:
            values[option.read(item)] = None
        except ValueError as error:
            raise ValueError(f"{_show(item)}: {error}") from error
    return tuple(values)


def _fill_defaults(
    values: dict[str, Any],
    origins: Origins,
    environ: Mapping[str, str],
    host_name: str,
    terminal: bool,
) -> list[str]:
    """Fill in what no source gave; return the problems."""
    defaults: dict[str, tuple[object, str]] = {
        "name": (sanitise_name(host_name), "default (host name)"),
        "cluster": ("local", "default"),
        "peer": (Address("127.0.0.1", PEER_PORT), "default"),
        "http": (Address("127.0.0.1", HTTP_PORT), "default"),
        "http-of": ((), "default"),
        "resp": (Address("127.0.0.1", RESP_PORT), "default"),
        "http-tls-cert": (None, "default"),
        "http-tls-key": (None, "default"),
        "resp-tls": (False, "default"),
        "token-file": (None, "default"),
        "public": (None, "default"),
        "join": ((), "default"),
        "join-token-file": (None, "default"),
        "admission": ("open", "default"),
        "cluster-key-file": (None, "default"),
        "tls-cert": (None, "default"),
        "tls-key": (None, "default"),
        "tls-ca": (None, "default"),
        "take-over": (False, "default"),
        "new-identity": (False, "default"),
        "profile": ("lan", "default"),
        "durability": ("commit", "default"),
        "max-counters": (MAX_COUNTERS_DEFAULT, "default"),
        "growth-limit": (None, "default"),
        "archive-budget": (None, "default"),
        "drain-delay": (0, "default"),
        "max-connections": (None, "default"),
        "rate-limit": (None, "default"),
        "fronts": (0, "default"),
        "salvage": (False, "default"),
        "log-format": ("console" if terminal else "json", "default"),
        "log-level": ("info", "default"),
    }
    if "data-dir" not in origins:
        try:
            directory, rule = state_directory(environ)
            defaults["data-dir"] = (read_path(str(directory)), f"default ({rule})")
        except (ConfigError, ValueError) as error:
            return [f"data-dir: {error}"]
    peer = values.get("peer", defaults["peer"][0])
    defaults["advertise"] = (peer, "default (peer address)")
    for option in OPTIONS:
        if option.name not in origins:
            values[option.field], origins[option.name] = defaults[option.name]
    return []


def _show(given: object) -> str:
    try:
        return cut(escape(given if isinstance(given, str) else repr(given)), SHOWN_CHARS_MAX)
    except ValueError:  # TOML takes hexadecimal numbers that Python refuses to write in decimal
        return f"a {type(given).__name__}"


def _write_toml(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case tuple():
            return "[" + ", ".join(_write_toml(item) for item in value) + "]"
        case _:
            # No value holds control characters or lone surrogates, so a JSON string is a TOML one.
            return json.dumps(str(value), ensure_ascii=False)
