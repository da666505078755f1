"""What the scenarios of imports have in common: bringing counts to a simulated node."""

from __future__ import annotations

from random import Random

from gcounterd.counters.imports import Content, Import
from gcounterd.sim.cluster import Cluster
from tests.finishing import result_of


def made(source: str, counts: dict[bytes, int]) -> Import:
    """Return counts as the column that they are."""
    content = Content()
    for key, count in counts.items():
        content.add(key, count)
    return result_of(content.arranged(source, Random(1)))


def bring(cluster: Cluster, at: str, given: Import, *, again: bool = False) -> bool:
    """Import at a node; return whether it is new there. It may count once, wherever it is brought.

    The ledger has it as a column with one version, written by nobody; when it is durable, it is
    acknowledged.
    """
    process = cluster.process(at)
    importing = process.node.importing
    for _ in importing.check(given, again=again):
        pass
    if not importing.take(given):
        return False
    if given.column not in cluster.ledger.columns:
        cluster.ledger.cut(given.batch)
        for block in given.batch.blocks:
            for name, count in zip(block.names, block.counts.tolist(), strict=True):
                cluster.ledger.attempt(name, count)
    process._commits.note(lambda: cluster.ledger.acknowledge(given.column, given.batch.version))
    process.turn()
    return True
