"""The chronicle: which node saw which event of the membership, and when.

Theory. What a cluster believed is not to be told from what it believes at the end: a healthy
member that was declared dead and came back looks like one that never was. So every event that an
operator would be shown is kept with its moment and its node, in order, and scenarios and
experiments ask about spans of time. A healthy member declared dead, at any node, is the figure
that decides about a detector.

This module refuses to judge, and keeps nothing that is no event of the membership.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from gcounterd.members.actions import EVENTS
from gcounterd.node.effects import Notice


@attrs.frozen
class Seen:
    """One event: `host` saw it at `at`; `member` and `by` are labels, "" where there is none."""

    at: float
    host: str
    event: str
    member: str = ""
    by: str = ""
    why: str = ""


class Chronicle:
    """All events of the membership, in the order in which they happened."""

    def __init__(self) -> None:
        self._seen: list[Seen] = []

    def __len__(self) -> int:
        return len(self._seen)

    def note(self, at: float, host: str, notice: Notice) -> None:
        """Keep a notice if it is an event of the membership."""
        if notice.name in EVENTS:
            member, by, why = (str(notice.fields.get(key, "")) for key in ("member", "by", "why"))
            self._seen.append(Seen(at, host, notice.name, member, by, why))

    def find(
        self, *events: str, member: str = "", host: str = "", since: float = 0.0
    ) -> list[Seen]:
        """Return the events of these names, of all names if none is given, as far as wanted."""
        return [seen for seen in self._since(since) if _fits(seen, events, member, host)]

    def _since(self, since: float) -> Iterator[Seen]:
        return (seen for seen in self._seen if seen.at >= since)


def _fits(seen: Seen, events: tuple[str, ...], member: str, host: str) -> bool:
    return (
        (not events or seen.event in events)
        and (not member or seen.member == member)
        and (not host or seen.host == host)
    )
