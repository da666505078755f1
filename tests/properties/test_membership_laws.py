"""The laws of a spreading roster: it converges, costs what differs, and confirms nobody too early.

`meeting.Meeting` checks at each confirmation that the confirmer held the newcomer's entry at a
moment when it knew nobody whom the newcomer does not know.
"""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from meeting import Meeting, holder, member
from nodes import entry

from gcounterd.members.roster import Entry, Roster, State
from gcounterd.node.messages import RosterDigest, RosterList

numbers = st.lists(st.integers(0, 400), max_size=60, unique=True)
lives = st.integers(1, 3)
STATES = [State.JOINING, State.ACTIVE, State.REMOVED]
rosters = st.lists(
    st.builds(
        lambda number, life, state: member(number, life=life, state=state),
        st.integers(0, 300),
        lives,
        st.sampled_from(STATES),
    ),
    max_size=60,
    unique_by=lambda each: each.node,
)
BOTH = (entry("a"), entry("b"))


@given(rosters, rosters)
@settings(max_examples=60, deadline=None)
def test_two_rosters_converge_in_a_bounded_number_of_messages(mine, theirs) -> None:
    a, b = holder("a", [*mine, *BOTH]), holder("b", [*theirs, *BOTH])
    meeting = Meeting()
    meeting.connect(a, b)
    carried = meeting.carry()
    assert list(a.roster) == list(b.roster) == list(Roster([*mine, *theirs, *a.roster]))
    assert carried <= 8
    assert [type(said) for said in meeting.said].count(RosterDigest) <= 1


@given(st.integers(0, 5), st.sampled_from([100, 800]), st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_bytes_grow_with_the_difference_and_hardly_with_the_members(differ, size, seed) -> None:
    common = [member(number) for number in range(size)]
    changed = [member(number, life=2) for number in Random(seed).sample(range(size), differ)]
    a, b = holder("a", [*common, *BOTH]), holder("b", [*common, *changed, *BOTH])
    meeting = Meeting()
    meeting.connect(a, b)
    meeting.carry()
    listed = sum(len(said.entries) for said in meeting.said if isinstance(said, RosterList))
    assert listed <= differ * (3 * size / 64 + 12)
    assert meeting.bytes <= 150 + bool(differ) * 700 + 90 * listed


news = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 60)), max_size=12)


@given(st.lists(numbers, min_size=3, max_size=3), news, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_no_one_is_confirmed_by_a_peer_that_knows_more(known, late, rng) -> None:
    """Newcomers and members that learn of others all the while, in any order of events."""
    newcomer = [entry("a", state=State.JOINING)]
    nodes = [
        holder("a", newcomer, seeds=("b:1",)),
        *(holder(letter, map(member, each)) for letter, each in zip("bcd", known, strict=True)),
    ]
    meeting = Meeting()
    for one, two in ((0, 1), (0, 2), (3, 0), (1, 2), (2, 3)):
        meeting.connect(nodes[one], nodes[two])
    late = list(late)
    for _ in range(400):
        ways = [way for way in meeting.ways if way.frames]
        match rng.randrange(8):
            case 0 | 1 | 2 | 3 if ways:
                meeting.deliver(rng.choice(ways))
            case 4 | 5:
                meeting.commit(rng.choice(nodes))
            case 6:
                meeting.wake(rng.choice(nodes), rng.choice([0.0, 0.05, 0.5]))
            case 7 if late:
                where, number = late.pop()
                nodes[where].intake.take_entries((joined(number),))
    meeting.run(3.0, step=0.2)
    assert len({each.roster.hash() for each in nodes}) == 1


def joined(number: int) -> Entry:
    return member(1000 + number, state=State.JOINING)
