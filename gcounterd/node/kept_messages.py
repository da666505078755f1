"""Messages by which a writer learns who holds its increments.

Values only, as all messages; what follows from them is in `node.acknowledging` and `node.keeping`.
"""

from __future__ import annotations

import attrs

from gcounterd.ids import ColumnId


@attrs.frozen
class AskKept:
    """Bulk: do you hold these columns durably, up to these versions?

    Each is answered in a `Kept` as soon as that is so, and possibly before, with less.
    """

    heads: dict[ColumnId, int]


@attrs.frozen
class Kept:
    """Bulk: I hold these columns durably, up to these versions."""

    heads: dict[ColumnId, int]
