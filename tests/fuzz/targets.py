"""The targets: who reads bytes, from which examples to start, and which words are worth trying.

Theory. Examples are made by the code itself, from the strategies that the property tests draw
from, so a new message is an example without a word here. Reading takes memory in proportion to
what came: `held` says how many bytes for each, beside a fixed share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import attrs
import hypothesis
from hypothesis import strategies as st

from gcounterd.node.records import Group, TakeApprovals, TakeBatch, TakeClosings, TakeEntries
from gcounterd.storage.records import encode_group
from gcounterd.wire.approvals import encode_approvals
from gcounterd.wire.batches import encode_batch
from gcounterd.wire.codec import encode
from gcounterd.wire.entries import encode_entries
from gcounterd.wire.frames import LENGTH_BYTES
from gcounterd.wire.hellos import encode_hello, encode_refusal
from tests.fuzz import clients, disks, peers
from tests.properties import test_wire_laws as laws
from tests.properties.test_http_splits import GOOD, LAST
from tests.unit.resp.resp_rig import pack

EXAMPLES = 40
# What a reading may take whatever came: its own objects, and one slice of work.
MEMORY_MIN = 512 * 1024


@attrs.frozen
class Target:
    """One reader of bytes.

    run       reads them; raises where something does not hold
    examples  what it reads without complaint
    words     what it looks for
    held      bytes of memory that a byte of input may take; 0: not measured
    """

    name: str
    run: Callable[[bytes], None]
    examples: Callable[[], Sequence[bytes]]
    words: tuple[bytes, ...] = ()
    held: int = 0


def draw(strategy: st.SearchStrategy[Any], number: int = EXAMPLES) -> list[bytes]:
    """Return examples of a strategy, the same each time."""
    found: list[bytes] = []

    @hypothesis.seed(1)
    @hypothesis.settings(
        max_examples=number,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(strategy)
    def gather(data: bytes) -> None:
        found.append(data)

    gather()
    return list(dict.fromkeys(found))


@cache
def _bodies() -> list[bytes]:
    made = st.one_of(
        laws.any_message.map(encode),
        laws.greetings.map(encode_hello),
        laws.refusals.map(encode_refusal),
    )
    return draw(made.map(lambda frame: frame[LENGTH_BYTES:]), 2 * EXAMPLES)


def _streams() -> list[bytes]:
    frames = st.one_of(laws.any_message.map(encode), laws.greetings.map(encode_hello))
    return draw(st.lists(frames, max_size=4).map(b"".join))


def _payloads() -> list[bytes]:
    return draw(
        st.one_of(
            laws.batches().map(lambda one: b"\0" + encode_batch(one)),
            laws.rosters.map(lambda one: b"\1" + encode_entries(one)),
            laws.approval_tables.map(lambda one: b"\2" + encode_approvals(one)),
        )
    )


def _rows() -> list[bytes]:
    records = st.one_of(
        laws.batches().map(TakeBatch),
        laws.rosters.map(TakeEntries),
        laws.approval_tables.map(TakeApprovals),
    )
    groups = st.lists(records, max_size=4).map(lambda some: Group(tuple(some), True, False))
    return [encode_group(Group((TakeClosings(()),), True, False)), *draw(groups.map(encode_group))]


def _commands() -> list[bytes]:
    one = [pack("INCR", "a"), pack("INCRBY", "a", 7), pack("GET", "a"), pack("MGET", "a", "b")]
    one += [
        pack("MULTI"),
        pack("EXEC"),
        pack("DISCARD"),
        pack("HELLO", 3),
        pack("PING"),
        b"PING\r\n",
    ]
    one += [pack("DECR", "a"), pack("SET", "a", 1), pack("QUIT"), b"INCR a\r\n", b"*0\r\n"]
    return [*one, b"".join(one), b"".join(one[:6])]


JSON = (
    b'{"counts": {"a": 1, "b": 22}}',
    b'{"counts": {}}',
    b'{"counts": {"\\u00e4\\n": 9007199254740992}}',
    b' {"counts"\t:\r\n{"x":0}}\n',
    '{"counts": {"schlüssel": 3}}'.encode(),
)
FILES = (
    b'{"key": "a", "value": 3}\n{"key": "b", "count": 4}\n',
    b'[{"key": "a", "value": 3}, {"namespace": "n", "key": "b", "value": 4}]',
    b'{"a": 3, "b": 4}',
    b'key,value\na,3\n"b, c",4\n',
    b'namespace,key,value\nn,a,3\n"x""y",b,4\n',
    b'{"node": "aa", "epoch": "bb", "version": 3, "counted": 1}\n{"key": "a", "count": 2}\n',
)
TOML = (
    b'name = "n1"\ncluster = "c"\npeer = "127.0.0.1:1"\njoin = ["127.0.0.1:2", "[::1]:3"]\n',
    b'data-dir = "/tmp/x"\nresp = "off"\nmax-counters = 1000\ntake-over = true\n',
    b'http = "localhost"\nprofile = "wan"\ndurability = "relaxed"\narchive-budget = "1GiB"\n',
    b'log-format = "json"\nlog-level = "debug"\ndrain-delay = 3\nadmission = "approved"\n',
)
HTTP_WORDS = (
    *(
        b"Content-Length: ",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n",
        b"\r\n\r\n",
    ),
    *(b"Expect: 100-continue\r\n", b"Upgrade: h2c\r\n", b" HTTP/1.1", b" HTTP/1.0", b"0\r\n\r\n"),
    *(b"Host: a\r\n", b"GET ", b"POST ", b"\r\n ", b"\n", b"\0", b"5;a=b\r\n"),
)

TARGETS = (
    Target("frames", peers.frames, _streams, (b"\0\0\0\x01", b"\0\4\0\0"), 40),
    Target("bodies", peers.bodies, _bodies, (b"\xc4\0", b"\x90", b"\xdd\xff\xff\xff\xff"), 120),
    Target("payloads", peers.payloads, _payloads, (b"\xc4\x20", b"\x93"), 120),
    Target("journal", disks.journal, _rows, (b"\x92\x01", b"\x92\x05"), 0),
    Target(
        "commands", clients.commands, _commands, (b"*1\r\n", b"$-1\r\n", b"\r\n", b"$0\r\n"), 90
    ),
    Target("replies", clients.replies, _commands, (b"INCR", b"$1\r\na\r\n", b"ECHO", b"CLIENT"), 0),
    Target("requests", clients.requests, lambda: [*GOOD, *LAST[1:]], HTTP_WORDS, 60),
    Target("counts", clients.bodies, lambda: JSON, (b'"counts"', b"\\ud800", b"1e3", b"-1"), 0),
    Target("imports", clients.imports, lambda: FILES, (b'""', b"\n", b"\xef\xbb\xbf", b"\\"), 0),
    Target("config", disks.config, lambda: TOML, (b"[", b'"""', b"\\u", b"0x7fffffffffffffff"), 0),
    Target("store", disks.store, lambda: [b"", bytes(8), bytes(range(64))], (), 0),
)
