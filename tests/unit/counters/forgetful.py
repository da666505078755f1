"""A replica with a disk, for tests of what is forgotten: columns, turns, crashes, and no peers."""

from __future__ import annotations

from gcounterd.counters.batches import Batch
from gcounterd.counters.checkpoint import Checkpoint, name_images
from gcounterd.counters.counters import Counters
from gcounterd.counters.deltas import Stage
from gcounterd.counters.images import Image, Kind
from gcounterd.counters.residue import Step, decide, plan_taking
from gcounterd.counters.residues import holding_of, lines_of
from gcounterd.counters.settled import Closing
from gcounterd.counters.turns import Given, Turn
from gcounterd.ids import ColumnId, Epoch, NodeId, column_id
from gcounterd.node.records import Group, Record, TakeBatch, TakeClosings
from gcounterd.storage.records import encode_group
from gcounterd.storage.recovery import restore

MAX_COUNTERS = 1000


def life(letter: str, number: int) -> ColumnId:
    """Return the column of a life of a node."""
    return column_id(NodeId(letter.encode() * 16), Epoch(bytes([number]) * 16))


class Replica:
    """Counters with a journal and images; `crash` keeps those and nothing else."""

    def __init__(self, own: ColumnId) -> None:
        self.own = own
        self.counters = Counters(own, MAX_COUNTERS)
        self.rows: dict[int, bytes] = {}
        self.images: dict[tuple[Kind, bytes, int], Image] = {}
        self.row = 0

    def commit(self, *records: Record) -> None:
        """Write records to the journal, warm what they change, apply them."""
        self.row += 1
        self.rows[self.row] = encode_group(Group(records, facts=True, own=False))
        for record in records:
            match record:
                case TakeBatch(batch):
                    self.warm(batch.column)
                    self.counters.apply(batch)
                case TakeClosings(closings):
                    list(self.counters.closing(closings))
        self.counters.writer.settle()

    def count(self, amounts: dict[bytes, int]) -> list[Batch]:
        """Add to the own column, commit, and return the batches."""
        for key, amount in amounts.items():
            self.counters.add(key, amount)
        batches = self.counters.cut()
        self.commit(*[TakeBatch(batch) for batch in batches])
        return batches

    def take(self, *batches: Batch) -> None:
        self.commit(*[TakeBatch(batch) for batch in batches])

    def close(self, *columns: ColumnId, final: int = 0) -> None:
        self.commit(TakeClosings(tuple(Closing(column, final) for column in columns)))

    def warm(self, column: ColumnId) -> None:
        if self.counters.is_cold(column):
            self.counters.warm(self.counters.read_cold(column, self.read(column)))

    def read(self, column: ColumnId) -> list[Image]:
        found = [i for (kind, owner, _), i in self.images.items() if owner == column]
        segments = [image for image in found if image.kind is Kind.SEGMENT]
        return sorted(segments, key=lambda image: image.number)

    def put(self, images: list[Image], gone: list[ColumnId] | None = None) -> None:
        for image in images:
            self.images[image.kind, image.column, image.number] = image
        for key in [key for key in self.images if key[1] in (gone or [])]:
            del self.images[key]

    def checkpoint(self) -> None:
        """Write images of everything, trim the journal, let go of what is closed."""
        turn = Checkpoint(self.counters, 0)
        self.put(list(turn.images()))
        self.put(turn.columns())
        self.rows = {}
        turn.done()
        for column in self.counters.warm_columns():
            self.counters.chill(column)

    def crash(self) -> None:
        images = [self.images[key] for key in sorted(self.images)]
        rows = sorted(self.rows.items())
        self.counters = restore(self.own, MAX_COUNTERS, images, rows).counters

    def turn(self, turn: Turn, *, crash: str = "") -> None:
        """Carry out a turn; `crash` before or after its flip."""
        list(turn.place())
        turn.build({column: self.read(column) for column, _ in turn.lacking()})
        self.put(list(turn.staged()))
        self.put(list(name_images(self.counters, 0, len(self.counters.keys))))
        if crash == "before":
            self.crash()
            return
        assert turn.is_current()
        self.put(*turn.flip())
        if crash == "after":
            self.crash()
            return
        list(turn.applying())

    def forget(self, *columns: ColumnId, crash: str = "") -> None:
        node = NodeId(columns[0][:16])
        self.turn(Turn.forgetting(self.counters, node, columns), crash=crash)

    def whole(self, column: ColumnId) -> Batch:
        """Return all of a column, or of a residue, as a peer would get it."""
        self.warm(column)
        gathering, stage = self.counters.gather(column, 0, 0), Stage(b"", 0)
        while True:
            for piece in gathering.pieces(stage.next):
                batch = stage.take(column, piece.number, piece.version, piece.block)
                if batch is not None:
                    return batch

    def given_by(self, other: Replica, node: NodeId) -> tuple[Step, Turn | None]:
        """Return what becomes of another's residue of a node, and the turn that it is."""
        mine = holding_of(lines_of(self.counters.settled, node))
        lines = lines_of(other.counters.settled, node)
        plan = decide(mine, holding_of(lines))
        if plan.step in (Step.NOTHING, Step.WAIT, Step.REFUSE):
            return plan.step, None
        part = other.counters.residues.get(node)
        forgotten = {column: line for column, line in lines.items() if line.forgotten}
        along = {column: other.whole(column) for column in plan.along}
        given = Given(
            forgotten,
            other.whole(part.id) if part else None,
            along,
            {column: lines[column].final for column in along},
        )
        again = plan_taking(mine, holding_of(lines), yielding=plan.step is Step.YIELD)
        assert again == plan
        return plan.step, Turn(self.counters, node, plan, given)

    def learn(self, other: Replica, node: NodeId, *, crash: str = "") -> Step:
        """Take another's residue of a node, if it is to be taken."""
        step, turn = self.given_by(other, node)
        if turn is not None:
            self.turn(turn, crash=crash)
        return step

    def level(self, other: Replica, column: ColumnId) -> None:
        """Take what another holds of a column above mine."""
        counters = self.counters
        forgotten = counters.is_forgotten(column) or other.counters.is_forgotten(column)
        if not forgotten and other.counters.head(column) > counters.head(column):
            self.take(other.whole(column))
        if other.counters.is_closed(column) and not counters.is_closed(column):
            line = other.counters.settled.get(column)
            self.close(column, final=line.final if line else 0)

    def values(self, keys: list[bytes]) -> dict[bytes, int]:
        return {key: self.counters.value(key) for key in keys}

    def is_sound(self) -> bool:
        """Say whether totals are the sum of base and open columns."""
        return bool((self.counters.recount() == self.counters.totals).all())
