"""Who needs which token over RESP, command by command and in whole chunks of increments."""

from __future__ import annotations

import attrs
import pytest
import trio

from gcounterd.api.access import Access
from gcounterd.api.listeners import listen_tcp
from gcounterd.api.server import serve
from gcounterd.resp.doors import open_resp
from gcounterd.resp.permits import GREETINGS, SCOPES
from gcounterd.resp.table import COMMANDS
from gcounterd.security.tokens import Scope, Tokens, new_token
from tests.unit.api.memory_backend import MemoryBackend
from tests.unit.resp.resp_rig import PATIENCE_S, Player, pack

NO_AUTH = "-NOAUTH Authentication required."


@attrs.frozen
class Keys:
    """Access with one token of each kind, and what their clients show."""

    access: Access
    secrets: dict[str, str]


def cut(public: tuple[Scope, ...] = ()) -> Keys:
    made = {
        "read": new_token([Scope.READ], [], "read"),
        "count": new_token([Scope.COUNT], [], "count"),
        "blog": new_token([Scope.READ, Scope.COUNT], ["blog/"], "blog"),
    }
    tokens = Tokens([token for _, token in made.values()])
    return Keys(Access(public, tokens), {name: secret for name, (secret, _) in made.items()})


def test_every_command_says_what_it_needs() -> None:
    names = {command.name for command in COMMANDS}
    assert SCOPES.keys() | set(GREETINGS) == names
    assert not SCOPES.keys() & set(GREETINGS)
    for command in COMMANDS:  # what clients are told of a command agrees with what it needs
        flags, scope = command.flags, SCOPES.get(command.name)
        assert ("write" in flags) == (scope is Scope.COUNT)
        assert "readonly" not in flags or scope is Scope.READ


async def test_whoever_has_said_nothing_may_only_say_who_he_is() -> None:
    keys = cut()
    player = Player(access=keys.access)
    for command in ("INCR a", "GET a", "PING", "SCAN 0", "COMMAND", "MULTI", "EXEC", "CLIENT ID"):
        assert await player.one(command) == NO_AUTH
    assert str(await player.one("HELLO 3")).startswith("-NOAUTH HELLO must be called")
    assert await player.one("AUTH gct_wrong") == (
        "-WRONGPASS invalid username-password pair or user is disabled."
    )
    assert player.backend.events["resp_token_unknown"] == 1
    assert await player.one("GET a") == NO_AUTH
    assert await player.one(f"AUTH {keys.secrets['count']}") == b"OK"
    assert await player.one("INCR a") == 1
    assert await player.one("QUIT") == b"OK"


@pytest.mark.parametrize("user", ["", "default ", "blog "])
async def test_a_token_may_be_shown_with_its_name_and_in_a_hello(user: str) -> None:
    keys = cut()
    player = Player(access=keys.access)
    assert await player.one(f"AUTH {user}{keys.secrets['blog']}") == b"OK"
    assert await player.one("INCR blog/a") == 1
    other = Player(access=keys.access)
    told = await other.one(f"HELLO 2 AUTH {user or 'default '}{keys.secrets['blog']}")
    assert isinstance(told, list)
    assert await other.one("INCR blog/a") == 1
    assert str(await other.one(f"AUTH read {keys.secrets['blog']}")).startswith("-WRONGPASS")
    assert await other.one("INCR blog/a") == 2


async def test_a_token_is_for_its_scopes_and_keys() -> None:
    keys = cut()
    player = Player(access=keys.access)
    await player.one(f"AUTH {keys.secrets['read']}")
    assert await player.one("INCR a") == (
        "-NOPERM the token read has no scope count, which 'incr' needs"
    )
    assert await player.one("GET a") is None
    await player.one(f"AUTH {keys.secrets['blog']}")
    refused = "-NOPERM the token blog is not for this key"
    for command in (
        "INCR a",
        "INCRBY blog 2",
        "GET a",
        "MGET blog/a a",
        "EXISTS blog/a blog/b a",
        "TYPE a",
        "GCOUNTER.GET a CONSISTENT",
        "DBSIZE",
        "INFO",
    ):
        assert await player.one(command) == refused, command
    assert await player.ask("INCRBY blog/a 2", "MGET blog/a blog/b", "EXISTS blog/a blog/a") == [
        2,
        [b"2", None],
        2,
    ]
    assert player.backend.values == {b"blog/a": 2}


