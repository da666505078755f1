"""Simulated clients: what they ask of simulated nodes, and are told.

Theory. A client does one thing at a time, at a node of its choice, and gives up after a while. Its
request takes a moment to arrive and its answer another, and either may be lost with the process;
a process that stands still answers when it goes on, if somebody still waits. Increments with a name
are asked for again, at the same place or elsewhere, until they are answered. Whoever asks all
members is recorded with the places that it must have asked: those of nodes that a chain of rosters
leads to. Not covered are disks that were restored or cloned, and who was removed without having
left in order.

This module refuses to know the weather.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from random import Random

import attrs

from gcounterd.ids import NodeId
from gcounterd.members.roster import State
from gcounterd.node.effects import AckDone
from gcounterd.node.levels import Level
from gcounterd.node.reading import READS_MAX
from gcounterd.node.receipts import HASH_BYTES, Claim
from gcounterd.sim.chance import draw_exponential
from gcounterd.sim.cluster import Cluster
from gcounterd.sim.disk import Content
from gcounterd.sim.process import Process
from gcounterd.sim.workload import find_reachable
from tests.histories.history import Operation, Outcome
from tests.histories.recorder import Recorder

KEYS = ("a", "b", "c")
CLIENTS = 10
# Between two operations of a client.
THINK_S = 0.3
# On its way, each direction.
WAY_S = (0.0002, 0.01)
# Until a client gives up, and how long nodes may take: some give up first.
PATIENCE_S = (0.2, 8.0)
ASKING_S = (0.2, 5.0)
# A client stays with its node for some time.
MOVES_SHARE = 0.2
# Of operations: increments, and of the others consistent reads.
COUNT_SHARE, CONSISTENT_SHARE = 0.55, 0.4
LEVELS = (Level.LOCAL,) * 5 + (Level.MAJORITY,) * 3 + (Level.ALL,) * 2
# Reads of a node that is not ready, which it answers on request with what it has.
STALE_SHARE = 0.2
AMOUNT_MAX = 999
# Of increments: those with a name. Of these: asked for again although they were answered, and
# elsewhere. One is asked for so often, and looked for so soon where it is under way.
NAMED_SHARE, REPEATED_SHARE, ELSEWHERE_SHARE = 0.3, 0.1, 0.2
TRIES_MAX, PENDING_S = 6, 0.01


class Watched(Cluster):
    """A cluster that tells a recorder which disks are replaced by older ones, or given up.

    given_up  hosts of released nodes: what comes of them late is refused
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.recorder = Recorder(lambda: self.world.now)
        self.given_up: dict[str, None] = {}

    def roll_back(self, name: str, content: Content) -> None:
        """Put an older copy of its disk in place of a host's."""
        super().roll_back(name, content)
        self.recorder.lose(name)

    def release(self, at: str, node: NodeId) -> None:
        """Release a removed node's columns."""
        super().release(at, node)
        for name in [name for name, host in self.hosts.items() if host.node == node]:
            self.given_up[name] = None
            self.recorder.lose(name)


