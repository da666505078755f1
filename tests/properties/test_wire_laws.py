"""Laws of the wire: round trips, any chunking, any bytes."""

from __future__ import annotations

import itertools
from typing import Any

import attrs
import msgpack
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gcounterd.counters.batches import COUNT_MAX, Batch, Block, make_block
from gcounterd.counters.imports import source_node
from gcounterd.counters.settled import Closing, Line
from gcounterd.errors import PeerError
from gcounterd.ids import ColumnId
from gcounterd.members.approvals import Approval
from gcounterd.members.claims import INCARNATION_MAX, Claim, Evidence, Liveness
from gcounterd.members.roster import NAME_PATTERN, Entry, State
from gcounterd.node import (
    kept_messages,
    messages,
    reading_messages,
    removal_messages,
    tree_messages,
)
from gcounterd.wire import codec, hellos
from gcounterd.wire.approvals import decode_approvals, encode_approvals
from gcounterd.wire.batches import decode_batch, encode_batch
from gcounterd.wire.entries import decode_entries, encode_entries
from gcounterd.wire.frames import FRAME_BYTES_MAX, LENGTH_BYTES, Framer, wrap
from gcounterd.wire.settled import decode_closings, encode_closings

numbers = st.integers(0, 2**63 - 1)
ids = st.binary(min_size=16, max_size=16)
columns = st.binary(min_size=32, max_size=32).map(ColumnId)
gatherings = st.binary(min_size=8, max_size=8)
names = st.from_regex(NAME_PATTERN, fullmatch=True)
addresses = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=255)
words = st.text(st.characters(categories=["L", "N", "P"]), max_size=30)
bounds = st.just(b"") | columns
told = st.builds(Line, numbers, numbers, forgotten=st.booleans())
lines = st.dictionaries(columns, told, max_size=5)
sources = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=63)


@st.composite
def imported(draw: st.DrawFn) -> tuple[ColumnId, Line]:
    source = draw(sources)
    return ColumnId(source_node(source) + draw(ids)), Line(1, 1, source=source)


labelled_lines = st.tuples(lines, st.lists(imported(), max_size=3).map(dict)).map(
    lambda both: both[0] | both[1]
)
places = st.just(b"") | ids | columns
heads = st.dictionaries(columns, numbers, max_size=20)
entries = st.builds(
    Entry,
    ids,
    ids,
    numbers,
    names,
    addresses,
    st.sampled_from(State),
    st.none() | ids,
    st.booleans(),
    st.just(b"") | ids,
)
tokens = st.binary(min_size=32, max_size=32)
approvals = st.builds(Approval, names, tokens, numbers, st.none() | ids)
approval_tables = st.lists(approvals, max_size=8, unique_by=lambda each: each.key).map(tuple)
rosters = st.lists(entries, max_size=8, unique_by=lambda entry: entry.node).map(tuple)


@st.composite
def claims(draw: st.DrawFn) -> Claim:
    liveness = draw(st.sampled_from(Liveness))
    accuser = draw(ids) if liveness in (Liveness.SUSPECT, Liveness.DEAD) else None
    incarnation = draw(st.integers(0, INCARNATION_MAX))
    evidence = draw(st.sampled_from(Evidence))
    return Claim(draw(ids), draw(ids), incarnation, liveness, accuser, evidence)


said = st.lists(claims(), max_size=8).map(tuple)


@st.composite
def blocks(draw: st.DrawFn) -> Block:
    positions = sorted(draw(st.sets(st.integers(0, 2**32 - 1), max_size=20)))
    size = len(positions)
    counts = draw(st.lists(st.integers(0, COUNT_MAX), min_size=size, max_size=size))
    keys = draw(st.lists(words.filter(bool), max_size=5, unique=True))
    return make_block(
        draw(st.integers(0, 2**31)),
        [key.encode() for key in keys],
        np.array(positions, np.int64),
        np.array(counts, np.int64),
    )


@st.composite
def batches(draw: st.DrawFn, *, most: int = 4) -> Batch:
    since, version = sorted(draw(st.lists(numbers, min_size=2, max_size=2, unique=True)))
    return Batch(
        draw(columns), since, version, tuple(draw(st.lists(blocks(), min_size=1, max_size=most)))
    )


