"""Who belongs: states rise, the newest writing wins, two of one name are told apart."""

from gcounterd.ids import Epoch, NodeId
from gcounterd.members.roster import Entry, Roster, State, merge_entries


def entry(letter: str, *, life: int = 1, name: str = "", state: State = State.ACTIVE) -> Entry:
    return Entry(
        NodeId(letter.encode() * 16),
        Epoch(bytes([life]) * 16),
        0,
        name or letter,
        f"{letter}:{life}",
        state,
    )


def test_a_later_life_brings_its_address_but_cannot_lower_the_state() -> None:
    old = entry("a", life=1, state=State.REMOVED)
    new = entry("a", life=2, state=State.ACTIVE)

    merged = merge_entries(old, new)

    assert (merged.address, merged.state) == ("a:2", State.REMOVED)
    assert merge_entries(new, old) == merged


def test_merge_reports_only_what_changed() -> None:
    roster = Roster([entry("a"), entry("b")])

    assert roster.merge([entry("a"), entry("b", life=2), entry("c")]) == (
        entry("b", life=2),
        entry("c"),
    )
    assert roster.merge([entry("b", life=1)]) == ()


def test_rosters_are_equal_where_their_hashes_are() -> None:
    one, two = Roster([entry("a"), entry("b")]), Roster([entry("b"), entry("a")])
    assert one.hash() == two.hash()
    two.merge([entry("b", life=2)])
    assert one.hash() != two.hash()
    one.merge([entry("b", life=2)])
    assert one.hash() == two.hash()


def test_of_two_members_with_one_name_the_larger_id_is_marked() -> None:
    roster = Roster([entry("a", name="web"), entry("b", name="web")])
    assert roster.label(NodeId(b"a" * 16)) == "web"
    assert roster.label(NodeId(b"b" * 16)) == "web~" + (b"b" * 16).hex()[:6]

    roster.merge([entry("a", name="web", state=State.REMOVED)])
    assert roster.label(NodeId(b"b" * 16)) == "web"


def test_removed_members_stay_on_the_roster_but_do_not_belong() -> None:
    roster = Roster([entry("a"), entry("b", state=State.REMOVED)])
    assert [e.name for e in roster.belonging()] == ["a"]
    assert len(roster) == 2


def test_who_belongs_and_who_bears_a_name_follow_every_change() -> None:
    roster = Roster([entry("a", name="web"), entry("b", name="web"), entry("c")])
    assert [each.name for each in roster.belonging()] == ["web", "web", "c"]

    roster.merge([entry("a", name="web", state=State.REMOVED)])
    assert [each.node[:1] for each in roster.belonging()] == [b"b", b"c"]
    assert roster.named("web") == [entry("b", name="web")]
    assert roster.label(NodeId(b"b" * 16)) == "web"
    assert roster.label(NodeId(b"a" * 16)) == "web"

    roster.merge([entry("b", life=2, name="db")])
    assert roster.named("web") == []
    assert roster.named("db") == [entry("b", life=2, name="db")]


def test_how_many_belong_and_how_many_join_follow_every_change() -> None:
    roster = Roster([entry("a"), entry("b", state=State.JOINING), entry("c", state=State.REMOVED)])
    assert (roster.size, roster.joining, len(roster)) == (2, 1, 3)
    roster.merge([entry("b"), entry("d", state=State.JOINING), entry("a", state=State.REMOVING)])
    assert (roster.size, roster.joining, len(roster)) == (3, 1, 4)
    roster.merge([entry(letter, state=State.REMOVED) for letter in "acd"])
    assert (roster.size, roster.joining, len(roster)) == (1, 0, 4)
    assert [roster.at(number).name for number in range(4)] == ["a", "b", "c", "d"]
    assert len(roster.belonging()) == roster.size
