"""Twins: what becomes of a process when another one runs with its node id.

Theory. A data directory can be copied (a cloned disk, a backup put in place while its node runs),
and then two processes show one node id. Each writes a column of its own, so whatever both count
stays exact; but a node has one place in the cluster. So one must go, decided without anybody's help
and so that never both go and never one alone:

    A process is *provisional* until it has counted or been accepted by a peer in this life, then
    *established*. Only an established one says that it is there. A provisional one that is told so
    goes; of two established ones the lower epoch goes, as it is when the answer arrives. Epochs of
    a process only rise, so the order of those that went and why has no circle.

Whether a higher epoch is a living process is found out by asking it (`asking`): by whoever it says
hello to, and by ourselves at the address under which it is known. If nobody answers, it is a past
life that this disk has forgotten (a backup, a clock that is behind): then this process draws a new
epoch above and goes on in a new column, so that it is again the highest of its node.

This module refuses to know how a process goes (`giving_way`).
"""

from __future__ import annotations

from gcounterd.counters.counters import Counters
from gcounterd.errors import ClientError
from gcounterd.ids import LAST_MS, Epoch, ms_of
from gcounterd.members.roster import Roster
from gcounterd.node.asking import Asking, Verdict, try_again, twin
from gcounterd.node.config import Config
from gcounterd.node.dialling import Dialler
from gcounterd.node.effects import Dial, Effect, Notice, Redraw, Send
from gcounterd.node.giving_way import GivingWay
from gcounterd.node.messages import (
    Channel,
    Hello,
    Here,
    Refusal,
    Refused,
    Who,
)
from gcounterd.node.peers import Link, Peers
from gcounterd.node.removal_messages import Held


