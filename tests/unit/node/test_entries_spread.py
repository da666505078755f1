"""Spreading: at once to all in a small cluster, soon to a few in a large one, and not back."""

from itertools import pairwise

import pytest
from meeting import holder, member
from nodes import commit, entry, hello, node, sent

from gcounterd.members.roster import MEMBERS_MAX, State
from gcounterd.node.dialling import WARM_LINKS_MAX
from gcounterd.node.effects import Drop
from gcounterd.node.intake import Intake
from gcounterd.node.messages import Roster as RosterMessage
from gcounterd.node.spreading import ENTRIES_PER_FRAME, FAN_OUT, GATHER_S, TELL_EVERY_S

MANY = [member(number) for number in range(WARM_LINKS_MAX + 8)]


def told(effects, link: int) -> list[RosterMessage]:
    """Return the entries that effects put on a link, message by message."""
    return [message for message in sent(effects, link) if isinstance(message, RosterMessage)]


def test_what_is_new_is_told_to_everyone_but_whoever_said_it() -> None:
    a = node("a", "a", "b", "c", "d")
    for number, letter in enumerate("bcd", 1):
        a.opened(number, hello(letter), None, 0.0)
    a.received(1, RosterMessage((entry("e"),)), 0.0)
    a.received(2, RosterMessage((entry("e"),)), 0.0)
    effects = commit(a)
    assert [told(effects, number) for number in (1, 2, 3)] == [
        [],
        [],
        [RosterMessage((entry("e"),))],
    ]


def test_whoever_knew_less_is_told_what_came_of_both() -> None:
    a = node("a", "a", "b", "c")
    a.opened(1, hello("b"), None, 0.0)
    a.opened(2, hello("c"), None, 0.0)
    a.received(1, RosterMessage((entry("e", life=2),)), 0.0)
    a.received(2, RosterMessage((entry("e", state=State.REMOVED),)), 0.0)
    effects = commit(a)
    both = RosterMessage((entry("e", life=2, state=State.REMOVED),))
    assert [told(effects, number) for number in (1, 2)] == [[both], [both]]


def test_nothing_is_kept_of_who_said_what_once_it_is_told() -> None:
    a = node("a", "a", "b")
    a.opened(1, hello("b"), None, 0.0)
    a.received(1, RosterMessage((entry("e"),)), 0.0)
    group = a.cut()
    a.received(1, RosterMessage((entry("e"),)), 0.0)  # while it is on its way to the disk
    assert group is not None
    for _ in a.applying(group):
        pass
    a.committed(group, 0.0)
    commit(a)
    assert a.membership._spreading._known == {}


def test_in_a_large_cluster_what_is_new_is_gathered_and_told_to_a_few() -> None:
    a = holder("a", MANY)
    a.wake(GATHER_S)  # its own entry, of which nobody could be told
    for number, letter in enumerate("bcdefghijk"):
        a.opened(number, hello(letter), None, 0.0)
    news = [member(number) for number in range(100, 103)]
    a.received(0, RosterMessage(tuple(news[:1])), 0.0)
    assert not any(told(commit(a, 1.0), number) for number in range(10))
    a.received(0, RosterMessage(tuple(news[1:])), 0.0)
    commit(a, 1.01)
    assert a.next_wake(1.01) <= 1 + GATHER_S
    effects = a.wake(1 + GATHER_S)
    got = [told(effects, number) for number in range(10)]
    assert sum(map(bool, got)) in (FAN_OUT - 1, FAN_OUT)  # one of those drawn may have said it
    assert all(len(messages) == 1 for messages in got if messages)
    assert {each.name for messages in got for m in messages for each in m.entries} == {
        each.name for each in news
    }
    assert not any(told(a.wake(2.0), number) for number in range(10))


def test_those_who_were_removed_make_no_cluster_large() -> None:
    gone = [member(number, state=State.REMOVED) for number in range(len(MANY))]
    a = holder("a", [*gone, entry("a")])
    for number, letter in enumerate("bcdefghijk"):
        a.opened(number, hello(letter), None, 0.0)
    a.received(0, RosterMessage((entry("x"),)), 0.0)
    effects = commit(a)
    assert all(told(effects, number) for number in range(1, 10))


def test_in_a_large_cluster_news_without_a_pause_is_told_a_few_times_a_second() -> None:
    a = holder("a", MANY)
    a.opened(1, hello("b"), None, 0.0)
    a.opened(2, hello("c"), None, 0.0)
    moments = []
    for step in range(100):
        now = 1 + step / 100
        a.received(1, RosterMessage((member(1000 + step),)), now)
        effects = [*commit(a, now), *a.wake(now)]
        moments += [now] if told(effects, 2) else []
    assert moments[0] < 1 + 2 * GATHER_S
    assert all(later - before >= TELL_EVERY_S - 0.001 for before, later in pairwise(moments))
    assert len(moments) >= 4


def test_what_does_not_fit_one_frame_goes_in_several() -> None:
    a = node("a", "a", "b", "c")
    a.opened(1, hello("b"), None, 0.0)
    a.opened(2, hello("c"), None, 0.0)
    few = [member(number) for number in range(20)]
    a.received(1, RosterMessage(tuple(few)), 0.0)
    assert [len(m.entries) for m in told(commit(a), 2)] == [20]
    assert ENTRIES_PER_FRAME >= 20


@pytest.mark.parametrize("most", [MEMBERS_MAX])
def test_a_list_of_a_million_members_costs_its_sender_the_link_and_us_a_bounded_roster(
    most: int,
) -> None:
    a = node("a", "a", "b")
    a.opened(1, hello("b"), None, 0.0)
    entries = (member(number) for number in range(1_000_000))
    dropped = False
    while not dropped:
        some = tuple(next(entries) for _ in range(1000))
        dropped = Drop(1, "roster_full") in a.received(1, RosterMessage(some), 0.0)
    assert len(a.intake.members) <= most
    commit(a)
    assert len(a.roster) <= most
    assert next(entries).name == "m5000"  # and nothing was read of the rest


def test_entries_on_their_way_to_the_disk_count_towards_the_most_members() -> None:
    a = node("a", "a", "b")
    a.opened(1, hello("b"), None, 0.0)
    many = [member(number) for number in range(MEMBERS_MAX)]
    a.received(1, RosterMessage(tuple(many[:3000])), 0.0)
    assert a.cut() is not None
    assert Drop(1, "roster_full") in a.received(1, RosterMessage(tuple(many[3000:])), 0.0)


def test_entries_of_a_commit_that_was_refused_wait_for_the_next() -> None:
    a = node("a", "a")
    intake: Intake = a.intake
    intake.take_entries((entry("b"),))
    group = a.cut()
    assert list(intake.members) == [entry("b").node]
    a.abandoned(group)
    assert list(intake.members) == [entry("b").node]
    commit(a)
    assert intake.members == {}
    assert entry("b") in list(a.roster)
