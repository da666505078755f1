"""Golden frames, refusals of malformed bodies, and the limits of what we may send."""

from __future__ import annotations

import attrs
import msgpack
import pytest
from samples import (
    BLOCK,
    ENTRY,
    EPOCH,
    HELLO,
    MESSAGES,
    OTHER,
    REFUSAL,
    golden,
    plain,
)

from gcounterd.errors import PeerError
from gcounterd.ids import ColumnId, NodeId
from gcounterd.members.roster import Entry, State
from gcounterd.node.messages import (
    PROTOCOL_VERSION,
    Digest,
    Hello,
    Message,
    Part,
    Push,
    Refusal,
    Refused,
    Roster,
)
from gcounterd.node.reading_messages import Answer
from gcounterd.wire.codec import HEADS_MAX, decode, encode
from gcounterd.wire.frames import FRAME_BYTES_MAX, HELLO_BYTES_MAX, LENGTH_BYTES
from gcounterd.wire.hellos import decode_hello, encode_hello, encode_refusal
from gcounterd.wire.rosters import ENTRIES_MAX


def test_every_type_of_message_has_a_golden_frame() -> None:
    assert {type(message) for message in MESSAGES.values()} == set(Message.__args__)


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_is_written_as_its_golden_frame(name: str) -> None:
    assert encode(MESSAGES[name]).hex() == golden(name).hex()


@pytest.mark.parametrize("name", MESSAGES)
def test_a_golden_frame_is_read_as_its_message(name: str) -> None:
    frame = golden(name)
    assert int.from_bytes(frame[:LENGTH_BYTES], "big") == len(frame) - LENGTH_BYTES
    assert plain(decode(frame[LENGTH_BYTES:])) == plain(MESSAGES[name])


def test_a_hello_is_written_and_read_as_its_golden_frame() -> None:
    assert encode_hello(HELLO).hex() == golden("hello").hex()
    assert decode_hello(golden("hello")[LENGTH_BYTES:]) == HELLO


def test_a_refusal_is_written_and_read_as_its_golden_frame() -> None:
    assert encode_refusal(REFUSAL).hex() == golden("refusal").hex()
    assert decode_hello(golden("refusal")[LENGTH_BYTES:]) == REFUSAL


def test_a_block_keeps_its_bytes_through_a_push_and_a_part() -> None:
    push = decode(encode(MESSAGES["push"])[LENGTH_BYTES:])
    part = decode(encode(MESSAGES["part"])[LENGTH_BYTES:])
    assert isinstance(push, Push)
    assert isinstance(part, Part)
    assert push.batch.blocks[0].encoded == BLOCK.encoded == part.block.encoded


def test_the_longest_hello_fits_its_limit() -> None:
    longest = attrs.evolve(
        HELLO, version=2**63 - 1, cluster="c" * 64, name="n" * 64, address="a" * 255
    )
    frame = encode_hello(longest)
    assert len(frame) - LENGTH_BYTES <= HELLO_BYTES_MAX
    assert decode_hello(frame[LENGTH_BYTES:]) == longest


def test_a_refusal_with_too_many_words_is_cut_to_fit() -> None:
    wordy = Refusal(Refused.NAME, "\u00fc\n" * 1000, "a" * 255)
    read = decode_hello(encode_refusal(wordy)[LENGTH_BYTES:])
    assert isinstance(read, Refusal)
    assert read.reason is Refused.NAME
    assert read.address == wordy.address
    assert read.text.startswith("\u00fc \u00fc")


def test_a_hello_of_a_later_version_with_more_fields_is_read_so_that_it_can_be_refused() -> None:
    fields = msgpack.unpackb(golden("hello")[LENGTH_BYTES:])
    fields[1] = PROTOCOL_VERSION + 1
    read = decode_hello(msgpack.packb([*fields, "something new"]))
    assert isinstance(read, Hello)
    assert (read.version, read.cluster) == (PROTOCOL_VERSION + 1, "local")


def test_a_hello_of_an_older_version_is_read_so_that_it_can_be_refused() -> None:
    fields = msgpack.unpackb(golden("hello")[LENGTH_BYTES:])
    fields[1] = 3
    read = decode_hello(msgpack.packb(fields[:-1]))
    assert isinstance(read, Hello)
    assert (read.version, read.cluster) == (3, "local")


def test_a_hello_of_this_version_with_more_or_fewer_fields_is_refused() -> None:
    fields = msgpack.unpackb(golden("hello")[LENGTH_BYTES:])
    assert reason_of_hello(msgpack.packb([*fields, 1])) == "bad_shape"
    assert reason_of_hello(msgpack.packb(fields[:-1])) == "bad_shape"
    assert reason_of_hello(msgpack.packb(fields[:-2])) == "bad_shape"


