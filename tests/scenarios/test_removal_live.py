"""A node that lives is removed: it hands over and stops, whatever happens meanwhile."""

from __future__ import annotations

import pytest
from removals import REMOVED_S_MAX, finish, node_id, report, state, wait_exit, wait_removed
from stories import address, agree, form, join, values

from gcounterd.errors import ClientError
from gcounterd.members.heirs import NO_HEIR
from gcounterd.members.roster import State
from gcounterd.node.leaving import Phase
from gcounterd.sim.cluster import Cluster

SEEDS = range(5)
over_seeds = pytest.mark.parametrize("seed", SEEDS)
FIVE = ("n1", "n2", "n3", "n4", "n5")


def counted(cluster: Cluster, *names: str) -> None:
    """Let each of these nodes count ten times its own digit."""
    for power, name in enumerate(names):
        assert cluster.add(name, b"hits", 10**power)
    cluster.run(0.2)


@over_seeds
@pytest.mark.parametrize("at", ["n1", "n3"])
def test_it_stops_with_nothing_lost_and_says_who_holds_its_counts(seed: int, at: str) -> None:
    cluster = form(*FIVE, seed=seed)
    counted(cluster, *FIVE)
    cluster.remove(at, "n3", into="n2")
    code, text = wait_exit(cluster, "n3")
    assert code == 0
    assert "removed into n2" in text
    assert "all of its 5 columns are held by" in text
    assert wait_removed(cluster, "n3") < REMOVED_S_MAX
    finish(cluster, "n3")
    assert set(values(cluster, b"hits").values()) == {11111}
    for name in ("n1", "n2", "n4", "n5"):
        assert cluster.node(name).removing.shown_as(node_id(cluster, "n3")) == "n2"


@over_seeds
def test_it_refuses_for_certain_and_names_others_from_the_moment_it_knows(seed: int) -> None:
    cluster = form("n1", "n2", "n3", seed=seed)
    cluster.remove("n1", "n2")
    while not cluster.node("n2").removing.leaving.active:
        cluster.add("n2", b"hits", 1)
        cluster.run(0.002)
    with pytest.raises(ClientError) as caught:
        cluster.node("n2").add(b"hits", 1)
    error = caught.value
    assert (error.status, error.code, error.definite) == (503, "removing", True)
    assert "n1" in caught.value.message
    assert "n3:7700" in caught.value.message
    finish(cluster, "n2")


@over_seeds
def test_under_load_everything_that_was_answered_is_counted_once(seed: int) -> None:
    cluster = form(*FIVE, seed=seed)
    accepted = 0
    for number in range(400):
        for name in FIVE:
            if cluster.hosts[name].process is not None:
                accepted += cluster.add(name, b"k%d" % (number % 7), 1)
        if number == 100:
            cluster.remove("n1", "n4")
        cluster.run(0.005)
    assert cluster.hosts["n4"].exits[0][0] == 0
    finish(cluster, "n4")
    for name in ("n1", "n2", "n3", "n5"):
        assert sum(cluster.value(name, b"k%d" % number) for number in range(7)) == accepted


@over_seeds
def test_its_columns_are_closed_as_final_everywhere(seed: int) -> None:
    cluster = form("n1", "n2", "n3", seed=seed)
    counted(cluster, "n1", "n2", "n3")
    column = cluster.process("n2").column
    cluster.remove("n1", "n2")
    finish(cluster, "n2")
    for name in ("n1", "n3"):
        line = cluster.node(name).counters.settled.get(column)
        assert line is not None
        assert line.version == line.final > 0
        assert report(cluster, name, "n2").columns == {column: (line.version, line.final)}


@over_seeds
@pytest.mark.parametrize("repeated_at", ["n1", "n2", "n4"])
def test_asked_for_again_it_is_the_same_removal(seed: int, repeated_at: str) -> None:
    cluster = form(*FIVE, seed=seed)
    counted(cluster, *FIVE)
    cluster.remove("n1", "n2")
    cluster.run(0.01)
    if cluster.hosts[repeated_at].process is not None:
        cluster.remove(repeated_at, "n2")
    finish(cluster, "n2")
    assert cluster.remove("n4", "n2").heir is None  # done, and so says the repeat
    finish(cluster, "n2")
    assert len(cluster.hosts["n2"].exits) == 1


@over_seeds
def test_asked_for_at_two_nodes_with_two_heirs_the_smaller_id_is_shown(seed: int) -> None:
    cluster = form(*FIVE, seed=seed)
    counted(cluster, *FIVE)
    cluster.remove("n1", "n2", into="n3")
    cluster.remove("n5", "n2", into="n4")
    finish(cluster, "n2")
    shown = {each.node.removing.shown_as(node_id(cluster, "n2")) for each in cluster.running}
    smaller = min("n3", "n4", key=lambda name: node_id(cluster, name))
    assert shown == {smaller}
    assert set(values(cluster, b"hits").values()) == {11111}