class Clients:
    """The clients of one cluster."""

    def __init__(self, cluster: Watched, rng: Random) -> None:
        self.tally: Counter[str] = Counter()
        self._cluster = cluster
        self._recorder = cluster.recorder
        self._rng = rng
        self._places: dict[str, str] = {}
        self._tokens = 0
        self._ended = False

    def begin(self) -> None:
        """Let them come."""
        for number in range(CLIENTS):
            self._pause(f"c{number}")

    def end(self) -> None:
        """Let nobody begin anything any more."""
        self._ended = True

    def audit(self) -> None:
        """Read each key at each node that runs."""
        for name in self._cluster.given_up:
            self._recorder.lose(name)  # it may have counted on before it was told
        for process in self._cluster.running:
            for key in KEYS:
                asked = self._recorder.begin(f"audit {process.host}", process.host, key, final=1)
                self._recorder.end(asked, Outcome.OK, process.node.counters.value(key.encode()))

    # -- one client -------------------------------------------------------------------------

    def _pause(self, client: str) -> None:
        self._cluster.world.after(draw_exponential(self._rng, THINK_S), self._ask, client)

    def _ask(self, client: str) -> None:
        if self._ended:
            return
        rng = self._rng
        place = self._places.get(client)
        if place is None or rng.random() < MOVES_SHARE:
            place = self._places[client] = rng.choice(list(self._cluster.hosts))
        key = rng.choice(KEYS)
        if rng.random() < COUNT_SHARE:
            amount, level = rng.randint(1, AMOUNT_MAX), rng.choice(LEVELS)
            if rng.random() < NAMED_SHARE:
                self._tokens += 1
                self._claim(client, place, key, amount, f"t{self._tokens}", 1, place)
                return
            asked = self._recorder.begin(client, place, key, amount=amount)
            self._send(asked, partial(self._count, level), self._pause)
        else:
            consistent = rng.random() < CONSISTENT_SHARE
            asked = self._recorder.begin(client, place, key, consistent=consistent)
            self._send(asked, self._read_all if consistent else self._read, self._pause)

    def _claim(
        self, client: str, place: str, key: str, amount: int, token: str, tries: int, first: str
    ) -> None:
        """Ask for a named increment once more; at first it was at `first`."""
        losses = len(self._recorder.history.losses)

        def go_on(_: str) -> None:
            said = self._recorder.history.operations[-1].outcome
            wanted = said is Outcome.UNKNOWN or self._rng.random() < REPEATED_SHARE
            # A disk that was lost, or cloned, has no record: to ask again there is to count again.
            is_sure = losses == len(self._recorder.history.losses)
            if self._ended or tries == TRIES_MAX or not wanted or not is_sure:
                self._pause(client)
                return
            elsewhere = self._rng.random() < ELSEWHERE_SHARE
            there = self._rng.choice(list(self._cluster.hosts)) if elsewhere else first
            self._claim(client, there, key, amount, token, tries + 1, first)

        asked = self._recorder.begin(client, place, key, amount=amount, token=token)
        self._send(asked, partial(self._count_once, place != first), go_on)

    def _send(
        self,
        asked: Operation,
        serve: Callable[[Talk, Process], None],
        go_on: Callable[[str], None],
    ) -> None:
        Talk(self._cluster, self._rng, asked, partial(self._told, go_on)).begin(serve)

    def _told(self, go_on: Callable[[str], None], asked: Operation, said: Said | None) -> None:
        """Take an answer, or None where the client gave up, and go on."""
        said = said or Said(Outcome.UNKNOWN)
        kind = "increment" if asked.amount else "consistent" if asked.consistent else "read"
        self.tally[f"{kind} {said.outcome.value}"] += 1
        self.tally["repeated"] += said.repeated
        self._recorder.end(asked, **attrs.asdict(said, recurse=False))
        if said.outcome is not Outcome.OK:
            self._places.pop(asked.client, None)
        go_on(asked.client)

    # -- what a process does for it ---------------------------------------------------------

    def _read(self, talk: Talk, process: Process) -> None:
        if is_readable(process) or self._rng.random() < STALE_SHARE:
            talk.answer(process, Said(Outcome.OK, talk.value(process)))
        else:
            talk.answer(process, Said(Outcome.REFUSED))

    def _count(self, level: Level, talk: Talk, process: Process) -> None:
        asked = talk.asked
        key, amount = asked.key.encode(), asked.amount
        if level is Level.LOCAL:
            accepted = process.clients.add(key, amount, partial(self._counted, talk, process))
        else:
            seconds = self._rng.uniform(*ASKING_S)
            held = partial(self._held, talk, process)
            accepted = process.clients.keep(key, amount, level, seconds, held)
        if not accepted:
            talk.answer(process, Said(Outcome.REFUSED))
        process.turn()

    def _count_once(self, is_repeat: bool, talk: Talk, process: Process) -> None:
        """Do what the daemon does for a named increment."""
        receipts, asked = process.node.receipts, talk.asked
        claim = Claim(hash_of(asked.token), hash_of(f"{asked.key} {asked.amount}"))
        if receipts.is_pending(claim):
            again = partial(self._count_once, is_repeat)
            self._cluster.world.after(PENDING_S, process.call, again, talk, process)
            return
        receipt = receipts.find(claim, process.node.config.wall_ms())
        if receipt is not None:
            talk.answer(process, Said(Outcome.OK, receipt.values[0], repeated=True))
        elif is_repeat:
            talk.answer(process, Said(Outcome.UNKNOWN))
        else:
            counted = partial(self._counted_once, claim, talk, process)
            if not process.clients.add(asked.key.encode(), asked.amount, counted, claim):
                talk.answer(process, Said(Outcome.REFUSED))
            process.turn()

    def _counted_once(self, claim: Claim, talk: Talk, process: Process, counts: bool) -> None:
        receipt = process.node.receipts.find(claim, 0) if counts else None
        value = receipt.values[0] if receipt is not None else None
        talk.answer(process, Said(Outcome.OK if counts else Outcome.REFUSED, value))

    def _counted(self, talk: Talk, process: Process, counts: bool) -> None:
        said = Said(Outcome.OK, talk.value(process)) if counts else Said(Outcome.REFUSED)
        talk.answer(process, said)

    def _held(self, talk: Talk, process: Process, outcome: AckDone) -> None:
        covers = tuple(
            name
            for name, host in self._cluster.hosts.items()
            if host.name in outcome.held_by and host.node not in self._cluster.rolled_back
        )
        self.tally[f"held by {outcome.reached.name.lower()}"] += 1
        said = Said(
            Outcome.OK,
            talk.value(process),
            covers=covers,
            holders=len(outcome.held_by),
            to_all=outcome.reached is Level.ALL,
        )
        talk.answer(process, said)

    def _read_all(self, talk: Talk, process: Process) -> None:
        if not is_readable(process) or len(process.node.reading) >= READS_MAX:
            talk.answer(process, Said(Outcome.REFUSED))
            return
        covered = find_reachable(self._cluster, process)

        def done(missing: tuple[str, ...]) -> None:
            outcome = Outcome.REFUSED if missing else Outcome.OK
            covers = tuple(
                name
                for name, host in self._cluster.hosts.items()
                if host.node in covered and not is_gone(self._cluster, name)
            )
            talk.answer(process, Said(outcome, talk.value(process), covers=covers))

        process.read(self._rng.uniform(*ASKING_S), done)


