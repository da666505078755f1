"""Importing: taking counts from elsewhere into this node, so that they count once everywhere.

Theory. An import is a column like any other (`counters.imports`), only that no process writes it:
whoever brings it puts its one batch and its closing into the same commit. From there on it spreads
as closed columns do, by lines and by what they show to be lacking. Two nodes that import the same
at the same time hold the same column at the same version, so neither has to know of the other.

What people get wrong is bringing a *new* file under an old name: both would count. So a source
that is known with other content is refused, unless they say that it is meant.

The copies are never forgotten (`node.forgetting`): a sum of one column is as large as the column.
This module refuses to know files, and how a batch becomes durable.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import attrs

from gcounterd.counters.imports import (
    VERSION,
    Import,
    check_room,
    is_start,
    show_source,
    source_node,
)
from gcounterd.counters.residues import lines_of
from gcounterd.counters.settled import Closing
from gcounterd.errors import ClientError
from gcounterd.ids import ColumnId, NodeId, node_of, show

if TYPE_CHECKING:
    from gcounterd.node.node import Node


@attrs.frozen
class Known:
    """A source as this node knows it.

    contents  its columns, and whether this node holds them; more than one if told `again`
    keys      counters of those held; one that is in two contents counts twice
    total     what those held add up to
    """

    source: str
    shown_as: str
    contents: tuple[tuple[str, bool], ...]
    keys: int
    total: int


class Importing:
    """Imports; one per node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._counters = node.counters
        self._settled = node.counters.settled

    # -- taking in --------------------------------------------------------------------------

    def is_known(self, column: ColumnId) -> bool:
        """Say whether this very import is known, here or at a peer that told of it."""
        return column in self._settled

    def check(self, given: Import, *, again: bool) -> Iterator[None]:
        """Raise `ClientError` where an import is refused, pausing between slices.

        400 `too_large`, 409 `source_known`, 507 `too_many_counters`, and what refuses increments.
        """
        self._node.check_counting()
        if self.is_known(given.column) and self._counters.head(given.column):
            return
        self._check_source(given, again=again)
        yield from check_room(self._counters, given)
        self._check_source(given, again=again)  # a peer may have told of it meanwhile
        self._node.check_counting()

    def _check_source(self, given: Import, *, again: bool) -> None:
        others = [c for c in lines_of(self._settled, node_of(given.column)) if c != given.column]
        if not others or again:
            return
        if is_start(given.source):
            text = "this counter was given another value to start at"
        else:
            text = f"{given.source!r} was imported with other content"
        hint = "both would count; say `again` if that is meant"
        raise ClientError(409, "source_known", f"{text}; {hint}")

    def take(self, given: Import) -> bool:
        """Put a checked import into the next commit; return False if this node holds it.

        It may hold the content and not know its name yet: then the name is all that is new.
        """
        line = self._settled.get(given.column)
        if line is not None and line.version and line.source:
            return False
        self._node.intake.take_batch(given.batch)
        self._node.settlement.closings.decide(Closing(given.column, VERSION, given.source))
        return True

    # -- showing ----------------------------------------------------------------------------

    def shown_as(self, node: NodeId) -> str:
        """Return under whose name the counts of a node, or of a source, are shown."""
        source = self._settled.sources.get(node)
        return self._node.removing.shown_as(node) if source is None else show_source(source)

    def known(self, after: str, most: int) -> Generator[None, None, list[Known]]:
        """Return what is known of the next sources after one, in order, pausing in between."""
        found = []
        for source in self._settled.sources.page(after, most):
            found.append(self._describe(source))
            yield
        return found

    def _describe(self, source: str) -> Known:
        node = source_node(source)
        lines = lines_of(self._settled, node)
        contents = tuple([(show(column), line.version > 0) for column, line in lines.items()])
        keys = sum(line.size for line in lines.values())
        total = self._counters.base.of(node, sparse=True).total()
        return Known(source, show_source(source), contents, keys, total)
