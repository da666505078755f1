"""Pushes in a crowd: along eager links, in one frame, and not back to where they came from."""

from __future__ import annotations

import pytest
from meeting import holder, member
from nodes import batches_of, commit, config, hello, sent

from gcounterd.node.dialling import WARM_LINKS_MAX
from gcounterd.node.exchange import GRACE_S
from gcounterd.node.messages import Digest, Push, StateHash, Want
from gcounterd.node.node import Node
from gcounterd.node.pushes import PUSH_EVERY_S
from gcounterd.node.telling import SAMPLE, TELLINGS
from gcounterd.node.tree_messages import PASSED_BATCHES_MAX, Graft, PassOn

MANY = [member(number) for number in range(WARM_LINKS_MAX + 8)]
LETTERS = "bcde"


def crowded(eager: str) -> Node:
    """Return node `a` of a crowd with links 1, 2, … to `b`, `c`, …, some of them eager."""
    made = holder("a", MANY)
    for number, letter in enumerate(LETTERS, 1):
        made.opened(number, hello(letter), None, 0.0)
        link = made.peers.get(number)
        assert link is not None
        link.eager = letter in eager
    made.pushes.tree._lacking = 0
    return made


def passed(effects, link: int) -> list[tuple[bytes, int]]:
    return [
        (batch.column, batch.version)
        for message in sent(effects, link)
        if isinstance(message, PassOn)
        for batch in message.batches
    ]


def test_what_is_counted_goes_along_eager_links_alone() -> None:
    a = crowded("bd")
    a.add(b"x", 1)
    effects = commit(a)
    own = [(config("a").column, 1)]
    assert [passed(effects, link) for link in (1, 2, 3, 4)] == [own, [], own, []]
    assert not any(isinstance(message, Push) for message in sent(effects, 1))


def test_what_comes_from_several_goes_on_in_one_frame_but_not_back() -> None:
    a = crowded("bcd")
    (from_x,), (from_y,) = batches_of("x", {b"k": 1}), batches_of("y", {b"k": 1})
    a.received(1, PassOn((from_x.batch,)), 1.0)
    a.received(2, PassOn((from_y.batch,)), 1.0)
    effects = commit(a, 1.0)
    x, y = (from_x.batch.column, 1), (from_y.batch.column, 1)
    assert [passed(effects, link) for link in (1, 2, 3)] == [[y], [x], [x, y]]
    assert sum(isinstance(message, PassOn) for message in sent(effects, 3)) == 1
    assert a.counters.value(b"k") == 2


def test_nobody_is_passed_its_own_column() -> None:
    a = crowded("bc")
    (push,) = batches_of("b", {b"k": 1})
    a.received(2, PassOn((push.batch,)), 1.0)
    effects = commit(a, 1.0)
    assert [passed(effects, link) for link in (1, 2)] == [[], []]


def test_commits_of_a_hundredth_of_a_second_go_on_together() -> None:
    a = crowded("b")
    pushes = batches_of("x", {b"k": 1}, {b"k": 1}, {b"k": 1})
    a.received(2, PassOn((pushes[0].batch,)), 1.0)
    assert len(passed(commit(a, 1.0), 1)) == 1
    for push in pushes[1:]:
        a.received(2, PassOn((push.batch,)), 1.0)
        assert passed(commit(a, 1.0), 1) == []
    assert a.next_wake(1.0) <= 1.0 + PUSH_EVERY_S
    assert [version for _, version in passed(a.wake(1.0 + PUSH_EVERY_S), 1)] == [2, 3]


def test_many_batches_go_on_in_several_frames() -> None:
    a = crowded("b")
    pushes = batches_of("x", *[{b"k": 1}] * (PASSED_BATCHES_MAX + 1))
    for push in pushes:
        a.received(2, Push(push.batch), 1.0)
    told = [message for message in sent(commit(a, 1.0), 1) if isinstance(message, PassOn)]
    assert [len(message.batches) for message in told] == [PASSED_BATCHES_MAX, 1]


