"""What a majority holds survives any minority of disks, and a checker that would notice if not."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from gcounterd.ids import NodeId
from gcounterd.node.acknowledging import Acknowledging
from gcounterd.node.effects import AckDone, Effect, Send
from gcounterd.node.keeping import Keeping
from gcounterd.node.kept_messages import AskKept, Kept
from gcounterd.node.levels import Level, Mark
from gcounterd.node.messages import Channel
from gcounterd.node.peers import Link
from gcounterd.sim.checkers import ViolationError
from gcounterd.sim.cluster import Cluster
from gcounterd.sim.disk import Content

# Each is a history of its own; a mutant shows in most of them.
SEEDS = range(24)
# Until the members that are left have told each other everything.
SPREAD_S = 40.0


def play(seed: int) -> None:
    """Count in a cluster that is cut apart, lose a minority of its disks, look at the rest."""
    rng = Random(seed)
    cluster = Cluster(seed)
    names = [f"n{number}" for number in range(1, rng.choice([3, 4, 5]) + 1)]
    for name in names:
        cluster.add_host(name, seeds=[f"{other}:7700" for other in names])
        cluster.start(name)
    cluster.settle(60)
    promised = cut_and_count(cluster, rng, names)
    lost = rng.sample(names, (len(names) - 1) // 2)
    for name in lost:
        cluster.kill(name, power=True)
        cluster.roll_back(name, Content())
    cluster.network.heal()
    for host in cluster.hosts.values():
        host.disk.pace.full = False
    cluster.run(SPREAD_S)
    left = [host for name, host in cluster.hosts.items() if name not in lost]
    for host in left:
        cluster.promises.check([host])
        value = cluster.value(next(n for n in names if cluster.hosts[n] is host), b"hits")
        assert value >= sum(promised), f"{value} of {sum(promised)}"


def cut_and_count(cluster: Cluster, rng: Random, names: list[str]) -> list[int]:
    """Count while routes are cut, links break and disks fill; return what was promised."""
    promised: list[int] = []
    for _ in range(12):
        one, two = rng.sample(names, 2)
        rng.choice([cluster.network.block, cluster.network.unblock])(one, two)
        cluster.hosts[rng.choice(names)].disk.pace.full = rng.random() < 0.3
        if rng.random() < 0.4:
            cluster.reset_links(rng.choice(names), Channel.BULK)
        for _ in range(rng.choice([1, 4])):
            amount, process = rng.choice([1, 7]), cluster.process(rng.choice(names))

            def told(outcome: AckDone, amount: int = amount) -> None:
                if outcome.reached >= Level.MAJORITY:
                    promised.append(amount)

            process.clients.keep(b"hits", amount, Level.MAJORITY, rng.uniform(0.1, 9.0), told)
            process.turn()
        cluster.run(rng.uniform(0.01, 1.5))
    return promised


def violations() -> Iterator[str]:
    for seed in SEEDS:
        try:
            play(seed)
        except ViolationError as error:
            print(seed, error)
            yield str(error)
        except AssertionError as error:
            yield f"a survivor shows {error}"


@pytest.mark.parametrize("seed", SEEDS)
def test_what_a_majority_held_is_there_when_any_minority_of_disks_is_lost(seed: int) -> None:
    play(seed)


def test_a_member_that_says_it_holds_what_it_does_not_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lie(self: Keeping, link: Link, ask: AskKept, now: float, *, mute: bool) -> list[Effect]:
        return [Send((link.id,), Kept(ask.heads))]

    monkeypatch.setattr(Keeping, "take", lie)
    assert any(text.startswith("I7") for text in violations())


def test_half_taken_for_a_majority_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def reached(self: Acknowledging, mark: Mark) -> Level:
        half = 2 * len(self._holders(mark)) >= self._roster.size
        return Level.MAJORITY if half else Level.LOCAL

    monkeypatch.setattr(Acknowledging, "_reached", reached)
    assert any(text.startswith("I7") for text in violations())


def test_a_member_that_was_not_heard_but_counts_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def everyone(self: Acknowledging, mark: Mark) -> list[NodeId]:
        return [entry.node for entry in self._roster.belonging()]

    monkeypatch.setattr(Acknowledging, "_holders", everyone)
    assert any(text.startswith("I7") for text in violations())


def test_promises_that_are_not_looked_at_would_be_noticed_when_disks_are_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second half of the check stands alone: what survives is compared as well."""

    def everyone(self: Acknowledging, mark: Mark) -> list[NodeId]:
        return [entry.node for entry in self._roster.belonging()]

    monkeypatch.setattr(Acknowledging, "_holders", everyone)
    monkeypatch.setattr("gcounterd.sim.promises.Promises._check", lambda *_: None)
    assert any(text.startswith("I2") for text in violations())
