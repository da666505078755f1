"""Conflicts: members whose sums of forgotten columns cannot be joined with ours.

Theory. Two replicas that have forgotten one column at different versions, or sets of columns that
overlap, hold sums that nobody can take apart: whatever one took of the other would count something
twice or leave something out. Members cannot come to that by forgetting, which takes everybody's
hashes; disks can that were copied, or islands that removed each other. Going on side by side would
show two values for ever as if nothing were wrong. So they refuse each other at the hello, with both
maps, until one of the two holds something else than when they compared: hellos show that by a hash.

An operator ends it by removing one of the two. It hands over what can be taken; its sum is written
to a file. This module refuses to know how sums are compared.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from gcounterd.counters.counters import Counters
from gcounterd.ids import ColumnId, NodeId, epoch_of, show
from gcounterd.members.roster import Roster, State
from gcounterd.node.config import Config
from gcounterd.node.effects import Drop, Effect, Notice
from gcounterd.node.joining import Joining
from gcounterd.node.messages import Hello, Refusal, Refused
from gcounterd.node.peers import Link, Peers

Versions = Mapping[ColumnId, int]

# Columns of each map that are kept to be shown; the maps may be large.
SHOWN_MAX = 64
# Of those, how many stand in a notice, and how many in a refusal, which is one small frame.
_NOTED_MAX = 8
_TOLD_MAX = 2
# Digits of an epoch that are told: its milliseconds.
_EPOCH_DIGITS = 12


@attrs.frozen
class Conflict:
    """What was found: whose sums differ, with which peer, and what each side has forgotten.

    ours, theirs            versions by column, the first `SHOWN_MAX` of each
    ours_all, theirs_all    how many there are
    our_state, their_state  what both held then (`Settled.state_hash`)
    """

    node: NodeId
    peer: NodeId
    ours: Versions
    theirs: Versions
    ours_all: int
    theirs_all: int
    our_state: bytes
    their_state: bytes


class Conflicts:
    """The members that this node refuses for their sums; one per node."""

    def __init__(
        self, config: Config, counters: Counters, roster: Roster, peers: Peers, joining: Joining
    ) -> None:
        self._address = config.address
        self._counters = counters
        self._roster = roster
        self._peers = peers
        self._joining = joining
        self._found: dict[NodeId, Conflict] = {}

    def all(self) -> list[Conflict]:
        """Return what stands between us and other members, by peer."""
        known = [self._found[peer] for peer in sorted(self._found)]
        return [each for each in known if self._belongs(each.peer)]

    def _belongs(self, peer: NodeId) -> bool:
        entry = self._roster.get(peer)
        return entry is not None and entry.state is not State.REMOVED

    def find(self, link: Link, node: NodeId, ours: Versions, theirs: Versions) -> list[Effect]:
        """Take note that a peer's sum cannot be joined with ours; part with it.

        Drops among the effects are of links that the caller has to forget.
        """
        conflict = Conflict(
            node,
            link.peer,
            dict(list(ours.items())[:SHOWN_MAX]),
            dict(list(theirs.items())[:SHOWN_MAX]),
            len(ours),
            len(theirs),
            self._counters.settled.state_hash(),
            link.hello.settled,
        )
        self._found[link.peer] = conflict
        self._joining.give_up(link.peer)
        fields: dict[str, str | int | float] = {
            "node": show(node),
            "peer": link.hello.name,
            "ours": describe(conflict.ours, _NOTED_MAX, len(ours)),
            "theirs": describe(conflict.theirs, _NOTED_MAX, len(theirs)),
        }
        refusal = self._refuse(conflict)
        drops = [Drop(each.id, "residues", refusal) for each in self._peers.of(link.peer)]
        return [Notice("residues_differ", fields), *drops]

    def joined(self, peer: NodeId, node: NodeId) -> None:
        """Take note that a peer's sum of a node is no obstacle (any more)."""
        found = self._found.get(peer)
        if found is not None and found.node == node:
            del self._found[peer]

    def judge(self, hello: Hello) -> Refusal | None:
        """Return why a peer's hello is refused, or None: then both compare (again)."""
        found = self._found.get(hello.node)
        if found is None:
            return None
        ours = self._counters.settled.state_hash()
        if (ours, hello.settled) != (found.our_state, found.their_state):
            return None
        return self._refuse(found)

    def _refuse(self, conflict: Conflict) -> Refusal:
        label = self._roster.label(conflict.node)
        ours = describe(conflict.ours, _TOLD_MAX, conflict.ours_all)
        theirs = describe(conflict.theirs, _TOLD_MAX, conflict.theirs_all)
        text = f"sums of {label} cannot be joined: forgotten here {ours}; by you {theirs}"
        return Refusal(Refused.RESIDUES, text, self._address)


def describe(versions: Versions, most: int, of: int) -> str:
    """Write the first columns of a residue map as `epoch@version`, and how many more there are."""
    shown = list(versions.items())[:most]
    words = [f"{show(epoch_of(column))[:_EPOCH_DIGITS]}@{version}" for column, version in shown]
    more = [f"and {of - len(shown)} more"] if of > len(shown) else []
    return " ".join([*words, *more]) or "nothing"
