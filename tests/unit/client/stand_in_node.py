"""A small node on a real socket, for both shells of the client: it counts, and it misbehaves.

It keeps to the HTTP reference where the client looks: idempotency keys with their records,
`Idempotency-Retry`, `min` (at once or not at all), errors that say `definite`. What a script says
is done to one request, by its number: `swallow` counts and closes without an answer, `drop` closes
without counting, `refuse` and `doubt` answer 503, `hang` never answers. It runs in threads of its
own, so that it can serve a client that blocks.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit


class Node:
    """What the stand-in knows: values, records by idempotency key, what was asked."""

    def __init__(self, script: Mapping[int, str] | None = None, name: str = "n1") -> None:
        self.name = name
        self.script = dict(script or {})
        self.values: Counter[str] = Counter()
        self.records: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.shown: list[str | None] = []  # tokens
        self.connections = 0
        self.released = threading.Event()
        self.lock = threading.Lock()

    def count(self, target: str, body: bytes, key: str) -> bytes:
        path = urlsplit(target).path
        told = json.loads(body)
        name = unquote(path.removeprefix("/v1/counters/"))
        counts = told["counts"] if path == "/v1/counters" else {name: told["by"]}
        self.values.update(counts)
        values = {each: self.values[each] for each in counts}
        shown = {"values": values} if "counts" in told else {"key": name, "value": values[name]}
        self.records[key] = json.dumps(shown).encode()
        return self.records[key]

    def read(self, target: str) -> tuple[int, bytes]:
        parts = urlsplit(target)
        name = unquote(parts.path.removeprefix("/v1/counters/"))
        value = self.values[name]
        if value < int(parse_qs(parts.query).get("min", ["0"])[0]):
            return 503, refusal("not_reached", definite=True, best=value)
        return 200, json.dumps({"key": name, "value": value}).encode()


def refusal(code: str, *, definite: bool, **more: object) -> bytes:
    error = {"code": code, "message": code, "definite": definite}
    return json.dumps({"error": error, **more}).encode()


@contextlib.contextmanager
def serving(*nodes: Node) -> Iterator[list[str]]:
    """Serve the nodes; yields their URLs."""
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), _handler(node)) for node in nodes]
    for server in servers:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield [f"http://127.0.0.1:{server.server_address[1]}" for server in servers]
    finally:
        for node in nodes:
            node.released.set()
        for server in servers:
            server.shutdown()
            server.server_close()


def _handler(node: Node) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            node.connections += 1

        def do_GET(self) -> None:
            node.shown.append(self.headers["Authorization"])
            with node.lock:
                node.requests.append(self.path)
                status, body = node.read(self.path)
            self.answer(status, body)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            node.shown.append(self.headers["Authorization"])
            key = self.headers["Idempotency-Key"]
            with node.lock:
                number = len(node.requests)
                node.requests.append(self.path)
                act = node.script.get(number, "")
                if act in ("", "swallow") and key not in node.records:
                    if self.headers["Idempotency-Retry"]:
                        self.answer(409, refusal("retry_elsewhere", definite=False))
                        return
                    shown, replayed = node.count(self.path, body, key), False
                else:
                    shown, replayed = node.records.get(key, b""), True
            self.act(act, shown, replayed=replayed)

        def act(self, act: str, shown: bytes, *, replayed: bool) -> None:
            if act in ("swallow", "drop"):
                self.close_connection = True
            elif act in ("refuse", "doubt"):
                self.answer(503, refusal("stopped", definite=act == "refuse"))
            elif act == "hang":
                node.released.wait(30)
                self.close_connection = True
            else:
                self.answer(200, shown, replayed=replayed)

        def answer(self, status: int, body: bytes, *, replayed: bool = False) -> None:
            self.send_response(status)
            self.send_header("Gcounter-Node", node.name)
            if replayed:
                self.send_header("Idempotency-Replayed", "true")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    return Handler
