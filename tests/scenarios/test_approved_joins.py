"""Clusters that let in approved nodes only, crowds at the door, and doors of other clusters."""

from __future__ import annotations

from unittest import mock

from stories import address, agree, form, join, values

from gcounterd.members.approvals import HOUR_MS, hash_token
from gcounterd.node.admission import PATIENCE_S
from gcounterd.sim.cluster import Cluster


def approve(cluster: Cluster, at: str, name: str, life_ms: int = HOUR_MS, mark: str = "") -> bytes:
    """Approve a newcomer at a member, and return its token."""
    token = f"{name}{mark}".encode().ljust(32, b".")
    cluster.node(at).approving.approve(name, hash_token(token), life_ms)
    cluster.process(at).turn()
    cluster.run(0.1)
    return token


def knock(cluster: Cluster, host: str, *seeds: str, token: bytes = b"", name: str = "") -> None:
    """Put up a newcomer that shows a token at these members; its name may not be its host's."""
    newcomer = cluster.add_host(host, seeds=[address(seed) for seed in seeds])
    newcomer.name = name or host
    newcomer.token = token
    newcomer.approved_only = True
    cluster.start(host)


def form_strict(*names: str, seed: int = 1) -> Cluster:
    """Return a cluster whose first node started alone, and to which each other was added."""
    cluster = Cluster(seed)
    first, *others = names
    cluster.add_host(first).approved_only = True
    cluster.start(first)
    cluster.run(0.1)
    for name in others:
        knock(cluster, name, first, token=approve(cluster, first, name))
    agree(cluster)
    return cluster


def used_by(cluster: Cluster, at: str) -> dict[str, str]:
    """Return who used the approvals that a member holds, by the name approved."""
    hosts = {host.node: name for name, host in cluster.hosts.items()}
    table = cluster.node(at).roster.approvals
    return {each.name: hosts[each.used_by] if each.used_by else "" for each in table}


def end_of(cluster: Cluster, name: str) -> str:
    """Return why a process ended itself with status 4."""
    ((code, text),) = cluster.hosts[name].exits
    assert code == 4
    return text


def test_a_cluster_grows_by_approved_nodes_wherever_they_knock() -> None:
    cluster = form_strict("n1", "n2", "n3")
    token = approve(cluster, "n2", "n4")
    knock(cluster, "n4", "n3", token=token)
    agree(cluster)
    assert cluster.add("n4", b"hits", 3)
    agree(cluster)
    assert values(cluster, b"hits") == dict.fromkeys(("n1", "n2", "n3", "n4"), 3)
    for name in cluster.hosts:
        assert used_by(cluster, name) == {"n2": "n2", "n3": "n3", "n4": "n4"}


def test_a_newcomer_without_a_token_is_told_what_to_do_and_exits_4() -> None:
    cluster = form_strict("n1", "n2")
    knock(cluster, "n3", "n1", "n2")
    cluster.run(1)
    text = end_of(cluster, "n3")
    assert 'run "gcounterctl add-node n3" on a member' in text
    assert "--join-token-file" in text
    agree(cluster)
    assert len(cluster.node("n1").roster) == 2


def test_a_token_lets_in_one_node() -> None:
    cluster = form_strict("n1", "n2")
    token = approve(cluster, "n1", "n3")
    knock(cluster, "n3", "n1", token=token)
    agree(cluster)
    cluster.stop("n3")
    knock(cluster, "thief", "n2", token=token, name="n4")
    knock(cluster, "again", "n2", token=token, name="n3")
    cluster.run(1)
    assert "for another name" in end_of(cluster, "thief")
    assert "the name 'n3' belongs to" in end_of(cluster, "again")
    cluster.start("n3")
    agree(cluster)
    assert len(cluster.node("n1").roster) == 3


def test_two_that_show_one_token_at_once_are_not_both_let_in_by_one_member() -> None:
    for seed in range(5):
        cluster = form_strict("n1", "n2", seed=seed)
        token = approve(cluster, "n1", "n3")
        for host in ("a", "b"):
            knock(cluster, host, "n1", token=token, name="n3")
        cluster.run(20)
        agree(cluster)
        assert len(cluster.running) == 3
        assert len(cluster.node("n1").roster) == 3


