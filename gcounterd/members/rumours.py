"""Rumours: claims that are still being told, each a limited number of times.

Theory. SWIM tells each change with the probes that are sent anyway, and each node tells it
lambda * log N times, which reaches everyone with high probability (Das, Gupta, Motivala 2002,
section 4.1); what that misses, comparing tables repairs. What was told least goes first. A new
claim about a member takes the place of the older ones about it, so the number that waits is
bounded by the members, however fast they change.

This module refuses to know when and to whom rumours are told.
"""

from __future__ import annotations

import heapq
from operator import attrgetter

import attrs

from gcounterd.ids import NodeId
from gcounterd.members.claims import Claim, Liveness


@attrs.define(eq=False)
class _Rumour:
    claim: Claim
    told: int
    number: int


class Rumours:
    """Claims waiting to be told, by member and accuser."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[NodeId, NodeId | None], _Rumour] = {}
        self._by_node: dict[NodeId, list[tuple[NodeId, NodeId | None]]] = {}
        self._number = 0
        self.tellings = 0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, claim: Claim) -> None:
        """Tell a claim from now on, instead of those that it replaces.

        Several accusers of one suspicion stand beside each other: each is news.
        """
        for key in list(self._by_node.get(claim.node, ())):
            old = self._waiting[key].claim
            beside = old.liveness is claim.liveness is Liveness.SUSPECT
            if claim.replaces(old) or not beside:
                self._remove(key)
        self._number += 1
        accuser = claim.accuser if claim.liveness is Liveness.SUSPECT else None
        key = (claim.node, accuser)
        if key not in self._waiting:
            self._by_node.setdefault(claim.node, []).append(key)
        self._waiting[key] = _Rumour(claim, 0, self._number)

    def forget(self, node: NodeId) -> None:
        """Tell nothing more about a member."""
        for key in list(self._by_node.get(node, ())):
            self._remove(key)

    def _remove(self, key: tuple[NodeId, NodeId | None]) -> None:
        del self._waiting[key]
        keys = self._by_node[key[0]]
        keys.remove(key)
        if not keys:
            del self._by_node[key[0]]

    def take(self, most: int, times: int) -> tuple[Claim, ...]:
        """Return at most so many claims to tell now; each is told `times` times in all."""
        if not self._waiting:
            return ()
        chosen = heapq.nsmallest(most, self._waiting.values(), key=attrgetter("told", "number"))
        for rumour in chosen:
            self.tellings += 1
            rumour.told += 1
            if rumour.told >= times:
                accuser = rumour.claim.accuser
                suspect = rumour.claim.liveness is Liveness.SUSPECT
                self._remove((rumour.claim.node, accuser if suspect else None))
        return tuple([rumour.claim for rumour in chosen])
