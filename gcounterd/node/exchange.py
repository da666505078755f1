"""The exchange: anti-entropy over bulk links, and deltas asked for.

Theory. Columns have one writer and a head each, so two replicas compare by heads, and what one
lacks it asks for: pulling makes every message harmless to lose, repeat or reorder. Which heads are
told, and when, is `node.telling`.

A `Want` names a part; the asked one serves a window of parts (`node.serving`), and the asker asks
on when half of it is in, so that neither waits for the other. Time in which we read nothing, since
too much waits for the disk, is no peer's silence.

A column longer than a window is asked on while no other long one is, on one link: all would arrive
at the same moment otherwise, and nothing could be written while the next one is on its way.

Digests are of open columns; a closed one is named where a late batch has raised it, and compared by
its line otherwise (`node.settling`). The exchange refuses to know commits: what arrives goes to the
intake, and only applied heads are told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from random import Random

import attrs

from gcounterd.counters.batches import Batch
from gcounterd.counters.counters import Counters, check_batch
from gcounterd.counters.deltas import Stage
from gcounterd.errors import PeerError
from gcounterd.ids import ColumnId, NodeId
from gcounterd.members.roster import Roster
from gcounterd.node.config import Config
from gcounterd.node.effects import Effect, Send
from gcounterd.node.intake import Intake
from gcounterd.node.messages import Digest, Part, Want
from gcounterd.node.peers import Link
from gcounterd.node.serving import PARTS_PER_WANT, Serving
from gcounterd.node.telling import Telling, pages_of

# Columns asked of one peer at a time; beside them, those that wait until they are asked on.
WANTS_PER_LINK_MAX = 2
WAITING_PER_LINK_MAX = 5
# A delta that made no progress in so many attempts is dropped; the next digest starts afresh.
_ATTEMPTS_MAX = 3
# How long a push may take through a crowd before what a digest names is asked for.
GRACE_S = 1.0
# Parts kept to be resumed after a lost link, as long as a peer may take to come back; they are
# large, and the head they lead to may be nowhere any more.
STAGE_KEPT_S = 30.0
# Columns known to be ahead at a peer and not asked for yet; others are told again by the digests
# and hashes to come. Each message may look at all of them.
AHEAD_MAX = 1024


@attrs.frozen(eq=False)
class _Ahead:
    """A peer holds a column up to a head; it is asked for from `due` on."""

    link: Link
    head: int
    due: float


@attrs.define(eq=False)
class _Asked:
    """A want under way: to which link, for which head, up to which part, until when.

    long, waits   there is more of it than one window; it waits until another long one is over
    """

    link: int
    peer: NodeId
    head: int
    until: int
    deadline: float
    attempts: int = 1
    long: bool = False
    waits: bool = False


@attrs.define(eq=False)
class _Staged:
    """Parts of a gathering: of whom, for which head, and until when they are kept unasked."""

    peer: NodeId
    head: int
    stage: Stage
    until: float = 0.0


class Exchange:
    """What is told, asked and served; one per node."""

    def __init__(
        self,
        config: Config,
        counters: Counters,
        roster: Roster,
        intake: Intake,
        rng: Random,
        now: float,
    ) -> None:
        self._config = config
        self._counters = counters
        self._intake = intake
        self._ahead: dict[ColumnId, _Ahead] = {}
        self._asked: dict[ColumnId, _Asked] = {}
        self._stages: dict[ColumnId, _Staged] = {}
        self.serving = Serving(config, counters)
        # Whom to ask for what a peer claims to hold of a column, None for nobody (`node.guarding`).
        self.source_of: Callable[[Link, ColumnId, int], Link | None] = lambda link, column, head: (
            link
        )
        # Raises `PeerError` for a batch that cannot be right (`node.guarding`).
        self.check_growth: Callable[[Link, Batch, float], None] = lambda link, batch, now: None
        # Of which columns nothing more is taken from a peer (`node.releasing`).
        self.refuses: Callable[[ColumnId, NodeId], bool] = lambda column, peer: False
        # Columns fetched whole, for `taking` and `late`: what came of each, None until it has.
        self.wholes: dict[ColumnId, Batch | None] = {}
        # Forgotten columns that a peer holds above us: no delta can raise those.
        self.behind: dict[ColumnId, Link] = {}
        self.telling = Telling(config, counters, roster, rng, now)

    # -- asking -----------------------------------------------------------------------------

    def compare(self, link: Link, digest: Digest, now: float) -> list[Effect]:
        """Ask for what a peer has above us, and tell it where we are above it."""
        # In a crowd a push takes some hops, so what a digest names of late is probably on its way.
        hurried = digest.whole or not self.telling.is_crowded
        due = now if hurried else now + GRACE_S
        expected = [self._expected(column)[0] for column in digest.heads]
        behind = sum(a < b for a, b in zip(expected, digest.heads.values(), strict=True))
        for column, head in digest.heads.items():
            self.ahead(link, column, head, due)
        effects = self.ask(now)
        if not hurried:
            effects += self.telling.look(link, len(digest.heads), behind, now)
        newer = {
            c: h for c, theirs in digest.heads.items() if (h := self._counters.head(c)) > theirs
        }
        if digest.whole:
            newer |= {c: h for c, h in self._counters.heads().items() if c not in digest.heads}
        if newer or digest.whole:  # whoever told us everything waits to hear what it lacks
            effects += [Send((link.id,), page) for page in pages_of(newer)]
        return effects

    def ahead(self, link: Link, column: ColumnId, head: int, due: float = 0.0) -> None:
        """Note that a peer holds `column` up to `head`, if that is above us and not our own.

        It is asked for from `due` on, if it has not come by then.
        """
        if column in self.wholes:
            return
        source = self.source_of(link, column, head)
        if source is None:
            return
        link = source
        least = self._expected(column)[0] + 1
        if self._counters.is_forgotten(column):
            if head >= least:
                self.note_behind(link, column)
            return
        if self.refuses(column, link.peer):
            return
        if column in self._ahead:
            least = max(least, self._ahead[column].head)
        room = column in self._ahead or len(self._ahead) < AHEAD_MAX
        if column != self._counters.writer.own and head >= least and room:
            self._ahead[column] = _Ahead(link, head, due)

    def note_behind(self, link: Link, column: ColumnId) -> None:
        """Note that a peer holds a column above us which no delta can raise here."""
        if len(self.behind) < AHEAD_MAX:
            self.behind[column] = link

    def fetch(self, link: Link, columns: Mapping[ColumnId, int], now: float) -> list[Effect]:
        """Fetch columns whole, each up to a version at least, into `wholes` and not the intake."""
        for column, version in columns.items():
            self._drop(column)
            self.wholes[column] = None
            self._ahead[column] = _Ahead(link, version, now)
        return self.ask(now)

    def came(self, columns: Iterable[ColumnId]) -> int:
        """Return how many parts have come of columns that are fetched whole."""
        wanted = list(columns)
        staged = [self._stages[column] for column in wanted if column in self._stages]
        found = [self.wholes.get(column) for column in wanted]
        whole = [batch for batch in found if batch is not None]
        return sum(each.stage.next for each in staged) + sum(len(b.blocks) for b in whole)

    def release(self, columns: Iterable[ColumnId]) -> None:
        """Let go of what was fetched whole, and of what is still to come of it."""
        for column in columns:
            self._drop(column)
            self.wholes.pop(column, None)

    def _drop(self, column: ColumnId) -> None:
        self._ahead.pop(column, None)
        self._asked.pop(column, None)
        self._stages.pop(column, None)

    def _expected(self, column: ColumnId) -> tuple[int, int]:
        """Return from which (head, size) on a column is wanted."""
        return (0, 0) if column in self.wholes else self._intake.expected(column)

    @property
    def is_behind(self) -> bool:
        """Say whether so much is to be asked for that one should not look for more."""
        return len(self._ahead) > AHEAD_MAX // 4

    def ask(self, now: float) -> list[Effect]:
        """Ask for what peers are known to hold above us, as far as there is room."""
        effects = self._ask_on(now)
        for column, ahead in list(self._ahead.items()):
            link, head = ahead.link, ahead.head
            if head <= self._expected(column)[0]:
                del self._ahead[column]
            elif column not in self._asked and ahead.due <= now and self._has_room(link):
                del self._ahead[column]
                self._asked[column] = asked = _Asked(link.id, link.peer, head, 0, 0.0)
                effects.append(self._ask(column, asked, now))
            elif ahead.due and ahead.due <= now:  # from now on it only waits for room
                self._ahead[column] = attrs.evolve(ahead, due=0.0)
        return effects

    def _has_room(self, link: Link) -> bool:
        waits = [asked.waits for asked in self._asked.values() if asked.link == link.id]
        waiting = sum(waits)
        return len(waits) - waiting < WANTS_PER_LINK_MAX and waiting < WAITING_PER_LINK_MAX

    def _ask_on(self, now: float) -> list[Effect]:
        """Go on with long columns that waited, where no other is under way on their links."""
        effects: list[Effect] = []
        for column, asked in list(self._asked.items()):
            if not asked.waits or self._is_long_under_way(asked.link):
                continue
            if asked.head <= self._expected(column)[0]:  # it came in another way
                del self._asked[column]
                self._stages.pop(column, None)
                continue
            asked.waits, asked.long = False, True
            effects.append(self._ask(column, asked, now))
        return effects

    def _is_long_under_way(self, link: int) -> bool:
        return any(asked.long and asked.link == link for asked in self._asked.values())

    def _ask(self, column: ColumnId, asked: _Asked, now: float) -> Send:
        staged = self._stages.get(column)
        if staged is None or staged.peer != asked.peer:
            self._stages.pop(column, None)
            gathering, part = b"", 0
        else:
            gathering, part = staged.stage.gathering, staged.stage.next
        asked.until = part + PARTS_PER_WANT
        asked.deadline = now + self._config.want_patience
        head, size = self._expected(column)
        return Send((asked.link,), Want(column, head, size, gathering, part))

    def take_push(self, link: Link, batch: Batch, now: float) -> tuple[bool, list[Effect]]:
        """Hand a pushed batch to the intake, or ask for what lies before it; say whether it was
        new."""
        if batch.column == self._counters.writer.own:
            raise PeerError("own_column", "a batch of the column that we write")
        if self.refuses(batch.column, link.peer):
            return False, []
        if self.source_of(link, batch.column, batch.version) is not link:
            self.ahead(link, batch.column, batch.version)
            return False, self.ask(now)
        if self._take_batch(link, batch, now):
            return True, []
        self.ahead(link, batch.column, batch.version)
        return False, self.ask(now)

    def _take_batch(self, link: Link, batch: Batch, now: float) -> bool:
        """Hand a batch to the intake, if it is one that follows; raise `PeerError`."""
        if batch.since <= self._intake.expected(batch.column)[0] < batch.version:
            self.check_growth(link, batch, now)
        return self._intake.take_batch(batch)

    def take_part(self, link: Link, part: Part, now: float) -> list[Effect]:
        """Stage a part; hand the whole to the intake when it is complete, else ask on."""
        asked = self._asked.get(part.column)
        if asked is None or asked.link != link.id:
            return []  # late: asked of someone else meanwhile
        source = self.source_of(link, part.column, asked.head)
        if source is not link and part.column not in self.wholes:
            self._drop(part.column)  # its writer is linked by now
            self.ahead(link, part.column, asked.head)
            return self.ask(now)
        staged = self._stages.get(part.column)
        if staged is None or staged.stage.gathering != part.gathering:
            if part.number:
                return []
            staged = _Staged(link.peer, asked.head, Stage(part.gathering, part.since))
            self._stages[part.column] = staged
        stage, staged.until = staged.stage, now + STAGE_KEPT_S
        before = stage.next
        batch = stage.take(part.column, part.number, part.version, part.block)
        if batch is not None:
            del self._asked[part.column], self._stages[part.column]
            if part.column in self.wholes:
                check_batch(batch, 0)
                self.wholes[part.column] = batch
            elif not self._take_batch(link, batch, now):
                # What it rested on was refused by the disk.
                self.ahead(link, part.column, part.version)
            return self.ask(now)
        if stage.next > before and not asked.waits:
            asked.deadline = now + self._config.want_patience
            asked.attempts = 1
        if asked.waits or stage.next < asked.until - PARTS_PER_WANT // 2:
            return []
        if not asked.long and self._is_long_under_way(link.id):
            asked.waits, asked.deadline = True, float("inf")
            return []
        asked.long = True
        return [self._ask(part.column, asked, now)]

    def closed(self, link: int) -> None:
        """Forget what was asked of and served on a link; stages stay, to be resumed."""
        self._asked = {c: asked for c, asked in self._asked.items() if asked.link != link}
        self._ahead = {c: at for c, at in self._ahead.items() if at.link.id != link}
        self.serving.closed(link)

    def retry(self, now: float) -> list[Effect]:
        """Ask again where nothing came for too long."""
        effects: list[Effect] = []
        for column, asked in list(self._asked.items()):
            if asked.deadline > now:
                continue
            if self._intake.full:  # nothing is read meanwhile, so what came may wait there
                asked.deadline = now + self._config.want_patience
                continue
            if asked.attempts == _ATTEMPTS_MAX or asked.head <= self._expected(column)[0]:
                del self._asked[column]
                self._stages.pop(column, None)
                continue
            asked.attempts += 1
            effects.append(self._ask(column, asked, now))
        self._forget_stages(now)
        return effects + self.ask(now)

    def _forget_stages(self, now: float) -> None:
        """Drop parts kept to be resumed that are old, or that came in another way."""
        self._stages = {
            column: staged
            for column, staged in self._stages.items()
            if column in self._asked
            or (now < staged.until and self._counters.head(column) < staged.head)
        }

    # -- time -------------------------------------------------------------------------------

    def next_wake(self) -> float:
        """Return when to gossip or to ask again, at the latest."""
        if not (self._asked or self._ahead):
            return self.telling.next_wake()
        deadlines = [asked.deadline for asked in self._asked.values()]
        waiting = [ahead.due for ahead in self._ahead.values() if ahead.due]
        return min([self.telling.next_wake(), *deadlines, *waiting])

    @property
    def progress(self) -> dict[ColumnId, int]:
        """Return the columns being fetched, with the parts staged so far."""
        return {column: staged.stage.next for column, staged in self._stages.items()} | {
            column: 0 for column in self._asked if column not in self._stages
        }