def test_a_token_is_good_until_it_expires() -> None:
    cluster = form_strict("n1", "n2")
    token = approve(cluster, "n1", "n3", life_ms=60_000)
    late = approve(cluster, "n1", "n4", life_ms=60_000)
    cluster.run(50)
    knock(cluster, "n3", "n2", token=token)
    cluster.run(20)
    knock(cluster, "n4", "n2", token=late)
    cluster.run(1)
    assert "expired" in end_of(cluster, "n4")
    agree(cluster)
    assert len(cluster.node("n1").roster) == 3


def test_clocks_that_differ_make_members_strict_and_not_different() -> None:
    cluster = form_strict("n1", "n2", "n3")
    cluster.hosts["n3"].skew_ms = 2 * HOUR_MS  # ahead: to this one every token here has expired
    token = approve(cluster, "n1", "n4")
    knock(cluster, "n4", "n3", token=token)
    cluster.run(1)
    assert "expired" in end_of(cluster, "n4")
    agree(cluster)
    knock(cluster, "again", "n2", token=token, name="n4")
    agree(cluster)
    assert used_by(cluster, "n3")["n4"] == "again"


def test_approvals_outlive_the_processes_that_know_of_them() -> None:
    cluster = form_strict("n1", "n2")
    token = approve(cluster, "n1", "n3")
    for name in ("n1", "n2"):
        cluster.kill(name, power=True)
    for name in ("n1", "n2"):
        cluster.start(name)
    cluster.run(5)
    knock(cluster, "n3", "n2", token=token)
    agree(cluster)
    assert used_by(cluster, "n1")["n3"] == "n3"


def test_an_approval_that_is_long_past_is_forgotten_by_all() -> None:
    cluster = form_strict("n1", "n2", "n3")
    approve(cluster, "n1", "n4")
    for host in cluster.hosts.values():
        host.skew_ms = 26 * HOUR_MS
    cluster.run(40)
    agree(cluster)
    assert [used_by(cluster, name) for name in ("n1", "n2", "n3")] == [{}, {}, {}]


def test_an_approval_made_on_one_side_of_a_split_holds_on_both_when_it_heals() -> None:
    cluster = form_strict("n1", "n2", "n3", "n4")
    cluster.split(["n1", "n2"], ["n3", "n4", "n5"])
    token = approve(cluster, "n1", "n5")
    cluster.run(20)
    knock(cluster, "n5", "n4", token=token)
    cluster.run(PATIENCE_S / 2)
    assert not cluster.hosts["n5"].exits  # its token is only not known there yet
    assert "not known here" in cluster.node("n5").joining.reasons()[0]
    cluster.network.heal()
    agree(cluster)
    assert used_by(cluster, "n4")["n5"] == "n5"


def test_a_token_that_nobody_knows_is_shown_for_a_while_and_not_for_ever() -> None:
    cluster = form_strict("n1", "n2")
    knock(cluster, "n3", "n1", "n2", token=b"?" * 32)
    cluster.run(PATIENCE_S + 10)
    assert "your token is not known here" in end_of(cluster, "n3")


def test_a_token_used_on_both_sides_of_a_split_leaves_two_members_that_can_be_told_apart() -> None:
    cluster = form_strict("n1", "n2", "n3", "n4")
    token = approve(cluster, "n1", "n5")
    cluster.split(["n1", "n2", "a"], ["n3", "n4", "b"])
    cluster.run(20)
    knock(cluster, "a", "n1", token=token, name="n5")
    knock(cluster, "b", "n3", token=token, name="n5")
    cluster.run(20)
    cluster.network.heal()
    agree(cluster)
    roster = cluster.node("n1").roster
    labels = {roster.label(cluster.hosts[host].node) for host in ("a", "b")}
    assert len(labels) == 2
    smaller = min(("a", "b"), key=lambda host: cluster.hosts[host].node)
    assert used_by(cluster, "n4")["n5"] == smaller


