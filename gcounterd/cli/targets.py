"""Which daemon `gcounterctl` talks to: a Unix socket or an HTTP address.

Given explicitly, or in `GCOUNTERCTL_ADDRESS`; else the admin socket of the local data directory,
if there is one; else the default HTTP address. Nothing is connected to here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from gcounterd.daemon.places import admin_socket, data_directory
from gcounterd.errors import ConfigError
from gcounterd.security.private_files import read_private

ADDRESS_VARIABLE = "GCOUNTERCTL_ADDRESS"
TOKEN_VARIABLE = "GCOUNTERCTL_TOKEN"  # noqa: S105 - the name of a variable
# A token has 47 characters.
TOKEN_FILE_BYTES_MAX = 1024
_VISIBLE = re.compile(r"[!-~]+")
HTTP_PORT = 7777
_LOOKS_LIKE_HOST_AND_PORT = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^/:]+):[0-9]+")


@dataclass(frozen=True, slots=True)
class Target:
    """Either `socket_path`, or `host` and `port`.

    secure  by TLS, and then trusting the authorities of the file `tls_ca` if there is one
    token   what is shown of us, "" for nothing
    """

    host: str = "localhost"
    port: int = HTTP_PORT
    socket_path: str | None = None
    secure: bool = False
    token: str = field(default="", repr=False)
    tls_ca: str | None = None

    def __str__(self) -> str:
        if self.socket_path is not None:
            return self.socket_path
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}"


def find_target(address: str | None, environ: Mapping[str, str]) -> Target:
    """Return the daemon to talk to; raise `ConfigError` where the address makes no sense."""
    given = address or environ.get(ADDRESS_VARIABLE)
    if given:
        return parse_target(given)
    try:
        socket_path = admin_socket(data_directory(environ))
    except ConfigError:  # no home, so no local data directory: not an error for this tool
        return Target("127.0.0.1")
    if _is_there(socket_path):
        return Target(socket_path=str(socket_path))
    return Target("127.0.0.1")


def parse_target(address: str) -> Target:
    """Read an HTTP URL or a socket's path."""
    scheme, separator, _ = address.partition("://")
    if not separator:
        if _LOOKS_LIKE_HOST_AND_PORT.fullmatch(address) and not _is_there(Path(address)):
            raise ConfigError(f"write an HTTP address as http://{address}")
        if "\0" in address:
            raise ConfigError("a socket's path holds no NUL")
        return Target(socket_path=address)
    if scheme.lower() not in ("http", "https"):
        raise ConfigError(f"{scheme}:// is not known; give http://, https:// or a path")
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, HTTP_PORT if parts.port is None else parts.port
    except ValueError as error:
        raise ConfigError(f"not an address: {error}") from error
    if not host or not host.isprintable() or not port:
        raise ConfigError("an address is written http://HOST:PORT")
    if parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ConfigError("an address is only scheme, host and port: http://HOST:PORT")
    return Target(host, port, secure=scheme.lower() == "https")


def read_token(path: str | None, environ: Mapping[str, str]) -> str:
    """Return the token to show: that of a file, else of `GCOUNTERCTL_TOKEN`, else "".

    Raises `ConfigError` where the file cannot be read, is open to others, or holds no token.
    """
    token = environ.get(TOKEN_VARIABLE, "")
    if path is not None:
        data = read_private(Path(path), TOKEN_FILE_BYTES_MAX, "the file of the token")
        token = data.decode("ascii", "replace").strip()
        if not token:
            raise ConfigError(f"the file of the token {path} is empty")
    if token and not _VISIBLE.fullmatch(token):
        raise ConfigError("a token is one line of visible ASCII characters")
    return token


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a folder that may not be entered, or a name too long
        return False