async def test_a_scan_shows_the_keys_that_a_token_is_for() -> None:
    keys = cut()
    player = Player(access=keys.access)
    player.backend.values.update({b"a": 1, b"blog/a": 2, b"blog/b": 3})
    await player.one(f"AUTH {keys.secrets['blog']}")
    assert await player.one("SCAN 0 COUNT 100") == [b"0", [b"blog/a", b"blog/b"]]
    await player.one(f"AUTH {keys.secrets['read']}")
    assert await player.one("SCAN 0 COUNT 100") == [b"0", [b"a", b"blog/a", b"blog/b"]]


async def test_a_transaction_with_something_forbidden_counts_nothing() -> None:
    keys = cut()
    player = Player(access=keys.access)
    await player.one(f"AUTH {keys.secrets['blog']}")
    told = await player.ask("MULTI", "INCR blog/a", "INCR a", "EXEC")
    assert told[:2] == [b"OK", b"QUEUED"]
    assert str(told[2]).startswith("-NOPERM")
    assert str(told[3]).startswith("-EXECABORT")
    await player.ask("MULTI", "INCR blog/a")
    keys.access.replace(Tokens())
    assert await player.one("EXEC") == NO_AUTH
    assert await player.one("INCR blog/a") == NO_AUTH
    assert player.backend.values == {}


async def test_what_was_queued_by_a_token_that_is_gone_is_not_counted() -> None:
    keys = cut((Scope.READ,))
    player = Player(access=keys.access)
    await player.ask(f"AUTH {keys.secrets['count']}", "MULTI", "INCR a")
    keys.access.replace(Tokens())
    assert str(await player.one("EXEC")).startswith("-EXECABORT")
    assert await player.one("GET a") is None
    assert player.backend.values == {}


async def test_what_is_public_needs_no_token() -> None:
    keys = cut((Scope.READ,))
    player = Player(access=keys.access)
    assert await player.ask("PING", "GET a", "INCR a") == [b"PONG", None, NO_AUTH]
    await player.one(f"AUTH {keys.secrets['count']}")
    assert await player.ask("INCR a", "GET a") == [1, b"1"]


async def test_chunks_of_increments_are_judged_key_by_key() -> None:
    keys, backend = cut(), MemoryBackend()
    listener = await listen_tcp("127.0.0.1", 0)
    with trio.fail_after(PATIENCE_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(serve, backend, [open_resp(backend, listener, keys.access)])
            stream = await trio.open_tcp_stream("127.0.0.1", listener.port)
            told = b""

            async def tell(chunk: bytes, lines: int) -> list[bytes]:
                nonlocal told
                await stream.send_all(chunk)
                while told.count(b"\r\n") < lines:
                    told += await stream.receive_some()
                said, told = told.split(b"\r\n")[:-1], b""
                return said

            good, bad = pack("INCR", "blog/a"), pack("INCR", "a")
            assert await tell(good * 2, 2) == [NO_AUTH.encode()] * 2
            assert await tell(pack("AUTH", keys.secrets["blog"]), 1) == [b"+OK"]
            refused = b"-NOPERM the token blog is not for this key"
            assert await tell(good * 3, 3) == [b":1", b":2", b":3"]
            assert await tell(good + bad + good, 3) == [b":4", refused, b":5"]
            assert await tell(good + bad[:-5], 1) == [b":6"]
            assert await tell(bad[-5:] + good, 2) == [refused, b":7"]
            keys.access.replace(Tokens())
            assert await tell(good, 1) == [NO_AUTH.encode()]
            assert backend.values == {b"blog/a": 7}
            await stream.aclose()
            nursery.cancel_scope.cancel()
