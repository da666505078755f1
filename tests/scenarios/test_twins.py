"""Two processes with one node id: cloned disks, backups put in place, and restarts."""

from __future__ import annotations

from random import Random

import pytest
from stories import address, agree, form, values

from gcounterd.ids import Epoch, epoch_of
from gcounterd.sim.cluster import Cluster
from gcounterd.sim.host import Host

HOUR_MS = 3_600_000
SEEDS = range(5)
# A probe round, asked again with some delay; and how long a process is asked about that is told of.
ACCEPTED_S_MAX = 2.5
REDRAWN_S_MAX = 3.0

over_seeds = pytest.mark.parametrize("seed", SEEDS)


def start_clone(cluster: Cluster, name: str, copy: str = "copy", *, skew_ms: int = 0) -> Host:
    """Start a copy of a host's disk beside it, at an address of its own."""
    host = cluster.clone(name, copy)
    host.skew_ms = skew_ms
    cluster.start(copy)
    return host


def assert_ended(host: Host, twin: str) -> None:
    """Check that a host's only process ended because of its twin at an address."""
    ((code, text),) = host.exits
    assert code == 4
    assert f"another process with this node's id runs at {twin}" in text
    assert host.process is None


def epoch_at(cluster: Cluster, name: str) -> Epoch:
    return epoch_of(cluster.process(name).column)


def accepted_after(cluster: Cluster, name: str, seconds: float) -> float:
    """Run until a peer has accepted the process; return how long that took."""
    began = cluster.world.now
    while not cluster.node(name).twins.established:
        cluster.run(0.05)
        assert cluster.world.now - began < seconds
    return cluster.world.now - began


@over_seeds
@pytest.mark.parametrize(
    "names", [("n1", "n2"), ("n1", "n2", "n3"), ("n1", "n2", "n3", "n4", "n5")]
)
def test_a_clone_started_beside_a_running_node_ends_and_the_node_never_stops(
    names: tuple[str, ...], seed: int
) -> None:
    cluster = form(*names, seed=seed)
    cluster.add("n1", b"hits", 3)
    cluster.run(0.5)
    original = cluster.process("n1")
    clone = start_clone(cluster, "n1")
    for _ in range(20):
        assert cluster.add("n1", b"hits", 1)
        cluster.run(0.05)
    assert_ended(clone, address("n1"))
    assert cluster.process("n1") is original
    agree(cluster)
    assert values(cluster, b"hits") == dict.fromkeys(names, 23)


@over_seeds
@pytest.mark.parametrize("restarted", [False, True])
def test_a_clone_that_starts_while_links_break_does_not_take_its_nodes_place(
    seed: int, restarted: bool
) -> None:
    cluster = form("n1", "n2", "n3", seed=seed)
    cluster.add("n1", b"hits", 1)
    cluster.run(0.5)
    cluster.reset_links("n1")
    for name in ("n2", "n3") if restarted else ():
        cluster.kill(name)
        cluster.start(name)
    clone = start_clone(cluster, "n1")
    cluster.run(5)
    assert_ended(clone, address("n1"))
    assert not cluster.hosts["n1"].exits
    agree(cluster)


@over_seeds
def test_a_clone_of_a_node_alone_is_told_by_the_node_itself(seed: int) -> None:
    cluster = Cluster(seed)
    cluster.add_host("n1")
    cluster.start("n1")
    cluster.run(0.1)
    cluster.add("n1", b"hits", 3)
    cluster.run(0.1)
    clone = cluster.clone("n1", "copy")
    clone.seeds = (address("n1"),)
    cluster.start("copy")
    cluster.run(5)
    assert_ended(clone, address("n1"))
    agree(cluster)
    assert values(cluster, b"hits") == {"n1": 3}


