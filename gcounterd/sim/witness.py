"""Witness: what a process shows to whoever watches it.

Processes do not judge themselves; what they see goes here, and a cluster hands it to ledger and
checkers. An experiment may watch some of it too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from gcounterd.errors import ClientError
from gcounterd.ids import ColumnId, Epoch
from gcounterd.node.effects import AckDone, Keep, Notice
from gcounterd.node.levels import Mark
from gcounterd.node.records import Group

if TYPE_CHECKING:
    from gcounterd.sim.clients import Add
    from gcounterd.sim.process import Process


class Witness(Protocol):
    """Whoever watches processes."""

    def attempted(self, process: Process, key: bytes, amount: int) -> None:
        """See an increment accepted for the next commit."""

    def turned_away(self, process: Process, error: ClientError) -> None:
        """See an increment refused at once."""

    def cut(self, process: Process, group: Group) -> None:
        """See a group before it goes to the disk."""

    def refused(self, process: Process, adds: Sequence[Add], group: Group) -> None:
        """See increments refused for certain."""

    def applied(self, process: Process, before: dict[ColumnId, int], group: Group) -> None:
        """See a group applied; `before` are the heads that its columns had."""

    def acknowledged(self, process: Process) -> None:
        """See that all of the own column's versions up to its head are answered."""

    def held(self, process: Process, mark: Mark, since: float, outcome: AckDone) -> None:
        """See a client told by whom its increments are held, who asked at `since`."""

    def kept(self, process: Process, keep: Keep) -> None:
        """See what is refused written to a file."""

    def draw(self, process: Process, above: Epoch) -> Epoch:
        """Draw an epoch above this one for a process, by its host's clock."""

    def noticed(self, process: Process, notice: Notice) -> None:
        """See what an operator would."""

    def ended(self, process: Process, code: int, text: str) -> None:
        """See a process end by itself."""