def test_what_somebody_waits_for_goes_to_every_peer_at_once() -> None:
    a = crowded("b")
    a.add(b"x", 1)
    a.pushes.hurry()
    effects = commit(a)
    assert [len([m for m in sent(effects, n) if isinstance(m, Push)]) for n in (1, 2, 3, 4)] == [
        *(1, 1, 1, 1)
    ]
    assert passed(effects, 1) == []


def test_the_first_news_graft_links_before_they_go_along_them() -> None:
    a = crowded("")
    a.pushes.tree._lacking = 1
    a.add(b"x", 1)
    effects = commit(a)
    kinds = [[type(message) for message in sent(effects, link)] for link in (1, 2, 3, 4)]
    assert sorted(kinds, key=len) == [[], [], [], [Graft, PassOn]]


# -- heads in a crowd ---------------------------------------------------------------------------


def counted(columns: str) -> Node:
    """Return a crowded node that holds a column of each letter, and has been quiet since."""
    a = crowded("b")
    for letter in columns:
        (push,) = batches_of(letter, {b"k": 1})
        a.received(1, PassOn((push.batch,)), 0.0)
        commit(a)
    return a


def gossip(of: Node, now: float) -> list[Digest]:
    effects = of.wake(now)
    return [m for link in (1, 2, 3, 4) for m in sent(effects, link) if isinstance(m, Digest)]


def test_while_counts_go_on_a_peer_is_told_a_sample_of_heads_and_then_all_that_changed() -> None:
    a = counted("ABCDEFGHIJKL")
    told = [gossip(a, now) for now in (2.0, 4.0, 6.0, 8.0, 10.0)]
    sizes = [[len(digest.heads) for digest in each] for each in told]
    assert sizes == [[SAMPLE], *[[12]] * TELLINGS, []]


@pytest.mark.parametrize(("joining", "whole"), [(False, False), (True, True)])
def test_hashes_that_differ_mean_nothing_while_counts_go_on_but_to_newcomers(
    joining: bool, whole: bool
) -> None:
    a = counted("ABCDEFGHIJKL")
    a.opened(9, hello("z", joining=joining), None, 0.0)
    said = StateHash(a.roster.hash(), bytes(16), bytes(16), asks=True)
    (digest,) = [m for m in sent(a.received(9, said, 0.0), 9) if isinstance(m, Digest)]
    assert (digest.whole, len(digest.heads)) == (whole, 12 if whole else SAMPLE)


def test_what_a_digest_names_is_given_time_to_come_along_the_tree() -> None:
    a = crowded("b")
    (push,) = batches_of("x", {b"k": 1})
    heads = {push.batch.column: 1}
    assert sent(a.received(2, Digest(heads, whole=False), 5.0), 2) == []
    assert a.next_wake(5.0) <= 5.0 + GRACE_S
    wanted = [m for m in sent(a.wake(5.0 + GRACE_S), 2) if isinstance(m, Want)]
    assert [want.column for want in wanted] == list(heads)


@pytest.mark.parametrize(("ahead", "asks"), [(2, False), (SAMPLE // 2, True)])
def test_whoever_lacks_half_of_a_sample_asks_for_all_once_in_a_while(
    ahead: int, asks: bool
) -> None:
    a = crowded("b")
    columns = [batches_of(letter, {b"k": 1})[0].batch.column for letter in "ABCDEFGH"[:ahead]]
    sample = Digest(dict.fromkeys(columns, 1), whole=False)
    told = [m for m in sent(a.received(2, sample, 1.0), 2) if isinstance(m, Digest)]
    assert [digest.whole for digest in told] == [True] * asks
    assert not [m for m in sent(a.received(2, sample, 2.0), 2) if isinstance(m, Digest)]


def test_where_a_batch_came_from_is_forgotten_with_the_batch() -> None:
    a = crowded("bc")
    (push,) = batches_of("x", {b"k": 1})
    a.received(1, PassOn((push.batch,)), 1.0)
    assert a.pushes._sources
    for number in range(1, 5):
        a.closed(number, 1.0)
    commit(a, 1.0)
    assert a.pushes._sources == {}