@over_seeds
def test_twins_that_counted_apart_meet_and_the_lower_epoch_ends_with_nothing_lost(
    seed: int,
) -> None:
    cluster = form("n1", "n2", "n3", seed=seed)
    cluster.add("n1", b"hits", 1)
    cluster.run(0.5)
    cluster.split(["n1"], ["n2", "n3", "copy"])
    clone = start_clone(cluster, "n1")
    cluster.run(5)
    assert cluster.add("n1", b"hits", 10)
    assert cluster.add("copy", b"hits", 100)
    cluster.run(5)
    assert epoch_at(cluster, "copy") > epoch_at(cluster, "n1")
    cluster.network.heal()
    agree(cluster)
    assert_ended(cluster.hosts["n1"], address("copy"))
    assert not clone.exits
    assert values(cluster, b"hits") == {"copy": 111, "n2": 111, "n3": 111}


@over_seeds
def test_a_clone_whose_clock_is_behind_ends_though_it_counted_apart(seed: int) -> None:
    cluster = form("n1", "n2", "n3", seed=seed)
    backup = cluster.hosts["n1"].disk.content.copy()
    cluster.kill("n1")
    cluster.start("n1")
    cluster.settle(10)
    cluster.split(["copy"], ["n1", "n2", "n3"])
    clone = cluster.clone("n1", "copy")
    clone.disk.replace(backup)
    clone.skew_ms = -HOUR_MS
    cluster.start("copy")
    assert cluster.add("n1", b"hits", 10)
    assert cluster.add("copy", b"hits", 100)
    cluster.run(5)
    cluster.network.heal()
    agree(cluster)
    assert_ended(clone, address("n1"))
    assert not cluster.hosts["n1"].exits
    assert values(cluster, b"hits") == {"n1": 110, "n2": 110, "n3": 110}


@over_seeds
def test_what_a_lower_twin_counted_comes_along_though_it_was_killed_before_it_met_the_other(
    seed: int,
) -> None:
    cluster = form("n1", "n2", "n3", seed=seed)
    cluster.split(["n1"], ["n2", "n3", "copy"])
    clone = start_clone(cluster, "n1")
    cluster.run(5)
    cluster.add("n1", b"hits", 10)
    cluster.add("copy", b"hits", 100)
    cluster.run(1)
    cluster.kill("n1")
    cluster.network.heal()
    cluster.start("n1")  # a starter now, which has counted nothing in this life
    agree(cluster)
    assert_ended(cluster.hosts["n1"], address("copy"))
    assert not clone.exits
    assert values(cluster, b"hits") == {"copy": 110, "n2": 110, "n3": 110}


@over_seeds
@pytest.mark.parametrize("power", [False, True])
def test_a_restored_backup_with_a_clock_behind_joins_at_once_redraws_and_never_ends(
    seed: int, power: bool
) -> None:
    cluster = form("n1", "n2", "n3", seed=seed)
    backup = cluster.hosts["n1"].disk.content.copy()
    cluster.kill("n1")
    cluster.start("n1")
    cluster.add("n1", b"hits", 5)
    cluster.run(2)
    later = epoch_at(cluster, "n1")
    cluster.kill("n1", power=power)  # without power its peers keep half-open links
    cluster.roll_back("n1", backup)
    cluster.hosts["n1"].skew_ms = -HOUR_MS
    cluster.start("n1")
    assert epoch_at(cluster, "n1") < later
    cluster.add("n1", b"hits", 10)
    cluster.run(ACCEPTED_S_MAX)
    assert cluster.node("n2").peers.of(cluster.hosts["n1"].node)
    cluster.run(REDRAWN_S_MAX)
    assert epoch_at(cluster, "n1") > later
    cluster.add("n1", b"hits", 100)
    agree(cluster)
    assert not cluster.hosts["n1"].exits
    assert values(cluster, b"hits") == {"n1": 115, "n2": 115, "n3": 115}
    assert cluster.tally["epoch redrawn"] == 1


@over_seeds
def test_a_clone_takes_over_where_the_node_is_cut_off_and_the_node_ends_when_it_is_back(
    seed: int,
) -> None:
    cluster = form("n1", "n2", seed=seed)
    cluster.split(["n1"], ["n2", "copy"])
    cluster.add("n1", b"hits", 1)
    clone = start_clone(cluster, "n1")
    assert accepted_after(cluster, "copy", ACCEPTED_S_MAX) > 1  # it was asked for first
    cluster.add("copy", b"hits", 10)
    cluster.run(30)
    cluster.network.heal()
    agree(cluster)
    assert_ended(cluster.hosts["n1"], address("copy"))
    assert not clone.exits
    assert values(cluster, b"hits") == {"copy": 11, "n2": 11}