@st.composite
def parts(draw: st.DrawFn) -> messages.Part:
    since = draw(st.integers(0, 2**63 - 2))
    version = draw(st.just(0) | st.integers(since + 1, 2**63 - 1))
    return messages.Part(
        draw(columns), draw(gatherings), draw(numbers), since, version, draw(blocks())
    )


any_message = st.one_of(
    st.builds(messages.Ping, numbers, gatherings, said),
    st.builds(messages.Ack, numbers, said),
    st.builds(messages.PingFor, numbers, ids),
    st.builds(messages.Nack, numbers, st.booleans()),
    st.builds(messages.Gossip, said),
    st.builds(messages.Survey, st.binary(min_size=512, max_size=512), st.booleans()),
    st.just(messages.Bye()),
    st.builds(messages.Who, numbers),
    st.builds(messages.Here, numbers, ids),
    st.builds(messages.Roster, rosters),
    st.builds(messages.Approvals, approval_tables),
    st.builds(messages.Digest, heads, st.booleans()),
    st.builds(messages.StateHash, ids, ids, ids, st.booleans(), st.just(b"") | ids),
    st.builds(messages.Push, batches(most=1)),
    st.builds(messages.Want, columns, numbers, numbers, st.just(b"") | gatherings, numbers),
    parts(),
    st.builds(messages.Settled, bounds, bounds, labelled_lines, st.booleans()),
    st.builds(reading_messages.Ask, numbers, heads, ids, ids, places),
    st.builds(messages.AskLines, ids),
    st.builds(messages.Lines, ids, numbers, st.booleans(), st.booleans(), lines),
    st.builds(reading_messages.Answer, numbers, heads, rosters, places),
    st.builds(messages.RosterDigest, numbers, st.binary(min_size=512, max_size=512)),
    st.builds(
        messages.RosterList,
        numbers,
        st.integers(0, 2**64 - 1),
        st.booleans(),
        st.booleans(),
        numbers,
        rosters,
    ),
    st.builds(kept_messages.AskKept, heads),
    st.builds(kept_messages.Kept, heads),
    st.builds(
        lambda some: tree_messages.PassOn(tuple(some)),
        st.lists(batches(most=1), min_size=1, max_size=3),
    ),
    st.builds(tree_messages.Beacon, columns, numbers),
    st.just(tree_messages.Prune()),
    st.just(tree_messages.Graft()),
    st.builds(removal_messages.HandOver, numbers, heads),
    st.builds(
        lambda number, held, roster: removal_messages.Held(
            number, held, roster, tuple(held)[: len(held) // 2]
        ),
        numbers,
        heads,
        ids,
    ),
    st.builds(removal_messages.Saved, ids, ids, st.booleans(), st.booleans()),
    st.builds(messages.Holders, ids, st.integers(0, 2**4096 - 1), st.booleans()),
)
greetings = st.builds(
    messages.Hello,
    st.just(messages.PROTOCOL_VERSION),
    words,
    ids,
    names,
    ids,
    gatherings,
    st.sampled_from(messages.Channel),
    addresses,
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.just(b"") | tokens,
    st.booleans(),
    st.booleans(),
)
refusals = st.builds(
    messages.Refusal, st.sampled_from(messages.Refused), words, addresses, st.none() | ids
)

# Nested values of every type that msgpack knows, in the shape of a message.
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.binary(max_size=40)
    | st.text(max_size=10)
    | columns,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=20,
)
shaped = st.tuples(st.integers(0, 40), st.lists(values, max_size=14)).map(
    lambda pair: msgpack.packb([pair[0], *pair[1]])
)


def plain(value: Any) -> Any:
    """Make a message comparable: a block is its bytes and what was read from them."""
    if isinstance(value, Block):
        return (value.first, value.names, list(value.positions), list(value.counts), value.encoded)
    if isinstance(value, tuple):
        return tuple(plain(item) for item in value)
    if attrs.has(type(value)):
        return (type(value), *(plain(getattr(value, at.name)) for at in attrs.fields(type(value))))
    return value


