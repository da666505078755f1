"""Who holds what was counted: asked, answered, judged by the roster of the moment."""

from __future__ import annotations

import attrs
import pytest
from nodes import commit, entry, hello, node, node_id, sent

from gcounterd.counters.settled import Closing
from gcounterd.ids import ColumnId, Epoch
from gcounterd.members.roster import State
from gcounterd.node import acknowledging
from gcounterd.node.acknowledging import ASK_AGAIN_S
from gcounterd.node.effects import AckDone, Effect
from gcounterd.node.kept_messages import AskKept, Kept
from gcounterd.node.levels import Level, Mark
from gcounterd.node.messages import Push, Want
from gcounterd.node.node import Node
from gcounterd.node.pushes import PUSH_EVERY_S

MAJORITY, ALL = Level.MAJORITY, Level.ALL


def meet(of: Node, *letters: str) -> dict[str, int]:
    """Open a bulk link to each; return their numbers."""
    links = {letter: number for number, letter in enumerate(letters, 1)}
    for letter, link in links.items():
        of.opened(link, hello(letter), None, 0.0)
    return links


def count(of: Node, now: float = 1.0) -> tuple[Mark, list[Effect]]:
    """Count something that is to be held by others; return where it lies, and the effects."""
    of.add(b"x", 1)
    of.pushes.hurry()
    effects = commit(of, now)
    return ((of.config.column, of.counters.head(of.config.column)),), effects


def done(effects: list[Effect]) -> list[AckDone]:
    return [effect for effect in effects if isinstance(effect, AckDone)]


def keep(of: Node, link: int, column: ColumnId, version: int) -> list[AckDone]:
    """Let a peer say what it holds; return the waits that this ended."""
    return done(of.received(link, Kept({column: version}), 1.0))


def test_members_are_asked_in_the_commits_own_effects_right_behind_its_push() -> None:
    a = node("a", "a", "b", "c")
    meet(a, "b", "c")

    mark, effects = count(a)

    for link in (1, 2):
        push, question = (m for m in sent(effects, link) if isinstance(m, Push | AskKept))
        assert isinstance(push, Push)
        assert question == AskKept(dict(mark))
    number, later = a.acknowledging.wait(mark, MAJORITY, 1.0, 5.0)
    assert later == []  # nobody is asked twice
    assert keep(a, 1, *mark[0]) == [AckDone(number, MAJORITY, ("a", "b"))]
    assert not len(a.acknowledging)


def test_a_commit_that_nobody_waits_for_asks_nobody_and_its_push_may_be_gathered() -> None:
    a = node("a", "a", "b")
    meet(a, "b")
    count(a)
    a.add(b"y", 1)
    assert sent(commit(a, 1.0 + PUSH_EVERY_S / 2), 1) == []

    _, effects = count(a, 1.0 + PUSH_EVERY_S / 2)

    told = [m for m in sent(effects, 1) if isinstance(m, Push)]
    assert [push.batch.version for push in told] == [2, 3]


def test_what_hurries_is_the_next_cut_and_not_the_one_under_way() -> None:
    a = node("a", "a", "b")
    meet(a, "b")
    a.add(b"x", 1)
    first = a.cut()
    a.add(b"x", 1)
    a.pushes.hurry()
    for _ in a.applying(first):
        pass
    assert not any(isinstance(m, AskKept) for m in sent(a.committed(first, 1.0), 1))
    assert AskKept({a.config.column: 2}) in sent(commit(a, 1.0), 1)


@pytest.mark.parametrize(
    ("members", "holders", "reached"),
    [
        ("a", "", ALL),
        ("ab", "", Level.LOCAL),
        ("ab", "b", ALL),
        ("abc", "", Level.LOCAL),
        ("abc", "b", MAJORITY),
        ("abcd", "b", Level.LOCAL),
        ("abcd", "bc", MAJORITY),
        ("abcd", "bcd", ALL),
        ("abcde", "bc", MAJORITY),
        ("abcde", "bcd", MAJORITY),
    ],
)
def test_a_majority_is_more_than_half_of_the_members_this_one_included(
    members: str, holders: str, reached: Level
) -> None:
    a = node("a", *members)
    links = meet(a, *members[1:])
    mark, _ = count(a)
    for letter in holders:
        keep(a, links[letter], *mark[0])

    _, effects = a.acknowledging.wait(mark, ALL, 1.0, 0.0)

    (outcome,) = done(effects)
    assert (outcome.reached, outcome.held_by) == (reached, ("a", *holders))


