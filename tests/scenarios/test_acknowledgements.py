"""What `ack=majority` and `ack=all` promise, whatever becomes of members, links and disks."""

from __future__ import annotations

import pytest
from stories import agree, form, join, read

from gcounterd.errors import ClientError
from gcounterd.node.dialling import SPARE_LINKS_MAX, WARM_LINKS_MAX
from gcounterd.node.effects import AckDone
from gcounterd.node.levels import Level
from gcounterd.node.messages import Channel
from gcounterd.node.visits import VISIT_KEPT_S
from gcounterd.sim.cluster import Cluster
from gcounterd.sim.disk import Content
from gcounterd.sim.standing import stand

LOCAL, MAJORITY, ALL = Level


def keep(
    cluster: Cluster, name: str, level: Level, seconds: float = 5.0, amount: int = 1
) -> list[AckDone]:
    """Count at a node and wait for others to hold it; the list gets the answer."""
    answers: list[AckDone] = []
    process = cluster.process(name)
    assert process.clients.keep(b"hits", amount, level, seconds, answers.append)
    process.turn()
    return answers


def told(answers: list[AckDone]) -> tuple[Level, tuple[str, ...]]:
    (answer,) = answers
    return answer.reached, answer.held_by


def test_with_everyone_there_all_hold_it_in_less_than_a_pushs_gathering() -> None:
    cluster = form("n1", "n2", "n3")
    for _ in range(3):
        answers = keep(cluster, "n1", ALL)
        cluster.run(0.009)
        assert told(answers) == (ALL, ("n1", "n2", "n3"))


def test_a_dead_minority_is_not_waited_for_but_by_who_wants_all() -> None:
    cluster = form("n1", "n2", "n3", "n4", "n5")
    cluster.kill("n4", power=True)
    cluster.process("n5").pause()
    majority, everyone = keep(cluster, "n1", MAJORITY), keep(cluster, "n1", ALL, 3.0)
    cluster.run(0.5)
    assert told(majority)[0] is MAJORITY
    assert everyone == []
    cluster.run(3.0)
    assert told(everyone) == (MAJORITY, ("n1", "n2", "n3"))


def test_on_the_smaller_side_of_a_split_it_is_counted_and_nobody_else_is_named() -> None:
    cluster = form("n1", "n2", "n3")
    cluster.split(["n1"], ["n2", "n3"])
    answers = keep(cluster, "n1", MAJORITY, 2.0)
    cluster.run(3)
    assert told(answers) == (LOCAL, ("n1",))
    cluster.network.heal()
    agree(cluster)
    assert cluster.value("n3", b"hits") == 1


def test_who_waits_through_a_split_is_told_when_it_heals() -> None:
    cluster = form("n1", "n2", "n3")
    cluster.split(["n1"], ["n2", "n3"])
    answers = keep(cluster, "n1", ALL, 60.0)
    cluster.run(20)
    assert answers == []
    cluster.network.heal()
    cluster.run(35)
    assert told(answers) == (ALL, ("n1", "n2", "n3"))


def test_pushes_and_questions_that_are_lost_are_made_up_for() -> None:
    cluster = form("n1", "n2", "n3")
    cluster.network.limits.bulk_bytes = 150
    waiting = [keep(cluster, "n1", MAJORITY) for _ in range(40)]
    cluster.run(5)
    assert {told(answers)[0] for answers in waiting} == {MAJORITY}


def test_a_disk_that_takes_no_more_does_not_hold_anything() -> None:
    cluster = form("n1", "n2", "n3")
    for name in ("n2", "n3"):
        cluster.hosts[name].disk.pace.full = True
    answers = keep(cluster, "n1", MAJORITY, 10.0)
    cluster.run(4)
    assert answers == []
    cluster.hosts["n3"].disk.pace.full = False
    cluster.run(4)
    assert told(answers) == (MAJORITY, ("n1", "n3"))


@pytest.mark.parametrize("lost", [["n1", "n2"], ["n1", "n3"], ["n1", "n5"], ["n2", "n4"]])
def test_what_a_majority_holds_survives_the_loss_of_any_minority_of_disks(lost: list[str]) -> None:
    cluster = form("n1", "n2", "n3", "n4", "n5")
    # Only two hear of it before two disks are gone for good.
    cluster.split(["n1", "n2", "n3"], ["n4", "n5"])
    answers = keep(cluster, "n1", MAJORITY, amount=7)
    cluster.run(1)
    assert told(answers) == (MAJORITY, ("n1", "n2", "n3"))
    for name in lost:
        cluster.kill(name, power=True)
        cluster.roll_back(name, Content())
    cluster.network.heal()
    left = [name for name in cluster.hosts if name not in lost]
    cluster.run(30)
    assert {cluster.value(name, b"hits") for name in left} == {7}


