"""Levels: how many members must hold an increment before it is answered.

A *mark* says where increments lie: up to which version of which columns, mostly of one. A column at
a version is the same everywhere, for ever, so a mark stays true also where its column has been
closed meanwhile, or its writer has ended.
"""

from __future__ import annotations

import enum

from gcounterd.ids import ColumnId

Mark = tuple[tuple[ColumnId, int], ...]


class Level(enum.IntEnum):
    """How many members hold it durably, each as it is set; a higher level implies the lower ones.

    LOCAL     the node that was asked
    MAJORITY  more than half of the members not removed, that node among them
    ALL       every member not removed
    """

    LOCAL = 0
    MAJORITY = 1
    ALL = 2
