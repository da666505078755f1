"""Boot: from a data directory to a node that is ready to run.

Theory. A start draws a new epoch and writes it down before anything else can happen, so that two
lives of one directory never share a column. Then images and journal give back what was durable.
What the disk cannot give back is never passed over in silence: damage to a column of another node
is mended by fetching that column again; anything that may hold our own counts stops the start
with what it is and what to do, unless the operator said `--salvage`, which sets the damaged rows
aside in files and starts with the rest.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

import attrs

from gcounterd.counters.images import Image
from gcounterd.daemon.logs import get_logger
from gcounterd.errors import ConfigError, StorageError
from gcounterd.ids import ColumnId, Epoch, NodeId, column_id, draw_epoch, node_of, show
from gcounterd.node.config import Config
from gcounterd.node.node import Node
from gcounterd.storage.recovery import Restored, restore
from gcounterd.storage.schema import Damage, Durability, Settings
from gcounterd.storage.store import Store

log = get_logger("gcounterd.boot")

# Damage listed in one message; the rest is counted.
_LISTED_MAX = 5


@attrs.frozen
class Wishes:
    """What the settings say that matters before the node exists."""

    data_dir: Path
    name: str
    cluster: str
    max_counters: int
    durability: Durability
    salvage: bool


@attrs.frozen(eq=False)
class Booted:
    """An open store, what it held, and who this process is.

    damaged  the disk may have less than was once acknowledged or held here
    """

    store: Store
    identity: Settings
    restored: Restored
    damaged: bool

    def node(self, address: str, seeds: tuple[str, ...], now: float) -> Node:
        """Make the node of this process, reachable at `address`."""
        identity = self.identity
        config = Config(
            cluster=identity.cluster,
            node=NodeId(identity.node_id),
            name=identity.name,
            epoch=Epoch(identity.epoch),
            nonce=secrets.token_bytes(8),
            address=address,
            seeds=seeds,
        )
        rng = Random(secrets.randbits(128))
        restored = self.restored
        return Node(config, restored.counters, restored.roster, rng, now, damaged=self.damaged)


def boot(wishes: Wishes) -> Booted:
    """Open the store, draw this life's epoch, recover; raise `StorageError` or `ConfigError`."""
    store = Store.open(wishes.data_dir)
    try:
        return _boot(store, wishes)
    except BaseException:
        store.close()
        raise


def _boot(store: Store, wishes: Wishes) -> Booted:
    recovered = store.recover()
    if recovered.torn:
        log.warning("journal_torn", what=recovered.torn)
    before = recovered.settings
    if before is None and recovered.damage:
        raise StorageError(_describe(recovered.damage, wishes.data_dir))
    identity = _identity(before, wishes)
    own = column_id(NodeId(identity.node_id), Epoch(identity.epoch))
    # The images of columns that turn out to be damaged are only known once all are read.
    images = list(recovered.images)
    left_out = _mend(recovered.damage, own, wishes)
    restored = restore(own, wishes.max_counters, _sound(images, left_out), recovered.groups)
    if recovered.damage and wishes.salvage:
        log.warning("salvaged", aside=str(store.set_aside(recovered.damage)))
    else:
        _mend(recovered.damage, own, wishes)
    _check_gaps(restored, left_out, wishes)
    store.put_settings(identity)
    memory_lost = wishes.durability is Durability.MEMORY and before is not None
    damaged = bool(recovered.damage or restored.gaps or memory_lost)
    log.info(
        "recovered",
        node=show(identity.node_id)[:12],
        counters=len(restored.counters.keys),
        columns=len(restored.counters.columns),
        journal_rows=restored.groups,
        damaged=damaged,
    )
    return Booted(store, identity, restored, damaged)


def _identity(before: Settings | None, wishes: Wishes) -> Settings:
    now_ms, bits = time.time_ns() // 1_000_000, secrets.randbits(80)
    if before is None:
        return Settings(
            store_id=secrets.token_bytes(16),
            node_id=secrets.token_bytes(16),
            name=wishes.name,
            cluster=wishes.cluster,
            epoch=draw_epoch(now_ms, bits),
        )
    if before.cluster != wishes.cluster:
        raise ConfigError(
            f"{wishes.data_dir} belongs to cluster '{before.cluster}', not '{wishes.cluster}': "
            "give that --cluster, or another --data-dir"
        )
    epoch = draw_epoch(now_ms, bits, above=Epoch(before.epoch))
    return attrs.evolve(before, name=wishes.name, epoch=epoch)


def _mend(damage: list[Damage], own: ColumnId, wishes: Wishes) -> dict[ColumnId, None]:
    """Return the columns to leave out because a piece of them is damaged.

    Raises `StorageError` if something else is damaged, or a column of this node, unless the
    operator accepts the loss.
    """
    left_out: dict[ColumnId, None] = {}
    serious = []
    for item in damage:
        column = _column_of(item)
        if column is not None:
            left_out[column] = None
        if column is None or node_of(column) == node_of(own):
            serious.append(item)
    if serious and not wishes.salvage:
        raise StorageError(_describe(serious, wishes.data_dir))
    for column in left_out:
        log.warning("column_damaged", column=show(column), then="fetched again from the peers")
    return left_out


def _column_of(item: Damage) -> ColumnId | None:
    if item.what in ("segment", "column") and isinstance(item.key, tuple) and item.key[0]:
        return ColumnId(item.key[0])
    return None


def _sound(images: Iterable[Image], left_out: dict[ColumnId, None]) -> Iterator[Image]:
    return (image for image in images if ColumnId(image.column) not in left_out)


def _check_gaps(restored: Restored, left_out: dict[ColumnId, None], wishes: Wishes) -> None:
    strange = [column for column in restored.gaps if column not in left_out]
    if strange and not wishes.salvage:
        raise StorageError(
            f"the journal in {wishes.data_dir} lacks rows before some of column "
            f"{show(strange[0])}; {_ways_out(wishes.data_dir)}"
        )


def _describe(damage: list[Damage], directory: Path) -> str:
    listed = "; ".join(f"{item.what}: {item.text}" for item in damage[:_LISTED_MAX])
    more = len(damage) - _LISTED_MAX
    rest = f"; and {more} more" if more > 0 else ""
    return f"the store in {directory} is damaged ({listed}{rest}). {_ways_out(directory)}"


def _ways_out(directory: Path) -> str:
    return (
        "Nothing was changed. Either put a backup in its place, or start with --salvage: the "
        f"damaged rows are set aside under {directory / 'damaged'}, and what peers hold of this "
        "node's counts comes back from them; what only these rows held is lost"
    )
