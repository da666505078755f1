"""A real cluster, and a web site beside it, for tests that drive a browser.

Theory. Playwright's plain interface and Trio want to own the same thread, so the cluster lives in a
thread of its own and is asked from here, one call at a time. The site is a server of its own:
another origin than any node's, as the pages are that show counters; a page is whatever text it was
given.

This module refuses to know browsers.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import trio

from tests.cluster.processes import Cluster, Plan, open_cluster
from tests.processes.balancer import Balancer
from tests.processes.balancers import balancing

T = TypeVar("T")
# Ends a run that hangs; nothing here takes a tenth of it.
PATIENCE_S = 60.0
NEVER = 2**60


class Stage:
    """A cluster of which all nodes are ready; made by `open_stage`.

    pages  what the site answers, by path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pages: dict[str, str] = {}
        self.site = ""
        self.cluster: Cluster
        self._token: trio.lowlevel.TrioToken
        self._nursery: trio.Nursery
        self._over: trio.Event

    def url(self, name: str) -> str:
        """Return where a node's HTTP API is."""
        return self.cluster.find(name).url

    def do(self, act: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        """Run something beside the cluster and return its result; fail where it hangs."""

        async def in_time() -> T:
            with trio.fail_after(PATIENCE_S):
                return await act(*arguments)

        return trio.from_thread.run(in_time, trio_token=self._token)

    def now(self, act: Callable[..., T], *arguments: Any) -> T:
        """Call something that does not wait, beside the cluster."""
        return trio.from_thread.run_sync(act, *arguments, trio_token=self._token)

    def ask(self, name: str, method: str, target: str, body: bytes = b"") -> Any:
        """Ask a node and return what it says; it must say 200."""
        answer = self.do(self.cluster.ask, name, method, target, body)
        assert answer.status == 200, answer
        return answer.json()

    def until(self, name: str, target: str, holds: Callable[[Any], bool]) -> Any:
        """Ask a node until what it says is so; return that."""

        async def wait() -> Any:
            while True:
                answer = await self.cluster.ask(name, "GET", target)
                if answer.status == 200 and holds(answer.json()):
                    return answer.json()
                await trio.sleep(0.05)

        return self.do(wait)

    def count(self, name: str, key: str, times: int) -> None:
        """Count at a node."""
        for _ in range(times):
            self.ask(name, "POST", f"/hit/{key}")

    def total(self, name: str) -> int:
        """Return what a node shows as the sum of all counters."""
        page = self.ask(name, "GET", "/v1/counters?limit=1000")
        return sum(item["value"] for item in page["counters"])

    def switch(self, *names: str) -> tuple[str, Balancer]:
        """Put a balancer before some nodes that can be moved to others; return its URL and it."""
        balancer = Balancer([self.cluster.find(name).http_port for name in names], NEVER)
        return self.do(self._nursery.start, balancer.serve), balancer

    def balance(self, program: str) -> str:
        """Put a real balancer before all nodes, until the end; return its URL."""
        folder = self.folder / program
        folder.mkdir()
        ports = [node.http_port for node in self.cluster.nodes.values()]

        async def run(*, task_status: trio.TaskStatus[int]) -> None:
            async with balancing(program, folder, ports) as port:
                task_status.started(port)
                await trio.sleep_forever()

        return f"http://127.0.0.1:{self.do(self._nursery.start, run)}"

    async def run(self, plan: Plan, ready: Callable[[], None]) -> None:
        """Keep the cluster up until `end`; `ready` is told when all nodes are."""
        self._token = trio.lowlevel.current_trio_token()
        self._over = trio.Event()
        async with open_cluster(plan) as self.cluster:
            await self.cluster.start_all()
            await self.cluster.ready()
            async with trio.open_nursery() as self._nursery:
                ready()
                await self._over.wait()
                self._nursery.cancel_scope.cancel()

    def end(self) -> None:
        """Stop all nodes."""
        self.now(self._over.set)


@contextmanager
def open_stage(folder: Path, nodes: int = 3, options: tuple[str, ...] = ()) -> Iterator[Stage]:
    """Start a cluster and a site; end both with the block."""
    stage = Stage(folder)
    plan = Plan(folder / "cluster", nodes, 0, 0, options=options)
    is_up = threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            trio.run(stage.run, plan, is_up.set)
        except BaseException as error:
            failures.append(error)
        finally:
            is_up.set()

    thread = threading.Thread(target=run, name="cluster")
    thread.start()
    is_up.wait()
    try:
        if not failures:
            with _serving(stage):
                yield stage
    finally:
        with suppress(trio.RunFinishedError, AttributeError):  # it ended by itself, or never began
            stage.end()
        thread.join()
    if failures:
        raise failures[0]


@contextmanager
def _serving(stage: Stage) -> Iterator[None]:
    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = stage.pages.get(self.path)
            body = (page or "").encode()
            self.send_response(404 if page is None else 200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="site")
        thread.start()
        stage.site = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
