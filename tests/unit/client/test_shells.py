"""Both shells of the client, for threads and for Trio, against nodes on real sockets.

Each test is written once: `Shell` makes a client of either kind, and the one for Trio is called
from outside through a loop of its own.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
import trio
from stand_in_node import Node, serving

from gcounterd.client import Client, DefiniteError, IndefiniteError, ReadError
from gcounterd.client.limits import IDLE_CONNECTIONS_MAX
from gcounterd.client.trio import TrioClient, open_client

PATIENCE_S = 30


class InThreads:
    """Runs a body with a client for threads."""

    def run(self, urls: Any, body: Callable[[Any], None], **settings: Any) -> None:
        with Client(urls, **settings) as client:
            body(client)


class Waiting:
    """A client for Trio that is called from a thread: every method waits for its result."""

    def __init__(self, client: TrioClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        async def call(*arguments: Any, **named: Any) -> Any:
            result = method(*arguments, **named)
            return await result if hasattr(result, "__await__") else result

        def ask(*arguments: Any, **named: Any) -> Any:
            async def act() -> Any:
                return await call(*arguments, **named)

            return trio.from_thread.run(act)

        return ask


class InTrio:
    """Runs a body with a client for Trio."""

    def run(self, urls: Any, body: Callable[[Any], None], **settings: Any) -> None:
        async def main() -> None:
            with trio.fail_after(PATIENCE_S):
                async with open_client(urls, **settings) as client:
                    await trio.to_thread.run_sync(body, Waiting(client))

        trio.run(main)


@pytest.fixture(params=[InThreads, InTrio], ids=["threads", "trio"])
def shell(request: pytest.FixtureRequest) -> Any:
    return request.param()


@contextmanager
def nobody() -> Iterator[str]:
    """Yield an address that refuses: the port is held and nobody listens."""
    with closing(socket.socket()) as holder:
        holder.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{holder.getsockname()[1]}"


def test_counting_and_reading_share_a_connection(shell: Any) -> None:
    node = Node()

    def body(client: Any) -> None:
        assert client.count("k").value == 1
        assert client.count("k", 5).value == 6
        assert client.count_many({"k": 1, "ä": 2}).values == {"k": 7, "ä": 2}
        assert client.get("ä") == 2
        assert client.count("k").node == "n1"

    with serving(node) as urls:
        shell.run(urls[0], body)
    assert node.values == {"k": 8, "ä": 2}
    assert node.connections == 1
    assert node.requests[-2] == "/v1/counters/%C3%A4?min=2&timeout=2.000"


def test_an_answer_that_is_lost_is_asked_for_again_and_counts_once(shell: Any) -> None:
    node = Node({0: "swallow"})

    def body(client: Any) -> None:
        counted = client.count("k", 3)
        assert (counted.value, counted.replayed) == (3, True)

    with serving(node) as urls:
        shell.run(urls, body)
    assert node.values == {"k": 3}


def test_a_request_that_was_lost_is_indefinite_unless_the_address_is_direct(shell: Any) -> None:
    node = Node({0: "drop"})

    def fails(client: Any) -> None:
        with pytest.raises(IndefiniteError) as found:
            client.count("k", 3)
        assert found.value.counts == {"k": 3}
        assert found.value.code == "lost"

    with serving(node) as urls:
        shell.run(urls, fails, timeout_s=0.2)
    assert node.values == {}

    node = Node({0: "drop"})
    with serving(node) as urls:
        shell.run(urls, lambda client: client.count("k", 3), direct=True)
    assert node.values == {"k": 3}


def test_a_node_that_is_gone_or_refuses_is_passed_over(shell: Any) -> None:
    refusing, node = Node({0: "refuse", 1: "refuse"}), Node()

    def body(client: Any) -> None:
        for number in range(1, 5):
            assert client.count("k").value == number

    with nobody() as gone, serving(refusing, node) as urls:
        shell.run([gone, *urls], body)
    assert node.values + refusing.values == {"k": 4}


def test_nobody_there_is_definite_and_a_node_that_hangs_is_not(shell: Any) -> None:
    def unreachable(client: Any) -> None:
        with pytest.raises(DefiniteError, match="unreachable"):
            client.count("k")
        with pytest.raises(ReadError, match="unreachable"):
            client.get("k")

    with nobody() as gone:
        shell.run(gone, unreachable, timeout_s=0.1)

    def hangs(client: Any) -> None:
        with pytest.raises(IndefiniteError, match="timeout"):
            client.count("k")

    with serving(Node(dict.fromkeys(range(50), "hang"))) as urls:
        shell.run(urls, hangs, timeout_s=0.3)


def test_a_value_never_goes_down_from_node_to_node(shell: Any) -> None:
    ahead, behind = Node(name="n1"), Node(name="n2")
    ahead.values["k"] = 7

    def body(client: Any) -> None:
        # Whichever it begins with: the one behind is passed over once 7 was seen.
        seen = 0
        for _ in range(6):
            ahead.values["k"] += 1
            value = client.get("k", least=7)
            assert value >= max(seen, 7)
            seen = value

    with serving(ahead, behind) as urls:
        shell.run(urls, body)


def test_reading_more_than_there_is_says_what_there_is(shell: Any) -> None:
    node = Node()
    node.values["k"] = 4

    def body(client: Any) -> None:
        with pytest.raises(ReadError) as found:
            client.get("k", least=9)
        assert found.value.code == "not_reached"

    with serving(node) as urls:
        shell.run(urls, body, timeout_s=0.2)


def test_what_is_added_is_sent_together_and_flush_waits_for_it(shell: Any) -> None:
    node = Node()

    def body(client: Any) -> None:
        for number in range(1000):
            client.add(f"k{number % 10}")
        client.flush()
        assert node.values == {f"k{number}": 100 for number in range(10)}
        client.add("late", 2)

    with serving(node) as urls:
        shell.run(urls, body, batch_age_s=60.0)
    assert node.values["late"] == 2  # sent at the end
    assert len(node.requests) < 20


def test_what_is_added_is_sent_after_its_age_by_itself(shell: Any) -> None:
    node = Node()
    counted = threading.Event()
    count = node.count

    def watched(*arguments: Any) -> bytes:
        counted.set()
        return count(*arguments)

    node.count = watched  # type: ignore[method-assign]

    def body(client: Any) -> None:
        client.add("k")
        assert counted.wait(PATIENCE_S)

    with serving(node) as urls:
        shell.run(urls, body, batch_age_s=0.01)


def test_a_flush_tells_which_counts_are_unknown_and_which_were_refused(shell: Any) -> None:
    node = Node({0: "drop", **dict.fromkeys(range(1, 400), "doubt")})

    def body(client: Any) -> None:
        client.add("k", 2)
        with pytest.raises(IndefiniteError) as found:
            client.flush()
        assert found.value.counts == {"k": 2}
        client.flush()  # told once

    with serving(node) as urls:
        shell.run(urls, body, timeout_s=0.2, batch_age_s=60.0)


def test_a_failure_at_the_end_is_raised_as_it_is(shell: Any) -> None:
    with nobody() as gone, pytest.raises(DefiniteError) as found:
        shell.run(gone, lambda client: client.add("k", 2), timeout_s=0.1)
    assert found.value.counts == {"k": 2}


def test_connections_that_the_node_closed_are_not_used(shell: Any) -> None:
    node = Node()
    with serving(node) as urls:

        def body(client: Any) -> None:
            node.script[0] = ""
            client.count("k")
            node.script[1] = "swallow"
            assert client.count("k").value == 2
            assert client.count("k").value == 3

        shell.run(urls, body)
    assert node.connections == 2


def test_a_client_may_be_used_by_many_threads_and_keeps_few_connections() -> None:
    node = Node()
    with serving(node) as urls:
        with Client(urls) as client:
            threads = [
                threading.Thread(target=lambda: [client.count("k") for _ in range(20)])
                for _ in range(IDLE_CONNECTIONS_MAX + 4)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(PATIENCE_S)
            assert client.get("k") == 20 * (IDLE_CONNECTIONS_MAX + 4)
        with pytest.raises(DefiniteError, match="closed"):
            client.add("k")
        client.close()


async def test_an_error_of_the_program_leaves_the_block_as_it_is() -> None:
    node = Node()

    async def fail(urls: list[str]) -> None:
        async with open_client(urls) as client:
            client.add("k")
            raise ZeroDivisionError

    with serving(node) as urls, pytest.raises(ZeroDivisionError):
        await fail(urls)
    assert node.values == {"k": 1}


async def test_a_cancelled_call_leaves_no_connection_that_answers_another() -> None:
    node = Node({0: "hang"})
    with serving(node) as urls:
        async with open_client(urls) as client:
            with trio.move_on_after(0.1) as scope:
                await client.count("k")
            assert scope.cancelled_caught
            assert (await client.count("k", 2)).value == 2


@pytest.mark.parametrize("shell", [InThreads(), InTrio()], ids=["threads", "trio"])
def test_a_token_is_shown_with_every_request(shell: Any) -> None:
    node = Node()
    with serving(node) as urls:

        def body(client: Any) -> None:
            client.count("a")
            client.get("a")

        shell.run(urls, body, token="gct_a")
    assert node.shown == ["Bearer gct_a"] * 2