def test_who_meets_an_approved_newcomer_does_not_get_in_along_with_it() -> None:
    cluster = form_strict("n1", "n2")
    token = approve(cluster, "n1", "n3")
    cluster.split(["n3", "n4"], ["n1", "n2"])
    knock(cluster, "n3", "n1", "n4", token=token)
    knock(cluster, "n4", "n3")
    cluster.run(10)
    assert len(cluster.node("n3").roster) == 1
    cluster.network.heal()
    cluster.run(10)
    assert "newcomers need an approval" in end_of(cluster, "n4")
    agree(cluster)
    assert len(cluster.node("n1").roster) == 3


def test_an_island_of_active_members_needs_no_approval() -> None:
    cluster = form_strict("n1", "n2")
    cluster.add_host("n3").approved_only = True
    cluster.start("n3")
    cluster.run(1)
    cluster.process("n3").join([address("n1")])
    agree(cluster)
    assert len(cluster.node("n1").roster) == 3


def test_a_crowd_of_newcomers_is_let_in_one_after_the_other() -> None:
    """P9, in small: more at once than the rate allows; nobody is sent away for good."""
    with (
        mock.patch("gcounterd.node.newcomers.JOIN_BURST_MAX", 3),
        mock.patch("gcounterd.node.newcomers.JOINS_PER_S_MAX", 1),
    ):
        cluster = form("n1", "n2")
        crowd = [f"m{number}" for number in range(12)]
        for name in crowd:
            join(cluster, name, "n1", "n2")
        cluster.run(0.5)
        assert cluster.tally["hello refused: too_many_joins"] > 0
        assert len(cluster.node("n1").roster) < 2 + len(crowd)
        agree(cluster)
    assert len(cluster.node("n1").roster) == 2 + len(crowd)
    assert not any(host.exits for host in cluster.hosts.values())


def test_a_node_that_loses_its_disk_again_and_again_does_not_fill_the_roster() -> None:
    """P9: a crash loop with a new identity each time, under one name."""
    cluster = form("n1", "n2", "n3")
    for number in range(20):
        host = cluster.add_host(f"loop{number}", seeds=[address("n1")])
        host.name = "loop"
        cluster.start(f"loop{number}")
        cluster.run(3)
        if host.process is not None:
            cluster.kill(f"loop{number}")
    agree(cluster)
    named = cluster.node("n1").roster.named("loop")
    assert len(named) == 1
    refused = [host.exits for host in cluster.hosts.values() if host.exits]
    assert len(refused) == 19


def test_an_address_that_another_cluster_has_by_now_merges_nothing() -> None:
    """B2: a member is gone, and a node of another cluster listens where it was."""
    cluster = form("n1", "n2", "n3")
    cluster.kill("n3")
    other = cluster.add_host("x")
    other.cluster, other.address = "other", address("n3")
    cluster.network.hosts[other.address] = "x"
    cluster.start("x")
    cluster.run(0.1)
    cluster.add("x", b"hits", 7)
    cluster.add("n1", b"hits", 2)
    cluster.process("x").join([address("n1")])
    cluster.run(60)
    assert values(cluster, b"hits") == {"n1": 2, "n2": 2, "x": 7}
    assert len(cluster.node("n1").roster) == 3
    assert len(cluster.node("x").roster) == 1
    assert cluster.tally["hello refused: wrong_cluster"] > 0
    assert not other.exits


def test_a_foreign_newcomer_is_refused_for_its_cluster_before_its_token_is_looked_at() -> None:
    cluster = form_strict("n1", "n2")
    token = approve(cluster, "n1", "n3")
    stranger = cluster.add_host("n3", seeds=[address("n1")])
    stranger.cluster, stranger.token = "other", token
    cluster.start("n3")
    cluster.run(1)
    assert "this is cluster 'local', you are in 'other'" in end_of(cluster, "n3")
    assert used_by(cluster, "n1")["n3"] == ""
