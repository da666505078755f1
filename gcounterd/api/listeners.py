"""Listeners: the doors of the HTTP server, TCP or Unix.

Theory. A door decides how much a stranger behind it is trusted. A loopback address is reachable
by every browser of the host, hence guarded; a Unix socket by those whom its file mode admits,
hence not. The socket file of a process that died is replaced, one that answers never is.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import stat
from pathlib import Path

import attrs
import trio

from gcounterd.api.guard import Guard
from gcounterd.api.limits import LISTEN_BACKLOG
from gcounterd.errors import ConfigError


@attrs.frozen(eq=False)
class Listener:
    """An open listening socket.

    address  "host:port" or a path, as people write it
    guard    checks Host and Origin of its requests, if browsers of strangers can reach it
    local    only this host reaches it, so the operator's verbs are offered
    path     of a Unix socket, to be removed at the end
    """

    sock: socket.socket
    address: str
    guard: Guard | None
    local: bool
    path: Path | None = None

    @property
    def port(self) -> int:
        """Return the TCP port, 0 for a Unix socket."""
        name = self.sock.getsockname()
        return int(name[1]) if isinstance(name, tuple) else 0

    def close(self) -> None:
        """Stop listening; remove the socket file. A second time does nothing."""
        if self.sock.fileno() < 0:
            return
        trio.lowlevel.notify_closing(self.sock)
        self.sock.close()
        if self.path is not None:
            self.path.unlink(missing_ok=True)


async def listen_tcp(host: str, port: int, *, shared: bool = False) -> Listener:
    """Listen on the first address that `host` resolves to; port 0 lets the system choose.

    `shared` lets other sockets of this user have the same port. Raises `ConfigError` if it does
    not resolve or the address cannot be had.
    """
    try:
        found = await trio.socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = found[0]
        sock = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _refused(f"{host}:{port}", error) from None
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(address)
        _open(sock)
    except OSError as error:
        sock.close()
        raise _refused(f"{host}:{port}", error) from None
    bound, bound_port = sock.getsockname()[:2]
    loopback = ipaddress.ip_address(bound.partition("%")[0]).is_loopback
    shown = f"[{bound}]:{bound_port}" if ":" in bound else f"{bound}:{bound_port}"
    return Listener(sock, shown, Guard() if loopback else None, loopback)


async def listen_shared(host: str, port: int, number: int) -> list[Listener]:
    """Listen on one port with so many sockets, among which the kernel deals connections out.

    Raises `ConfigError` as `listen_tcp` does, also where another process shares the port.
    """
    if port:
        (await listen_tcp(host, port)).close()
    first = await listen_tcp(host, port, shared=True)
    others = [await listen_tcp(host, first.port, shared=True) for _ in range(number - 1)]
    return [first, *others]


def listen_unix(path: Path) -> Listener:
    """Listen on a Unix socket of mode 0600, replacing the file of a process that is gone.

    Raises `ConfigError` if something listens there, or something else lies there.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _clear(path)
        sock.bind(str(path))
        # Nobody can connect before `listen`, so there is no moment with a wider mode.
        path.chmod(0o600)
        _open(sock)
    except OSError as error:
        sock.close()
        raise _refused(str(path), error) from None
    except ConfigError:
        sock.close()
        raise
    return Listener(sock, str(path), None, local=True, path=path)


def _open(sock: socket.socket) -> None:
    sock.setblocking(False)
    sock.listen(LISTEN_BACKLOG)


def _clear(path: Path) -> None:
    # Remove a socket file that nobody answers on; nothing else is ever removed.
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ConfigError(f"cannot listen on {path}: it is not a socket; remove it first")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        status = probe.connect_ex(str(path))
    if status != errno.ECONNREFUSED:
        reason = "something listens there" if status in (0, errno.EAGAIN) else os.strerror(status)
        raise ConfigError(f"cannot listen on {path}: {reason}")
    path.unlink()


def _refused(address: str, error: OSError) -> ConfigError:
    return ConfigError(f"cannot listen on {address}: {error.strerror or error}")
