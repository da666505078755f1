"""Approving: how approvals of newcomers are made and how they spread.

Theory. Any member may approve; the others learn of it as they learn of roster entries: what
changed goes to everyone once it is durable, all of it when a bulk link opens or hashes differ.
So an approval holds wherever the newcomer knocks, and one made on one side of a split holds on
both when it heals. This module refuses to know who is let in by them.
"""

from __future__ import annotations

from gcounterd.errors import ClientError
from gcounterd.ids import show
from gcounterd.members.approvals import APPROVALS_MAX, Approval
from gcounterd.members.roster import Entry, Roster
from gcounterd.node.config import Config
from gcounterd.node.effects import Effect, Send
from gcounterd.node.intake import Intake
from gcounterd.node.joining import Joining
from gcounterd.node.messages import Approvals as ApprovalsMessage
from gcounterd.node.messages import Channel
from gcounterd.node.peers import Link, Peers


class Approving:
    """The making and spreading of approvals; one per node."""

    def __init__(
        self, config: Config, roster: Roster, intake: Intake, peers: Peers, joining: Joining
    ) -> None:
        self._config = config
        self._roster = roster
        self._table = roster.approvals
        self._intake = intake
        self._peers = peers
        self._joining = joining

    def approve(self, name: str, token_hash: bytes, life_ms: int) -> Approval:
        """Queue an approval for the next commit and return it; raise `ClientError`."""
        if not self._joining.counting:
            raise ClientError(503, "not_active", "; ".join(self._joining.reasons()))
        holder = self.holder(name)
        if holder is not None:
            text = f"the name '{name}' belongs to node {show(holder.node)[:12]} at {holder.address}"
            who = {"id": show(holder.node), "name": holder.name, "address": holder.address}
            raise ClientError(409, "name_in_use", text, details={"holder": who})
        wall_ms = self._config.wall_ms()
        if len(self._table.awaited(wall_ms)) >= APPROVALS_MAX:
            text = f"{APPROVALS_MAX} approvals wait for their nodes; some must join or expire first"
            raise ClientError(409, "too_many_approvals", text)
        approval = Approval(name, token_hash, wall_ms + life_ms)
        self._intake.take_approvals((approval,))
        return approval

    def holder(self, name: str) -> Entry | None:
        """Return the member that a name belongs to, None if it is free."""
        return next(iter(self._roster.named(name)), None)

    def take(self, message: ApprovalsMessage) -> list[Effect]:
        """Queue what is new in a peer's approvals."""
        news = self._table.news(message.approvals, self._config.wall_ms())
        self._intake.take_approvals(news)
        return []

    def merge(self, approvals: tuple[Approval, ...]) -> list[Effect]:
        """Take in approvals that are durable, and pass on what changed."""
        changed = self._table.merge(approvals, self._config.wall_ms())
        links = tuple([link.id for link in self._peers.on(Channel.BULK)])
        return [Send(links, ApprovalsMessage(changed))] if changed and links else []

    def tell_all(self, link: Link) -> list[Effect]:
        """Tell a peer every approval."""
        found = tuple(self._table)
        return [Send((link.id,), ApprovalsMessage(found))] if found else []

    def hash(self) -> bytes:
        """Return 16 bytes that are equal where approvals are, those of long ago left out.

        b"" stands for none at all.
        """
        self._table.forget(self._config.wall_ms())
        return self._table.hash() if len(self._table) else b""
