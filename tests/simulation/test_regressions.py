"""What the simulator, and reading with it in mind, found: each as the shortest story that shows it.

Seeds move when the simulator learns something new; a story stays.
"""

from __future__ import annotations

from random import Random

import attrs

from gcounterd.counters.batches import Batch
from gcounterd.counters.counters import OPEN_COLUMNS_MAX, Counters
from gcounterd.ids import ColumnId, Epoch, NodeId, column_id
from gcounterd.members.claims import Liveness
from gcounterd.members.roster import Entry, Roster, State
from gcounterd.node.config import Config
from gcounterd.node.effects import Dial, Drop, Effect, Send
from gcounterd.node.intake import Intake
from gcounterd.node.messages import (
    PROTOCOL_VERSION,
    Channel,
    Digest,
    Hello,
    Part,
    Push,
    Refused,
    StateHash,
    Want,
)
from gcounterd.node.node import Node
from gcounterd.node.reading_messages import Answer, Ask
from gcounterd.node.records import TakeEntries
from gcounterd.node.tree_messages import PassOn
from gcounterd.storage.records import decode_group, encode_group
from gcounterd.wire.codec import decode, encode
from gcounterd.wire.frames import LENGTH_BYTES

EPOCH = Epoch(b"\1" * 16)
A, B, C = (NodeId(letter * 16) for letter in (b"a", b"b", b"c"))


def config_of(node: NodeId, *, seeds: tuple[str, ...] = (), name: str = "") -> Config:
    name = name or node[:1].decode()
    address = f"{name}:7700"
    return Config("local", node, name, EPOCH, bytes(8), address, seeds, wall_ms=lambda: 0)


def entry_of(node: NodeId, *, address: str = "", state: State = State.ACTIVE) -> Entry:
    name = node[:1].decode()
    return Entry(node, EPOCH, 0, name, address or f"{name}:7700", state)


def node_of(config: Config, *entries: Entry) -> Node:
    return Node(config, Counters(config.column, 64), Roster(entries), Random(1), 0.0)


def hello_of(config: Config, channel: Channel, *, joining: bool = False) -> Hello:
    return Hello(
        PROTOCOL_VERSION,
        config.cluster,
        config.node,
        config.name,
        config.epoch,
        bytes(8),
        channel,
        config.address,
        joining,
    )


def commit(node: Node, now: float = 0.0) -> list[Effect]:
    group = node.cut()
    assert group is not None
    for _ in node.applying(group):
        pass
    return node.committed(group, now)


def wants(effects: list[Effect]) -> list[tuple[int, Want]]:
    sends = [effect for effect in effects if isinstance(effect, Send)]
    return [(e.links[0], e.message) for e in sends if isinstance(e.message, Want)]


def batches_of(node: NodeId, number: int) -> list[Batch]:
    """Let a writer of its own count one key so often; return its batches."""
    counters = Counters(column_id(node, EPOCH), 64)
    batches = []
    for _ in range(number):
        counters.add(b"key", 1)
        for batch in counters.cut():
            counters.apply(batch)
            batches.append(batch)
        counters.writer.settle()
    return batches


def test_an_entry_that_changes_before_its_commit_leaves_a_row_that_can_be_read() -> None:
    """Found by seed 0: joining and active in one row; the node could not start again."""
    intake = Intake(Counters(ColumnId(A + EPOCH), 16))
    joining = entry_of(A, state=State.JOINING)
    intake.take_entries((joining,))
    intake.take_entries((attrs.evolve(joining, state=State.ACTIVE),))
    (record,) = decode_group(encode_group(intake.cut([])))
    assert isinstance(record, TakeEntries)
    assert record.entries == (entry_of(A),)


def test_a_peer_that_broke_the_protocol_is_dialled_again() -> None:
    """The dial was decided on and thrown away; it stayed under way for ever."""
    node = node_of(config_of(A), entry_of(A), entry_of(B))
    node.opened(1, hello_of(config_of(B), Channel.CONTROL), None, 0.0)
    effects = node.received(1, Digest({}, whole=True), 9.0)  # not on this channel
    assert isinstance(effects[0], Drop)
    assert Dial("b:7700", Channel.CONTROL) in effects


def test_a_member_whose_address_another_one_answers_at_is_not_dialled() -> None:
    """Each such dial replaced the link to the one that answered, as fast as it could."""
    gone, here = entry_of(B, address="x:7700"), entry_of(C, address="x:7700")
    node = node_of(config_of(A), entry_of(A), gone, here)
    config = attrs.evolve(config_of(C), address="x:7700")
    effects = node.opened(1, hello_of(config, Channel.CONTROL), "x:7700", 0.0)
    effects += node.opened(2, hello_of(config, Channel.BULK), "x:7700", 0.0)
    effects += node.wake(60.0)
    assert Dial("x:7700", Channel.CONTROL) not in effects