def test_what_is_reached_already_is_answered_at_once() -> None:
    a = node("a", "a", "b", "c")
    links = meet(a, "b", "c")
    mark, _ = count(a)
    keep(a, links["b"], *mark[0])
    number, effects = a.acknowledging.wait(mark, MAJORITY, 1.0, 5.0)
    assert done(effects) == [AckDone(number, MAJORITY, ("a", "b"))]


def test_an_older_version_is_not_enough_and_a_newer_one_is() -> None:
    a = node("a", "a", "b")
    meet(a, "b")
    (_, _), (mark, _) = count(a), count(a)
    a.acknowledging.wait(mark, ALL, 1.0, 5.0)
    assert keep(a, 1, a.config.column, 1) == []
    count(a)
    assert len(keep(a, 1, a.config.column, 3)) == 1


def test_requests_that_ask_the_same_share_a_wait() -> None:
    a = node("a", "a", "b")
    meet(a, "b")
    mark, _ = count(a)
    first, _ = a.acknowledging.wait(mark, ALL, 1.0, 5.0)
    assert a.acknowledging.wait(mark, ALL, 1.0, 5.0) == (first, [])
    assert a.acknowledging.wait(mark, MAJORITY, 1.0, 5.0)[0] != first
    assert a.acknowledging.wait(mark, ALL, 1.0, 6.0)[0] != first
    assert len(keep(a, 1, *mark[0])) == 3


def test_a_number_of_other_members_is_waited_for() -> None:
    a = node("a", *"abcd")
    links = meet(a, "b", "c", "d")
    mark, _ = count(a)

    two, effects = a.acknowledging.wait(mark, Level.LOCAL, 1.0, 5.0, 2)
    assert done(effects) == []
    three, _ = a.acknowledging.wait(mark, Level.LOCAL, 1.0, 5.0, 3)
    assert three != two

    assert keep(a, links["b"], *mark[0]) == []
    assert keep(a, links["d"], *mark[0]) == [AckDone(two, MAJORITY, ("a", "b", "d"))]
    assert keep(a, links["c"], *mark[0]) == [AckDone(three, ALL, ("a", "b", "c", "d"))]


def test_whoever_counted_nothing_is_told_that_all_hold_it() -> None:
    a = node("a", "a", "b", "c")
    number, effects = a.acknowledging.wait((), Level.LOCAL, 1.0, 5.0, 2)
    assert done(effects) == [AckDone(number, ALL, ("a", "b", "c"))]


def test_at_its_deadline_a_wait_ends_with_those_that_hold_it() -> None:
    a = node("a", "a", "b", "c")
    links = meet(a, "b", "c")
    mark, _ = count(a)
    number, _ = a.acknowledging.wait(mark, ALL, 1.0, 0.3)
    keep(a, links["c"], *mark[0])
    assert 1.3 <= a.acknowledging.next_wake() < 1.33
    assert done(a.wake(1.29)) == []
    assert done(a.wake(1.33)) == [AckDone(number, MAJORITY, ("a", "c"))]
    assert done(a.wake(9.0)) == []


def test_a_member_that_does_not_answer_is_asked_again_and_one_that_did_is_not() -> None:
    a = node("a", "a", "b", "c")
    links = meet(a, "b", "c")
    mark, _ = count(a)
    a.acknowledging.wait(mark, ALL, 1.0, 60.0)
    keep(a, links["b"], *mark[0])

    effects = a.acknowledging.wake(1.0 + ASK_AGAIN_S)

    assert sent(effects, links["b"]) == []
    assert sent(effects, links["c"]) == [AskKept(dict(mark))]
    keep(a, links["c"], *mark[0])
    assert a.acknowledging.wake(1.0 + 2 * ASK_AGAIN_S) == []
    assert a.acknowledging.next_wake() == float("inf")