@pytest.mark.parametrize("seed", range(60))
def test_a_clone_whose_original_dies_meanwhile_never_ends_alone(seed: int) -> None:
    """The checker holds each end to a twin that lived at the time; here they race."""
    cluster = form("n1", "n2", "n3", seed=seed)
    cluster.add("n1", b"hits", 1)
    cluster.run(0.5)
    chance = Random(seed)
    clone = start_clone(cluster, "n1")
    cluster.run(chance.uniform(0, 0.3))
    cluster.kill("n1", power=chance.random() < 0.5)
    cluster.run(5)
    if clone.process is None:
        cluster.start("copy")  # it was told while the other lived; now it is alone
    cluster.add("copy", b"hits", 10)
    agree(cluster)
    assert clone.process is not None
    assert values(cluster, b"hits") == {"copy": 11, "n2": 11, "n3": 11}


@over_seeds
@pytest.mark.parametrize("power", [False, True])
@pytest.mark.parametrize("moved", [False, True])
def test_a_node_killed_and_started_again_without_delay_is_no_twin(
    seed: int, moved: bool, power: bool
) -> None:
    cluster = form("n1", "n2", "n3", seed=seed)
    for _ in range(5):
        cluster.kill("n1", power=power)
        host = cluster.hosts["n1"]
        if moved:
            host.address = f"n1:{7700 + cluster.tally['start']}"
            cluster.network.hosts[host.address] = "n1"
        cluster.start("n1")
        accepted_after(cluster, "n1", ACCEPTED_S_MAX)
        assert cluster.add("n1", b"hits", 1)
        cluster.run(Random(seed).uniform(0, 1))
    agree(cluster)
    assert not cluster.hosts["n1"].exits
    assert values(cluster, b"hits") == {"n1": 5, "n2": 5, "n3": 5}


@over_seeds
def test_twins_at_one_address_are_told_apart(seed: int) -> None:
    """The port was taken over (a proxy, a container): who dials it reaches the clone."""
    cluster = form("n1", "n2", "n3", seed=seed)
    clone = cluster.clone("n1", "copy")
    clone.address = address("n1")
    cluster.start("copy")
    cluster.run(5)
    assert_ended(clone, address("n1"))
    cluster.network.listening[address("n1")] = cluster.process("n1")
    cluster.add("n1", b"hits", 1)
    agree(cluster)
    assert not cluster.hosts["n1"].exits
    assert values(cluster, b"hits") == {"n1": 1, "n2": 1, "n3": 1}


@over_seeds
@pytest.mark.parametrize("stopped", ["n1", "copy"])
@pytest.mark.parametrize("seconds", [0.3, 1.0, 2.0, 20.0])
def test_of_twins_one_of_which_stands_still_meanwhile_one_stays(
    seed: int, stopped: str, seconds: float
) -> None:
    cluster = form("n1", "n2", "n3", seed=seed)
    cluster.add("n1", b"hits", 1)
    cluster.run(0.5)
    clone = start_clone(cluster, "n1")
    cluster.run(Random(seed).uniform(0, 0.2))
    process = cluster.hosts[stopped].process
    if process is not None:
        process.pause()
        cluster.run(seconds)
        process.resume()
    cluster.run(5)
    (left,) = [host for host in (clone, cluster.hosts["n1"]) if host.process is not None]
    cluster.add("copy" if left is clone else "n1", b"hits", 10)
    agree(cluster)
    assert set(values(cluster, b"hits").values()) == {11}


