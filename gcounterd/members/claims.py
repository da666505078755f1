"""Claims: what is said of a member, and which of two claims holds.

Theory. SWIM orders claims about a member by its *incarnation*, a number that only the member itself
raises, to refute what is said of it (Das, Gupta, Motivala 2002, section 4.2). An incarnation
belongs to one process life, so here the pair (epoch, incarnation) orders them: whatever was said of
an earlier life says nothing of the next. Between claims of one incarnation the worse holds, since
the member can always raise its own and nobody else can. `NEEDS` is that rule, all of it; the table
in the documentation is made from it. It is a total order, so merging claims is taking the greater.

This module refuses to know who may be believed, and for how long something is suspected.
"""

from __future__ import annotations

import enum

import attrs

from gcounterd.ids import Epoch, NodeId

# Far above what refuting once a second for a lifetime needs; peers may not send more.
INCARNATION_MAX = 2**53


class Liveness(enum.IntEnum):
    """What is believed of a member."""

    ALIVE = 0
    SUSPECT = 1
    DEAD = 2
    LEFT = 3


class Evidence(enum.IntEnum):
    """What an accuser saw: no answer in time, or a host that is up and whose port refuses."""

    SILENT = 0
    REFUSED = 1


class Needs(enum.Enum):
    """Which incarnation a claim of the same epoch needs, to replace what is believed."""

    SAME = "the same or a higher incarnation"
    HIGHER = "a higher incarnation"


_S, _H = Needs.SAME, Needs.HIGHER
# By what is believed: for each claim, in the order of `Liveness`, the incarnation that it needs. A
# claim of a newer epoch always replaces, one of an older never.
NEEDS: dict[Liveness, tuple[Needs, Needs, Needs, Needs]] = {
    Liveness.ALIVE: (_H, _S, _S, _S),
    Liveness.SUSPECT: (_H, _H, _S, _S),
    Liveness.DEAD: (_H, _H, _H, _S),
    Liveness.LEFT: (_H, _H, _H, _H),
}


@attrs.frozen
class Claim:
    """What somebody says of `node`, in its life `epoch`.

    accuser   who says it first, of SUSPECT and DEAD
    evidence  what the accuser saw
    """

    node: NodeId
    epoch: Epoch
    incarnation: int
    liveness: Liveness
    accuser: NodeId | None = None
    evidence: Evidence = Evidence.SILENT

    def replaces(self, believed: Claim) -> bool:
        """Say whether this claim holds against what is believed of the same member."""
        if self.epoch != believed.epoch:
            return self.epoch > believed.epoch
        if self.incarnation != believed.incarnation:
            return self.incarnation > believed.incarnation
        return NEEDS[believed.liveness][self.liveness] is Needs.SAME


def write_table() -> str:
    """Write `NEEDS` as a Markdown table, for the documentation."""
    names = [each.name.lower() for each in Liveness]
    lines = [
        "| believed \\ claimed | " + " | ".join(names) + " |",
        "|---" * (len(names) + 1) + "|",
    ]
    for believed, row in NEEDS.items():
        cells = [needs.value for needs in row]
        lines.append(f"| **{believed.name.lower()}** | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def write_diagram() -> str:
    """Write `NEEDS` as a Mermaid state diagram: how a member's liveness changes at one node."""
    lines = ["stateDiagram-v2", "    [*] --> alive"]
    for believed, row in NEEDS.items():
        for claimed, needs in zip(Liveness, row, strict=True):
            if claimed is not believed:
                sign = "same or higher" if needs is Needs.SAME else "higher"
                arrow = f"{believed.name.lower()} --> {claimed.name.lower()}"
                lines.append(f"    {arrow}: {sign}")
        if believed is not Liveness.ALIVE:
            lines.append(f"    {believed.name.lower()} --> alive: newer epoch")
    return "\n".join(lines) + "\n"
