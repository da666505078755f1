"""Actions: what can happen next to a cluster, and how it is written.

    add a x              the process on a counts x
    commit a             cuts what waits and lands it; in two steps: cut a, land a
    a>b push:a1@1        a message arrives; once more: a>b push:a1@1 again
    wake a 1             does what is due; where it would choose among links, the one of that number
    crash a              kill; crash a landed: the commit under way had reached the disk
    start a              a new life, which meets everybody who runs
    rewind a 2           an older disk, without its newest two rows
    checkpoint a         a whole one; image a: the next image of one
    load a               the closed column that was asked for first is read from disk
    finish a             the process counts no more, and closes its column for good
    turn a               what is forgotten or taken comes to be the residue; stage a: is prepared
    reopen a             its running column was closed: it goes on in a new one
    remove c at a        a removes c, as its operator asks; remove c at a forced: without a majority
    part a b             a link is lost: both believe the other to be dead
    link a b             a link is lost and made anew
    sync a b             the same, and all that is said on it, until both ends are silent
    lose                 nothing that is under way arrives

In a *fused* scope each host commits at once, links are silent outside of `sync`, and only what is
told unasked (pushes) is delivered by itself: fewer steps between subjects that lie far apart.

Theory. Each action reads and writes its *footprint* and nothing else: the state of its host, and
the messages from or to it. Two actions whose footprints do not meet lead to the same state in
either order, so of two such neighbours in a schedule only one order needs to be tried
(`explore`).
"""

from __future__ import annotations

from collections.abc import Iterator

from gcounterd.members import roster
from tests.search.cluster import Cluster, State
from tests.search.ground import HOSTS, INCREMENTS_MAX, KEYS
from tests.search.locals import Locals, Look
from tests.search.scopes import Scope

# verb, host, and what the verb needs
Action = tuple[str, int, int, int]
_N = len(HOSTS)

# Footprints: a bit for each host, then one for each pair of sender and receiver.
_EVERYTHING = (1 << (_N + _N * _N)) - 1


def _host(host: int) -> int:
    return 1 << host


def _way(sender: int, peer: int) -> int:
    return 1 << (_N + sender * _N + peer)


_SENDS = [sum(_way(host, peer) for peer in range(_N)) for host in range(_N)]
_HEARS = [sum(_way(peer, host) for peer in range(_N)) for host in range(_N)]
_ALONE = [_host(host) | _SENDS[host] for host in range(_N)]


def footprint(action: Action) -> int:
    """Return what an action reads or writes, as bits."""
    verb, host, other, _ = action
    match verb:
        case "add" | "cut" | "commit" | "land" | "wake" | "checkpoint" | "image" | "rewind":
            return _ALONE[host]
        case "load" | "finish" | "turn" | "stage":
            return _ALONE[host]
        case "crash":
            return _host(host) | _HEARS[host]
        case "link" | "sync" | "part":
            return _ALONE[host] | _ALONE[other] | _way(host, other) | _way(other, host)
        case "hear":
            return _ALONE[host] | _way(other, host)
        case _:  # of the others: the bags of what was delivered are emptied together
            return _EVERYTHING


def enabled(scope: Scope, states: Locals, state: State) -> Iterator[Action]:
    """Yield what can happen in a state, in a fixed order."""
    if scope.loses:
        yield ("lose", 0, 0, 0)
    looks = [states.looks[number] for number in state.hosts]
    for host, look in enumerate(looks):
        if look.alive:
            yield from _of_the_living(scope, state, looks, host)
        else:
            if look.kept.life < scope.lives:
                yield ("start", host, 0, 0)
            if _sum(looks, "rewinds") < scope.rewinds:
                for rows in range(1, len(look.kept.disk.rows) + 1):
                    yield ("rewind", host, rows, 0)
    yield from _meetings(scope, state, looks)
    for host, look in enumerate(looks):
        for sender in look.links if look.alive else ():
            at = sender * _N + host
            for message in state.fresh[at]:
                yield ("hear", host, sender, message)
            for message in state.spent[at]:
                if message not in state.fresh[at]:
                    yield ("again", host, sender, message)


def _meetings(scope: Scope, state: State, looks: list[Look]) -> Iterator[Action]:
    for host in range(_N):
        for other in range(host + 1, _N):
            linked = other in looks[host].links or host in looks[other].links
            if linked and state.links < scope.links:
                yield ("part", host, other, 0)
            if looks[host].alive and looks[other].alive:
                if scope.syncs:
                    yield ("sync", host, other, 0)
                if state.links < scope.links:
                    yield ("link", host, other, 0)
                    if scope.removed:  # who is refused is told only if it dialled
                        yield ("link", other, host, 0)


