"""The backend of a front: what its connections ask, gathered and put to the owner.

Theory. To the hub a front is a node like any other: increments are added, a commit is awaited,
values are read after it. Here the commit is a question to the owner. What comes while questions
are under way, for `GATHER_S` at most, goes with the next, so a loaded front asks some hundred
times a second whatever its clients do, and an idle one asks at once.

If the owner goes away nobody knows what became of a question under way: that is said, and the
process ends. What was gathered for the next question was certainly not counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import attrs
import trio

from gcounterd.api.backend import Readiness, Tally
from gcounterd.errors import ClientError
from gcounterd.fronts.frames import Asked, FrameError, Frames, Told, read_told, write_asked
from gcounterd.node.levels import Mark

# How long increments and reads are gathered while other questions are under way.
GATHER_S = 0.001
# Questions under way; what comes meanwhile waits for an answer.
UNDER_WAY_MAX = 4
# Increments and reads of one question: what the owner does in one step of its loop.
QUESTION_KEYS_MAX = 4096
_READ_BYTES = 256 * 1024


@attrs.define(eq=False)
class Question:
    """What is gathered for one frame, and what came of it.

    reads  keys whose values are wanted, with their places
    told   the answer, None before it is there
    error  why there is none
    """

    keys: list[bytes] = attrs.field(factory=list)
    reads: dict[bytes, int] = attrs.field(factory=dict)
    done: trio.Event = attrs.field(factory=trio.Event)
    told: Told | None = None
    error: ClientError | None = None
    _places: dict[bytes, int] = attrs.field(factory=dict)

    def find(self, key: bytes) -> int:
        """Return a place of a key that was counted."""
        if not self._places:
            self._places = dict(zip(self.keys, range(len(self.keys)), strict=True))
        return self._places[key]


@attrs.frozen(eq=False)
class FrontTally(Tally):
    """What one round added to a question; its keys begin at place `first` there."""

    refused: dict[int, ClientError] = attrs.field(factory=dict)
    question: Question = attrs.field(factory=Question)
    first: int = 0


@attrs.frozen(eq=False)
class Part:
    """The commit that a round waits for."""

    backend: FrontBackend
    question: Question
    tally: FrontTally | None

    async def wait(self) -> Mark:
        """Wait for the answer; raise `ClientError` as a commit does."""
        question, tally = self.question, self.tally
        await question.done.wait()
        self.backend.showing = question
        if question.error is not None:
            raise question.error
        told = question.told
        assert told is not None
        if tally is not None and tally.question is question:
            end = tally.first + len(tally.keys)
            for place, error in told.refused.items():
                if tally.first <= place < end:
                    tally.refused[place - tally.first] = error
        if told.failure is not None:
            raise told.failure
        return told.mark

    def then(self, act: Callable[[Mark, ClientError | None], None]) -> bool:
        """Leave it to the caller to wait."""
        return False


class FrontBackend:
    """What connections in a front may ask; all else they ask of the owner, by going there.

    name      of the node
    showing   the question whose answer is being told to clients: `value` reads it
    stopping  set when the owner takes no further connections, or is gone
    """

    def __init__(self, stream: trio.SocketStream, name: str) -> None:
        """`stream` leads to the owner."""
        self.name = name
        self.showing = self._next = Question()
        self.stopping = trio.Event()
        self._stream = stream
        self._lost = False  # nobody answers any more
        self._events: dict[str, int] = {}
        self._tally: FrontTally | None = None  # of what is being gathered, if it counts
        self._due = trio.Event()
        self._full: deque[Question] = deque()  # gathered and not put yet
        self._asked: deque[Question] = deque()
        self._answered = trio.Event()

    def count(self, event: str) -> None:
        """Count an event; the owner is told with the next question."""
        self._events[event] = self._events.get(event, 0) + 1

    def tick(self) -> None:
        """Tell the owner of events where nothing else is asked."""
        if self._events:
            self._due.set()

    def add_each(self, keys: Sequence[bytes]) -> Tally:
        """Gather an increment of one for each key; what is refused is known after the commit."""
        gathered = self._next
        self._tally = FrontTally(keys, question=gathered, first=len(gathered.keys))
        gathered.keys += keys
        return self._tally

    def want(self, key: bytes) -> None:
        """Gather a read, to be shown by `value` after the commit."""
        reads = self._next.reads
        reads.setdefault(key, len(reads))

    def gathering(self) -> Part:
        """Return the answer that all which was gathered waits for."""
        part = Part(self, self._next, self._tally)
        self._tally = None
        if self._lost:
            self._fail(self._next, _not_counted())
        elif len(self._next.keys) + len(self._next.reads) >= QUESTION_KEYS_MAX:
            self._full.append(self._next)
            self._next = Question()
        self._due.set()
        return part

    def read_each(self, tally: Tally) -> Sequence[int]:
        """Return the value of each key of a tally, after its commit."""
        assert isinstance(tally, FrontTally)
        told = tally.question.told
        if told is None or told.failure is not None:
            return ()
        return told.values[tally.first : tally.first + len(tally.keys)]

    def value(self, key: bytes) -> int:
        """Return what was told of a key that was wanted or counted; 0 where nothing was."""
        question, told = self.showing, self.showing.told
        if told is None:
            return 0
        if (place := question.reads.get(key)) is not None:
            return told.shown[place]
        # Where something was refused answers are written one by one; else this is not asked.
        return told.values[question.find(key)] if told.values else 0

    def readiness(self) -> Readiness:
        """Say whether the node may be read, as the owner said with its last answer."""
        told = self.showing.told
        unread = ("its front lost it",) if told is None else tuple(told.unread)
        return Readiness(not unread, unread, not unread)

    async def run(self) -> None:
        """Put questions and take answers, until the owner goes away."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._ask)
            await self._listen()
            nursery.cancel_scope.cancel()
        self._lost = True
        self.stopping.set()
        while self._asked:
            self._fail(self._asked.popleft(), _unknown())
        for question in (*self._full, self._next):
            self._fail(question, _not_counted())

    async def _ask(self) -> None:
        while True:
            await self._due.wait()
            while len(self._asked) >= UNDER_WAY_MAX:
                await self._answered.wait()
            if self._asked and not self._full:
                with trio.move_on_after(GATHER_S):
                    await self._answered.wait()
            question = self._take_next()
            events, self._events = self._events, {}
            self._asked.append(question)
            asked = Asked(question.keys, list(question.reads), events)
            try:
                await self._stream.send_all(write_asked(asked))
            except trio.BrokenResourceError:
                return  # `_listen` sees it too

    def _take_next(self) -> Question:
        if self._full:
            return self._full.popleft()
        self._due = trio.Event()
        question, self._next = self._next, Question()
        return question

    async def _listen(self) -> None:
        frames = Frames()
        while True:
            try:
                data = await self._stream.receive_some(_READ_BYTES)
                for frame in frames.feed(data):
                    told = read_told(frame)
                    if told is None:
                        self.stopping.set()
                    else:
                        self._take(told)
            except (trio.BrokenResourceError, FrameError):
                return
            if not data:
                return

    def _take(self, told: Told) -> None:
        question = self._asked.popleft()
        question.told = told
        question.done.set()
        self._answered.set()
        self._answered = trio.Event()

    @staticmethod
    def _fail(question: Question, error: ClientError) -> None:
        question.error = error
        question.done.set()


def _unknown() -> ClientError:
    text = "this node stopped before it knew whether this was written"
    return ClientError(503, "stopped", text, definite=False)


def _not_counted() -> ClientError:
    return ClientError(503, "stopped", "this node has stopped; nothing was counted")
