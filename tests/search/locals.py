"""States of hosts, each once, and the steps between them.

Theory. A node is a state machine, so a state of a host is known by the inputs since its boot, and
is made again by giving them again. Every few inputs the host is pickled, so that few are given
again; a host that cannot be (it is in the middle of something that yields) is made from an
earlier one. The first way found stands for all that lead to the same canonical form. What an
input does to a state is worked out once, on the real code, and then remembered; the search over
clusters mostly looks up.

`Locals` refuses to know clusters: it sees one host at a time.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable

import attrs

from gcounterd.ids import column_id
from gcounterd.members.claims import Claim
from gcounterd.members.roster import Entry, State
from gcounterd.members.timing import Timing
from gcounterd.node.config import Config
from gcounterd.node.messages import Hello
from tests.search import facts
from tests.search.canon import fingerprint
from tests.search.checks import check_step, compare
from tests.search.ground import (
    INCREMENTS_MAX,
    Chooser,
    Content,
    Held,
    Kept,
    Line,
    epoch_id,
    node_id,
)
from tests.search.host import Host, Input, Outcome
from tests.search.spelling import is_news, label


@attrs.frozen(eq=False)
class Look:
    """A host's state, as far as the search looks at it.

    hello     its first frame on a link, b"" of a dead one
    waiting   something waits for a commit; flying  a group is under way
    imaging   a checkpoint is under way
    loading   a closed column is to be read; closed  the running column is, a new one is due
    turning   a residue is to change; staged  and what it needs is written
    idle      nothing of what it counted waits; finished  it counts no more
    links     hosts to which it has a link
    held      the columns that it has in memory; heads  of all columns; lines  of settled ones
    values    what readers see
    roster    a hash of its roster; states  of each host's node there
    returning its node is removed, and it hands over
    """

    index: int
    kept: Kept
    alive: bool
    hello: bytes = b""
    waiting: bool = False
    flying: bool = False
    imaging: bool = False
    loading: bool = False
    closed: bool = False
    turning: bool = False
    staged: bool = False
    idle: bool = False
    finished: bool = False
    links: tuple[int, ...] = ()
    held: tuple[Held, ...] = ()
    heads: dict[tuple[int, int], int] = attrs.Factory(dict)
    lines: tuple[Line, ...] = ()
    values: Content = ()
    roster: bytes = b""
    states: tuple[State | None, ...] = ()
    returning: bool = False
    written: dict[tuple[int, int], Content] = attrs.Factory(dict)

    @property
    def low(self) -> int:
        """Return the first of its digits, as a power of ten."""
        return int(10 ** (self.index * INCREMENTS_MAX))

    @property
    def high(self) -> int:
        """Return the one after its digits, as a power of ten above `low`."""
        return int(10**INCREMENTS_MAX)


@attrs.frozen(eq=False)
class Step:
    """What an input leads to.

    to         the state after it
    sends      messages by host
    dropped    hosts to which the link was dropped
    refusal    what was said instead of a hello, or None
    complaint  the invariant that does not hold, and how; "" if all do
    """

    to: int
    sends: tuple[tuple[int, int], ...] = ()
    dropped: tuple[int, ...] = ()
    refusal: bytes | None = None
    complaint: str = ""


# A host is pickled after so many inputs: 15 KB and 0.3 ms, where an input takes 0.06 ms.
_INPUTS_PER_PICKLE = 6


@attrs.frozen
class Way:
    """How a state is made again: a pickled host and the inputs after it; none if it is dead."""

    pickled: bytes
    inputs: tuple[Input, ...]

    def go(self) -> Host:
        """Make the host again."""
        host = pickle.loads(self.pickled)
        assert isinstance(host, Host)
        for each in self.inputs:
            host.do(each)
        return host

    def then(self, what: Input, host: Host) -> Way:
        """Return the way to `host`, to which this one leads with one more input."""
        inputs = (*self.inputs, what)
        if len(inputs) >= _INPUTS_PER_PICKLE and host.is_whole:
            return way_to(host)
        return Way(self.pickled, inputs)


def way_to(host: Host) -> Way:
    """Return the way to a host that needs no input."""
    pickled = io.BytesIO()
    pickler = pickle.Pickler(pickled, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = _BY_REFERENCE
    pickler.dump(host)
    return Way(pickled.getvalue(), ())


# What never changes is not copied: a pickle names it by its number here.
_KNOWN: list[object] = []
_NUMBERS: dict[object, int] = {}


def _recall(number: int) -> object:
    return _KNOWN[number]


def _refer(thing: object) -> tuple[Callable[[int], object], tuple[int]]:
    number = _NUMBERS.setdefault(thing, len(_KNOWN))
    if number == len(_KNOWN):
        _KNOWN.append(thing)
    return _recall, (number,)


_BY_REFERENCE = dict.fromkeys((Kept, Config, Timing, Entry, Claim, Hello, Chooser), _refer)


class Locals:
    """All states of hosts that were met, by number, and all messages, by number."""

    def __init__(self) -> None:
        self.looks: list[Look] = []
        self.frames: list[bytes] = []
        self.labels: list[str] = []
        self.is_news: list[bool] = []
        self.steps = 0
        self._ways: list[Way | None] = []
        self._numbers: dict[bytes, int] = {}
        self._messages: dict[bytes, int] = {}
        self._steps: dict[tuple[int, Input], Step] = {}
        self._agreeing: dict[tuple[int, int], str] = {}
        self._durable: dict[int, dict[tuple[int, int], int]] = {}

    def dead(self, index: int, kept: Kept) -> int:
        """Return the number of a host without a process."""
        look = Look(index, kept, alive=False, written=dict(kept.written))
        return self._number(fingerprint(index, attrs.astuple(kept, recurse=False)), look)

    def _number(self, form: bytes, look: Look) -> int:
        number = self._numbers.get(form)
        if number is None:
            number = self._numbers[form] = len(self.looks)
            self.looks.append(look)
            self._ways.append(None)
        return number

    def message(self, frame: bytes) -> int:
        """Return the number of a message."""
        number = self._messages.get(frame)
        if number is None:
            number = self._messages[frame] = len(self.frames)
            self.frames.append(frame)
            self.labels.append(label(frame))
            self.is_news.append(is_news(frame))
        return number

    def step(self, number: int, what: Input) -> Step:
        """Return what an input does to a state."""
        step = self._steps.get((number, what))
        if step is None:
            step = self._steps[number, what] = self._work_out(number, what)
        return step

    def _work_out(self, number: int, what: Input) -> Step:
        self.steps += 1
        way, before = self._ways[number], self.looks[number]
        if way is None:
            return self._of_the_dead(before, what)
        host = way.go()
        outcome = host.do(what)
        return self._arrive(host, before, outcome, way, what)

    def _of_the_dead(self, before: Look, what: Input) -> Step:
        kept = before.kept
        match what:
            case ("start",):
                return self._arrive(Host(before.index, kept), before, Outcome(), None, what)
            case ("rewind", rows):
                kept = attrs.evolve(
                    kept,
                    disk=kept.disk.without_last(rows),
                    rewinds=kept.rewinds + 1,
                    shown=(0,) * len(kept.shown),
                )
                return Step(self.dead(before.index, kept))
            case _:
                raise AssertionError(f"the dead cannot {what!r}")

    def _arrive(
        self, host: Host, before: Look, outcome: Outcome, way: Way | None, what: Input
    ) -> Step:
        if host.alive:
            look = _look(host)
            form = form_of(host)
            to = self._number(form, look)
            if self._ways[to] is None:
                self._ways[to] = way.then(what, host) if way else way_to(host)
        else:
            to = self.dead(host.index, host.kept)
            look = self.looks[to]
        sends = tuple([(peer, self.message(frame)) for peer, frame in outcome.sends])
        complaint = check_step(before, look, outcome, host)
        return Step(to, sends, tuple(outcome.dropped), outcome.refusal, complaint)

    def compare(self, one: int, other: int) -> str:
        """Return where a host's state contradicts what another host wrote."""
        told = self._agreeing.get((one, other))
        if told is None:
            told = self._agreeing[one, other] = compare(self.looks[one], self.looks[other])
        return told

    def durable(self, number: int) -> dict[tuple[int, int], int]:
        """Return the head of each column on a host's disk."""
        found = self._durable.get(number)
        if found is None:
            look = self.looks[number]
            nobody = column_id(node_id(look.index), epoch_id(look.kept.life + 1))
            found = facts.heads(look.kept.disk.recover(nobody).counters)
            self._durable[number] = found
        return found


