"""Boot: from a data directory to a node that is ready to run.

Theory. Images and journal give back what was durable. A start draws a new epoch and writes it
down before the node exists, so before anything can be counted: two lives of one directory never
share a column. What the disk cannot give back is never passed over in silence. Damage to a column
of another node is mended by fetching that column again; anything that may hold our own counts
stops the start with what it is and what to do, unless the operator said `--salvage`, which sets
the damaged rows aside in files and starts with the rest.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

import attrs

from gcounterd.counters.images import Image, Kind
from gcounterd.daemon.identity import CATCHING_UP, CAUGHT_UP, draw, is_caught_up, wall_ms
from gcounterd.daemon.logs import get_logger
from gcounterd.daemon.removals import VALUE
from gcounterd.errors import ConfigError, StorageError
from gcounterd.ids import ColumnId, Epoch, NodeId, column_id, node_of, show
from gcounterd.members.removals import may_start_anew
from gcounterd.members.timing import PROFILES
from gcounterd.node.config import Config
from gcounterd.node.node import Node
from gcounterd.storage.recovery import Restored, restore
from gcounterd.storage.schema import Damage, Durability, Recovered, Settings
from gcounterd.storage.store import Store

log = get_logger("gcounterd.boot")

# Damage listed in one message; the rest is counted.
_LISTED_MAX = 5
# The name under which a life notes its durability: `memory` leaves a disk that lacks counts.
_DURABILITY = "durability"
# Setting damage aside can uncover more behind it, but not for ever.
_ASIDE_ROUNDS_MAX = 10


@attrs.frozen
class Wishes:
    """What the settings say that matters before the node exists."""

    data_dir: Path
    name: str
    cluster: str
    max_counters: int
    durability: Durability
    salvage: bool = False
    joins: bool = False
    profile: str = "lan"
    approved_only: bool = False
    join_token: bytes = attrs.field(default=b"", repr=False)
    take_over: bool = False
    new_identity: bool = False
    archive_budget: int | None = None
    secured: bool = False
    growth_limit: int | None = None


@attrs.frozen(eq=False)
class Booted:
    """An open store, what it held, and who this process is.

    incomplete  the disk may hold less than this node once acknowledged or showed
    mended      because damage was left out; a checkpoint should make that the state on disk
    removals    what an earlier process wrote down of removals
    """

    store: Store
    identity: Settings
    restored: Restored
    incomplete: bool
    mended: bool
    wishes: Wishes
    removals: bytes = b""

    def node(self, address: str, seeds: tuple[str, ...], now: float) -> Node:
        """Make the node of this process, reachable at `address`."""
        identity, wishes = self.identity, self.wishes
        config = Config(
            cluster=identity.cluster,
            node=NodeId(identity.node_id),
            name=identity.name,
            epoch=Epoch(identity.epoch),
            nonce=secrets.token_bytes(8),
            address=address,
            seeds=seeds or self._known(),
            timing=PROFILES[wishes.profile],
            wall_ms=wall_ms,
            approved_only=wishes.approved_only,
            join_token=wishes.join_token,
            take_over=wishes.take_over,
            archive_budget=wishes.archive_budget,
            secured=wishes.secured,
            growth_limit=wishes.growth_limit,
        )
        rng = Random(secrets.randbits(128))
        restored = self.restored
        return Node(
            config,
            restored.counters,
            restored.roster,
            rng,
            now,
            damaged=self.incomplete,
            receipts=restored.receipts,
        )

    def _known(self) -> tuple[str, ...]:
        """Return where members are met, where this disk knows some and not this node."""
        roster = self.restored.roster
        new = NodeId(self.identity.node_id) not in roster
        return tuple([entry.address for entry in roster.belonging()]) if new else ()


def boot(wishes: Wishes) -> Booted:
    """Open the store, draw this life's epoch, recover; raise `StorageError` or `ConfigError`."""
    store = Store.open(wishes.data_dir)
    try:
        return _boot(store, wishes)
    except BaseException:
        with contextlib.suppress(StorageError):  # what went wrong before matters more
            store.close()
        raise


def _boot(store: Store, wishes: Wishes) -> Booted:
    aside = _set_aside(store) if wishes.salvage else []
    try:
        return _start(store, wishes, aside, with_images=True)
    except StorageError as error:
        if not wishes.salvage:
            raise
        log.warning("images_left_out", reason=error)
    return _start(store, wishes, aside, with_images=False)