def is_total(body: bytes) -> None:
    """Check that decoding gives what encodes to the same meaning again, or a `PeerError`."""
    try:
        message = codec.decode(body)
    except PeerError:
        pass
    else:
        again = codec.decode(codec.encode(message)[LENGTH_BYTES:])
        assert plain(again) == plain(message)
    try:
        greeting = hellos.decode_hello(body)
    except PeerError:
        return
    if isinstance(greeting, messages.Refusal):
        assert hellos.decode_hello(hellos.encode_refusal(greeting)[LENGTH_BYTES:]) == greeting
    else:
        assert hellos.decode_hello(hellos.encode_hello(greeting)[LENGTH_BYTES:]) == greeting


@given(any_message)
def test_a_message_comes_back_from_its_frame(message: messages.Message) -> None:
    frame = codec.encode(message)
    (body,) = Framer(FRAME_BYTES_MAX).feed(frame)
    assert plain(codec.decode(body)) == plain(message)


@given(greetings)
def test_a_hello_comes_back_from_its_frame(hello: messages.Hello) -> None:
    (body,) = Framer().feed(hellos.encode_hello(hello))
    assert hellos.decode_hello(body) == hello


@given(refusals)
def test_a_refusal_comes_back_from_its_frame(refusal: messages.Refusal) -> None:
    (body,) = Framer().feed(hellos.encode_refusal(refusal))
    assert hellos.decode_hello(body) == refusal


@given(batches())
def test_a_batch_comes_back_from_its_payload(batch: Batch) -> None:
    assert plain(decode_batch(encode_batch(batch))) == plain(batch)


@given(rosters)
def test_entries_come_back_from_their_payload(roster: tuple[Entry, ...]) -> None:
    assert decode_entries(encode_entries(roster)) == roster


@given(approval_tables)
def test_approvals_come_back_from_their_payload(table: tuple[Approval, ...]) -> None:
    assert decode_approvals(encode_approvals(table)) == table


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_peer_error(body: bytes) -> None:
    is_total(body)


@given(shaped)
def test_any_fields_are_a_message_or_a_peer_error(body: bytes) -> None:
    is_total(body)


@given(st.binary(max_size=100) | shaped)
def test_any_payload_is_what_it_says_or_a_peer_error(payload: bytes) -> None:
    for read in (decode_batch, decode_entries, decode_approvals):
        try:
            read(payload)
        except PeerError:
            continue


@given(any_message, st.data())
def test_a_damaged_frame_is_a_message_or_a_peer_error(
    message: messages.Message, data: st.DataObject
) -> None:
    body = bytearray(codec.encode(message)[LENGTH_BYTES:])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        match data.draw(st.integers(0, 2)):
            case 0:
                body[at] = data.draw(st.integers(0, 255))
            case 1:
                body[at:at] = data.draw(st.binary(min_size=1, max_size=9))
            case _:
                del body[at:]
                body += b"\x00"
    is_total(bytes(body))


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=12), st.data())
def test_how_a_stream_is_cut_does_not_show(bodies: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(wrap(body) for body in bodies)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=30)))
    framer = Framer()
    found = []
    for start, end in itertools.pairwise([0, *cuts, len(stream)]):
        found += list(framer.feed(stream[start:end]))
    assert found == bodies
    assert framer.held == 0


def read_all(chunks: list[bytes], limit: int) -> tuple[list[bytes], str]:
    framer, found = Framer(limit), []
    try:
        for chunk in chunks:
            for body in framer.feed(chunk):
                found.append(body)
                assert len(body) <= limit
            assert framer.held < limit + LENGTH_BYTES
    except PeerError as error:
        return found, error.reason
    return found, ""


# Well-made frames, some too long for the limit, with rubbish between them.
streams = st.lists(st.binary(max_size=30).map(wrap) | st.binary(max_size=6), max_size=8).map(
    b"".join
)


@given(streams, st.integers(1, 40), st.data())
def test_any_stream_gives_the_same_frames_and_error_however_it_is_cut(
    stream: bytes, limit: int, data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    chunks = [stream[start:end] for start, end in itertools.pairwise([0, *cuts, len(stream)])]
    assert read_all(chunks, limit) == read_all([stream], limit)


@given(labelled_lines)
def test_closings_survive_the_journal(held: dict[ColumnId, Line]) -> None:
    closings = tuple(Closing(column, line.final, line.source) for column, line in held.items())
    assert decode_closings(encode_closings(closings)) == closings
