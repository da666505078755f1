"""Consistent reads: who is asked, what is shared, when a read ends and whom it names."""

from __future__ import annotations

import attrs
import pytest
from nodes import batches_of, commit, entry, hello, node, node_id, sent

from gcounterd.counters.settled import Closing
from gcounterd.errors import ClientError
from gcounterd.ids import ColumnId, column_id
from gcounterd.members.roster import State
from gcounterd.node.answers import HEADS_PER_ANSWER, answer
from gcounterd.node.effects import Effect, ReadDone
from gcounterd.node.inquiries import ANSWERS_WAITING_MAX
from gcounterd.node.messages import Push, Roster, Want
from gcounterd.node.node import Node
from gcounterd.node.reading import READS_MAX
from gcounterd.node.reading_messages import Answer, Ask
from gcounterd.node.spreading import ENTRIES_PER_FRAME


def linked(*peers: str) -> Node:
    """Return node a with a link to each of its peers, numbered from 1."""
    made = node("a", "a", *peers)
    for link, peer in enumerate(peers, 1):
        made.opened(link, hello(peer), None, 0.0)
    return made


def asked(effects: list[Effect], link: int) -> list[Ask]:
    return [message for message in sent(effects, link) if isinstance(message, Ask)]


def ended(effects: list[Effect]) -> dict[int, tuple[str, ...]]:
    return {e.number: e.missing for e in effects if isinstance(e, ReadDone)}


def reply(to: Ask, heads: dict[ColumnId, int] | None = None, upto: bytes = b"") -> Answer:
    return Answer(to.number, heads or {}, (), upto)


def test_a_read_asks_everyone_also_those_it_hears_of_on_the_way() -> None:
    a = node("a", "a", "b")
    a.opened(1, hello("b"), None, 0.0)
    a.opened(2, hello("c"), None, 0.0)
    (push,) = batches_of("b", {b"x": 5})

    number, effects = a.read(0.0, 5.0)
    (question,) = asked(effects, 1)
    told = Answer(question.number, {push.batch.column: 1}, (entry("c"),))
    effects = a.received(1, told, 0.0)
    assert [type(m) for m in sent(effects, 1)] == [Want]
    (question,) = asked(effects, 2)
    assert ended(a.received(2, reply(question), 0.0)) == {}  # not taken in yet
    a.received(1, push, 0.0)

    assert ended(commit(a)) == {number: ()}
    assert a.counters.value(b"x") == 5


def test_those_asked_agree_when_each_knew_the_members_that_the_question_knew() -> None:
    a = linked("b", "c")
    _, effects = a.read(0.0, 5.0)
    (one,), (other,) = asked(effects, 1), asked(effects, 2)
    a.received(1, reply(one), 0.0)
    assert not a.reading.agreed()
    a.received(2, Answer(other.number, {}, (entry("b"), entry("c"))), 0.0)
    assert not a.reading.agreed()
    _, effects = a.read(1.0, 5.0)
    for link in (1, 2):
        (question,) = asked(effects, link)
        a.received(link, reply(question), 1.0)
    assert a.reading.agreed()


def test_a_read_of_a_lone_node_ends_at_once() -> None:
    a = node("a", "a")
    number, effects = a.read(0.0, 5.0)
    assert effects == [ReadDone(number, ())]
    assert a.reading.next_wake() == float("inf")


def test_a_read_ends_at_its_deadline_with_the_names_it_missed() -> None:
    a = node("a", "a", "b", "c")
    a.opened(1, hello("b"), None, 0.0)
    number, effects = a.read(0.0, 5.0)
    (question,) = asked(effects, 1)
    a.received(1, reply(question, {column_id(node_id("b"), b"\1" * 16): 9}), 0.0)
    assert a.next_wake(0.0) <= 5.0
    assert ended(a.wake(5.0)) == {number: ("b", "c")}


def test_reads_that_wait_together_share_one_question_after_that_under_way() -> None:
    a = linked("b", "c")
    first, effects = a.read(0.0, 5.0)
    questions = [asked(effects, 1)[0], asked(effects, 2)[0]]
    later = [a.read(0.1, 5.0) for _ in range(100)]
    assert [asked(effects, link) for _, effects in later for link in (1, 2)] == [[]] * 200

    effects = a.received(1, reply(questions[0]), 0.2)
    assert ended(effects) == {}
    assert len(asked(effects, 1)) == 1  # at once, for those that began after the first question
    (second,) = asked(effects, 1)
    effects = a.received(2, reply(questions[1]), 0.2)
    assert ended(effects) == {first: ()}
    (other,) = asked(effects, 2)
    a.received(1, reply(second), 0.3)
    effects = a.received(2, reply(other), 0.3)
    assert ended(effects) == {number: () for number, _ in later}
    assert asked(effects, 1) == asked(effects, 2) == []


