"""The node as a machine: what comes in, what goes out, and in which order."""

from random import Random

import attrs
import pytest
from nodes import batches_of, commit, config, entry, hello, node, node_id, sent

from gcounterd.counters.counters import Counters
from gcounterd.errors import ClientError
from gcounterd.ids import column_id
from gcounterd.members.claims import Liveness
from gcounterd.members.roster import MEMBERS_MAX, Roster, State
from gcounterd.node.effects import Dial, Drop, Exit, Notice
from gcounterd.node.exchange import AHEAD_MAX
from gcounterd.node.grades import Grade
from gcounterd.node.messages import (
    Ack,
    Bye,
    Channel,
    Digest,
    Ping,
    Push,
    Refusal,
    Refused,
    StateHash,
    Want,
)
from gcounterd.node.messages import Roster as RosterMessage
from gcounterd.node.node import Node


def test_nothing_is_shown_or_sent_before_it_is_committed() -> None:
    a = node("a", "a", "b")
    a.opened(1, hello("b"), None, 0.0)
    a.add(b"x", 2)
    group = a.cut()
    assert group is not None
    assert group.own
    assert not group.facts
    assert a.counters.value(b"x") == 0

    for _ in a.applying(group):
        pass
    (push,) = sent(a.committed(group, 1.0), 1)

    assert isinstance(push, Push)
    assert a.counters.value(b"x") == 2


def test_a_refused_group_is_as_if_it_had_never_been() -> None:
    a = node("a", "a", "b")
    a.opened(1, hello("b"), None, 0.0)
    (push,) = batches_of("b", {b"x": 1})
    a.received(1, push, 0.0)
    a.add(b"y", 1)
    a.abandoned(a.cut())

    assert a.cut() is None
    a.received(1, push, 0.0)  # it comes again
    commit(a)
    assert (a.counters.value(b"x"), a.counters.value(b"y")) == (1, 0)


def test_pushes_of_one_chunk_are_taken_in_one_commit_and_a_gap_is_asked_for() -> None:
    a = node("a", "a", "b")
    a.opened(1, hello("b"), None, 0.0)
    one, two, _, four = batches_of("b", {b"x": 1}, {b"x": 1}, {b"x": 1}, {b"y": 1})

    a.received(1, one, 0.0)
    a.received(1, two, 0.0)
    (want,) = sent(a.received(1, four, 0.0), 1)
    commit(a)

    assert a.counters.value(b"x") == 2
    assert (want.head, want.column) == (2, one.batch.column)


def test_a_want_is_served_part_by_part_when_the_node_is_woken() -> None:
    b = node("b", "b")
    b.add(b"x", 7)
    commit(b)
    b.opened(1, hello("a"), None, 0.0)
    b.received(1, Want(b.config.column, 0, 0, b"", 0), 0.0)
    assert b.next_wake(0.0) == 0.0

    (part,) = [m for m in sent(b.wake(0.0), 1) if hasattr(m, "gathering")]

    assert (part.number, part.since, part.version) == (0, 0, 1)


def test_a_node_that_serves_without_a_pause_does_not_take_itself_for_slow() -> None:
    a = node("a", "a", "b")
    a.opened(1, hello("b"), None, 0.0)
    a.add(b"x", 7)
    commit(a)
    a.next_wake(0.0)
    for step in range(1000):
        now = step / 250
        a.received(1, Want(a.config.column, 0, 0, b"", 0), now)
        assert a.next_wake(now) == now
        events = [effect.name for effect in a.wake(now) if isinstance(effect, Notice)]
        assert "slow" not in events
        a.received(1, Want(a.config.column, 0, 0, b"", 0), now)
        a.next_wake(now)


def test_a_batch_of_the_column_that_we_write_costs_the_sender_its_link() -> None:
    a = node("a", "a", "b")
    a.opened(1, hello("b"), None, 0.0)
    (forged,) = batches_of("a", {b"x": 1})
    effects = a.received(1, forged, 0.0)
    assert Drop(1, "own_column") in effects
    assert a.peers.get(1) is None


def test_control_messages_do_not_pass_on_bulk_nor_bulk_on_control() -> None:
    a = node("a", "a", "b", "c")
    a.opened(1, hello("b"), None, 0.0)
    a.opened(2, hello("c", Channel.CONTROL), None, 0.0)
    assert Drop(1, "wrong_channel") in a.received(1, Bye(), 0.0)
    assert Drop(2, "wrong_channel") in a.received(2, Digest({}, whole=True), 0.0)


