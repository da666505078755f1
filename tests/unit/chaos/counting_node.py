"""A small HTTP server that counts as a node does, and lies on demand.

`lie` is one of `""`, `"doubles"` (counts twice), `"drops"` (answers without counting), `"dips"`
(shows less than it did), `"refuses and counts"`, `"refuses"` (definite), `"hangs up"` (before
the answer) and `"asks nobody"` (when it should, and shows 0). It refuses to know other nodes.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

REFUSAL = {"error": {"code": "draining", "message": "not here", "definite": True}}


class CountingNode(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lie = ""
        self.counts: Counter[str] = Counter()
        self.lock = threading.Lock()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def add(self, counts: dict[str, int]) -> tuple[int, dict[str, int]]:
        with self.lock:
            times = {"doubles": 2, "drops": 0, "refuses": 0}.get(self.lie, 1)
            for key, amount in counts.items():
                self.counts[key] += times * amount
            status = 503 if self.lie.startswith("refuses") else 200
            return status, {key: self.counts[key] for key in counts}

    def shown(self) -> dict[str, int]:
        with self.lock:
            less = 1 if self.lie == "dips" else 0
            return {key: count - less for key, count in self.counts.items()}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: CountingNode

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        many = self.path == "/v1/counters"
        told = json.loads(body) if body else {}
        key = self.path.rpartition("/")[2]
        counts = told["counts"] if many else {key: told.get("by", 1)}
        status, values = self.server.add(counts)
        if self.server.lie == "hangs up":
            self.close_connection = True
        elif status != 200:
            self._answer(status, REFUSAL)
        else:
            self._answer(200, {"values": values} if many else {"key": key, "value": values[key]})

    def do_GET(self) -> None:
        if "consistent" in self.path:
            key = self.path.rpartition("/")[2].partition("?")[0]
            value = 0 if self.server.lie == "asks nobody" else self.server.counts[key]
            self._answer(200, {"key": key, "value": value})
            return
        shown = [{"key": key, "value": value} for key, value in self.server.shown().items()]
        self._answer(200, {"counters": shown, "next": None})

    def _answer(self, status: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def counting_node() -> Iterator[CountingNode]:
    """Run a node in a thread."""
    with CountingNode() as node:
        thread = threading.Thread(target=node.serve_forever, daemon=True)
        thread.start()
        yield node
        node.shutdown()
        thread.join()
