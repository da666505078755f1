"""The table of members: equal digests where beliefs are equal, and what differs found by bucket."""

from random import Random

from detecting import ALIVE, DEAD, LEFT, SUSPECT, claim, epoch

from gcounterd.ids import NodeId
from gcounterd.members.buckets import BUCKETS
from gcounterd.members.claims import Claim
from gcounterd.members.table import SUM_BYTES, Member, Table

RNG = Random(5)
NODES = [NodeId(RNG.randbytes(16)) for _ in range(300)]


def table(*claims: Claim) -> Table:
    made = Table()
    for each in claims:
        made.put(Member(each, 0.0, met=True))
    return made


def of(node: NodeId, incarnation: int = 0) -> Claim:
    return Claim(node, epoch(), incarnation, ALIVE)


def test_who_holds_the_same_claims_has_the_same_digest_in_whatever_order_they_came() -> None:
    claims = [of(node) for node in NODES]
    one = table(*claims)
    for _ in range(5):
        RNG.shuffle(claims)
        other = table(*claims)
        assert other.digest() == one.digest()
        assert other.survey() == one.survey()
        assert one.differing(other.survey()) == ()


def test_whatever_differs_in_what_is_believed_shows_in_the_digest() -> None:
    plain = claim("b", SUSPECT, 3, by="c")
    others = [
        claim("d", SUSPECT, 3, by="c"),
        claim("b", SUSPECT, 3, by="c", life=2),
        claim("b", SUSPECT, 4, by="c"),
        claim("b", DEAD, 3, by="c"),
    ]
    digests = {table(each).digest() for each in (plain, *others)}
    assert len(digests) == 5


def test_who_accuses_makes_no_difference() -> None:
    one, other = claim("b", SUSPECT, 3, by="c"), claim("b", SUSPECT, 3, by="d")
    assert table(one).digest() == table(other).digest()


def test_a_digest_follows_every_change_and_comes_back_to_where_it_was() -> None:
    it = table(*[of(node) for node in NODES])
    before = it.digest()
    member = it.get(NODES[7])
    assert member is not None
    for incarnation in range(1, 5):
        member.claim = of(NODES[7], incarnation)
        it.put(member)
        assert it.digest() == table(*[each.claim for each in it]).digest()
    it.remove(NODES[9])
    assert it.digest() != before
    it.put(Member(of(NODES[9]), 0.0, met=True))
    member.claim = of(NODES[7])
    it.put(member)
    assert it.digest() == before


def test_our_own_claim_stands_in_the_digest_and_not_among_the_others() -> None:
    one, other = table(claim("b")), table(claim("a"))
    one.count(claim("a"))
    other.count(claim("b"))
    assert one.digest() == other.digest()
    assert len(one) == len(other) == 1


def test_only_the_buckets_that_differ_are_told() -> None:
    one = table(*[of(node) for node in NODES])
    other = table(*[of(node, int(node == NODES[4])) for node in NODES])
    told = one.differing(other.survey())
    assert of(NODES[4]) in told
    assert len(told) < 3 * len(NODES) / BUCKETS


def test_a_survey_of_garbage_is_answered_with_each_claim_once() -> None:
    one = table(*[of(node) for node in NODES])
    told = one.differing(b"\xff" * BUCKETS * SUM_BYTES)
    assert sorted(each.node for each in told) == sorted(NODES)


def test_the_living_are_counted_through_every_change() -> None:
    it = table(claim("b"), claim("c"))
    assert it.living == 2
    member = it.get(claim("b").node)
    assert member is not None
    for said, living in ((SUSPECT, 2), (DEAD, 1), (LEFT, 1), (ALIVE, 2)):
        member.claim = claim("b", said)
        it.put(member)
        assert it.living == living
    it.remove(claim("c").node)
    assert (it.living, len(it)) == (1, 1)