def form_of(host: Host) -> bytes:
    """Return the canonical form of a host that runs, as 16 bytes."""
    return fingerprint(*parts_of(host), now=host.now)


def parts_of(host: Host) -> tuple[object, ...]:
    """Return all that the canonical form of a host that runs is made of."""
    kept = attrs.astuple(host.kept, recurse=False)
    under_way = (host.flight, host.round, host.loads, host.above, host.turns, host.staged)
    return host.index, kept, host.node, under_way


def _look(host: Host) -> Look:
    node = host.node
    writes = bool(node.counters.writer) and not node.settlement.holds_back
    return Look(
        host.index,
        host.kept,
        alive=True,
        hello=host.hello(),
        waiting=bool(node.intake) or writes,
        flying=host.flight is not None,
        imaging=bool(host.round),
        loading=bool(host.loads),
        closed=host.above is not None,
        turning=bool(host.turns),
        staged=host.staged,
        idle=node.counters.writer.idle,
        finished=node.settlement.closings.finished,
        links=tuple(sorted(link.id - 1 for link in node.peers.all())),
        held=facts.columns(node.counters),
        heads=facts.heads(node.counters),
        lines=facts.lines(node.counters),
        values=host.values(),
        roster=node.roster.hash(),
        states=facts.states(node.roster),
        returning=node.removing.returning.active,
        written=dict(host.kept.written),
    )
