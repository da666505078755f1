"""A small real process that takes a daemon's options, for what a real daemon will not do on demand.

It listens on `--http` and answers `/readyz`, echoes on `--peer`, writes its pid to its data
directory's `started`, and misbehaves by one more option: `--exit-at-once`, `--exit N`,
`--never-ready`, `--deaf-to-term`. It refuses to know counters.
"""

from __future__ import annotations

import argparse
import signal
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Echo(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while chunk := self.request.recv(65536):
            self.request.sendall(chunk)


class EchoServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def serve(options: argparse.Namespace) -> None:
    class Ready(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = b'{"reasons": ["catching up"]}' if options.never_ready else b"{}"
            self.send_response(503 if options.never_ready else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    peer_host, peer_port = options.peer.rsplit(":", 1)
    echo = EchoServer((peer_host, int(peer_port)), Echo)
    threading.Thread(target=echo.serve_forever, daemon=True).start()
    http_host, http_port = options.http.rsplit(":", 1)
    ThreadingHTTPServer((http_host, int(http_port)), Ready).serve_forever()


def main() -> int:
    parser = argparse.ArgumentParser()
    for option in (
        "name",
        "cluster",
        "data-dir",
        "peer",
        "advertise",
        "http",
        "resp",
        "durability",
    ):
        parser.add_argument(f"--{option}", required=True)
    parser.add_argument("--join", action="append", default=[])
    parser.add_argument("--http-of", action="append", default=[])
    parser.add_argument("--exit", type=int)
    for flag in ("exit-at-once", "never-ready", "deaf-to-term"):
        parser.add_argument(f"--{flag}", action="store_true")
    options = parser.parse_args()
    print(f"{options.name} starts, joining {options.join}", file=sys.stderr, flush=True)
    if options.exit_at_once:
        print("cannot go on", file=sys.stderr, flush=True)
        return 3
    if options.exit is not None:
        return int(options.exit)
    handler = signal.SIG_IGN if options.deaf_to_term else lambda *_: sys.exit(0)
    signal.signal(signal.SIGTERM, handler)
    directory = Path(options.data_dir)
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "started").open("a") as started:
        started.write(f"{options.name}\n")
    serve(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