def test_a_new_link_is_asked_again_and_what_its_peer_said_before_does_not_count() -> None:
    a = node("a", "a", "b", "c", "d", "e")
    links = meet(a, "b", "c")
    mark, _ = count(a)
    a.acknowledging.wait(mark, MAJORITY, 1.0, 60.0)
    keep(a, links["b"], *mark[0])
    a.closed(links["b"], 1.0)

    assert AskKept(dict(mark)) in sent(a.opened(7, hello("b"), None, 1.0), 7)

    assert keep(a, links["c"], *mark[0]) == []
    assert [outcome.held_by for outcome in keep(a, 7, *mark[0])] == [("a", "b", "c")]


def test_a_member_that_is_removed_does_not_count_any_more() -> None:
    a = node("a", "a", "b", "c")
    meet(a, "b")
    mark, _ = count(a)
    a.acknowledging.wait(mark, ALL, 1.0, 60.0)
    assert keep(a, 1, *mark[0]) == []
    a.intake.take_entries((entry("c", state=State.REMOVED),))
    (outcome,) = done(commit(a, 2.0))
    assert (outcome.reached, outcome.held_by) == (ALL, ("a", "b"))


def test_a_member_that_joins_meanwhile_counts() -> None:
    a = node("a", "a", "b")
    meet(a, "b")
    mark, _ = count(a)
    a.acknowledging.wait(mark, ALL, 1.0, 60.0)
    a.intake.take_entries((entry("c", state=State.JOINING),))
    commit(a, 2.0)
    assert keep(a, 1, *mark[0]) == []
    a.opened(3, hello("c"), None, 2.0)
    assert len(keep(a, 3, *mark[0])) == 1


def test_a_stranger_and_one_that_was_not_asked_do_not_count() -> None:
    a = node("a", "a", "b")
    mark, _ = count(a)
    a.opened(5, hello("z"), None, 0.0)
    a.acknowledging.wait(mark, ALL, 1.0, 60.0)
    assert keep(a, 5, *mark[0]) == []
    a.opened(1, hello("b"), None, 0.0)
    assert keep(a, 1, ColumnId(node_id("q") * 2), 9) == []
    assert len(a.acknowledging) == 1


def test_who_holds_more_of_our_column_than_we_wrote_does_not_hold_what_we_wrote() -> None:
    a = node("a", "a", "b")
    meet(a, "b")
    mark, _ = count(a)
    a.acknowledging.wait(mark, ALL, 1.0, 60.0)
    assert keep(a, 1, mark[0][0], 99) == []


def test_a_wait_too_many_ends_at_once_with_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acknowledging, "WAITS_MAX", 2)
    a = node("a", "a", "b")
    meet(a, "b")
    mark, _ = count(a)
    for seconds in (5.0, 6.0):
        assert a.acknowledging.wait(mark, ALL, 1.0, seconds)[1] == []
    (outcome,) = done(a.acknowledging.wait(mark, ALL, 1.0, 7.0)[1])
    assert (outcome.reached, outcome.held_by) == (Level.LOCAL, ("a",))
    assert len(keep(a, 1, *mark[0])) == 2


def test_several_columns_are_held_when_each_is() -> None:
    a = node("a", "a", "b")
    meet(a, "b")
    old = ColumnId(node_id("a") + bytes(16))
    mark, _ = count(a)
    _, effects = a.acknowledging.wait((*mark, (old, 4)), ALL, 1.0, 60.0)
    assert sent(effects, 1) == [AskKept({old: 4})]  # of the other it was asked at the commit
    assert keep(a, 1, *mark[0]) == []
    assert keep(a, 1, old, 3) == []
    assert len(keep(a, 1, old, 4)) == 1


