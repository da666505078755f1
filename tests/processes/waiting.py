"""What tests of single daemons share: a free port, asking, and waiting for what another does.

It refuses to know what is waited for.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

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


def ask_json(port: int, method: str, target: str, body: str | None = None) -> tuple[int, Any]:
    """Ask a node of this host; return status and answer, or 0 and nothing if none is there."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request(method, target, body)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    except OSError:
        return 0, {}
    finally:
        connection.close()
