"""Effects: what a node asks of the world, in the order in which it must happen.

A closed vocabulary. Durability is not an effect: everything durable goes through the group
commit (`Node.cut`, `Node.applying`, `Node.committed`), and a node only ever speaks of what has
been committed, so nothing here has to wait for a disk. This module refuses to know how links,
timers or logs work.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from gcounterd.counters.batches import Batch
from gcounterd.counters.mends import AnyTurn
from gcounterd.ids import ColumnId, Epoch
from gcounterd.node.levels import Level
from gcounterd.node.messages import Channel, Message, Refusal


@attrs.frozen
class Dial:
    """Open a connection to `address`; ends in `Node.opened` or `Node.dial_failed`."""

    address: str
    channel: Channel


@attrs.frozen(eq=False)
class Send:
    """Queue `message` on each of `links`. A full queue drops it, and that is harmless."""

    links: tuple[int, ...]
    message: Message


@attrs.frozen
class Drop:
    """Close a link, after saying why if `refusal` is given, or what is queued if `gently`."""

    link: int
    reason: str
    refusal: Refusal | None = None
    gently: bool = False


@attrs.frozen
class Exit:
    """This process cannot go on: it was refused for good. `code` is the exit status."""

    code: int
    text: str


@attrs.frozen
class Redraw:
    """Draw an epoch above this one, write it down, and hand it to `Node.reopen`.

    If it cannot be written down, nothing has happened: it will be asked for again.
    """

    above: Epoch


@attrs.frozen
class Load:
    """Read a closed column from disk, put it in memory (`Counters.warm`) and call `Node.loaded`."""

    column: ColumnId


@attrs.frozen(eq=False)
class Carry:
    """Carry a turn out, between two commits, and say what came of it (`Settlement.turned`)."""

    turn: AnyTurn


@attrs.frozen(eq=False)
class Keep:
    """Write a refused column to a file and say so (`Late.kept`).

    counted  up to which version it is counted
    of       of a sum of forgotten columns: the version of each in it, and up to which it is counted
    """

    batch: Batch
    counted: int
    of: Mapping[ColumnId, tuple[int, int]] = attrs.Factory(dict)


@attrs.frozen
class Notice:
    """Something an operator may want to read, count or watch; `name` is stable."""

    name: str
    fields: dict[str, str | int | float]


@attrs.frozen
class ReadDone:
    """A consistent read has ended: exact if `missing` is empty, else names those not heard."""

    number: int
    missing: tuple[str, ...]


@attrs.frozen
class AckDone:
    """A wait for members to hold something has ended: how many do, and by which names."""

    number: int
    reached: Level
    held_by: tuple[str, ...]


Effect = Dial | Send | Drop | Exit | Redraw | Load | Carry | Keep | Notice | ReadDone | AckDone
