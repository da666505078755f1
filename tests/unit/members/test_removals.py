"""What an operator may remove, and what it is told: the guards, their codes and their ways out."""

from __future__ import annotations

import attrs
import pytest

from gcounterd.ids import Epoch, NodeId
from gcounterd.members.claims import Liveness
from gcounterd.members.removals import Objection, Plan, Wish, find, may_start_anew, plan
from gcounterd.members.roster import Entry, Roster, State

ALIVE, SUSPECT, DEAD, LEFT = Liveness


def node(name: str) -> NodeId:
    return NodeId(name.encode().ljust(16, b"\0"))


def entry(name: str, state: State = State.ACTIVE, *, life: int = 1, key: str = "") -> Entry:
    epoch = Epoch(bytes([life]) * 16)
    return Entry(node(key or name), epoch, 0, name, f"{name}:7700", state)


def cluster(*names: str, **states: State) -> Roster:
    return Roster([entry(name, states.get(name, State.ACTIVE)) for name in names])


def judge(roster: Roster, *names: str, seen: dict[str, Liveness] | None = None, **wish: object):
    liveness = {node(name): found for name, found in (seen or {}).items()}
    asked = attrs.evolve(Wish(names), **wish)
    return plan(roster, lambda each: liveness.get(each, ALIVE), asked)


def code(found: Plan | Objection) -> str:
    assert isinstance(found, Objection), found
    assert found.text.endswith((")", "s", "n", "e", "k", "t", "h", "o", "p", "r"))
    return found.code


def planned(found: Plan | Objection) -> Plan:
    assert isinstance(found, Plan), found
    return found


def test_a_living_member_is_removed_into_the_living_one_of_the_smallest_id() -> None:
    found = planned(judge(cluster("a", "b", "c"), "a"))
    assert [each.name for each in found.targets] == ["a"]
    assert found.heir is not None
    assert found.heir.name == "b"
    assert (found.alive, found.of) == (3, 3)
    assert ["wiped" in text for text in found.warnings] == [True]


def test_without_into_no_member_is_chosen_that_does_not_answer() -> None:
    found = planned(judge(cluster("a", "b", "c", "d"), "a", seen={"b": DEAD}))
    assert found.heir is not None
    assert found.heir.name == "c"


@pytest.mark.parametrize("into", ["c", node("c").hex(), node("c").hex()[:12]])
def test_the_heir_may_be_named_by_name_or_id(into: str) -> None:
    found = planned(judge(cluster("a", "b", "c"), "a", into=into))
    assert found.heir is not None
    assert found.heir.name == "c"


@pytest.mark.parametrize("liveness", [DEAD, LEFT])
def test_one_that_does_not_answer_needs_dead(liveness: Liveness) -> None:
    roster = cluster("a", "b", "c")
    assert code(judge(roster, "a", seen={"a": liveness})) == "removal_needs_dead"
    planned(judge(roster, "a", seen={"a": liveness}, dead=True))


def test_one_that_answers_is_not_taken_for_dead() -> None:
    assert code(judge(cluster("a", "b", "c"), "a", dead=True)) == "removal_is_alive"


@pytest.mark.parametrize("dead", [False, True])
def test_of_a_suspect_the_verdict_is_waited_for(dead: bool) -> None:
    found = judge(cluster("a", "b", "c"), "a", seen={"a": SUSPECT}, dead=dead)
    assert code(found) == "removal_suspect"


def test_an_unknown_name_is_refused_as_target_and_as_heir() -> None:
    roster = cluster("a", "b")
    assert code(judge(roster, "nobody")) == "unknown_node"
    assert code(judge(roster, "a", into="nobody")) == "unknown_node"


def test_a_member_cannot_be_its_own_heir_nor_one_that_is_removed_with_it() -> None:
    roster = cluster("a", "b", "c", "d", "e")
    assert code(judge(roster, "a", into="a")) == "removal_self_heir"
    assert code(judge(roster, "a", "b", into="b")) == "removal_self_heir"


@pytest.mark.parametrize("state", [State.JOINING, State.REMOVING, State.REMOVED])
def test_an_heir_is_an_active_member(state: State) -> None:
    roster = cluster("a", "b", "c", "d", d=state)
    assert code(judge(roster, "a", into="d")) == "removal_no_heir"


def test_the_last_active_member_stays() -> None:
    assert code(judge(cluster("a"), "a")) == "removal_last"
    assert code(judge(cluster("a", "b"), "a", "b")) == "removal_last"
    assert code(judge(cluster("a", "b", b=State.REMOVING), "a")) == "removal_last"
    assert code(judge(cluster("a", "b", b=State.REMOVED), "a", forced=True)) == "removal_last"
    assert code(judge(cluster("a", "b", b=State.JOINING), "a")) == "removal_joining_only"


def test_without_a_living_member_there_is_no_heir() -> None:
    found = judge(cluster("a", "b"), "a", seen={"b": DEAD}, forced=True)
    assert code(found) == "removal_no_heir"
    planned(judge(cluster("a", "b"), "a", seen={"b": DEAD}, forced=True, into="b"))


