"""What the API asks of the daemon: the seam between requests and the node.

`daemon.service.Service` is the one implementation that runs; the API's unit tests bring a small one
of their own. The API refuses to know the node, the disk and the peers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import attrs

from gcounterd.api.feeds import Wish
from gcounterd.api.responses import Live
from gcounterd.counters.imports import Content
from gcounterd.errors import ClientError
from gcounterd.node.levels import Level, Mark
from gcounterd.node.receipts import Claim


@attrs.frozen
class Readiness:
    """Whether this node should get traffic; if not, every reason, in words.

    `readable` says whether it answers local reads all the same, as one does that only drains.
    """

    ready: bool
    reasons: tuple[str, ...]
    readable: bool


@attrs.frozen
class ConsistentRead:
    """Outcome of asking every member: exact if `missing` is empty, else the best known value.

    `missing` holds the names of the members that did not answer in time.
    """

    value: int
    missing: tuple[str, ...]


@attrs.frozen
class Held:
    """How many members hold what was counted, and by which names, this node's included."""

    reached: Level
    by: tuple[str, ...]


@attrs.frozen
class Counted:
    """What a keyed request was answered: the value of each of its counters, in its order.

    mark      where it lies
    replayed  it had been counted before, and was not counted again
    """

    values: tuple[int, ...]
    mark: Mark
    replayed: bool = attrs.field(kw_only=True)


@attrs.frozen(eq=False)
class Tally:
    """Increments of one each, gathered in one call; `rows` are the backend's own business.

    refused  by place in `keys`: those that were not gathered, and why
    """

    keys: Sequence[bytes]
    rows: object = None
    refused: Mapping[int, ClientError] = attrs.field(factory=dict)


class Gathering(Protocol):
    """The commit that is gathering: all that is added before it is cut has this one outcome."""

    async def wait(self) -> Mark:
        """Wait until it is durable as configured; return where it lies. Raises as `commit` does."""

    def then(self, act: Callable[[Mark, ClientError | None], None]) -> bool:
        """Have `act` called once, with what `wait` would return or raise, when that is known.

        False: nobody will call, and the caller has to wait. It is never called in this call.
        """


@attrs.frozen
class Words:
    """What a text holds: its different words as keys, with how often each occurs.

    total     all words
    too_long  how many stood there that are too long to be words, and are not counted
    """

    counts: dict[bytes, int]
    total: int
    too_long: int


@attrs.frozen
class Listing:
    """Some counters in key order, and the key to continue after (None: that was all)."""

    counters: tuple[tuple[bytes, int], ...]
    next: bytes | None


class Near(Protocol):
    """What is asked of the node, or by a front of the process that has it, for each round."""

    @property
    def name(self) -> str:
        """Return the name of this node, for `Gcounter-Node`."""

    def add_each(self, keys: Sequence[bytes]) -> Tally:
        """Gather an increment of one for each key, in order; what is refused is told by place.

        By a front it is told when the commit has been waited for.
        """

    def read_each(self, tally: Tally) -> Sequence[int]:
        """Return this node's value of each key of a tally, 0 for an unknown one."""

    def gathering(self) -> Gathering:
        """Return the commit that takes what was added before, and see to it that it is made soon.

        Nobody else may have run since it was added.
        """

    def count(self, event: str) -> None:
        """Count an API event for `/metrics`; `event` is a short constant."""


