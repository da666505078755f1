"""The page about the protocol names every message as the codec writes it."""

from __future__ import annotations

from pathlib import Path

import msgpack

from gcounterd.node.messages import Hello, Message, Refusal, Refused
from gcounterd.wire.codec import decode
from gcounterd.wire.frames import LENGTH_BYTES
from gcounterd.wire.hellos import decode_hello
from tests.docs.tables import read_tables

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/reference/wire.md").read_text()
# One frame or more of each type, held to the codec by tests/unit/wire.
GOLDEN = sorted((ROOT / "tests/unit/wire/golden").glob("*.txt"))


def name_of(body: bytes) -> str:
    kind = msgpack.unpackb(body)[0]
    return type(decode_hello(body) if kind in (1, 2) else decode(body)).__name__


def test_every_type_of_message_stands_with_its_number_and_as_many_fields() -> None:
    (table,) = read_tables(PAGE, "type", "message")
    shown = {
        (int(row["type"]), row["message"], len(row["fields"].replace(",", "").split()))
        for row in table
    }

    bodies = [bytes.fromhex(path.read_text())[LENGTH_BYTES:] for path in GOLDEN]
    written = {(msgpack.unpackb(b)[0], name_of(b), len(msgpack.unpackb(b)) - 1) for b in bodies}

    assert shown == written
    assert {name for _, name, _ in shown} == {
        kind.__name__ for kind in (*Message.__args__, Hello, Refusal)
    }


def test_every_reason_of_a_refusal_stands_there() -> None:
    (table,) = read_tables(PAGE, "reason")
    assert {row["reason"].strip("`") for row in table} == set(Refused)