def test_what_only_its_node_held_may_be_lost_with_it_and_nothing_else_was_said() -> None:
    cluster = form("n1", "n2", "n3")
    cluster.split(["n1"], ["n2", "n3"])
    answers = keep(cluster, "n1", MAJORITY, 0.5)
    cluster.run(1)
    assert told(answers)[0] is LOCAL
    cluster.kill("n1")
    cluster.roll_back("n1", Content())
    assert cluster.tally["answered and lost with a disk"] == 1


def test_a_removal_ends_the_wait_for_the_member_that_was_removed() -> None:
    cluster = form("n1", "n2", "n3", "n4")
    cluster.kill("n4")
    answers = keep(cluster, "n1", ALL, 60.0)
    cluster.run(5)
    assert answers == []
    cluster.remove("n1", "n4", dead=True)
    cluster.run(20)
    assert told(answers) == (ALL, ("n1", "n2", "n3"))


def test_a_node_that_is_removed_while_it_waits_says_what_it_knows() -> None:
    cluster = form("n1", "n2", "n3", "n4")
    cluster.kill("n3")
    answers = keep(cluster, "n4", ALL, 60.0)
    cluster.run(10)
    assert answers == []
    cluster.remove("n1", "n4")
    cluster.run(30)
    assert cluster.hosts["n4"].process is None
    assert set(told(answers)[1]) >= {"n1", "n2"}


def test_a_member_that_joins_has_to_hold_it_too() -> None:
    cluster = form("n1", "n2")
    cluster.split(["n2"], ["n1"])
    answers = keep(cluster, "n1", ALL, 60.0)
    join(cluster, "n3", "n2")
    cluster.run(10)
    cluster.network.heal()
    cluster.run(20)
    assert told(answers) == (ALL, ("n1", "n2", "n3"))


def test_the_answer_of_a_process_that_was_killed_counts_since_its_disk_has_it() -> None:
    cluster = form("n1", "n2", "n3")
    cluster.process("n3").pause()
    answers = keep(cluster, "n1", ALL, 30.0)
    cluster.run(1)
    cluster.kill("n2")
    cluster.process("n3").resume()
    cluster.run(1)
    assert told(answers) == (ALL, ("n1", "n2", "n3"))
    cluster.start("n2")
    agree(cluster)


def test_waits_end_with_the_process_and_what_was_counted_stays() -> None:
    cluster = form("n1", "n2", "n3")
    cluster.split(["n1"], ["n2", "n3"])
    answers = keep(cluster, "n1", ALL, 30.0)
    cluster.run(1)
    cluster.kill("n1")
    cluster.start("n1")
    cluster.network.heal()
    agree(cluster)
    assert answers == []
    assert cluster.value("n2", b"hits") == 1


def test_a_consistent_read_while_many_wait_is_as_exact_as_ever() -> None:
    cluster = form("n1", "n2", "n3")
    waiting = [keep(cluster, f"n{number % 3 + 1}", ALL) for number in range(30)]
    ended = read(cluster, "n2")
    cluster.run(2)
    assert ended == [()]
    assert {told(answers)[0] for answers in waiting} == {ALL}
    agree(cluster)
    assert cluster.value("n1", b"hits") == 30


def test_a_node_that_drains_for_its_removal_refuses_and_promises_nothing() -> None:
    cluster = form("n1", "n2", "n3")
    cluster.remove("n1", "n3")
    cluster.run(0.05)
    with pytest.raises((AssertionError, ClientError)):
        keep(cluster, "n3", MAJORITY)


# -- where links do not go to everyone ----------------------------------------------------------

MEMBERS = 50


def test_in_a_crowd_a_majority_and_all_can_be_waited_for() -> None:
    cluster = Cluster(1)
    stand(cluster, MEMBERS)
    cluster.run(3.0)
    assert len(cluster.node("n1").peers.on(Channel.BULK)) < MEMBERS - 1
    majority, everyone = keep(cluster, "n1", MAJORITY), keep(cluster, "n1", ALL)
    cluster.run(1.0)
    assert told(majority)[0] is MAJORITY
    assert told(everyone) == (ALL, tuple(sorted(f"n{number}" for number in range(1, MEMBERS + 1))))
    cluster.kill("n7")
    short, enough = keep(cluster, "n1", ALL, 4.0), keep(cluster, "n1", MAJORITY, 4.0)
    cluster.run(5.0)
    assert told(enough)[0] is MAJORITY
    assert len(told(short)[1]) == MEMBERS - 1
    cluster.run(VISIT_KEPT_S + 5.0)
    links = cluster.node("n1").peers.on(Channel.BULK)
    assert len(links) <= WARM_LINKS_MAX + SPARE_LINKS_MAX