def test_an_answer_serves_no_read_that_began_after_its_question() -> None:
    a = linked("b")
    _, effects = a.read(0.0, 5.0)
    (question,) = asked(effects, 1)
    second, _ = a.read(0.1, 5.0)
    assert second not in ended(a.received(1, reply(question), 0.2))


def test_a_member_that_stands_still_costs_one_question_and_answers_the_next_read() -> None:
    a = linked("b", "c")
    _, effects = a.read(0.0, 1.0)
    (still,), (question,) = asked(effects, 1), asked(effects, 2)
    a.received(2, reply(question), 0.0)
    assert list(ended(a.wake(1.0)).values()) == [("b",)]
    number, effects = a.read(1.5, 1.0)
    assert asked(effects, 1) == []  # it has one, and would only find two
    a.received(2, reply(asked(effects, 2)[0]), 1.5)
    effects = a.received(1, reply(still), 1.6)
    assert ended(effects) == {}
    (again,) = asked(effects, 1)
    assert ended(a.received(1, reply(again), 1.6)) == {number: ()}


def test_a_question_that_was_lost_is_put_again_later_each_time() -> None:
    a = linked("b")
    a.read(0.0, 60.0)
    again = []
    now = 0.0
    while not ended(effects := a.reading.wake(now)):
        again += [now for _ in asked(effects, 1)]
        now = round(now + 0.1, 1)
    assert again == [2.0, 6.0, 14.0, 30.0]


def test_a_late_answer_to_a_question_that_was_put_again_is_passed_over() -> None:
    a = linked("b")
    number, effects = a.read(0.0, 60.0)
    (old,) = asked(effects, 1)
    (new,) = asked(a.wake(2.0), 1)
    assert old.number != new.number
    assert a.received(1, reply(old), 2.1) == []
    assert ended(a.received(1, reply(new), 2.2)) == {number: ()}


def test_a_new_link_is_asked_at_once_and_what_the_old_one_said_is_void() -> None:
    a = linked("b")
    number, effects = a.read(0.0, 5.0)
    (lost,) = asked(effects, 1)
    a.closed(1, 0.5)
    effects = a.opened(2, hello("b"), None, 1.0)
    (question,) = asked(effects, 2)
    assert a.received(2, reply(lost), 1.1) == []
    assert ended(a.received(2, reply(question), 1.2)) == {number: ()}


@pytest.mark.parametrize("same", [True, False])
def test_only_the_process_that_named_a_column_is_reminded_of_it(same: bool) -> None:
    # Another process of that node may run on an older disk: there the column was never offered.
    a = node("a", "a", "b")
    a.opened(1, hello("b"), None, 0.0)
    named = column_id(node_id("b"), b"\1" * 16)
    _, effects = a.read(0.0, 60.0)
    (question,) = asked(effects, 1)
    a.received(1, reply(question, {named: 1}), 0.0)
    a.closed(1, 1.0)
    nonce = hello("b").nonce if same else b"\7" * 8
    a.opened(2, attrs.evolve(hello("b"), nonce=nonce), None, 1.0)
    effects = [*a.wake(40.0), *a.wake(41.0)]
    wanted = [message for message in sent(effects, 2) if isinstance(message, Want)]
    assert [want.column for want in wanted] == ([named] if same else [])


def test_answers_that_are_not_taken_in_are_bounded_and_each_read_waits_for_its_own() -> None:
    a = linked("b")
    columns = [column_id(node_id("b"), bytes([life]) * 16) for life in range(1, 10)]
    numbers, effects = [], []
    for at in range(ANSWERS_WAITING_MAX):
        number, first = a.read(0.0, 5.0)
        numbers.append(number)
        effects = first or effects
        (question,) = asked(effects, 1)
        effects = a.received(1, reply(question, {columns[at]: 1}), 0.0)
    _, effects = a.read(0.0, 5.0)
    assert asked(effects, 1) == []
    (push,) = batches_of("b", {b"x": 1})
    a.received(1, Push(attrs.evolve(push.batch, column=columns[0])), 0.0)
    effects = commit(a)
    assert ended(effects) == {numbers[0]: ()}
    assert len(asked(effects, 1)) == 1


def test_a_member_that_comes_while_a_read_waits_is_asked_too() -> None:
    a = linked("b")
    number, effects = a.read(0.0, 5.0)
    (question,) = asked(effects, 1)
    a.received(1, Roster((entry("c"),)), 0.1)
    commit(a, 0.1)
    assert ended(a.received(1, reply(question), 0.2)) == {}
    assert ended(a.wake(5.0)) == {number: ("c",)}


def test_when_a_member_is_removed_everyone_is_asked_anew() -> None:
    a = linked("b", "c")
    number, effects = a.read(0.0, 5.0)
    a.received(1, reply(asked(effects, 1)[0]), 0.1)
    a.received(1, Roster((entry("c", state=State.REMOVED),)), 0.2)
    (question,) = asked(commit(a, 0.2), 1)
    assert ended(a.received(1, reply(question), 0.3)) == {number: ()}


