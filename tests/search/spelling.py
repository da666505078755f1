"""The spelling: short names of messages, that a schedule is written with.

Theory. A schedule found today is a test tomorrow, so what it names must not depend on encodings:
a message is called by its kind and by what it is about, columns by host and life (`b2`). Messages
of one link that have one name differ in nothing a reader could choose by; the first is meant.
"""

from __future__ import annotations

from hashlib import blake2b

from gcounterd.errors import PeerError
from gcounterd.ids import ColumnId
from gcounterd.node.messages import Digest, Message, Part, Push, Roster, StateHash, Want
from gcounterd.node.settled_messages import Settled, SettledDiffer, SettledSums
from gcounterd.wire.codec import decode
from tests.search.ground import HOSTS, place_of


def label(frame: bytes) -> str:
    """Return the name of a message, without blanks."""
    try:
        name = _label(decode(frame[4:]))
    except PeerError:
        return "garbage"
    # Of kinds that have no name of their own here, a few digits tell one from another.
    return name or f"{type(decode(frame[4:])).__name__.lower()}~{blake2b(frame).hexdigest()[:4]}"


def is_news(frame: bytes) -> bool:
    """Say whether a message tells unasked what was committed."""
    try:
        message = decode(frame[4:])
    except PeerError:
        return False
    return isinstance(message, Push) or (isinstance(message, Settled) and not message.upto)


def _label(message: Message) -> str:
    match message:
        case Push(batch):
            return f"push:{_column(batch.column)}@{batch.version}"
        case Want(column, head, _, gathering, part):
            again = "+" if gathering else ""
            return f"want:{_column(column)}>{head}#{part}{again}"
        case Part(column, _, number, since, version, _):
            end = f"@{version}" if version else ""
            return f"part:{_column(column)}>{since}#{number}{end}"
        case Digest(heads, whole):
            told = ",".join(f"{_column(column)}@{head}" for column, head in heads.items())
            return f"digest{'*' if whole else ''}:{told}"
        case StateHash():
            return "hash?" if message.asks else "hash"
        case Settled(_, upto, lines, asks):
            told = ",".join(f"{_column(c)}@{line.version}" for c, line in lines.items())
            finals = "!" if any(line.final for line in lines.values()) else ""
            return f"settled{'?' if asks else ':' if upto else '*'}{told}{finals}"
        case SettledSums():
            return "sums"
        case SettledDiffer(_, _, differ):
            return f"differ:{differ:x}"
        case Roster(entries):
            told = ",".join(f"{HOSTS[e.node[0] - 1]}{e.epoch[5]}" for e in entries)
            return f"roster:{told}"
        case _:
            return ""


def _column(column: ColumnId) -> str:
    host, life = place_of(column)
    return f"{HOSTS[host]}{life}"