def test_a_member_that_answers_nothing_is_suspected_then_dead_and_its_links_are_closed() -> None:
    a = node("a", "a", "b")
    a.opened(1, hello("b", Channel.CONTROL), None, 0.0)
    a.opened(2, hello("b"), None, 0.0)
    now, effects = 0.0, []
    while a.detector.lives(node_id("b")):
        now = max(now + 0.001, a.next_wake(now))
        effects += a.wake(now)
    pings = [message for message in sent(effects, 1) if isinstance(message, Ping)]
    assert pings[0] == Ping(pings[0].number, pings[0].digest)
    assert [e.name for e in effects if isinstance(e, Notice)] == ["suspect", "dead", "alone"]
    assert [e for e in effects if isinstance(e, Drop)] == [Drop(1, "dead"), Drop(2, "dead")]
    assert not a.peers.of(node_id("b"))


def test_a_ping_is_answered_with_its_number() -> None:
    a = node("a", "a", "b")
    a.opened(1, hello("b", Channel.CONTROL), None, 0.0)
    (ack,) = sent(a.received(1, Ping(7, a.detector.digest()), 0.0), 1)
    assert ack == Ack(7)


def test_who_leaves_says_so_and_is_not_looked_for_when_its_link_ends() -> None:
    a, b = node("a", "a", "b"), node("b", "a", "b")
    a.opened(1, hello("b", Channel.CONTROL), None, 0.0)
    b.opened(1, hello("a", Channel.CONTROL), None, 0.0)
    (goodbye,) = sent(b.leave(), 1)
    effects = [*a.received(1, goodbye, 0.0), *a.closed(1, 0.0)]
    assert [e.name for e in effects if isinstance(e, Notice)] == ["left", "alone"]
    assert a.detector.liveness(node_id("b")) is Liveness.LEFT


def test_a_peer_that_differs_is_told_all_heads_and_later_only_what_changed() -> None:
    a = node("a", "a", "b")
    a.add(b"x", 1)
    commit(a)
    (greeting,) = sent(a.opened(1, hello("b"), "b:1", 0.0), 1)
    assert greeting.asks
    answer = StateHash(a.roster.hash(), b"other heads 1234", bytes(16), asks=False)
    (digest,) = sent(a.received(1, answer, 0.0), 1)
    assert digest == Digest({a.config.column: 1}, whole=True)

    assert [m for m in sent(a.wake(2.0), 1) if isinstance(m, Digest)] == []
    a.add(b"x", 1)
    commit(a, 3.0)
    (digest,) = [m for m in sent(a.wake(4.0), 1) if isinstance(m, Digest)]
    assert digest == Digest({a.config.column: 2}, whole=False)


def test_equal_states_exchange_hashes_and_nothing_else() -> None:
    a = node("a", "a", "b")
    (greeting,) = sent(a.opened(1, hello("b"), "b:1", 0.0), 1)
    (check,) = [m for m in sent(a.wake(40.0), 1) if isinstance(m, StateHash)]
    assert check == greeting
    equal = StateHash(check.roster, check.heads, bytes(16), asks=False)
    assert a.received(1, equal, 40.0) == []
    assert sent(a.received(1, check, 40.0), 1) == [equal]
    assert sent(
        a.received(1, StateHash(check.roster, b"\0" * 16, bytes(16), asks=True), 40.0), 1
    ) == [
        equal,
        Digest({}, whole=True),
    ]


def test_a_newcomer_counts_only_when_a_majority_holds_its_entry() -> None:
    a = node("a", seeds=("b:1",))
    with pytest.raises(ClientError) as error:
        a.add(b"x", 1)
    assert (error.value.status, error.value.definite) == (503, True)
    a.opened(1, hello("b"), "b:1", 0.0)
    a.opened(2, hello("c"), None, 0.0)
    others = (entry("b"), entry("c"), entry("d"))
    joining = a.roster.get(node_id("a"))

    a.received(1, RosterMessage(others), 0.0)
    commit(a)
    same = StateHash(Roster((*others, joining)).hash(), bytes(16), bytes(16), asks=False)
    a.received(1, same, 0.0)
    commit(a)
    assert not a.joining.counting  # one of three
    a.received(2, same, 0.0)
    commit(a)

    assert a.joining.counting
    a.add(b"x", 1)


def test_a_newcomer_is_ready_only_when_it_has_what_its_confirmers_had() -> None:
    a = node("a", seeds=("b:1",))
    a.opened(1, hello("b"), "b:1", 0.0)
    (push,) = batches_of("b", {b"x": 1})
    a.received(1, RosterMessage((entry("b"),)), 0.0)
    commit(a)
    a.received(1, StateHash(a.roster.hash(), bytes(16), bytes(16), asks=False), 0.0)
    commit(a)
    assert a.joining.counting
    assert a.joining.reasons() == ["waiting for the state of a majority of the members"]

    a.received(1, Digest({push.batch.column: 1}, whole=True), 0.0)
    assert a.joining.reasons() == ["catching up: 0 of 1 columns taken in"]
    a.received(1, push, 0.0)
    commit(a)

    assert a.joining.reasons() == []