def test_a_node_that_learns_that_it_is_removed_reads_no_more() -> None:
    a = linked("b", "c")
    number, _ = a.read(0.0, 5.0)
    a.received(1, Roster((entry("a", state=State.REMOVED),)), 0.2)
    assert ended(commit(a, 0.2)) == {number: ("this node",)}
    with pytest.raises(ClientError, match="removed"):
        a.read(0.3, 5.0)


def test_reads_are_bounded() -> None:
    a = linked("b")
    for _ in range(READS_MAX):
        a.read(0.0, 5.0)
    with pytest.raises(ClientError, match="under way"):
        a.read(0.0, 5.0)


def test_answers_that_nobody_waits_for_change_nothing() -> None:
    a = linked("b")
    stranger = column_id(node_id("z"), b"\1" * 16)
    assert a.received(1, Answer(77, {stranger: 5}, (entry("y"),)), 0.0) == []
    assert a.cut() is None


# -- what is answered ---------------------------------------------------------------------------


def ask(of: Node, heads: dict[ColumnId, int] | None = None) -> Ask:
    """Return a question of somebody who has no settled column and knows the same members."""
    return Ask(1, heads or {}, bytes(16), of.roster.members_hash())


def give(to: Node, columns: int, letter: str = "z") -> list[ColumnId]:
    """Let a node hold so many open columns of one node, at version 1."""
    (push,) = batches_of("b", {b"x": 1})
    made = [column_id(node_id(letter), life.to_bytes(16, "big")) for life in range(1, columns + 1)]
    for column in made:
        to.counters.apply(attrs.evolve(push.batch, column=column))
    return made


def walk(of: Node, question: Ask) -> list[Answer]:
    """Ask on until all is said."""
    said = [answer(question, of.counters, of.roster)]
    while said[-1].upto:
        question = attrs.evolve(question, after=said[-1].upto)
        said.append(answer(question, of.counters, of.roster))
    return said


def test_only_what_is_above_the_question_is_answered() -> None:
    a = linked("b")
    one, two = give(a, 2)
    (said,) = walk(a, ask(a, {one: 1}))
    assert (said.heads, said.entries) == ({two: 1}, ())


def test_members_are_named_where_they_differ_in_as_many_parts_as_it_takes() -> None:
    a = node("a", "a", "b")
    others = [
        attrs.evolve(entry("m"), node=number.to_bytes(16, "big"), name=f"m{number}")
        for number in range(2 * ENTRIES_PER_FRAME)
    ]
    a.roster.merge(others)
    give(a, 1)
    said = walk(a, attrs.evolve(ask(a), members=bytes(16)))
    assert [len(each.entries) for each in said] == [ENTRIES_PER_FRAME, ENTRIES_PER_FRAME, 2]
    assert [entry for each in said for entry in each.entries] == list(a.roster.belonging())
    assert [len(each.heads) for each in said] == [0, 0, 1]


@pytest.mark.parametrize("closed", [0, 700, 3000])
def test_more_columns_than_an_answer_names_are_named_in_parts(closed: int) -> None:
    a = linked("b")
    columns = give(a, 3000)
    for _ in a.counters.closing(Closing(column) for column in columns[1000 : 1000 + closed]):
        pass
    said = walk(a, ask(a))
    assert all(len(each.heads) <= HEADS_PER_ANSWER for each in said)
    named = [column for each in said for column in each.heads]
    assert sorted(named) == sorted(columns)
    assert len(said) <= 6


def test_settled_columns_are_not_named_to_whoever_has_the_same() -> None:
    a = linked("b")
    for _ in a.counters.closing(Closing(column) for column in give(a, 20)):
        pass
    assert len(walk(a, ask(a))[0].heads) == 20
    same = attrs.evolve(ask(a), settled=a.counters.settled.hash())
    assert walk(a, same)[0].heads == {}


def test_a_read_waits_for_all_parts_of_an_answer() -> None:
    a, b = linked("b"), node("b", "a", "b")
    columns = give(b, HEADS_PER_ANSWER + 1)
    give(a, HEADS_PER_ANSWER)  # so that all but one are here
    number, effects = a.read(0.0, 5.0)
    (question,) = asked(effects, 1)
    effects = a.received(1, reply(question, {columns[0]: 1}, columns[0]), 0.0)
    (question,) = asked(effects, 1)
    assert question.after == columns[0]
    effects = a.received(1, reply(question, {columns[-1]: 1}), 0.0)
    assert ended(effects) == {}
    (push,) = batches_of("b", {b"x": 1})
    a.received(1, Push(attrs.evolve(push.batch, column=columns[-1])), 0.0)
    assert ended(commit(a)) == {number: ()}
