"""States of clusters: one state of each host, and the messages under way.

Theory. Hosts share nothing but links. A link is open between two processes; what was sent on it
can arrive in any order or never, and, a few times in a run, twice: more than TCP does, since the
protocol claims not to need TCP for being right. What is under way to a process ends with it; what
is under way from it can still arrive until the other side meets its next life. A lost message and
one that never arrives are the same, so no step loses one.

Where a delivery changes nothing and sends nothing, the message stays where it is: the states
before and after are then one.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.search.ground import HOSTS
from tests.search.host import Input
from tests.search.locals import Locals, Look

_N = len(HOSTS)
Bag = tuple[int, ...]
# A conversation of a handful of columns takes some ten messages.
_DELIVERIES_MAX = 1000
_NO_BAGS: tuple[Bag, ...] = ((),) * (_N * _N)


class State(NamedTuple):
    """A cluster.

    hosts   the number of each host's state
    fresh   by sender and receiver, messages that were not delivered yet
    spent   those that were, while they may be delivered once more
    wakes, repeats, links   how often hosts were woken, messages delivered again, links made anew
    """

    hosts: tuple[int, ...]
    fresh: tuple[Bag, ...] = _NO_BAGS
    spent: tuple[Bag, ...] = _NO_BAGS
    wakes: int = 0
    repeats: int = 0
    links: int = 0


class Cluster:
    """One state under change: steps are taken on it, then `state` is the state after them."""

    def __init__(self, states: Locals, state: State, repeats_max: int) -> None:
        self.locals = states
        self.hosts = list(state.hosts)
        self.fresh = list(state.fresh)
        self.spent = list(state.spent)
        self.wakes, self.repeats, self.links = state[3:]
        self._repeats_max = repeats_max
        self.complaint = ""
        self.changed = False

    @property
    def state(self) -> State:
        """Return what it has come to."""
        spent = tuple(self.spent) if self.repeats < self._repeats_max else _NO_BAGS
        used = self.wakes, self.repeats, self.links
        return State(tuple(self.hosts), tuple(self.fresh), spent, *used)

    def look(self, host: int) -> Look:
        """Return what is seen of a host."""
        return self.locals.looks[self.hosts[host]]

    def do(self, host: int, what: Input) -> bytes | None:
        """Let something happen to a host; return the refusal of a hello, None if none was."""
        step = self.locals.step(self.hosts[host], what)
        self.changed = self.changed or step.to != self.hosts[host] or bool(step.sends)
        self.hosts[host] = step.to
        for peer, message in step.sends:
            self._send(host, peer, message)
        if not self.complaint:
            self.complaint = step.complaint or self._compare(host)
        if not self.look(host).alive and what[0] != "rewind":
            self._hang_up(host)
        for peer in step.dropped:
            self._forget(host, peer)
            if host in self.look(peer).links:
                self.do(peer, ("close", host))
        return step.refusal

    def _hang_up(self, host: int) -> None:
        """Lose what is under way to a process that ended."""
        for sender in range(_N):
            at = sender * _N + host
            self.fresh[at] = self.spent[at] = ()

    def _forget(self, one: int, other: int) -> None:
        """Lose what is under way between two hosts."""
        for at in (one * _N + other, other * _N + one):
            self.fresh[at] = self.spent[at] = ()

    def _compare(self, host: int) -> str:
        compare, mine = self.locals.compare, self.hosts[host]
        return next((told for each in self.hosts if (told := compare(mine, each))), "")

    def _send(self, sender: int, peer: int, message: int) -> None:
        if sender not in self.look(peer).links:
            return
        at = sender * _N + peer
        bag = self.fresh[at]
        if message not in bag:
            self.fresh[at] = tuple(sorted((*bag, message)))

    # -- what can happen --------------------------------------------------------------------

    def deliver(self, sender: int, peer: int, message: int) -> None:
        """Let a message arrive."""
        at = sender * _N + peer
        again = message not in self.fresh[at]
        if again:
            self.repeats += 1
        self.do(peer, ("hear", sender, self.locals.frames[message]))
        if self.changed and not again:
            self.fresh[at] = tuple([each for each in self.fresh[at] if each != message])
            if self.repeats < self._repeats_max:
                self.spent[at] = tuple(sorted({*self.spent[at], message}))

    def lose(self) -> None:
        """Let nothing of what is under way arrive."""
        self.fresh, self.spent = list(_NO_BAGS), list(_NO_BAGS)

    def keep_news(self) -> None:
        """Let nothing of what is under way arrive but what was told unasked."""
        news = self.locals.is_news
        for bags in (self.fresh, self.spent):
            bags[:] = [tuple([m for m in bag if news[m]]) if bag else bag for bag in bags]

    def commit(self, host: int) -> None:
        """Let a host commit, read and write until nothing waits."""
        while (look := self.look(host)).alive and not self.complaint:
            if look.flying:
                self.do(host, ("land",))
            elif look.closed:
                self.do(host, ("reopen",))
            elif look.waiting:
                self.do(host, ("commit",))
            elif look.loading:
                self.do(host, ("load",))
            elif look.imaging:
                self.do(host, ("image",))
            elif look.turning:
                self.do(host, ("turn",))
            else:
                return

    def drain(self, *pairs: tuple[int, int]) -> None:
        """Deliver what is under way, of these links or all, each receiver committing at once."""
        for _ in range(_DELIVERIES_MAX):
            for at, bag in enumerate(self.fresh):
                if bag and (not pairs or divmod(at, _N) in pairs):
                    break
            else:
                return
            if self.complaint:
                return
            sender, peer = divmod(at, _N)
            self.fresh[at] = tuple(bag[1:])
            if sender in self.look(peer).links:
                self.do(peer, ("hear", sender, self.locals.frames[bag[0]]))
                self.commit(peer)
        self.complaint = f"I3 agreement: no silence after {_DELIVERIES_MAX} messages"

    def sync(self, one: int, other: int) -> None:
        """Make a link anew, and deliver what is said on it until both ends are silent."""
        self.connect(one, other)
        if other not in self.look(one).links:  # refused, or it is the other's to dial
            self.connect(other, one)
        self.drain((one, other), (other, one))

    def crash(self, host: int, *, survives: bool) -> None:
        """End a process; what is under way to it ends too."""
        self.do(host, ("crash", survives))

    def part(self, one: int, other: int) -> None:
        """Lose a link; what one side leads to may have ended before."""
        self._forget(one, other)
        for host, peer in ((one, other), (other, one)):
            if peer in self.look(host).links:
                self.do(host, ("close", peer))

    def start(self, host: int) -> None:
        """Start a process; it meets everybody who runs."""
        self.do(host, ("start",))
        for peer in range(_N):
            if peer != host and self.look(peer).alive:
                self.connect(host, peer)

    def wake(self, host: int, pick: int) -> None:
        """Wake a process; one that returns dials everybody, and is told where nobody answers."""
        self.do(host, ("wake", pick))
        for peer in range(_N):
            if self.look(host).returning and peer != host and not self.look(peer).alive:
                self.do(host, ("unreached", peer))

    def connect(self, dialler: int, peer: int) -> None:
        """Make a link anew, whether or not there was one; a refusal is told to who dialled."""
        self.part(dialler, peer)
        if self.look(dialler).returning:
            self.wake(dialler, 0)  # it dials by itself, and remembers whom
        hello, answer = self.look(dialler).hello, self.look(peer).hello
        step = self.locals.step(self.hosts[peer], ("open", dialler, hello, False))
        refusal = self.do(peer, ("open", dialler, hello, False))
        if refusal is not None:
            self.do(dialler, ("refused", peer, refusal))
            return
        if self.do(dialler, ("open", peer, answer, True)) is not None:
            self.do(peer, ("close", dialler))
            return
        for to, message in step.sends:  # said before the other end was open
            if to == dialler:
                self._send(peer, dialler, message)