@pytest.mark.parametrize(
    ("size", "dead", "refused"),
    [(2, 1, True), (3, 1, False), (4, 1, False), (4, 2, True), (5, 2, False), (5, 3, True)],
)
def test_more_than_half_must_be_alive_the_targets_counted(
    size: int, dead: int, refused: bool
) -> None:
    names = [f"n{number}" for number in range(size)]
    seen = dict.fromkeys(names[:dead], DEAD)
    found = judge(cluster(*names), names[0], seen=seen, dead=True)
    assert isinstance(found, Objection) is refused
    if refused:
        assert code(found) == "removal_no_majority"
        forced = planned(judge(cluster(*names), names[0], seen=seen, dead=True, forced=True))
        assert (forced.alive, forced.of) == (size - dead, size)
        assert any("without a majority" in text for text in forced.warnings)


def test_a_living_target_counts_for_the_majority() -> None:
    planned(judge(cluster("a", "b", "c"), "a", seen={"c": DEAD}))


def test_joining_and_removed_members_never_count() -> None:
    roster = cluster("a", "b", "c", "d", "e", c=State.JOINING, d=State.JOINING, e=State.REMOVED)
    found = judge(roster, "b", seen={"b": DEAD}, dead=True)
    assert code(found) == "removal_no_majority"


def test_a_majority_that_hangs_on_a_suspect_is_waited_for() -> None:
    roster = cluster("a", "b", "c")
    found = judge(roster, "a", seen={"a": DEAD, "b": SUSPECT}, dead=True)
    assert code(found) == "removal_suspect"


def test_what_is_being_removed_is_not_judged_again() -> None:
    roster = cluster("a", "b", b=State.REMOVING)
    found = planned(judge(roster, "b", seen={"b": LEFT}))
    assert [each.name for each in found.targets] == ["b"]
    assert found.heir is None


def test_a_name_whose_last_holder_is_removed_stands_for_that_one() -> None:
    removed = [entry("a", State.REMOVED, life=life, key=f"x{life}") for life in (1, 3, 2)]
    roster = Roster([*removed, entry("b")])
    assert find(roster, "a") == removed[1]
    found = planned(judge(roster, "a"))
    assert (found.targets, found.heir, found.warnings) == ((removed[1],), None, ())


def test_a_current_holder_of_a_name_comes_first() -> None:
    current = entry("a", State.JOINING, key="y")
    roster = Roster([entry("a", State.REMOVED, life=9, key="x"), current, entry("b")])
    assert find(roster, "a") == current


def test_of_two_members_of_one_name_each_is_found_as_it_is_shown() -> None:
    one, two = entry("a", key="k1"), entry("a", key="k2")
    roster = Roster([one, two])
    assert find(roster, "a") == one
    assert find(roster, f"a~{two.node.hex()[:6]}") == two
    assert find(roster, "a~000000") is None


def test_the_first_digits_of_an_id_are_enough_where_only_one_member_has_them() -> None:
    one, two = entry("a", key="same-start-1"), entry("b", key="same-start-2")
    roster = Roster([one, two])
    assert find(roster, one.node.hex()) == one
    assert find(roster, one.node.hex()[:12]) is None
    assert find(roster, one.node.hex()[:11]) is None


def test_a_name_given_twice_is_one_target() -> None:
    found = planned(judge(cluster("a", "b", "c"), "a", node("a").hex(), "a"))
    assert len(found.targets) == 1


def test_several_dead_ones_go_in_one_command_but_not_with_a_living_one() -> None:
    roster = cluster("a", "b", "c", "d", "e")
    seen = {"a": DEAD, "b": DEAD}
    assert len(planned(judge(roster, "a", "b", seen=seen, dead=True)).targets) == 2
    assert code(judge(roster, "a", "c", seen=seen, dead=True)) == "removal_is_alive"


def test_an_operator_is_told_when_those_that_remain_have_no_majority() -> None:
    found = planned(judge(cluster("a", "b", "c"), "a", seen={"c": DEAD}))
    assert any("of the 2 active members that remain 1 answer" in text for text in found.warnings)
    forced = planned(judge(cluster("a", "b", "c"), "a", seen={"c": DEAD}, forced=True))
    assert not any("that remain" in text for text in forced.warnings)


def test_an_operator_is_told_of_a_joining_member_that_does_not_answer() -> None:
    roster = cluster("a", "b", "c", "d", d=State.JOINING)
    found = planned(judge(roster, "a", seen={"d": DEAD}))
    assert any("every consistent read fails" in text for text in found.warnings)
    assert not any("reads" in text for text in planned(judge(roster, "a")).warnings)
    gone = planned(judge(roster, "d", seen={"d": DEAD}, dead=True))
    assert not any("consistent" in text for text in gone.warnings)


def test_a_new_node_may_start_on_a_disk_whose_node_is_removed_or_can_never_be() -> None:
    roster = cluster("a", "b", "c", a=State.REMOVED, b=State.REMOVING)
    assert may_start_anew(roster, node("a"))
    assert not may_start_anew(roster, node("b"))  # c finishes that
    assert not may_start_anew(roster, node("c"))
    assert not may_start_anew(roster, node("stranger"))
    stuck = cluster("a", "b", "c", b=State.REMOVING, a=State.JOINING, c=State.REMOVED)
    assert may_start_anew(stuck, node("b"))
    assert not may_start_anew(stuck, node("a"))