def test_after_a_pause_a_peer_has_time_to_answer_before_it_is_taken_for_dead() -> None:
    node = node_of(config_of(A), entry_of(A), entry_of(B))
    node.opened(1, hello_of(config_of(B), Channel.CONTROL), None, 0.0)
    node.next_wake(0.0)
    effects = [effect for now in (100.0, 200.0, 300.0) for effect in node.wake(now)]
    assert not any(isinstance(effect, Drop) for effect in effects)
    assert node.detector.liveness(B) is Liveness.ALIVE


def test_a_newcomer_that_restarts_still_catches_up_before_it_is_ready() -> None:
    node = node_of(config_of(A, seeds=("b:7700",)), entry_of(A, state=State.JOINING), entry_of(B))
    node.intake.take_entries((entry_of(A),))
    commit(node)
    assert node.joining.counting
    assert node.joining.reasons() == ["waiting for the state of a majority of the members"]


def test_a_newcomer_does_not_wait_for_what_was_lost_with_the_disk_that_had_it() -> None:
    """Found by seed 143: it was told of a head, then that member's disk was put back."""
    node = node_of(config_of(A, seeds=("b:7700",)), entry_of(A, state=State.JOINING), entry_of(B))
    node.intake.take_entries((entry_of(A),))
    commit(node)
    lost = column_id(B, EPOCH)
    node.opened(1, hello_of(config_of(B), Channel.BULK), None, 0.0)
    node.received(1, Digest({lost: 23}, whole=True), 0.0)
    assert node.joining.behind() == [lost]
    node.closed(1, 1.0)
    again = attrs.evolve(hello_of(config_of(B), Channel.BULK), epoch=Epoch(b"\2" * 16))
    node.opened(2, again, None, 2.0)
    node.received(2, Digest({}, whole=True), 2.0)
    node.received(2, StateHash(bytes(16), bytes(16), node.counters.settled.hash(), False), 2.0)
    assert node.joining.reasons() == []


def test_of_two_offers_of_a_column_the_higher_one_is_asked_for() -> None:
    node = node_of(config_of(A), entry_of(A), entry_of(B), entry_of(C))
    for number, peer in enumerate((B, C), 1):
        node.opened(number, hello_of(config_of(peer), Channel.BULK), None, 0.0)
    others = [batches_of(NodeId(letter * 16), 1)[0] for letter in (b"d", b"e")]
    column = column_id(NodeId(b"g" * 16), EPOCH)
    offer = dict.fromkeys([batch.column for batch in others], 1) | {column: 9}
    node.received(1, Digest(offer, whole=False), 0.0)  # more than may be asked of one peer
    node.received(2, Digest({column: 5}, whole=False), 0.0)
    done = Part(others[0].column, b"12345678", 0, 0, 1, others[0].blocks[0])
    assert wants(node.received(1, done, 0.0)) == [(1, Want(column, 0, 0, b"", 0))]


def test_a_delta_that_rested_on_a_refused_commit_is_asked_for_again() -> None:
    """What it was above had come with the commit that the full disk refused."""
    node = node_of(config_of(A), entry_of(A), entry_of(B))
    commit(node)
    node.opened(1, hello_of(config_of(B), Channel.BULK), None, 0.0)
    first, second, third = batches_of(B, 3)
    node.received(1, Push(first), 0.0)
    group = node.cut()
    assert group is not None
    ((_, want),) = wants(node.received(1, Push(third), 0.0))
    assert want.head == 1
    node.abandoned(group)
    whole = Part(third.column, b"12345678", 0, 1, 3, third.blocks[0])
    ((_, again),) = wants(node.received(1, whole, 0.0))
    assert again.head == 0
    assert second.version == 2


def test_parts_kept_to_be_resumed_go_when_the_column_came_in_another_way() -> None:
    node = node_of(config_of(A), entry_of(A), entry_of(B))
    commit(node)
    node.opened(1, hello_of(config_of(B), Channel.BULK), None, 0.0)
    first, second = batches_of(B, 2)
    node.received(1, Digest({first.column: 2}, whole=True), 0.0)
    node.received(1, Part(first.column, b"12345678", 0, 0, 0, first.blocks[0]), 0.0)
    node.closed(1, 0.0)
    assert node.exchange.progress == {first.column: 1}
    node.opened(2, hello_of(config_of(B), Channel.BULK), None, 0.0)
    node.received(2, Push(first), 0.0)
    node.received(2, Push(second), 0.0)
    commit(node)
    node.wake(0.5)
    assert node.exchange.progress == {}


