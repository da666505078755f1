"""A daemon's place, taken by the standard library's HTTP server in a thread.

It answers on a real socket (TCP or Unix) what a test tells it to, and remembers what it was asked.
An answer may also be a function of the request handler, for servers that behave badly.
"""

from __future__ import annotations

import json
import os
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from gcounterd.cli.gcounterctl import main

Said = tuple[int, object] | Callable[[BaseHTTPRequestHandler], None]


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(b"")

    def do_DELETE(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        # A body without a length is left to the answer, which is then a function.
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _answer(self, body: bytes) -> None:
        server: Any = self.server
        stand_in: StandIn = server.stand_in
        asked = f"{self.command} {self.path}"
        stand_in.asked.append(asked)
        stand_in.bodies.append(json.loads(body) if body else None)
        said = stand_in.answers[asked]
        if isinstance(said, list):
            # One after the other, the last for ever.
            said = said.pop(0) if len(said) > 1 else said[0]
        if callable(said):
            said(self)
            return
        status, value = said
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing: a Unix socket's clients have no address that the base could print."""


class StandIn:
    """A server that gives `answers`, by method and target; a context manager."""

    def __init__(
        self, answers: Mapping[str, Said | list[Said]], socket_path: Path | None = None
    ) -> None:
        self.answers = dict(answers)
        self.asked: list[str] = []
        self.bodies: list[object] = []
        # Set it to let a server go that was told to hang.
        self.released = threading.Event()
        server: Any
        if socket_path is None:
            server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Handler)
            self.address = f"http://127.0.0.1:{server.server_address[1]}"
        else:
            server = socketserver.ThreadingUnixStreamServer(str(socket_path), _Handler)
            self.address = str(socket_path)
        server.stand_in = self
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(0.01,))

    def __enter__(self) -> StandIn:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def hang(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer nothing until the test is over."""
        self.released.wait()

    def leave(self) -> None:
        """Let nobody connect any more, as a process that has ended."""
        self._server.socket.close()

    @staticmethod
    def hang_up(handler: BaseHTTPRequestHandler) -> None:
        """Close the connection without an answer."""
        handler.close_connection = True

    @staticmethod
    def break_off(handler: BaseHTTPRequestHandler) -> None:
        """Promise more than is sent."""
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")

    def run(self, *arguments: str) -> Result:
        """Run `gcounterctl` against this server."""
        return run("--address", self.address, *arguments)


def run(*arguments: str, environ: Mapping[str, str] | None = None) -> Result:
    """Run `gcounterctl` in this process, with nothing of ours in its environment."""
    cleared = {name: None for name in os.environ if name.startswith("GCOUNTER")}
    return CliRunner().invoke(main, arguments, env=cleared | dict(environ or {}))


def start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    """Start `gcounterctl` as a process of its own, which hears Ctrl-C.

    Also where the tests do not: a shell lets what it starts in the background ignore it.
    """
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from gcounterd.cli.gcounterctl import main; main()"
    )
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, text=True, **options)


def error(code: str, message: str, *, definite: bool, **more: object) -> dict[str, object]:
    """Make the body of an error answer."""
    return {"error": {"code": code, "message": message, "definite": definite}, **more}