def hash_of(text: str) -> bytes:
    """Return what stands for a text in a receipt."""
    return blake2b(text.encode(), digest_size=HASH_BYTES).digest()


@attrs.frozen
class Said:
    """What a node answers; the fields are those of an operation."""

    outcome: Outcome
    value: int | None = None
    covers: tuple[str, ...] | None = None
    holders: int = 1
    to_all: bool = False
    repeated: bool = False


class Talk:
    """One request on its way, and its answer on its way back.

    `told` gets the operation and what was said, or None where the client gave up first.
    """

    def __init__(
        self,
        cluster: Cluster,
        rng: Random,
        asked: Operation,
        told: Callable[[Operation, Said | None], None],
    ) -> None:
        self.asked = asked
        self._world = cluster.world
        self._host = cluster.hosts[asked.place]
        self._rng = rng
        self._told: Callable[[Operation, Said | None], None] | None = told

    def begin(self, serve: Callable[[Talk, Process], None]) -> None:
        """Send it; `serve` is what the process does with it."""
        self._world.after(self._rng.uniform(*PATIENCE_S), self._end, None)
        self._world.after(self._rng.uniform(*WAY_S), self._arrive, serve)

    def _arrive(self, serve: Callable[[Talk, Process], None]) -> None:
        process = self._host.process
        if process is None:  # nobody listens: it was certainly not sent
            self._end(Said(Outcome.REFUSED))
        else:
            process.call(serve, self, process)

    def value(self, process: Process) -> int:
        """Return what the process shows now."""
        return process.node.counters.value(self.asked.key.encode())

    def answer(self, process: Process, said: Said) -> None:
        """Send the answer back; it may be lost if the process ends meanwhile."""
        self._world.after(self._rng.uniform(*WAY_S), self._back, process, said)

    def _back(self, process: Process, said: Said) -> None:
        if process.alive or self._rng.random() < 0.5:
            self._end(said)

    def _end(self, said: Said | None) -> None:
        told, self._told = self._told, None
        if told is not None:
            told(self.asked, said)


def is_readable(process: Process) -> bool:
    """Say whether a node answers reads, as the daemon does."""
    node = process.node
    waits = (*node.twins.reasons(), *node.removing.reasons_unread(), *node.joining.reasons())
    return not waits


def is_gone(cluster: Cluster, name: str) -> bool:
    """Say whether a consistent read that ends now may lack what a host has."""
    host = cluster.hosts[name]
    if host.node in cluster.rolled_back:
        return True
    if host.sent_away:
        return False  # it handed over all it had before it left
    entries = [process.node.roster.get(host.node) for process in cluster.running]
    return any(entry is not None and entry.state is State.REMOVED for entry in entries)