def test_parts_kept_to_be_resumed_are_not_kept_for_ever() -> None:
    """Found by seed 1033: the head that they led to was lost with a disk."""
    node = node_of(config_of(A), entry_of(A), entry_of(B))
    commit(node)
    node.opened(1, hello_of(config_of(B), Channel.BULK), None, 0.0)
    (first,) = batches_of(B, 1)
    node.received(1, Digest({first.column: 2}, whole=True), 0.0)
    node.received(1, Part(first.column, b"12345678", 0, 0, 0, first.blocks[0]), 0.0)
    node.closed(1, 0.0)
    node.wake(20.0)
    assert node.exchange.progress == {first.column: 1}
    node.wake(31.0)
    assert node.exchange.progress == {}


def test_of_two_newcomers_of_one_name_one_is_refused_before_anything_is_durable() -> None:
    small = node_of(config_of(A, seeds=("x:1",), name="twin"))
    large = node_of(config_of(B, seeds=("x:1",), name="twin"))
    refusal, _ = small.judge(large.hello(Channel.CONTROL), 0.0)
    assert refusal is not None
    assert refusal.reason is Refused.NAME
    assert large.judge(small.hello(Channel.CONTROL), 0.0) == (None, [])


def test_a_link_of_a_replaced_process_does_not_take_the_place_of_the_new_ones() -> None:
    node = node_of(config_of(A), entry_of(A), entry_of(B))
    newer = attrs.evolve(config_of(B), epoch=Epoch(b"\2" * 16))
    node.opened(1, hello_of(newer, Channel.CONTROL), None, 0.0)
    effects = node.opened(2, hello_of(config_of(B), Channel.CONTROL), None, 0.0)
    assert effects == [Drop(2, "replaced")]


def test_a_consistent_read_with_more_columns_than_a_frame_holds_can_be_asked_and_answered() -> None:
    """Every counting life leaves a column; the question did not fit its frame and raised."""
    node = node_of(config_of(A), entry_of(A), entry_of(B))
    for number in range(OPEN_COLUMNS_MAX + 50):
        writer = NodeId(number.to_bytes(16, "big"))
        node.counters.apply(attrs.evolve(batches_of(B, 1)[0], column=column_id(writer, EPOCH)))
    node.opened(1, hello_of(config_of(B), Channel.BULK), None, 0.0)
    _, (asked,) = node.read(0.0, 5.0)
    assert isinstance(asked, Send)
    question = decode(encode(asked.message)[LENGTH_BYTES:])
    assert isinstance(question, Ask)
    (answer,) = node.received(1, question, 0.0)
    assert isinstance(answer, Send)
    said = decode(encode(answer.message)[LENGTH_BYTES:])
    assert isinstance(said, Answer)
    assert len(said.heads) == 50
    empty = Ask(2, {}, bytes(16), node.roster.members_hash())
    (answer,) = node.received(1, empty, 0.0)  # more than one answer can say
    assert isinstance(answer, Send)
    assert decode(encode(answer.message)[LENGTH_BYTES:]).upto


def test_in_a_crowd_a_push_is_not_relayed_to_whoever_wrote_it() -> None:
    """Found by the first newcomer to 70 nodes: the writer took its own batch for a forgery."""
    others = [entry_of(NodeId(bytes([number]) * 16)) for number in range(1, 40)]
    node = node_of(config_of(A), entry_of(A), entry_of(B), *others)
    node.opened(1, hello_of(config_of(B), Channel.BULK), None, 0.0)
    node.opened(2, hello_of(config_of(C), Channel.BULK), None, 0.0)
    (batch,) = batches_of(B, 1)
    node.received(2, Push(batch), 0.0)  # so that it is not kept from its writer as its source
    effects = commit(node, 1.0)
    assert [link.id for link in node.pushes.tree.links] == [1, 2]
    assert not any(isinstance(e, Send) and isinstance(e.message, PassOn) for e in effects)
    node.received(1, Push(attrs.evolve(batch, since=1, version=2)), 2.0)
    sends = [e for e in commit(node, 3.0) if isinstance(e, Send) and isinstance(e.message, PassOn)]
    assert [send.links for send in sends] == [(2,)]