class Backend(Near, Protocol):
    """The daemon, as far as requests need it. Keys are decoded UTF-8 bytes."""

    def add(self, key: bytes, amount: int) -> None:
        """Gather an increment for the next commit; raise `ClientError` if it is refused."""

    def add_all(self, counts: dict[bytes, int]) -> None:
        """Gather many increments for one commit, all or none; raise `ClientError`."""

    async def add_many(self, counts: dict[bytes, int]) -> None:
        """Do as `add_all`, but for thousands: what takes long is done in slices before.

        Nobody else runs between the adding and its return.
        """

    async def commit(self, level: Level = Level.LOCAL) -> Mark:
        """Wait until all that was added before is durable as configured; return where it lies.

        Above LOCAL it is told to peers at once, because `held` will be asked for. Raises
        `ClientError` 507 or 503, with `definite` telling the truth, where it failed.
        """

    async def held(self, mark: Mark, level: Level, seconds: float) -> Held:
        """Wait until members hold what is committed as `level` says, or so many seconds."""

    def counted(self) -> Mark:
        """Return where all lies that this node ever counted."""

    async def copies(self, mark: Mark, others: int, seconds: float) -> int:
        """Wait until so many other members hold what is committed, or so many seconds.

        Return how many do, as far as is known.
        """

    async def count_once(
        self, claim: Claim, counts: dict[bytes, int], level: Level, *, repeat: bool, first: str
    ) -> Counted:
        """Count what a keyed request asks for, all or none, as `commit` does; or answer it again.

        A `repeat` is not counted where this node has no record of the first one, which went to node
        `first` if that is not "". Raises `ClientError` 409 `key_reused`, 409 `retry_elsewhere`
        (indefinite), and what `add_all` and `commit` raise.
        """

    def value(self, key: bytes) -> int:
        """Return this node's value, 0 for an unknown key."""

    async def by_node(self, key: bytes) -> dict[str, int]:
        """Return the counts by original node: label → count, zeros left out."""

    async def share(self, key: bytes) -> int:
        """Return what this node counted itself, over all its columns ever."""

    async def raise_share(self, key: bytes, at_least: int) -> int:
        """Raise this node's share to at least that much, durably; return the share."""

    async def listing(self, prefix: bytes, after: bytes, limit: int) -> Listing:
        """Return counters whose key starts with `prefix` and sorts after `after`."""

    def size(self) -> int:
        """Return how many names of counters this node knows."""

    def scan(self, row: int, most: int) -> tuple[Sequence[tuple[bytes, int]], int | None]:
        """Return counters among `most` names from place `row` on, and where to go on.

        Places are in the order in which this process met the names, from 0; None: that was all.
        """

    async def top(self, limit: int, prefix: bytes) -> tuple[tuple[bytes, int], ...]:
        """Return the largest counters, largest first, ties by key."""

    async def consistent(self, key: bytes, seconds: float) -> ConsistentRead:
        """Ask every member for what it has answered, within that many seconds.

        Raises `ClientError` 503 where too many such reads are under way, or this node is removed.
        """

    async def reach(self, key: bytes, least: int, seconds: float) -> int:
        """Return the value when it is at least so large, or what it is after that many seconds.

        Raises `ClientError` 503 `busy` where too many wait.
        """

    async def follow(self, wish: Wish, seen: bytes, *, fresh: bool) -> Live:
        """Return a stream of what is wished for, when that is known; it counts until closed.

        `seen` is the id of the event that its reader saw last; `fresh` begins with what is
        committed now. Raises `ClientError` 503 `busy` where there are too many, `not_ready`.
        """

    def readiness(self) -> Readiness:
        """Say whether this node is caught up, not draining, and listening everywhere."""

    def warnings(self) -> tuple[str, ...]:
        """Return what an operator should look at although the node is ready."""

    async def overview(self) -> dict[str, dict[str, Any]]:
        """Return what the dashboard shows by kind: `cluster`, `pulse`, `events`.

        Members are asked what they hold, and waited for a moment. Numbers are strings.
        """

    def cluster(self) -> dict[str, object]:
        """Return the answer of `GET /v1/cluster`."""

    def status(self) -> dict[str, object]:
        """Return the answer of `GET /v1/status`: this node in figures."""

    async def history(self, after: int, life: str, limit: int, seconds: float) -> dict[str, object]:
        """Return the answer of `GET /v1/events`: events after number `after` of process `life`.

        Waits up to that many seconds for the first; raises `ClientError` 503 where too many wait.
        """

    async def join(self, addresses: Sequence[str], seconds: float) -> tuple[str, ...]:
        """Join the nodes at these peer addresses, and wait until all members know each other.

        Return who is still waited for when the time is up, addresses or names; they are tried
        further. Idempotent.
        """

    async def approve(self, name: str, address: str, ttl_s: int) -> dict[str, object]:
        """Approve a newcomer durably: `{"name", "token", "expires", …}`.

        Raises `ClientError` 409 `name_in_use` with the holder, 409 `too_many_approvals`, and what
        `commit` raises. `address` is where it will be reached, "" if that is not known.
        """

    async def remove(
        self, names: Sequence[str], into: str, *, dead: bool, dry_run: bool, forced: bool
    ) -> dict[str, object]:
        """Begin to remove these nodes: `{"plan": …, "removals": […]}`, none with `dry_run`.

        Names as the members show them, or ids; `into` is such a one, or "" to have one chosen.
        Raises `ClientError` 404 `unknown_node`, 409 `removal_…` with the way out, and what `commit`
        raises. May be repeated: what is under way or done is answered as it stands.
        """

    def removals(self) -> dict[str, object]:
        """Return the answer of `GET /v1/removals`: unfinished removals and past ones."""

    async def forget(self, name: str) -> dict[str, object]:
        """Release the columns of a removed node: `{"released": number, "removals": […]}`.

        Raises `ClientError` as `remove` does.
        """

    def importing(self) -> AbstractContextManager[None]:
        """Take a place for an import; raise `ClientError` 503 where there is none."""

    async def bring(self, source: str, content: Content, *, again: bool) -> dict[str, object]:
        """Count an import durably: `{"source", "id", "keys", "total", "repeated"}`.

        The same content of the same source counts once, at whatever nodes it is brought; other
        content is refused unless `again`. Raises `ClientError`, nothing is counted then, and what
        `commit` raises.
        """

    async def imports(self, after: str, limit: int) -> dict[str, object]:
        """Return the answer of `GET /v1/imports`: sources that sort after one."""

    async def count_text(self, following: Callable[[], Awaitable[bytes | None]]) -> Words:
        """Count the words of a text durably, all in one commit; `following` returns its pieces.

        Raises `ClientError` 400 `bad_text`, 413 `too_many_words`, 503 `busy`, 503 `splitter_died`,
        and what `add_all`, `commit` and `following` raise.
        """

    def drain(self) -> dict[str, object]:
        """Take no increments from now on: `{"draining": true}`. Idempotent."""

    def undrain(self) -> dict[str, object]:
        """Take increments again: `{"draining": false}`, or true where the node is stopping."""

    async def verify(self) -> dict[str, object]:
        """Check the store: `{"ok": bool, "problems": [text, …], "checked": {kind: number}}`."""

    async def backup(self, path: str) -> dict[str, object]:
        """Write a consistent copy of the store to a new file: `{"path", "bytes"}`."""

    def metrics(self) -> bytes:
        """Return the Prometheus text exposition."""