def test_512_entries_and_1024_heads_fit_a_frame_whatever_is_in_them() -> None:
    entries = tuple(
        Entry(
            NodeId(number.to_bytes(16, "big")),
            EPOCH,
            2**63 - 1,
            "n" * 64,
            "a" * 255,
            State.REMOVED,
            OTHER,
            forced=True,
        )
        for number in range(512)
    )
    heads = {ColumnId(number.to_bytes(32, "big")): 2**63 - 1 for number in range(HEADS_MAX)}
    answer = Answer(2**63 - 1, heads, entries)
    assert decode(encode(answer)[LENGTH_BYTES:]) == answer


def test_more_than_a_peer_would_take_is_not_encoded() -> None:
    heads = {ColumnId(number.to_bytes(32, "big")): 1 for number in range(HEADS_MAX + 1)}
    entries = tuple(
        attrs.evolve(ENTRY, node=NodeId(number.to_bytes(16, "big")), address="a" * 255)
        for number in range(ENTRIES_MAX + 1)
    )
    with pytest.raises(ValueError, match="1025 heads"):
        encode(Digest(heads, whole=True))
    with pytest.raises(ValueError, match="1025 entries"):
        encode(Roster(entries))
    with pytest.raises(ValueError, match="Roster of 3"):
        encode(Roster(entries[:-1]))


def reason_of(body: bytes) -> str:
    with pytest.raises(PeerError) as caught:
        decode(body)
    return caught.value.reason


def reason_of_hello(body: bytes) -> str:
    with pytest.raises(PeerError) as caught:
        decode_hello(body)
    return caught.value.reason


def changed(name: str, field: int, value: object) -> bytes:
    """Return the golden body with one field of the message replaced."""
    fields = msgpack.unpackb(golden(name)[LENGTH_BYTES:])
    assert msgpack.packb(fields[field]) != msgpack.packb(value)
    fields[field] = value
    return bytes(msgpack.packb(fields))


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("ping", 1, True),
        ("ping", 1, -1),
        ("ping", 1, 2**63),
        ("ping", 1, 1.0),
        ("ping", 1, None),
        ("digest", 1, b"x" * 63),
        ("digest", 1, "x" * 64),
        ("digest", 2, [5, -1]),
        ("digest", 3, 0),
        ("state_hash", 1, b"x" * 15),
        ("state_hash", 2, b"x" * 17),
        ("state_hash", 3, b"x" * 15),
        ("state_hash", 4, 0),
        ("settled", 1, b"x"),
        ("settled", 3, b"x"),
        ("settled", 6, b"x"),
        ("settled", 7, 1),
        ("roster_digest", 1, -1),
        ("roster_digest", 2, b"x" * 511),
        ("roster_list", 1, 2**63),
        ("roster_list", 2, b"x" * 7),
        ("roster_list", 3, 1),
        ("roster_list", 4, None),
        ("roster_list", 5, -1),
        ("holders", 1, b""),
        ("holders", 2, b"x" * 513),
        ("holders", 2, 5),
        ("holders", 3, 1),
        ("push", 1, b"x" * 31),
        ("push", 2, 5),
        ("push", 3, 4),
        ("push", 4, "not bytes"),
        ("want", 4, b"seven77"),
        ("want", 4, []),
        ("part", 2, b""),
        ("last_part", 5, 5),
        ("ask", 1, False),
        ("ask", 4, b"x" * 15),
        ("ask", 5, b""),
        ("ask", 6, b"x" * 15),
        ("ask", 6, 5),
        ("hand_over", 1, -1),
        ("hand_over", 3, [5, -1]),
        ("held", 4, b"x" * 15),
        ("held", 5, b"x" * 31),
        ("held", 5, b"x" * 32 * 1025),
        ("held", 5, None),
        ("saved", 1, b"x" * 15),
        ("saved", 2, b""),
        ("saved", 3, 1),
        ("saved", 4, None),
        ("answer", 1, False),
        ("answer", 5, b"x" * 33),
    ],
)
def test_a_field_of_the_wrong_type_or_range_is_refused(
    name: str, field: int, value: object
) -> None:
    assert reason_of(changed(name, field, value)) == "bad_field"


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("roster", 1, "entries"),
        ("roster", 1, [1]),
        ("roster", 1, [[1, 2]]),
        ("roster_list", 6, [[1, 2]]),
        ("digest", 1, b"x" * 64),
        ("digest", 2, 7),
        ("hand_over", 2, b"x" * 64),
        ("held", 5, b"y" * 32),
        ("held", 5, bytes(range(16)) * 2 + bytes(range(16)) * 2),
        ("settled", 4, 7),
        ("settled", 5, [1]),
        ("settled", 6, b"\x02\x00"),
    ],
)
def test_a_field_of_the_wrong_shape_is_refused(name: str, field: int, value: object) -> None:
    assert reason_of(changed(name, field, value)) == "bad_shape"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (0, b"short"),
        (1, b"x" * 17),
        (2, -1),
        (3, ""),
        (3, "a name"),
        (3, "-n1"),
        (3, "n" * 65),
        (3, "n1\n"),
        (4, "a" * 256),
        (4, "b\u00fccher:7700"),
        (4, "a\x1b[2J"),
        (5, 4),
        (5, True),
        (6, b""),
        (6, False),
        (7, 0),
        (7, None),
    ],
)
def test_an_entry_with_a_bad_field_is_refused(field: int, value: object) -> None:
    fields = msgpack.unpackb(golden("roster")[LENGTH_BYTES:])
    fields[1][0][field] = value
    assert reason_of(msgpack.packb(fields)) == "bad_field"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (1, -1),
        (2, "c" * 65),
        (2, "\u00fc" * 61),
        (2, "two\nlines"),
        (3, b""),
        (4, ""),
        (5, b""),
        (6, b"seven77"),
        (7, 2),
        (7, True),
        (8, "\x00"),
        (9, 1),
        (10, 1),
        (11, None),
        (13, 1),
        (14, None),
        (15, b"seven77"),
    ],
)
def test_a_hello_with_a_bad_field_is_refused(field: int, value: object) -> None:
    assert reason_of_hello(changed("hello", field, value)) == "bad_field"