@over_seeds
def test_two_that_are_removed_into_each_other_at_once_both_go_and_stand_under_no_node(
    seed: int,
) -> None:
    cluster = form(*FIVE, seed=seed)
    counted(cluster, *FIVE)
    cluster.remove("n1", "n2", into="n3")
    cluster.remove("n5", "n3", into="n2")
    assert wait_exit(cluster, "n2")[0] == 0
    assert wait_exit(cluster, "n3")[0] == 0
    finish(cluster, "n2", "n3")
    assert set(values(cluster, b"hits").values()) == {11111}
    for each in cluster.running:
        for name in ("n2", "n3"):
            assert each.node.removing.shown_as(node_id(cluster, name)) == NO_HEIR


@over_seeds
def test_the_successor_is_removed_while_it_works_and_the_share_goes_along_the_chain(
    seed: int,
) -> None:
    cluster = form(*FIVE, seed=seed)
    counted(cluster, *FIVE)
    cluster.remove("n1", "n2", into="n3")
    cluster.run(0.01)
    cluster.remove("n1", "n3", into="n4")
    finish(cluster, "n2", "n3")
    cluster.remove("n1", "n4", into="n5")  # and a successor much later
    finish(cluster, "n2", "n3", "n4")
    assert set(values(cluster, b"hits").values()) == {11111}
    for each in cluster.running:
        shown = [each.node.removing.shown_as(node_id(cluster, name)) for name in FIVE[1:]]
        assert shown == ["n5"] * 4


@over_seeds
def test_four_of_five_are_removed_at_once_and_the_fifth_holds_everything(seed: int) -> None:
    cluster = form(*FIVE, seed=seed)
    counted(cluster, *FIVE)
    cluster.remove("n3", "n1", "n2", "n4", "n5")
    for name in ("n1", "n2", "n4", "n5"):
        assert wait_exit(cluster, name, 30.0)[0] == 0
    finish(cluster, "n1", "n2", "n4", "n5")
    assert values(cluster, b"hits") == {"n3": 11111}
    assert cluster.add("n3", b"hits", 1)


@over_seeds
def test_a_node_that_joins_while_another_is_removed_gets_everything(seed: int) -> None:
    cluster = form("n1", "n2", "n3", seed=seed)
    counted(cluster, "n1", "n2", "n3")
    join(cluster, "n4", "n2")  # by the one that goes
    cluster.run(0.02)
    cluster.remove("n1", "n2")
    join(cluster, "n5", "n1", "n2")
    finish(cluster, "n2")
    assert values(cluster, b"hits") == dict.fromkeys(("n1", "n3", "n4", "n5"), 111)


@over_seeds
def test_a_joining_node_is_removed_before_it_ever_counted(seed: int) -> None:
    cluster = form("n1", "n2", "n3", seed=seed)
    cluster.split(["n1", "n4"], ["n2", "n3"])
    join(cluster, "n4", "n1")
    cluster.run(3)
    assert state(cluster, "n1", "n4") is State.JOINING
    cluster.network.heal()
    cluster.remove("n1", "n4", forced=True)
    finish(cluster, "n4")
    assert cluster.hosts["n4"].exits[0][0] == 0


@over_seeds
@pytest.mark.parametrize("phase", [Phase.COMMITTING, Phase.HANDING_OVER, Phase.PARTING])
@pytest.mark.parametrize("restarted", [False, True])
def test_it_is_killed_in_each_phase(seed: int, phase: Phase, restarted: bool) -> None:
    cluster = form("n1", "n2", "n3", seed=seed)
    counted(cluster, "n1", "n2", "n3")
    for name in ("n1", "n3"):
        cluster.hosts[name].disk.pace.append_s = 0.02  # so that phases last
    cluster.hosts["n2"].disk.pace.append_s = 0.01
    cluster.remove("n1", "n2")
    while cluster.node("n2").removing.leaving.phase is not phase:
        cluster.add("n2", b"hits", 1)
        cluster.run(0.0005)
    cluster.kill("n2")
    if restarted:
        cluster.run(0.3)
    else:
        wait_removed(cluster, "n2", seconds=30.0)  # but its disk may hold more than anybody
    cluster.start("n2")
    assert wait_exit(cluster, "n2", 30.0)[0] in ((0, 5) if restarted else (5,))
    finish(cluster, "n2")