class Twins:
    """One process among those of its node id.

    established  it has counted, or was accepted by a peer, in this life
    """

    def __init__(
        self,
        config: Config,
        roster: Roster,
        counters: Counters,
        peers: Peers,
        dialler: Dialler,
    ) -> None:
        self._config = config
        self._roster = roster
        self._counters = counters
        self._peers = peers
        self._dialler = dialler
        interval = config.timing.interval
        patience_s = interval + config.timing.timeout
        self._asking = Asking(roster, peers, dialler, patience_s)
        self._dial_good_s = 2 * patience_s
        self._giving_way = GivingWay(counters, roster)
        self._higher: Epoch | None = None
        self._asked = ""
        self._told_patience_s = 2 * interval
        self._redraw_due = self._redraw_again = -float("inf")
        self._redraw_delay = interval
        self.established = False

    @property
    def yielding(self) -> bool:
        """Say whether this process gives way to a twin."""
        return self._giving_way.active

    def reasons(self) -> list[str]:
        """Return why this node is not ready, in words; empty where it is not about twins."""
        return [self._giving_way.reason] if self._giving_way.active else []

    def check(self) -> None:
        """Raise `ClientError` where a process that gives way is asked to count."""
        if self._giving_way.active:
            raise ClientError(503, "twin", self._giving_way.reason)

    # -- hellos -----------------------------------------------------------------------------

    def judge(self, hello: Hello, now: float) -> Verdict:
        """Say whether the sender of a hello may take its node's place here."""
        if hello.node != self._config.node:
            return self._asking.judge(hello, now)
        if hello.nonce == self._config.nonce:
            text = "you have dialled yourself"
            return Refusal(Refused.SELF, text, self._config.address), []
        if hello.channel is Channel.BULK and (self._giving_way.active or hello.yielding):
            takes_over = self._giving_way.active or self.established
            return (None if takes_over else try_again()), []
        insists = not (hello.provisional or hello.yielding)
        if not self.established or self._giving_way.active:
            return try_again(), self._dial(hello.address, now) if insists else []
        told = self._tell(hello.epoch, hello.address, now) if insists else []
        return twin(self._config.address, self._config.epoch), told

    def heard(self, link: Link) -> list[Effect]:
        """Take note of a message: who dialled us and says something has accepted us."""
        return [] if link.guest else self.accepted(link)

    def accepted(self, link: Link) -> list[Effect]:
        """Take note that the peer of a link has accepted us."""
        self.established = True
        return self._giving_way.stop() if link.opened > self._giving_way.since else []

    def dial_failed(
        self, address: str, refusal: Refusal | None, lasted: float, now: float
    ) -> list[Effect]:
        """Take note that a dial came to nothing, and that perhaps a twin is why.

        What a dial that `lasted` too long says may be past: this process stood still meanwhile.
        """
        self._asking.dial_failed(address, refusal)
        if refusal is None or refusal.reason is not Refused.TWIN or lasted > self._dial_good_s:
            return []
        is_lower = refusal.epoch is not None and refusal.epoch > self._config.epoch
        if not self.established or self._giving_way.active or is_lower:
            return self._giving_way.told(address, refusal, now)
        return []

    # -- questions --------------------------------------------------------------------------

    def answer(self, link: Link, message: Who | Here, now: float) -> list[Effect]:
        """Answer a question about ourselves, or take the answer to one of ours in."""
        if isinstance(message, Here):
            self._asking.heard(link, message, now)
            return []
        if not self.established or self._giving_way.active:
            return []
        return [Send((link.id,), Here(message.number, self._config.epoch))]

    # -- a higher epoch ---------------------------------------------------------------------

    def look(self, claimed: Epoch | None, now: float) -> list[Effect]:
        """Look whether a later life of this node than ours is known.

        To the roster, or else to members that believe in it, who say no address (`claimed`).
        """
        mine = self._roster.get(self._config.node)
        effects = [] if mine is None else self._tell(mine.epoch, mine.address, now)
        return effects if claimed is None else [*effects, *self._tell(claimed, "", now)]

    def _tell(self, epoch: Epoch, address: str, now: float) -> list[Effect]:
        """Take note of a higher epoch of our node id: ask whether it lives, for a while."""
        known = self._config.epoch if self._higher is None else self._higher
        if epoch <= self._config.epoch or epoch < known or ms_of(epoch) >= LAST_MS:
            return []
        if epoch == self._higher and (self._asked or not address):
            return []
        self._higher, self._asked = epoch, address
        self._redraw_due = max(now + self._told_patience_s, self._redraw_again)
        return [Notice("higher_epoch", {"address": address}), *self._dial(address, now)]

    def _dial(self, address: str, now: float) -> list[Effect]:
        """Ask a process directly: it refuses us, and says why."""
        if address in ("", self._config.address) or not self._dialler.start(address, now):
            return []
        return [Dial(address, Channel.CONTROL)]

    def _redraw(self, now: float) -> list[Effect]:
        """Go above a higher epoch that did not answer; ever more seldom."""
        if self._higher is None or now < self._redraw_due or self._giving_way.active:
            return []
        self._redraw_again = self._redraw_due = now + self._redraw_delay
        self._redraw_delay *= 2
        return [Redraw(self._higher)]

    def reopened(self, config: Config) -> None:
        """Take note of our new epoch."""
        self._config = config
        if self._higher is not None and self._higher < config.epoch:
            self._higher = None

    # -- handing over -----------------------------------------------------------------------

    def opened(self, link: Link) -> list[Effect]:
        """Take note of an ordinary link that opened."""
        return self.accepted(link) if link.dialled is not None else []

    def opened_as_guest(self, link: Link, now: float) -> list[Effect]:
        """Hand over on a link that was opened for it."""
        return self._giving_way.opened(link, now)

    def heard_by_host(self, link: Link, held: Held, now: float) -> list[Effect]:
        """Take note of how far a host holds what we have."""
        told_by = self._giving_way.heard(link, held, now)
        return self._dial(told_by, now) if told_by else []

    def closed(self, link: int) -> None:
        """Take note that a link is gone."""
        self._giving_way.closed(link)

    # -- time -------------------------------------------------------------------------------

    def wake(self, now: float) -> list[Effect]:
        """Do what is due."""
        effects, addresses = self._giving_way.wake(now)
        dials = [dial for address in addresses for dial in self._dial(address, now)]
        return [*effects, *dials, *self._redraw(now)]

    def next_wake(self) -> float:
        """Return when to wake at the latest."""
        due = self._giving_way.next_wake()
        if self._higher is not None and not self._giving_way.active:
            due = min(due, self._redraw_due)
        return due
