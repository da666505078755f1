"""Clients that repeat until they are answered, at a node whose process and disk fail meanwhile."""

from __future__ import annotations

from random import Random

import pytest
from stories import agree, form

from gcounterd.node.receipts import Claim, Receipt
from gcounterd.sim.cluster import Cluster

KEY = b"hits"
CLAIMS = 30


def claim_of(number: int) -> Claim:
    return Claim(number.to_bytes(16, "big"), bytes(16))


class Repeating:
    """A client of one node: what it was told, by claim."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.told: dict[int, tuple[int, ...]] = {}
        self._cluster, self._name = cluster, name

    def find(self, number: int) -> Receipt | None:
        node = self._cluster.node(self._name)
        return node.receipts.find(claim_of(number), node.config.wall_ms())

    def ask(self, number: int) -> None:
        """Send one request, for the first time or again; note the answer if there is one."""
        process = self._cluster.process(self._name)
        if process.node.receipts.is_pending(claim_of(number)):
            return
        receipt = self.find(number)
        if receipt is None:
            assert number not in self.told, "what was answered has a receipt"
            process.clients.add(KEY, 1, claim=claim_of(number))
            process.turn()
        else:
            assert self.told.setdefault(number, receipt.values) == receipt.values

    @property
    def waiting(self) -> list[int]:
        return [number for number in range(CLAIMS) if number not in self.told]


def disturb(cluster: Cluster, rng: Random) -> None:
    """Kill the node, cut its power, or let its disk be full or stall for a while."""
    disk = cluster.hosts["n1"].disk
    match rng.randrange(5):
        case 0 | 1:
            cluster.kill("n1", power=rng.random() < 0.5)
            cluster.run(rng.random() / 10)
            cluster.start("n1")
        case 2:
            disk.pace.full = True
        case 3:
            disk.pace.full = False
        case 4:
            disk.pace.append_s = rng.choice([0.0003, 0.02])


@pytest.mark.parametrize("seed", range(4))
def test_each_counts_once_and_every_repeat_is_told_the_same(seed: int) -> None:
    cluster, rng = form("n1", "n2", seed=seed), Random(seed)
    cluster.hosts["n1"].rows_per_checkpoint = 8
    client = Repeating(cluster, "n1")
    while client.waiting:
        for _ in range(rng.randrange(4)):
            again = rng.random() < 0.3 and client.told
            client.ask(rng.choice([*client.told] if again else client.waiting or [0]))
        cluster.run(rng.random() / 50)
        if rng.random() < 0.1:
            disturb(cluster, rng)
    cluster.hosts["n1"].disk.pace.full = False
    for number in range(CLAIMS):
        client.ask(number)
    agree(cluster)
    assert cluster.value("n2", KEY) == CLAIMS
    assert sorted(value for (value,) in client.told.values()) == list(range(1, CLAIMS + 1))


def test_a_node_put_back_from_a_backup_has_lost_its_receipts_and_not_the_counts() -> None:
    """What the how-to warns of: a repeat that is not marked as one counts again there."""
    cluster = form("n1", "n2")
    client = Repeating(cluster, "n1")
    backup = cluster.hosts["n1"].disk.content.copy()
    client.ask(0)
    cluster.run(1)
    assert client.find(0) is not None
    cluster.kill("n1")
    cluster.roll_back("n1", backup)
    cluster.start("n1")
    agree(cluster)
    assert cluster.value("n1", KEY) == 1
    assert client.find(0) is None