@over_seeds
@pytest.mark.parametrize("other", ["n1", "n3", "n4"])
@pytest.mark.parametrize("after_s", [0.0, 0.005, 0.02, 0.05, 0.1])
def test_any_other_node_is_killed_meanwhile(seed: int, other: str, after_s: float) -> None:
    cluster = form("n1", "n2", "n3", "n4", "n5", seed=seed)
    counted(cluster, *FIVE)
    cluster.remove("n1", "n2", into="n3")
    cluster.run(after_s)
    cluster.kill(other)
    cluster.run(2)
    cluster.start(other)
    if all(state(cluster, each.host, "n2") is State.ACTIVE for each in cluster.running):
        cluster.remove("n3", "n2")  # who was asked first was killed before it was written
    if cluster.hosts["n2"].process is not None:
        assert wait_exit(cluster, "n2", 30.0)[0] in (0, 5)
    finish(cluster, "n2")
    assert set(values(cluster, b"hits").values()) == {11111}


@over_seeds
def test_it_waits_for_a_member_whose_disk_is_full(seed: int) -> None:
    cluster = form("n1", "n2", "n3", seed=seed)
    cluster.hosts["n3"].disk.pace.full = True
    counted(cluster, "n1", "n2")
    cluster.remove("n1", "n2")
    cluster.run(10)
    assert cluster.hosts["n2"].process is not None
    waiting = report(cluster, "n2", "n2").waiting
    assert [node for node, _ in waiting] == [node_id(cluster, "n3")]
    cluster.hosts["n3"].disk.pace.full = False
    assert wait_exit(cluster, "n2", 30.0)[0] == 0
    finish(cluster, "n2")


@over_seeds
def test_it_hands_over_what_only_it_holds_of_others(seed: int) -> None:
    cluster = form("n1", "n2", "n3", seed=seed)
    cluster.split(["n1"], ["n3"])
    assert cluster.add("n1", b"hits", 7)
    cluster.run(2)
    cluster.kill("n1")
    cluster.remove("n3", "n2", forced=True)
    cluster.network.heal()
    assert wait_exit(cluster, "n2", 30.0)[0] == 0
    assert cluster.value("n3", b"hits") == 7
    cluster.start("n1")
    finish(cluster, "n2")


@over_seeds
def test_cut_off_in_the_middle_it_comes_back_as_a_removed_one(seed: int) -> None:
    cluster = form(*FIVE, seed=seed)
    counted(cluster, *FIVE)
    for name in FIVE:
        cluster.hosts[name].disk.pace.append_s = 0.02
    cluster.remove("n1", "n2")
    while cluster.node("n2").removing.leaving.phase is not Phase.HANDING_OVER:
        cluster.run(0.0005)
    cluster.split(["n2"], ["n1", "n3", "n4", "n5"])
    wait_removed(cluster, "n2", seconds=60.0)
    assert cluster.hosts["n2"].process is not None
    cluster.network.heal()
    code, text = wait_exit(cluster, "n2", 30.0)
    assert (code, "--new-identity" in text) == (5, True)
    finish(cluster, "n2")


@over_seeds
def test_its_name_is_free_for_another_node_and_never_confused_with_it(seed: int) -> None:
    cluster = form("n1", "n2", "n3", seed=seed)
    counted(cluster, "n1", "n2", "n3")
    cluster.remove("n1", "n2", into="n3")
    finish(cluster, "n2")
    again = cluster.add_host("again", seeds=[address("n1")])
    again.name = "n2"
    cluster.start("again")
    agree(cluster)
    assert cluster.add("again", b"hits", 1000)
    agree(cluster)
    assert cluster.node("n1").roster.label(again.node) == "n2"
    assert cluster.node("n1").removing.shown_as(node_id(cluster, "n2")) == "n3"
    found = cluster.remove("n1", "n2")
    assert [entry.node for entry in found.targets] == [again.node]
    finish(cluster, "n2", "again")
    assert values(cluster, b"hits") == {"n1": 1111, "n3": 1111}


@over_seeds
def test_a_consistent_read_that_is_under_way_ends_exact(seed: int) -> None:
    cluster = form("n1", "n2", "n3", seed=seed)
    counted(cluster, "n1", "n2", "n3")
    for name in ("n1", "n2", "n3"):
        cluster.hosts[name].disk.pace.append_s = 0.02
    ended: list[tuple[str, ...]] = []
    cluster.remove("n1", "n2")
    for _ in range(20):
        cluster.process("n1").read(5.0, ended.append)
        cluster.run(0.02)
    cluster.run(6)
    assert ended == [()] * 20
    finish(cluster, "n2")