def _of_the_living(scope: Scope, state: State, looks: list[Look], host: int) -> Iterator[Action]:
    look = looks[host]
    added = sum(len(each.kept.added) for each in looks)
    if added < scope.increments and len(look.kept.added) < INCREMENTS_MAX:
        for key in range(scope.keys if HOSTS[host] in scope.counting else 0):
            yield ("add", host, key, 0)
    if look.loading:
        yield ("load", host, 0, 0)
    if look.turning and not (look.imaging or look.flying):
        yield ("turn", host, 0, 0)
    if look.turning and scope.splits and not (look.imaging or look.staged):
        yield ("stage", host, 0, 0)
    if look.flying:
        yield ("land", host, 0, 0)
    elif look.closed:
        yield ("reopen", host, 0, 0)
    elif look.waiting:
        yield ("commit", host, 0, 0)
        if scope.splits:
            yield ("cut", host, 0, 0)
    if state.wakes < scope.wakes:
        for pick in range(len(look.links)):
            yield ("wake", host, pick, 0)
    for target in range(_N):
        if HOSTS[target] in scope.removed and target != host and not look.returning:
            state_of = look.states[target]
            if state_of is not None and state_of < roster.State.REMOVING:
                yield ("remove", host, target, 0)
                if scope.forces:
                    yield ("remove", host, target, 1)
    if HOSTS[host] in scope.mortal:
        yield from _of_the_mortal(scope, looks, host)


def _of_the_mortal(scope: Scope, looks: list[Look], host: int) -> Iterator[Action]:
    look = looks[host]
    if look.imaging:
        yield ("image", host, 0, 0)
    elif look.turning:
        pass  # both write images of the same columns
    elif look.kept.disk.rows and _sum(looks, "checkpoints") < scope.checkpoints:
        yield ("checkpoint", host, 0, 0)
        if scope.splits:
            yield ("image", host, 0, 0)
    if scope.finishes and look.idle and not (look.flying or look.finished):
        yield ("finish", host, 0, 0)
    if _sum(looks, "crashes") < scope.crashes:
        yield ("crash", host, 0, 0)
        if look.flying:
            yield ("crash", host, 1, 0)


def _sum(looks: list[Look], what: str) -> int:
    return sum([getattr(look.kept, what) for look in looks])


def perform(cluster: Cluster, action: Action, *, fused: bool = False) -> None:
    """Let an action happen."""
    verb, host, other, message = action
    match verb:
        case "add":
            cluster.do(host, ("add", other))
        case "turn" | "stage":
            cluster.do(host, (verb,))
        case "cut" | "land" | "commit" | "checkpoint" | "image" | "load" | "finish" | "reopen":
            cluster.do(host, (verb,))
        case "wake":
            cluster.wakes += 1
            cluster.wake(host, other)
        case "rewind":
            cluster.do(host, ("rewind", other))
        case "hear" | "again":
            cluster.deliver(other, host, message)
        case "crash":
            cluster.crash(host, survives=bool(other))
        case "start":
            cluster.start(host)
        case "remove":
            cluster.do(host, ("remove", other, bool(message)))
        case "part":
            cluster.links += 1
            cluster.part(host, other)
        case "link":
            cluster.links += 1
            cluster.connect(host, other)
        case "sync":
            cluster.sync(host, other)
        case "lose":
            cluster.lose()
        case _:
            raise AssertionError(f"nobody can {verb}")
    if fused and verb not in ("sync", "link", "part", "lose"):
        cluster.commit(host)
    if fused:
        cluster.keep_news()


def spell(states: Locals, action: Action) -> str:
    """Write an action down."""
    verb, host, other, message = action
    name = HOSTS[host]
    match verb:
        case "add":
            return f"add {name} {KEYS[other].decode()}"
        case "hear" | "again":
            again = " again" if verb == "again" else ""
            return f"{HOSTS[other]}>{name} {states.labels[message]}{again}"
        case "crash":
            return f"crash {name}{' landed' if other else ''}"
        case "rewind":
            return f"rewind {name} {other}"
        case "wake":
            return f"wake {name} {other}"
        case "remove":
            return f"remove {HOSTS[other]} at {name}{' forced' if message else ''}"
        case "link" | "sync" | "part":
            return f"{verb} {name} {HOSTS[other]}"
        case "lose":
            return "lose"
        case _:
            return f"{verb} {name}"