def test_a_refusal_with_an_unknown_reason_is_refused() -> None:
    assert reason_of_hello(changed("refusal", 1, "mood")) == "bad_field"
    assert reason_of_hello(changed("refusal", 1, ["twin"])) == "bad_field"


def test_a_refusal_with_half_an_epoch_is_refused() -> None:
    assert reason_of_hello(changed("refusal", 4, bytes(8))) == "bad_field"


def test_a_member_that_stands_twice_in_a_roster_is_refused() -> None:
    entry = msgpack.unpackb(golden("roster")[LENGTH_BYTES:])[1][0]
    assert reason_of(changed("roster", 1, [entry, entry])) == "bad_shape"


def test_a_wrong_number_of_fields_is_refused() -> None:
    for name in MESSAGES:
        fields = msgpack.unpackb(golden(name)[LENGTH_BYTES:])
        assert reason_of(msgpack.packb(fields[:-1])) == "bad_shape"
        assert reason_of(msgpack.packb([*fields, 0])) == "bad_shape"


@pytest.mark.parametrize("kind", [0, 99, -1, 2**63, True, 3.0, "ping", None, [], b""])
def test_an_unknown_type_is_refused(kind: object) -> None:
    assert reason_of(msgpack.packb([kind, 1])) == "unknown_type"
    assert reason_of_hello(msgpack.packb([kind, 1])) == "no_hello"


def test_a_hello_on_an_accepted_link_is_out_of_place() -> None:
    assert reason_of(golden("hello")[LENGTH_BYTES:]) == "out_of_place"
    assert reason_of(golden("refusal")[LENGTH_BYTES:]) == "out_of_place"


def test_a_message_before_the_hello_is_refused() -> None:
    assert reason_of_hello(golden("ping")[LENGTH_BYTES:]) == "no_hello"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"\x92\x03",
        b"\x92\x03\x01\x00",
        b"\x91" * 100_000,
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x01",
        b"\xd6\xff\x00\x00\x00\x00",
        b"\xc7\x00\xff",
        b"\x92\x03\x80",
        b"\x92\x03\x81\x90\x01",
        b"\x92\x03\xa1\xff",
        b"\xdd\x00\x00\x04\x01" + b"\x03" * 1025,
    ],
)
def test_what_is_not_plain_msgpack_within_the_limits_is_refused(body: bytes) -> None:
    assert reason_of(body) == "not_msgpack"


@pytest.mark.parametrize("body", [b"\x03", b"\xc0", b"\x90", b"\xa4ping"])
def test_what_is_not_an_array_is_refused(body: bytes) -> None:
    assert reason_of(body) == "bad_shape"
    assert reason_of_hello(body) == "bad_shape"


def test_bodies_beyond_their_limits_are_refused_unread() -> None:
    assert reason_of(b"\x03" * (FRAME_BYTES_MAX + 1)) == "frame_too_large"
    assert reason_of_hello(b"\x03" * (HELLO_BYTES_MAX + 1)) == "hello_too_large"


@pytest.mark.parametrize("base", [2**63, 2**64 - 1, 2**63 - 1, 2**32])
def test_a_block_whose_positions_pass_32_bits_is_refused(base: int) -> None:
    block = msgpack.packb([0, [], 2, base, b"\x01", b"\x01\x01"])
    assert reason_of(changed("push", 4, block)) == "block_malformed"


def test_a_block_with_a_count_above_the_limit_is_refused() -> None:
    block = msgpack.packb([0, [], 1, 0, b"", (2**53 + 1).to_bytes(8, "little")])
    assert reason_of(changed("part", 6, block)) == "count_too_large"