def _start(store: Store, wishes: Wishes, aside: list[Damage], *, with_images: bool) -> Booted:
    """Recover what is sound, and write down who this process is.

    `with_images` False takes roster, approvals and journal only: the last resort of a salvage.
    """
    recovered = store.recover()
    with contextlib.closing(recovered.groups):  # else a failed start could not close the store
        if recovered.torn:
            log.warning("journal_torn", what=recovered.torn)
        before = recovered.settings
        if before is None and recovered.damage:
            raise StorageError(_describe(recovered.damage, wishes.data_dir))
        identity = _identity(before, wishes)
        own = column_id(NodeId(identity.node_id), Epoch(identity.epoch))
        images = _Images(recovered)
        try:
            if aside or not with_images:
                raise _DamagedError
            left_out: dict[ColumnId, None] = {}
            restored = _restore(own, images, recovered, wishes)
        except (_DamagedError, StorageError):
            if images.were_sound:
                raise  # it is about the journal
            images.exhaust()  # which columns are damaged is known when all images are read
            left_out = _left_out([*aside, *recovered.damage], own, wishes)
            if not with_images:
                named = [ColumnId(image.column) for image in recovered.again()]
                left_out |= dict.fromkeys(column for column in named if column)
            sound = _sound(recovered.again(), left_out, with_images)
            restored = _restore(own, sound, recovered, wishes)
    _left_out(recovered.damage, own, wishes)  # the journal's damage is known only now
    _check_gaps(restored, left_out, wishes)
    for column in left_out:
        restored.counters.hold(column)  # so that the next checkpoint says: nothing of it is known
    damaged = bool(aside or recovered.damage or restored.gaps)
    identity = _renewed(identity, restored, wishes)
    forgetful = store.get_value(_DURABILITY) == Durability.MEMORY.encode()
    incomplete = damaged or forgetful or (before is not None and not is_caught_up(before))
    if incomplete:
        identity = attrs.evolve(identity, identity_state=CATCHING_UP)
    store.put_settings(identity)
    store.put_value(_DURABILITY, wishes.durability.encode())
    log.info(
        "recovered",
        node=show(identity.node_id)[:12],
        counters=len(restored.counters.keys),
        columns=len(restored.counters.columns),
        journal_rows=restored.groups,
    )
    removals = store.get_value(VALUE) or b""
    return Booted(store, identity, restored, incomplete, damaged, wishes, removals)


def _set_aside(store: Store) -> list[Damage]:
    """Move damage out of the store until none is left; return all of it."""
    found: list[Damage] = []
    for _ in range(_ASIDE_ROUNDS_MAX):
        recovered = store.recover()
        for _ in recovered.images:
            pass
        for _ in recovered.groups:
            pass
        if not recovered.damage:
            break
        found += recovered.damage
        folder = store.set_aside(recovered.damage)
        log.warning("salvaged", items=len(recovered.damage), folder=str(folder))
    return found


class _DamagedError(Exception):
    """Some images are damaged: what is sound has to be read from the beginning."""


class _Images:
    """The images of a directory, as long as they are sound; in nearly all starts they are.

    were_sound  all were read, and none was damaged
    """

    def __init__(self, recovered: Recovered) -> None:
        self._recovered = recovered
        self.were_sound = False

    def __iter__(self) -> Iterator[Image]:
        yield from self._recovered.images
        if self._recovered.damage:
            raise _DamagedError
        self.were_sound = True

    def exhaust(self) -> None:
        """Read what is left, so that all damage is known."""
        for _ in self._recovered.images:
            pass


def _sound(
    images: Iterator[Image], left_out: dict[ColumnId, None], with_images: bool
) -> Iterator[Image]:
    for image in images:
        facts = image.kind in (Kind.ROSTER, Kind.APPROVALS)
        if facts or (with_images and ColumnId(image.column) not in left_out):
            yield image


def _restore(
    own: ColumnId, images: Iterable[Image], recovered: Recovered, wishes: Wishes
) -> Restored:
    try:
        return restore(own, wishes.max_counters, images, recovered.groups, recovered.read)
    except StorageError as error:
        raise StorageError(f"{error}. {_ways_out(wishes.data_dir)}") from None


def _identity(before: Settings | None, wishes: Wishes) -> Settings:
    if before is None:
        return Settings(
            store_id=secrets.token_bytes(16),
            node_id=secrets.token_bytes(16),
            name=wishes.name,
            cluster=wishes.cluster,
            epoch=draw(None),
            identity_state=CATCHING_UP if wishes.joins else CAUGHT_UP,
        )
    if before.cluster != wishes.cluster:
        raise ConfigError(
            f"{wishes.data_dir} belongs to cluster '{before.cluster}', not '{wishes.cluster}': "
            "give that --cluster, or another --data-dir"
        )
    return attrs.evolve(before, name=wishes.name, epoch=draw(Epoch(before.epoch)))


def _renewed(identity: Settings, restored: Restored, wishes: Wishes) -> Settings:
    """Return the identity of this start: a new one where the operator wants it for a removed one.

    Its columns stay as those of another node.
    """
    is_over = may_start_anew(restored.roster, NodeId(identity.node_id))
    if not (wishes.new_identity and is_over):
        return identity
    node = NodeId(secrets.token_bytes(16))
    log.warning("identity_renewed", was=show(identity.node_id), now=show(node))
    restored.counters.reopen(column_id(node, Epoch(identity.epoch)))
    return attrs.evolve(identity, node_id=node, identity_state=CATCHING_UP)


def _left_out(damage: list[Damage], own: ColumnId, wishes: Wishes) -> dict[ColumnId, None]:
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
    if item.what in (Kind.SEGMENT, Kind.COLUMN) and isinstance(item.key, tuple) and item.key[0]:
        return ColumnId(item.key[0])
    return None


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
        "node's counts comes back from them; what only these rows held is lost, and with a "
        "damaged image the rest of its column"
    )
