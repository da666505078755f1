"""Actions: what the detector asks of whoever can reach members, and what it has to tell.

A closed vocabulary of values, in the order in which they must happen.
"""

from __future__ import annotations

import attrs

from gcounterd.ids import NodeId
from gcounterd.members.claims import Claim


@attrs.frozen
class Contact:
    """Send a ping of that number to the target, over a new connection if there is none.

    Ends in `Detector.acked`, `Detector.unreached`, or not at all.
    """

    number: int
    target: NodeId


@attrs.frozen
class AskRelays:
    """Ask these members to ping the target; each ends in `acked`, `nacked` or not at all."""

    number: int
    target: NodeId
    relays: tuple[NodeId, ...]


@attrs.frozen
class Tell:
    """Tell claims to these members, as far as they are connected."""

    targets: tuple[NodeId, ...]
    claims: tuple[Claim, ...]


@attrs.frozen
class Happened:
    """A member, or this node, is seen differently now; `event` is one of `EVENTS`.

    claim   what is believed now, of events about a member
    why     in words, or ""
    """

    event: str
    claim: Claim | None = None
    why: str = ""
    seconds: float = 0.0


EVENTS = ("joined", "suspect", "refuted", "dead", "back", "left", "alone", "company", "slow")

Action = Contact | AskRelays | Tell | Happened