def test_what_lies_in_a_column_that_was_closed_meanwhile_is_still_waited_for() -> None:
    a = node("a", "a", "b")
    meet(a, "b")
    mark, _ = count(a)
    a.acknowledging.wait(mark, ALL, 1.0, 60.0)
    a.intake.take_closings((Closing(a.config.column, 0),))
    commit(a, 1.0)
    a.reopen(Epoch(b"\x02" * 16), 1.0)
    a.opened(8, hello("b"), None, 1.0)
    for _ in range(3):
        a.acknowledging.wake(1.0 + ASK_AGAIN_S)
    assert mark[0][0] != a.config.column
    (outcome,) = keep(a, 8, *mark[0])
    assert outcome.held_by == ("a", "b")


def test_a_node_that_is_removed_gives_up() -> None:
    a = node("a", "a", "b", "c")
    meet(a, "b", "c")
    mark, _ = count(a)
    a.acknowledging.wait(mark, ALL, 1.0, 60.0)
    a.intake.take_entries((entry("a", state=State.REMOVED),))
    (outcome,) = done(commit(a, 2.0))
    assert outcome.reached is Level.LOCAL
    assert not len(a.acknowledging)


# -- the other end --------------------------------------------------------------------------


def pushed(*amounts: int) -> tuple[ColumnId, list[Push]]:
    """Return the pushes of a writer `b`."""
    b = node("b", "b")
    b.opened(1, hello("z"), None, 0.0)
    found = []
    for number, amount in enumerate(amounts, 1):
        b.add(b"x", amount)
        found += [m for m in sent(commit(b, float(number)), 1) if isinstance(m, Push)]
    return b.config.column, found


def test_a_question_is_answered_when_what_it_asks_for_is_committed_and_not_before() -> None:
    a = node("a", "a", "b")
    meet(a, "b")
    column, (push,) = pushed(1)
    a.received(1, push, 1.0)
    assert sent(a.received(1, AskKept({column: 1}), 1.0), 1) == []
    assert Kept({column: 1}) in sent(commit(a, 1.0), 1)
    assert sent(a.received(1, AskKept({column: 1}), 1.0), 1) == [Kept({column: 1})]
    assert not len(a.keeping)


def test_a_stream_of_questions_is_answered_at_every_commit_that_raises_the_column() -> None:
    a = node("a", "a", "b")
    meet(a, "b")
    column, pushes = pushed(1, 1, 1)
    told = []
    for push in pushes:
        a.received(1, AskKept({column: 3}), 1.0)
        a.received(1, push, 1.0)
        told += [m for m in sent(commit(a, 1.0), 1) if isinstance(m, Kept)]
    assert told == [Kept({column: version}) for version in (1, 2, 3)]
    assert not len(a.keeping)


def test_who_is_asked_for_more_than_it_holds_fetches_it() -> None:
    a = node("a", "a", "b")
    meet(a, "b")
    column, _ = pushed(1)
    (want,) = sent(a.received(1, AskKept({column: 1}), 1.0), 1)
    assert isinstance(want, Want)
    assert (want.column, want.head) == (column, 0)


def test_a_question_ends_with_its_link() -> None:
    a = node("a", "a", "b")
    meet(a, "b")
    column, (push,) = pushed(1)
    a.received(1, AskKept({column: 1}), 1.0)
    a.closed(1, 1.0)
    a.opened(2, attrs.evolve(hello("b"), nonce=b"nonce 2!"), None, 1.0)
    a.received(2, push, 1.0)
    assert not any(isinstance(m, Kept) for m in sent(commit(a, 1.0), 2))


def test_a_peer_cannot_make_us_remember_any_number_of_questions() -> None:
    a = node("a", "a", "b")
    meet(a, "b")
    for first in range(0, 5000, 500):
        columns = [ColumnId(number.to_bytes(32, "big")) for number in range(first, first + 500)]
        a.received(1, AskKept(dict.fromkeys(columns, 1)), 1.0)
    assert len(a.keeping) == 64
