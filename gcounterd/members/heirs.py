"""Heirs: under whose name the counts of a removed member are shown.

Theory. Each removed member names an heir, who may be removed in turn, so what it counted is shown
under the first member along the chain that still belongs. Members may be removed at several places
at once, and then chains can end at a removed member or run in a circle; these are shown as of no
member. An heir is for display only: nothing is added to anybody's column, so no choice of heirs can
touch a number.
"""

from __future__ import annotations

from gcounterd.ids import NodeId
from gcounterd.members.roster import Roster, State

# What is shown in place of a member that has no heir left.
NO_HEIR = "removed nodes"


def heir_of(roster: Roster, node: NodeId) -> NodeId | None:
    """Return under whom the counts of `node` are shown: itself unless it is removed, or None.

    A node that no roster knows stands for itself.
    """
    seen: dict[NodeId, None] = {}
    at: NodeId | None = node
    while at is not None and at not in seen:
        entry = roster.get(at)
        if entry is None or entry.state is not State.REMOVED:
            return at
        seen[at] = None
        at = entry.heir
    return None


def shown_as(roster: Roster, node: NodeId) -> str:
    """Return the words under which the counts of `node` are shown."""
    heir = heir_of(roster, node)
    return NO_HEIR if heir is None else roster.label(heir)
