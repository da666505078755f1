"""Clusters too large for links to everyone: who joins, what is told, and what it costs."""

from __future__ import annotations

import pytest
from stories import join

from gcounterd.members.roster import State
from gcounterd.node.dialling import SPARE_LINKS_MAX, WARM_LINKS_MAX
from gcounterd.node.effects import Effect
from gcounterd.node.membership import Membership
from gcounterd.node.messages import Channel, MembershipMessage, StateHash
from gcounterd.node.peers import Link
from gcounterd.sim.cluster import Cluster
from gcounterd.sim.standing import stand

# More than twice the links that a node keeps: nobody is connected to a majority.
MEMBERS = 70


def standing(nodes: int = MEMBERS) -> Cluster:
    cluster = Cluster(1)
    stand(cluster, nodes)
    cluster.run(2.0)
    return cluster


def test_a_newcomer_counts_soon_although_it_is_connected_to_no_majority() -> None:
    cluster = standing()
    join(cluster, "new", "n1")
    begun = cluster.world.now
    while not cluster.add("new", b"hits"):
        cluster.run(0.1)
        assert cluster.world.now - begun < 10
    new = cluster.node("new")
    assert len(new.peers.on(Channel.BULK)) <= MEMBERS // 2
    cluster.run(5.0)
    entries = [each.node.roster.get(new.config.node) for each in cluster.running]
    assert [each.state for each in entries if each] == [State.ACTIVE] * (MEMBERS + 1)


def test_many_that_join_at_once_know_each_other_and_keep_few_links() -> None:
    cluster = Cluster(1)
    cluster.add_host("n0")
    cluster.start("n0")
    for number in range(1, MEMBERS):
        join(cluster, f"n{number}", "n0")
    cluster.run(5.0)
    for process in cluster.running:
        assert len(process.node.roster) == MEMBERS
        assert process.node.joining.counting
    cluster.run(20.0)
    most = max(len(each.node.peers.on(Channel.CONTROL)) for each in cluster.running)
    assert most <= WARM_LINKS_MAX + SPARE_LINKS_MAX + 2  # and those of a probe under way


def test_links_that_open_between_nodes_that_know_the_same_carry_hashes_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = standing(6)
    cluster.run(5.0)
    said: list[MembershipMessage] = []
    handle = Membership.handle

    def note(self: Membership, link: Link, message: MembershipMessage, now: float) -> list[Effect]:
        said.append(message)
        return handle(self, link, message, now)

    monkeypatch.setattr(Membership, "handle", note)
    for name in ("n1", "n2", "n3"):
        cluster.reset_links(name)
    cluster.run(5.0)
    assert {type(message) for message in said} == {StateHash}