def test_a_node_that_names_only_itself_starts_alone() -> None:
    a = node("a", seeds=("a:1", "localhost:1"))
    for seed in ("a:1", "localhost:1"):
        assert not a.joining.counting
        a.dial_failed(seed, Channel.CONTROL, Grade.REJECTED, Refusal(Refused.SELF, "yourself"), 0.0)
        commit(a)
    assert a.joining.counting
    assert a.joining.reasons() == []


def test_a_newcomer_whose_name_is_taken_exits_with_4_and_the_address() -> None:
    a = node("a", seeds=("b:1",))
    refusal = Refusal(Refused.NAME, "belongs to c at c:1", "c:1")
    (exit_,) = a.dial_failed("b:1", Channel.CONTROL, Grade.REJECTED, refusal, 0.0)
    assert isinstance(exit_, Exit)
    assert exit_.code == 4
    assert "c:1" in exit_.text


def test_a_restart_keeps_its_state_and_shows_its_new_life() -> None:
    again = node("a", "a", "b", life=7)
    mine = again.roster.get(node_id("a"))
    assert (mine.epoch, mine.state) == (b"\7" * 16, State.ACTIVE)
    assert again.joining.reasons() == []


def test_members_are_dialled_when_a_node_starts_and_when_a_link_is_gone() -> None:
    mine = config("a")
    a = Node(mine, Counters(mine.column, 10), Roster([entry("b")]), Random(1), 0.0)
    assert Dial("b:1", Channel.CONTROL) in a.wake(0.0)
    a.opened(1, hello("b", Channel.CONTROL), "b:1", 0.0)
    assert Dial("b:1", Channel.CONTROL) in a.closed(1, 1.0)


def test_a_seed_that_dials_us_is_met_when_it_has_accepted_us_too() -> None:
    """Found by seed 428: it refused our hello, and was never dialled again."""
    made = node("a", "a", seeds=("b:1",))
    made.wake(0.0)
    made.dial_failed("b:1", Channel.CONTROL, Grade.TIMEOUT, None, 1.0)
    made.opened(1, hello("b", Channel.CONTROL), None, 5.0)
    assert Dial("b:1", Channel.CONTROL) not in made.wake(6.0)  # it is connected
    assert Dial("b:1", Channel.CONTROL) in made.closed(1, 7.0)
    made.opened(2, hello("b", Channel.CONTROL), None, 21.0)
    made.received(2, Ping(1, made.detector.digest(), ()), 21.0)
    assert made.dialler.unmet == []


def test_of_two_newcomers_with_one_name_the_larger_id_exits_and_the_smaller_stays() -> None:
    small, large = node("a", seeds=("x:1",)), node("b", seeds=("x:1",))
    of_large = hello("b", Channel.CONTROL, name="a", joining=True)
    of_small = hello("a", Channel.CONTROL, name="b", joining=True)
    assert [e for e in small.opened(1, of_large, None, 0.0) if isinstance(e, Exit)] == []
    (exit_,) = [e for e in large.opened(1, of_small, None, 0.0) if isinstance(e, Exit)]
    assert (exit_.code, "a:1" in exit_.text) == (4, True)


def test_after_a_full_disk_peers_are_asked_again_for_what_was_dropped() -> None:
    a = node("a", "a", "b")
    a.opened(1, hello("b"), None, 0.0)
    (push,) = batches_of("b", {b"x": 1})
    a.received(1, push, 0.0)
    a.abandoned(a.cut())

    told = [m for m in sent(a.wake(2.0), 1) if isinstance(m, Digest)]

    assert [digest.whole for digest in told] == [True]  # to which b answers with what it has above


def test_invented_columns_and_members_are_bounded() -> None:
    a = node("a", "a", "b")
    a.opened(1, hello("b"), None, 0.0)
    for lot in range(10):
        heads = {column_id(bytes([lot]) * 16, n.to_bytes(16, "big")): 1 for n in range(1000)}
        a.received(1, Digest(heads, whole=False), 0.0)
    assert len(a.exchange._ahead) <= AHEAD_MAX

    many = [attrs.evolve(entry("c"), node=n.to_bytes(16, "big")) for n in range(MEMBERS_MAX + 1)]
    effects = a.received(1, RosterMessage(tuple(many[:3000])), 0.0)
    effects += a.received(1, RosterMessage(tuple(many[3000:])), 0.0)
    assert Drop(1, "roster_full") in effects
    commit(a)
    assert len(a.roster) <= MEMBERS_MAX
