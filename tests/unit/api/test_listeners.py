"""Doors: addresses, socket files, who is local."""

from __future__ import annotations

import errno
import socket
import stat
from pathlib import Path

import pytest

from gcounterd.api.listeners import listen_tcp, listen_unix
from gcounterd.errors import ConfigError


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


async def test_a_loopback_listener_is_local_and_guarded() -> None:
    listener = await listen_tcp("127.0.0.1", 0)
    assert listener.address == f"127.0.0.1:{listener.port}"
    assert listener.port > 0
    assert listener.guard is not None
    assert listener.local
    listener.close()
    listener.close()


@pytest.mark.skipif(not has_ipv6(), reason="this host has no IPv6 loopback")
async def test_an_ipv6_address_is_written_in_brackets() -> None:
    listener = await listen_tcp("::1", 0)
    assert listener.address == f"[::1]:{listener.port}"
    assert listener.local
    listener.close()


async def test_a_listener_on_every_address_is_neither_local_nor_guarded() -> None:
    listener = await listen_tcp("0.0.0.0", 0)
    assert listener.guard is None
    assert not listener.local
    listener.close()


async def test_an_address_in_use_is_refused_in_words() -> None:
    listener = await listen_tcp("127.0.0.1", 0)
    with pytest.raises(ConfigError, match=r"cannot listen on .* in use"):
        await listen_tcp("127.0.0.1", listener.port)
    listener.close()


async def test_a_host_that_does_not_resolve_is_refused() -> None:
    with pytest.raises(ConfigError, match="cannot listen on"):
        await listen_tcp("256.256.256.256", 0)


async def test_a_socket_file_is_private_and_goes_with_its_listener(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    listener = listen_unix(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (listener.local, listener.guard, listener.port) == (True, None, 0)
    listener.close()
    assert not path.exists()


async def test_the_socket_file_of_a_dead_process_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
    assert path.exists()
    listener = listen_unix(path)
    with socket.socket(socket.AF_UNIX) as client:
        assert client.connect_ex(str(path)) == 0
    listener.close()


async def test_a_socket_that_somebody_listens_on_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    listener = listen_unix(path)
    with pytest.raises(ConfigError, match="something listens there"):
        listen_unix(path)
    with socket.socket(socket.AF_UNIX) as client:
        assert client.connect_ex(str(path)) == 0
    listener.close()


async def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    path.write_text("precious")
    with pytest.raises(ConfigError, match="not a socket"):
        listen_unix(path)
    assert path.read_text() == "precious"


async def test_a_path_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot listen on"):
        listen_unix(tmp_path / ("x" * 200))
    with socket.socket(socket.AF_UNIX) as client:
        assert client.connect_ex(str(tmp_path / "x")) == errno.ENOENT