@over_seeds
def test_a_member_that_stands_still_while_it_asks_blames_nobody(seed: int) -> None:
    cluster = form("n1", "n2", seed=seed)
    cluster.add("n1", b"hits", 1)
    cluster.run(0.5)
    clone = start_clone(cluster, "n1")
    cluster.run(Random(seed).uniform(0.01, 0.2))
    asked = cluster.process("n2")
    asked.pause()
    cluster.run(10)
    asked.resume()
    cluster.run(10)
    assert_ended(clone, address("n1"))
    assert not cluster.hosts["n1"].exits
    agree(cluster)


@over_seeds
def test_three_processes_of_one_node_become_one(seed: int) -> None:
    cluster = form("n1", "n2", "n3", seed=seed)
    cluster.split(["n1", "n2"], ["n3", "c1", "c2"])
    cluster.network.block("c1", "c2")
    cluster.network.block("c2", "c1")
    cluster.network.block("c2", "n3")
    cluster.network.block("n3", "c2")
    for number, copy in enumerate(("c1", "c2"), 1):
        start_clone(cluster, "n1", copy)
        cluster.run(5)
        assert cluster.add(copy, b"hits", 10**number)
    cluster.add("n1", b"hits", 1)
    cluster.run(3)
    cluster.network.heal()
    agree(cluster)
    (left,) = [host for host in ("n1", "c1", "c2") if cluster.hosts[host].process]
    assert values(cluster, b"hits") == {left: 111, "n2": 111, "n3": 111}


@over_seeds
def test_a_process_that_gives_way_refuses_for_certain_until_it_has_handed_over(seed: int) -> None:
    cluster = form("n1", "n2", "n3", seed=seed)
    cluster.split(["n1"], ["n2", "n3", "copy"])
    start_clone(cluster, "n1")
    cluster.run(5)
    cluster.add("n1", b"hits", 7)
    cluster.run(1)
    for name in ("n2", "n3", "copy"):
        cluster.hosts[name].disk.pace.full = True  # nobody can take anything over
    cluster.network.heal()
    cluster.run(10)
    assert cluster.node("n1").twins.yielding
    assert not cluster.add("n1", b"hits", 1)
    assert "hands over" in cluster.node("n1").twins.reasons()[0]
    for name in ("n2", "n3", "copy"):
        cluster.hosts[name].disk.pace.full = False
    agree(cluster)
    assert_ended(cluster.hosts["n1"], address("copy"))
    assert values(cluster, b"hits") == {"copy": 7, "n2": 7, "n3": 7}


@over_seeds
def test_a_process_that_gives_way_goes_on_if_its_twin_ends_first(seed: int) -> None:
    cluster = form("n1", "n2", "n3", seed=seed)
    cluster.split(["n1"], ["n2", "n3", "copy"])
    start_clone(cluster, "n1")
    cluster.run(5)
    cluster.add("n1", b"hits", 7)
    cluster.add("copy", b"hits", 1)
    cluster.run(1)
    for name in ("n2", "n3", "copy"):
        cluster.hosts[name].disk.pace.full = True
    cluster.network.heal()
    cluster.run(10)
    assert cluster.node("n1").twins.yielding
    cluster.kill("copy")
    for name in ("n2", "n3"):
        cluster.hosts[name].disk.pace.full = False
    agree(cluster)
    assert cluster.add("n1", b"hits", 10)
    agree(cluster)
    assert not cluster.hosts["n1"].exits
    assert values(cluster, b"hits") == {"n1": 18, "n2": 18, "n3": 18}


@over_seeds
def test_twins_that_cannot_hear_each_other_leapfrog_ever_more_seldom(seed: int) -> None:
    """Each is told of the other's epoch by members that only see one of them."""
    cluster = form("n1", "n2", "n3", seed=seed)
    cluster.split(["n1"], ["n3", "copy"])
    cluster.split(["copy"], ["n2"])
    start_clone(cluster, "n1")
    cluster.run(600)
    cluster.add("n1", b"hits", 1)
    cluster.add("copy", b"hits", 10)
    assert 2 <= cluster.tally["epoch redrawn"] <= 20
    cluster.network.heal()
    agree(cluster)
    assert cluster.tally["twin ended"] == 1
    assert set(values(cluster, b"hits").values()) == {11}
