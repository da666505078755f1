"""Rumours: what is told, in which order, and how often."""

from collections import Counter

from detecting import ALIVE, DEAD, SUSPECT, claim

from gcounterd.members.rumours import Rumours

MANY = 1000


def test_each_rumour_is_told_exactly_as_often_as_the_limit_says() -> None:
    rumours = Rumours()
    for of in "bcdefgh":
        rumours.put(claim(of, SUSPECT))
    told: Counter[bytes] = Counter()
    while rumours:
        told.update(each.node for each in rumours.take(3, 6))
    assert set(told.values()) == {6}
    assert len(told) == 7
    assert rumours.tellings == 42
    assert rumours.take(3, 6) == ()


def test_what_was_told_least_goes_first_and_of_that_the_oldest() -> None:
    rumours = Rumours()
    for of in "bcd":
        rumours.put(claim(of))
    assert [each.node[:1] for each in rumours.take(2, 6)] == [b"b", b"c"]
    rumours.put(claim("e"))
    assert [each.node[:1] for each in rumours.take(3, 6)] == [b"d", b"e", b"b"]


def test_a_claim_takes_the_place_of_the_older_ones_about_its_member() -> None:
    rumours = Rumours()
    rumours.put(claim("b", SUSPECT, 1, by="c"))
    rumours.put(claim("b", SUSPECT, 1, by="d"))
    assert len(rumours) == 2  # two accusers are two pieces of news
    rumours.put(claim("b", ALIVE, 2))
    assert rumours.take(9, 6) == (claim("b", ALIVE, 2),)


def test_a_suspicion_of_a_higher_incarnation_takes_the_place_of_every_accuser_before() -> None:
    rumours = Rumours()
    for by in "cde":
        rumours.put(claim("b", SUSPECT, 1, by=by))
    rumours.put(claim("b", SUSPECT, 2, by="c"))
    assert rumours.take(9, 6) == (claim("b", SUSPECT, 2, by="c"),)


def test_what_is_put_again_is_told_from_the_start_and_never_twice_at_once() -> None:
    rumours = Rumours()
    rumours.put(claim("b", ALIVE, 2))
    for _ in range(5):
        rumours.take(9, 6)
    rumours.put(claim("b", ALIVE, 2))
    assert len(rumours) == 1
    assert [len(rumours.take(9, 6)) for _ in range(7)] == [1] * 6 + [0]


def test_members_that_change_their_minds_for_ever_keep_one_rumour_each() -> None:
    rumours = Rumours()
    for turn in range(MANY):
        for of in "bcdef":
            rumours.put(claim(of, (ALIVE, SUSPECT, DEAD)[turn % 3], turn))
    assert len(rumours) == 5


def test_nothing_is_told_of_a_member_that_is_forgotten() -> None:
    rumours = Rumours()
    rumours.put(claim("b", SUSPECT, by="c"))
    rumours.put(claim("b", SUSPECT, by="d"))
    rumours.put(claim("e"))
    rumours.forget(claim("b").node)
    assert rumours.take(9, 6) == (claim("e"),)
    rumours.forget(claim("b").node)


def test_taking_nothing_tells_nothing() -> None:
    rumours = Rumours()
    rumours.put(claim("b"))
    assert rumours.take(0, 6) == ()
    assert len(rumours) == 1
