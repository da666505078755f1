"""The commands: what each answers, in RESP 2 and 3, alone and in pipelines and transactions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcounterd.api.limits import AMOUNT_MAX
from gcounterd.errors import ClientError
from gcounterd.resp.limits import OUTPUT_BYTES_MAX, QUEUE_WORDS_MAX, SCAN_COUNT_MAX
from gcounterd.resp.table import COMMANDS, OTHERS, TABLE
from tests.unit.resp.resp_rig import Player, pack, read_replies

GROW = "-ERR counters only grow"


async def test_counting_and_reading() -> None:
    player = Player()
    assert await player.ask("INCR a", "incrby a 4", "GET a", "GET b", "INCRBY a 0") == [
        *(1, 5, b"5", None, 5)
    ]
    assert await player.ask("MGET a b a", "EXISTS a b a", "TYPE a", "TYPE b", "DBSIZE") == [
        *([b"5", None, b"5"], 2, b"string", b"none", 1)
    ]
    assert player.backend.commits == 1


async def test_each_increment_of_a_pipeline_answers_a_number_of_its_own() -> None:
    player = Player()
    player.backend.values[b"a"] = 10
    asked = ["INCR a", "GET a", "INCR b", "INCRBY a 5", "MGET a b", "INCR a", "GET a", "GET b"]
    assert await player.ask(*asked) == [11, b"11", 1, 16, [b"16", b"1"], 17, b"17", b"1"]
    assert await player.ask("GET c", "INCR c", "EXISTS c") == [None, 1, 1]


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("DECR a", GROW),
        ("del a", GROW),
        ("SET a 1", GROW),
        ("FLUSHALL", GROW),
        ("INCRBY a -1", GROW),
        ("INCRBY a 1.5", "-ERR value is not an integer or out of range"),
        ("INCRBY a 9223372036854775808", "-ERR value is not an integer or out of range"),
        (f"INCRBY a {AMOUNT_MAX + 1}", f"-ERR one increment is at most {AMOUNT_MAX}"),
        ("INCR", "-ERR wrong number of arguments for 'incr' command"),
        ("GET a b", "-ERR wrong number of arguments for 'get' command"),
        ("NOPE a b", "-ERR unknown command 'NOPE', with args beginning with: 'a' 'b'"),
        ("SELECT 1", "-ERR DB index is out of range: there is 0 only"),
        ("EXEC", "-ERR EXEC without MULTI"),
        ("DISCARD", "-ERR DISCARD without MULTI"),
        ("SCAN x", "-ERR invalid cursor"),
        ("SCAN 0 COUNT", "-ERR syntax error"),
        ("SCAN 0 COUNT 0", "-ERR syntax error"),
        ("WAIT -1 0", "-ERR value is not an integer or out of range"),
        ("WAIT 1 x", "-ERR timeout is not an integer or out of range"),
        ("HELLO 4", "-NOPROTO unsupported protocol version"),
        ("HELLO 3 SETNAME", "-ERR Syntax error in HELLO"),
        ("AUTH other secret", "-WRONGPASS invalid username-password pair or user is disabled."),
        ("CONFIG SET save 1", "-ERR CONFIG knows GET only; settings are options of gcounterd run"),
        ("GCOUNTER.GET a MIN x", "-ERR value is not an integer or out of range"),
    ],
)
async def test_what_cannot_be_done_is_an_error_and_counts_nothing(command: str, reply: str) -> None:
    player = Player()
    assert await player.one(command) == reply
    assert await player.one("PING") == b"PONG"
    assert player.backend.commits == 0


async def test_nothing_in_an_error_ends_its_line() -> None:
    (reply,) = await Player().ask((b"a\r\nb\xff", b"\r\n+OK"))
    assert reply == r"-ERR unknown command 'a b\xff', with args beginning with: ' +OK'"


async def test_greetings_answer_what_clients_ask_for() -> None:
    player = Player()
    told = await player.ask("HELLO", "CLIENT ID", "CLIENT GETNAME", "CLIENT SETNAME me")
    assert isinstance(told[0], list)
    assert told[0][:2] == [b"server", b"gcounterd"]
    assert told[1:] == [1, None, b"OK"]
    (greeting,) = await player.ask("HELLO 3 AUTH default x SETNAME you")
    assert isinstance(greeting, dict)
    assert (greeting[b"proto"], greeting[b"role"]) == (3, b"master")
    asked = ["CLIENT GETNAME", "CLIENT SETINFO LIB-NAME redis-py", "ECHO hi", "PING hi", "SELECT 0"]
    assert await player.ask(*asked) == [b"you", b"OK", b"hi", b"hi", b"OK"]
    assert await player.ask("GET a", "CONFIG GET save append*") == [
        None,
        {b"save": b"", b"appendonly": b"yes", b"appendfsync": b"always"},
    ]
    assert await player.play([pack("GET", "a")]) == b"_\r\n"


async def test_the_table_is_told_to_clients() -> None:
    player = Player()
    count, all_of_it, known = await player.ask("COMMAND COUNT", "COMMAND", "COMMAND INFO incr nope")
    assert count == len(COMMANDS) == len(all_of_it)
    assert known[0][:3] == [b"incr", 2, [b"write", b"denyoom", b"fast"]]
    assert known[0][3:6] == [1, 1, 1]
    assert known[1] is None
    await player.one("HELLO 3")
    docs = await player.one("COMMAND DOCS incrby nope")
    assert list(docs) == [b"incrby"]
    assert docs[b"incrby"][b"group"] == b"string"


async def test_info_has_the_sections_that_are_asked_for() -> None:
    player = Player()
    await player.one("INCR a")
    everything = await player.one("INFO")
    assert b"# Server\r\nredis_version:" in everything
    assert await player.one("INFO keyspace") == b"# Keyspace\r\ndb0:keys=1,expires=0,avg_ttl=0\r\n"


def test_no_command_is_both_there_and_refused() -> None:
    assert TABLE.keys().isdisjoint(OTHERS)
    assert all((row.act is None) is not (row.perform is None) for row in COMMANDS)


# -- transactions ------------------------------------------------------------------------------


async def test_a_transaction_is_one_commit() -> None:
    player = Player()
    asked = ["MULTI", "INCR a", "INCRBY a 2", "GET a", "INCR b", "EXEC", "INCR a"]
    replies = await player.ask(*asked)
    assert replies == [b"OK", *[b"QUEUED"] * 4, [1, 3, b"3", 1], 4]
    assert player.backend.commits == 1
    assert await player.ask("MULTI", "EXEC") == [b"OK", []]


async def test_a_transaction_may_come_in_pieces_and_be_discarded() -> None:
    player = Player()
    for command, reply in [("MULTI", b"OK"), ("INCR a", b"QUEUED"), ("DISCARD", b"OK")]:
        assert await player.one(command) == reply
    assert await player.ask("MULTI", "MULTI", "EXEC") == [
        *(b"OK", "-ERR MULTI calls can not be nested", [])
    ]
    assert player.backend.values == {}


@pytest.mark.parametrize("wrong", ["NOPE", "INCR", "DECR a", "SCAN 0", "WAIT 1 1", "HELLO 3"])
async def test_a_command_refused_while_queueing_spoils_the_transaction(wrong: str) -> None:
    player = Player()
    replies = await player.ask("MULTI", "INCR a", wrong, "EXEC", "GET a")
    assert str(replies[2]).startswith("-ERR")
    assert str(replies[3]).startswith("-EXECABORT")
    assert replies[4] is None


async def test_of_a_transaction_with_one_increment_too_many_nothing_is_counted() -> None:
    player = Player()
    player.backend.values[b"full"] = 2**53
    for bad in ("INCR full", "INCRBY a -1"):
        replies = await player.ask("MULTI", "INCR a", bad, "EXEC", "INCR b")
        assert str(replies[3]).startswith("-EXECABORT Transaction discarded, nothing of it was")
    assert player.backend.values == {b"full": 2**53, b"b": 2}


async def test_a_queue_ends_somewhere() -> None:
    player = Player()
    most = QUEUE_WORDS_MAX // 2
    replies = await player.ask("MULTI", *["INCR a"] * most, "PING", "EXEC")
    assert str(replies[-2]).startswith("-ERR a transaction has at most")
    assert str(replies[-1]).startswith("-EXECABORT")
    replies = await player.ask("MULTI", *["INCR a"] * most, "EXEC")
    assert replies[-1] == list(range(1, most + 1))


# -- refusals of the node ----------------------------------------------------------------------


@pytest.mark.parametrize(("definite", "word"), [(True, "ERR"), (False, "UNCERTAIN")])
async def test_a_failed_commit_says_whether_it_counted(definite: bool, word: str) -> None:
    player = Player()
    player.backend.values[b"b"] = 3
    player.backend.fail_with = ClientError(503, "storage", "the disk\r\nfailed", definite=definite)
    asked = ["INCR a", "GET b", "MULTI", "INCR a", "GET b", "EXEC", "MULTI", "GET b", "EXEC"]
    failed = f"-{word} the disk failed"
    assert await player.ask(*asked) == [
        *(failed, b"3", b"OK", b"QUEUED", b"QUEUED", failed, b"OK", b"QUEUED", [b"3"])
    ]
    assert player.backend.events["resp_storage"] == 1
    assert await player.one("INCR a") == 1


async def test_an_increment_is_refused_in_its_place() -> None:
    player = Player()
    player.backend.values[b"full"] = 2**53
    assert await player.ask("INCR a", "INCR full", "INCR a") == [
        1,
        "-ERR a counter ends at 2^53",
        2,
    ]


async def test_a_node_that_is_not_ready_is_not_read() -> None:
    player = Player()
    player.backend.reasons = ("waiting for 'n2'",)
    said = "-LOADING this node is not ready: waiting for 'n2'; read another node, or try again"
    asked = ["GET a", "MGET a", "SCAN 0", "GCOUNTER.GET a", "PING", "INCR a"]
    assert await player.ask(*asked) == [said] * 4 + [b"PONG", 1]
    player.backend.reasons, player.backend.draining = (), True
    assert await player.one("GET a") == b"1"


# -- waiting -----------------------------------------------------------------------------------


async def test_wait_asks_for_what_this_connection_counted() -> None:
    player = Player()
    player.backend.copies_elsewhere = 1
    assert await player.ask("INCR a", "WAIT 2 100", "WAIT 1 0", "WAIT 1 999999") == [1, 1, 1, 1]
    assert player.backend.patience == [0.1, 60, 60]
    assert player.session.counted == player.backend.counted()


async def test_a_floor_and_exact_reads() -> None:
    player = Player()
    player.backend.values[b"a"], player.backend.reachable = 5, 8
    assert await player.one("GCOUNTER.GET a") == b"5"
    assert await player.one("GCOUNTER.GET nobody") == b"0"
    assert await player.one("GCOUNTER.GET a MIN 7 TIMEOUT 100") == b"7"
    assert await player.one("GCOUNTER.GET a min 9 timeout 1") == (
        "-NOT_REACHED the value was below 9 until time was up; the best value known is 8"
    )
    player.backend.missing = ("n3",)
    assert await player.one("GCOUNTER.GET a CONSISTENT") == (
        "-NOT_EXACT no answer in time from n3; the best value known is 8"
    )


# -- scanning ----------------------------------------------------------------------------------


async def scan_all(player: Player, *more: str | int) -> list[bytes]:
    found: list[bytes] = []
    cursor: bytes | int = 0
    while True:
        ((cursor, keys),) = await player.ask(("SCAN", cursor, *more))
        assert cursor.isdigit()
        assert int(cursor) < 2**63
        found += keys
        if cursor == b"0":
            return found


@given(st.integers(1, 40), st.integers(0, 60))
async def test_a_scan_finds_what_is_there_throughout_once(step: int, size: int) -> None:
    player = Player()
    there = [b"%d" % number for number in range(size)]
    player.backend.values = dict.fromkeys(there, 1)
    ((cursor, found),) = await player.ask(("SCAN", 0, "COUNT", step))
    player.backend.values |= {b"late%d" % number: 1 for number in range(3)}
    while cursor != b"0":
        ((cursor, more),) = await player.ask(("SCAN", cursor, "COUNT", step))
        found += more
    assert len(set(found)) == len(found)
    assert set(there) <= set(found)


async def test_a_scan_keeps_to_its_pattern_and_type() -> None:
    player = Player()
    player.backend.values = {b"%s%d" % (kind, n): 1 for n in range(30) for kind in (b"a", b"b")}
    assert sorted(await scan_all(player, "MATCH", "a1*")) == sorted(
        [b"a1", *(b"a1%d" % n for n in range(10))]
    )
    assert len(await scan_all(player, "TYPE", "string", "MATCH", "*")) == 60
    assert await scan_all(player, "TYPE", "list") == []
    player.backend.values = dict.fromkeys((b"%d" % n for n in range(3 * SCAN_COUNT_MAX)), 1)
    ((_, keys),) = await player.ask(("SCAN", 0, "COUNT", 10**9))
    assert len(keys) == SCAN_COUNT_MAX


async def test_a_cursor_of_another_process_is_refused() -> None:
    player, other = Player(), Player(life=8)
    player.backend.values = other.backend.values = dict.fromkeys((b"%d" % n for n in range(30)), 1)
    ((cursor, _),) = await player.ask("SCAN 0")
    (reply,) = await other.ask(("SCAN", cursor))
    assert reply == "-ERR this cursor is of another process or node; begin again from 0"


# -- as a whole --------------------------------------------------------------------------------

_WORDS = (
    "INCR a;INCR b;INCRBY a 3;INCRBY a -1;GET a;MGET a b;MULTI;EXEC;DISCARD;PING;SCAN 0;WAIT 0 1;"
    "HELLO 3;HELLO 2;NOPE;EXISTS a;QUIT"
)
texts = st.sampled_from(_WORDS.split(";"))


@given(st.lists(texts, max_size=12), st.lists(st.integers(0, 10_000), max_size=6))
async def test_replies_are_the_same_however_the_bytes_are_cut(
    commands: list[str], places: list[int]
) -> None:
    data = b"".join(pack(*command.split()) for command in commands)
    ends = sorted(place % (len(data) + 1) for place in places)
    chunks = [data[a:b] for a, b in zip([0, *ends], [*ends, len(data)], strict=True) if a < b]
    whole = await Player().play([data])
    assert await Player().play(chunks) == whole
    assert await Player().play(bytes([byte]) for byte in data) == whole
    until = commands.index("QUIT") + 1 if "QUIT" in commands else len(commands)
    assert len(read_replies(whole)) == until


async def test_nothing_follows_quit_or_what_is_no_resp() -> None:
    assert await Player().play([pack("PING") + pack("QUIT") + pack("INCR", "a")]) == (
        b"+PONG\r\n+OK\r\n"
    )
    player = Player()
    assert await player.play([pack("PING") + b"*x\r\n" + pack("INCR", "a")]) == (
        b"+PONG\r\n-ERR Protocol error: invalid multibulk length\r\n"
    )
    assert player.session.closing
    assert player.backend.events["resp_malformed"] == 1


async def test_a_web_page_counts_nothing() -> None:
    player = Player()
    body = b"\r\n".join([b"POST / HTTP/1.1", b"Host: 127.0.0.1:7379", b"", b"INCR a", b""])
    assert await player.play([body]) == b""
    assert player.session.closing
    assert player.backend.values == {}
    assert player.backend.events["resp_cross_protocol"] == 1


async def test_large_replies_are_not_gathered_without_end() -> None:
    player = Player()
    player.session.feed(pack("COMMAND", "DOCS") * 400)
    assert player.session.gather()
    assert OUTPUT_BYTES_MAX <= len(player.session.answers()) < 2 * OUTPUT_BYTES_MAX
    assert player.session.busy
