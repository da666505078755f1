"""What tests of single daemons share: a free port, and waiting for what another process does.

It refuses to know what is waited for.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing

# Ends a run that hangs; nothing that is waited for takes a tenth of it.
PATIENCE_S = 90
POLL_S = 0.05


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on at this moment."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until it holds; fail where it does not in PATIENCE_S."""
    deadline = time.monotonic() + PATIENCE_S
    pause = threading.Event()
    while not holds():
        assert time.monotonic() < deadline
        pause.wait(POLL_S)
