"""Consistent reads: what they see, whom they name, what they share, and whom they call on."""

from __future__ import annotations

import pytest
from stories import agree, form, join, read

from gcounterd.errors import ClientError
from gcounterd.node import handling
from gcounterd.node.answers import answer
from gcounterd.node.dialling import SPARE_LINKS_MAX, WARM_LINKS_MAX
from gcounterd.node.messages import Channel
from gcounterd.node.reading_messages import Answer, Ask
from gcounterd.node.visits import VISIT_KEPT_S
from gcounterd.sim.cluster import Cluster
from gcounterd.sim.standing import stand
from gcounterd.sim.workload import find_reachable

KEY = b"hits"


class Reader:
    """Reads at one node again and again, and holds each value against what was answered before."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster, self.name = cluster, name
        self.exact = 0
        self.missed: list[tuple[str, ...]] = []

    def read(self, seconds: float = 5.0) -> None:
        cluster, process = self.cluster, self.cluster.process(self.name)
        least = cluster.ledger.answered(KEY, find_reachable(cluster, process))

        def done(missing: tuple[str, ...]) -> None:
            if missing:
                self.missed.append(missing)
                return
            self.exact += 1
            value = process.node.counters.value(KEY)
            cluster.checkers.check_read(self.name, KEY, value, least)

        process.read(seconds, done)

    def go_on(self, seconds: float, *counting: str) -> None:
        """Read forty times a second, while these nodes count wherever they run."""
        for _ in range(round(seconds / 0.025)):
            for name in counting:
                if self.cluster.hosts[name].process is not None:
                    self.cluster.add(name, KEY)
            self.read()
            self.cluster.run(0.025)


@pytest.fixture
def questions(monkeypatch: pytest.MonkeyPatch) -> list[Ask]:
    """Return the questions that members answer, as they come."""
    found: list[Ask] = []

    def note(ask: Ask, *about: object) -> Answer:
        found.append(ask)
        return answer(ask, *about)

    monkeypatch.setattr(handling, "answer", note)
    return found


def test_a_read_sees_what_was_answered_elsewhere_just_before_it_began() -> None:
    cluster = form("n1", "n2", "n3")
    for number in range(1, 20):
        cluster.add("n2", KEY, 5)
        while cluster.ledger.answered(KEY, {cluster.node("n2").config.node: None}) < 5 * number:
            cluster.run(0.0002)
        ended = read(cluster, "n1")
        while not ended:
            cluster.run(0.0002)
        assert (ended, cluster.value("n1", KEY)) == ([()], 5 * number)


def test_reads_that_come_at_once_share_their_questions(questions: list[Ask]) -> None:
    cluster = form("n1", "n2", "n3", "n4", "n5")
    ended: list[tuple[str, ...]] = []
    for _ in range(500):
        cluster.process("n1").read(5.0, ended.append)
    cluster.run(1.0)
    assert ended == [()] * 500
    assert len(questions) == 2 * 4  # those that the first put, and one more for all others


def test_a_member_that_stands_still_is_named_and_finds_no_heap_when_it_goes_on(
    questions: list[Ask],
) -> None:
    cluster = form("n1", "n2", "n3")
    cluster.process("n3").pause()
    ended: list[tuple[str, ...]] = []
    for _ in range(50):
        cluster.process("n1").read(0.5, ended.append)
        cluster.run(0.02)
    cluster.run(0.5)
    assert ended == [("n3",)] * 50
    questions.clear()
    cluster.process("n3").resume()
    cluster.run(0.1)
    assert len(questions) == 1
    again = read(cluster, "n1")
    cluster.run(0.5)
    assert again == [()]


def test_reads_are_exact_while_members_are_added() -> None:
    cluster = form("n1", "n2", "n3")
    reader = Reader(cluster, "n1")
    for number in range(4, 8):
        join(cluster, f"n{number}", "n2")
        reader.go_on(1.0, *cluster.hosts)
    assert not reader.missed
    assert reader.exact > 150
    agree(cluster)


def test_reads_are_exact_while_members_restart_or_name_who_is_down() -> None:
    cluster = form("n1", "n2", "n3")
    reader = Reader(cluster, "n1")
    for name in ("n2", "n3", "n2"):
        cluster.kill(name)
        reader.go_on(0.5, "n1", "n2", "n3")
        cluster.start(name)
        reader.go_on(2.0, "n1", "n2", "n3")
    assert not reader.missed  # all came back in time
    cluster.kill("n3")
    reader.go_on(6.0, "n1", "n2")
    assert dict.fromkeys(reader.missed) == {("n3",): None}
    cluster.start("n3")
    agree(cluster)


def test_reads_are_exact_while_members_are_removed_alive_and_dead() -> None:
    cluster = form("n1", "n2", "n3", "n4", "n5")
    reader = Reader(cluster, "n1")
    reader.go_on(0.5, *cluster.hosts)
    cluster.remove("n2", "n3")
    reader.go_on(3.0, "n1", "n2", "n3", "n4", "n5")
    assert not reader.missed
    assert reader.exact > 100
    cluster.kill("n4")
    cluster.run(10.0)
    cluster.remove("n2", "n4", dead=True)
    reader.missed.clear()
    reader.go_on(5.0, "n1", "n2", "n5")
    cluster.run(5.0)
    assert not reader.missed
    agree(cluster)


def test_a_node_that_was_removed_while_it_was_cut_off_never_reads_exactly() -> None:
    cluster = form("n1", "n2", "n3")
    cluster.split(["n3"], ["n1", "n2"])
    cluster.run(10.0)
    cluster.remove("n1", "n3", dead=True)
    cluster.run(10.0)
    cluster.add("n1", KEY)
    ended = read(cluster, "n3", 60.0)
    process = cluster.process("n3")
    cluster.network.heal()
    cluster.run(10.0)
    assert len(ended) == 1
    assert ended[0]
    if process.alive:
        with pytest.raises(ClientError, match="removed"):
            process.read(1.0, ended.append)


# -- where links do not go to everyone ----------------------------------------------------------

MEMBERS = 50


def standing() -> Cluster:
    cluster = Cluster(1)
    stand(cluster, MEMBERS)
    cluster.run(3.0)
    return cluster


def links_of(cluster: Cluster, name: str) -> int:
    return len(cluster.node(name).peers.on(Channel.BULK))


def test_in_a_crowd_a_read_reaches_everyone_and_lets_go_of_the_links_it_opened() -> None:
    cluster = standing()
    before = links_of(cluster, "n1")
    assert before < MEMBERS - 1
    for number in range(2, MEMBERS + 1):
        cluster.add(f"n{number}", KEY)
    cluster.run(0.01)
    ended = read(cluster, "n1")
    while not ended:
        cluster.run(0.01)
    assert ended == [()]
    assert cluster.value("n1", KEY) == MEMBERS - 1
    assert links_of(cluster, "n1") == MEMBERS - 1
    opened = {link.id for link in cluster.node("n1").peers.on(Channel.BULK)}
    again = read(cluster, "n1")
    cluster.run(0.5)
    assert again == [()]
    assert {link.id for link in cluster.node("n1").peers.on(Channel.BULK)} <= opened
    cluster.run(VISIT_KEPT_S + 5.0)
    assert links_of(cluster, "n1") <= WARM_LINKS_MAX + SPARE_LINKS_MAX
    assert cluster.node("n1").linking.next_wake() == float("inf")


def test_in_a_crowd_a_read_names_who_is_down_and_nobody_else() -> None:
    cluster = standing()
    cluster.kill("n7")
    cluster.kill("n8", power=True)
    ended = read(cluster, "n1")
    cluster.run(6.0)
    assert ended == [("n7", "n8")]
