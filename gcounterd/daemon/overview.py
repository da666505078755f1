"""The overview: what an operator's page shows of the cluster, made once for all who watch.

Theory. It comes in three kinds. `cluster` says who belongs, who answers, and which removals there
are; it changes seldom. `pulse` says what each node counted in all and how far the members are with
it; it changes while there is counting, or somebody is behind. `events` are what happened. A kind is
told again only where something of it is different, so moments are told and not durations: a page
knows by itself that time passes.

Members are asked what they hold only while somebody watches (`node.comparing`), and each look tells
what they answered to the one before. Who looks once asks, and waits for the answers a moment.

This module refuses to know HTTP, and what is done with what it tells.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from operator import itemgetter
from typing import Any

import attrs
import trio

from gcounterd.api.convergence import Standing, describe
from gcounterd.api.feeds import Tidings
from gcounterd.api.responses import dump
from gcounterd.counters.imports import show_source
from gcounterd.counters.sums import NodeSums
from gcounterd.daemon.driver import Driver
from gcounterd.daemon.identity import wall_ms
from gcounterd.daemon.moments import Moments
from gcounterd.daemon.removals import Removals
from gcounterd.daemon.slicing import sliced
from gcounterd.daemon.views import Views
from gcounterd.ids import ColumnId, NodeId, node_of, show

# Members told of, those in trouble first: a crowd is for `gcounterctl members`.
NODES_MAX = 256
# Sums of nodes that are no members any more, and of imports, the largest first; the rest is one.
FORMER_MAX = 16
# Removals that are done, the latest first.
DONE_MAX = 8
EVENTS_TOLD = 50
# A column that is being fetched at so many looks in a row is not one of those that take a moment.
_FETCHING_LOOKS = 3
# Members looked at, and those written, in one slice: a millisecond each.
_MEMBERS_PER_SLICE = 256
_NODES_PER_SLICE = 64
# How long what was seen last is good for who looks once, and how long such a look waits for
# members: those that are well answer in a fraction of it.
FRESH_S = 1.0
ANSWERS_S = 0.25
_POLL_S = 0.02

_TROUBLE = {"dead": 0, "suspect": 1, "left": 2, "alive": 3}

Shape = dict[str, Any]


@attrs.frozen
class Sight:
    """What was seen at a moment: an object for each kind, and the events."""

    at: float
    cluster: Shape
    pulse: Shape
    events: Shape


class Overview:
    """What is seen of the cluster by one node."""

    def __init__(
        self, driver: Driver, views: Views, removals: Removals, pages: Mapping[str, str]
    ) -> None:
        """`pages` are the URLs at which browsers reach other nodes, by name."""
        self._driver = driver
        self._node = driver.node
        self._views = views
        self._removals = removals
        self._pages = pages
        self._sums = NodeSums(driver.node.counters)
        self._moments = Moments()
        self._turn = trio.Lock()
        self._sight: Sight | None = None
        self._told: dict[str, Shape] = {}
        self._fetching: dict[ColumnId, int] = {}  # for how many looks in a row

    # -- looking ----------------------------------------------------------------------------

    async def tidings(self) -> Sequence[Tidings]:
        """Look, and return what there is to tell; to be called each second while somebody watches.

        What a member is said to hold is what it answered since the last call.
        """
        async with self._turn:
            sight = self._sight = await self._look()
            self._ask()
        kinds = {"cluster": sight.cluster, "pulse": sight.pulse}
        tidings = [self._news(kind, shape) for kind, shape in kinds.items()]
        return [*tidings, self._new_events(sight.events)]

    async def read(self) -> Shape:
        """Return what is seen now by kind, for who looks once."""
        async with self._turn:
            if self._sight is None or trio.current_time() > self._sight.at + FRESH_S:
                self._ask()
                with trio.move_on_after(ANSWERS_S):
                    while self._is_awaited():  # noqa: ASYNC110 - answers come by many ways
                        await trio.sleep(_POLL_S)
                self._sight = await self._look()
            sight = self._sight
        return {"cluster": sight.cluster, "pulse": sight.pulse, "events": sight.events}

    def _ask(self) -> None:
        comparing = self._node.linking.comparing
        self._driver.carry_out(comparing.ask(trio.current_time()))

    def _is_awaited(self) -> bool:
        """Say whether a member that lives and can be asked has not answered."""
        now, comparing = trio.current_time(), self._node.linking.comparing
        found = [comparing.look(entry.node, now) for entry in self._node.roster.belonging()]
        return any(each is not None and each.behind > 0 for each in found)

    def _news(self, kind: str, shape: Shape) -> Tidings:
        is_new = self._told.get(kind) != shape
        self._told[kind] = shape
        body = dump({"at": wall_ms(), **shape})
        return Tidings(kind, body, body if is_new else b"")

    def _new_events(self, shape: Shape) -> Tidings:
        before = self._told.get("events", {"next": 0})["next"]
        self._told["events"] = shape
        fresh = [event for event in shape["events"] if event["number"] > before]
        news = dump({**shape, "events": fresh}) if fresh else b""
        return Tidings("events", dump(shape), news)

    async def _look(self) -> Sight:
        now = trio.current_time()
        sums = await sliced(self._sums.look())
        standings = await sliced(self._standings(now))
        nodes = await sliced(self._nodes())
        cluster = self._cluster(nodes)
        self._moments.sweep()
        await trio.lowlevel.checkpoint()
        history = self._driver.history
        return Sight(
            now,
            cluster,
            self._pulse(sums, standings, {each["id"] for each in nodes}),
            await history.read(max(0, history.last - EVENTS_TOLD), "", EVENTS_TOLD, 0),
        )

    # -- who belongs ------------------------------------------------------------------------

    def _nodes(self) -> Generator[None, None, list[Shape]]:
        """Return the members that are told of, those in trouble first."""
        node, views = self._node, self._views
        columns = Counter(node_of(column) for column in node.counters.heads())
        places = []
        for number, entry in enumerate(node.roster.belonging(), 1):
            trouble = _TROUBLE.get(views.liveness(entry.node), 0)
            places.append((trouble, node.roster.label(entry.node), entry))
            if number % _MEMBERS_PER_SLICE == 0:
                yield
        places.sort(key=itemgetter(0, 1))
        nodes = []
        for number, (_, name, entry) in enumerate(places[:NODES_MAX], 1):
            shape = views.member(entry, columns[entry.node])
            nodes.append(self._moments.fix(shape, "node", entry.node) | {"page": self._page(name)})
            if number % _NODES_PER_SLICE == 0:
                yield
        return nodes

    def _page(self, name: str) -> str | None:
        return None if name == self._node.config.name else self._pages.get(name)

    def _cluster(self, nodes: list[Shape]) -> Shape:
        config, reasons = self._node.config, list(self._views.reasons())
        kinds = Counter(self._views.liveness(e.node) for e in self._node.roster.belonging())
        return {
            "cluster": config.cluster,
            "self": config.name,
            "id": show(config.node),
            "ready": not reasons,
            "reasons": reasons,
            "warnings": self._views.warnings(),
            "alone": self._node.detector.alone,
            "liveness": dict(sorted(kinds.items())),
            "nodes": nodes,
            "removals": self._moments.fix(self._shown_removals(), "removals"),
        }

    def _shown_removals(self) -> list[Shape]:
        found: list[Shape] = [{**each} for each in self._removals.all()]
        done = [each for each in found if each["phase"] == "done"]
        done.sort(key=lambda each: math.inf if each["since_s"] is None else each["since_s"])
        for each in found:
            columns = each.pop("columns")
            each["saved_from"] = sorted({name for column in columns for name in column["from"]})
            each["columns"] = len(columns)
        return [*[each for each in found if each["phase"] != "done"], *done[:DONE_MAX]]

    # -- what is counted --------------------------------------------------------------------

    def _standings(self, now: float) -> Generator[None, None, dict[NodeId, Standing]]:
        """Return how the other members stand, by node."""
        node = self._node
        found = {}
        for number, entry in enumerate(node.roster.belonging(), 1):
            if entry.node != node.config.node:
                found[entry.node] = self._standing(entry.node, now)
            if number % _MEMBERS_PER_SLICE == 0:
                yield
        return found

    def _standing(self, other: NodeId, now: float) -> Standing:
        node = self._node
        compared = node.linking.comparing.look(other, now)
        heard = node.removing.heard(other)
        return Standing(
            node.roster.label(other),
            self._views.liveness(other),
            None if compared is None else round(compared.behind, 1),
            None if heard is None else now - heard,
        )

    def _pulse(
        self, sums: dict[NodeId, int], standings: dict[NodeId, Standing], shown: set[str]
    ) -> Shape:
        node = self._node
        before = self._fetching
        self._fetching = {column: before.get(column, 0) + 1 for column in node.exchange.progress}
        lacking = max(self._fetching.values(), default=0) >= _FETCHING_LOOKS
        moving = node.linking.comparing.is_moving
        own = node.roster.label(node.config.node)
        others = list(standings.values())
        verdict = describe(own, others, moving=moving, lacking=lacking)
        members = {show(of): total for of, total in sums.items() if show(of) in shown}
        former = sorted(
            [(total, self._label(of)) for of, total in sums.items() if show(of) not in shown],
            reverse=True,
        )
        return {
            "total": str(sum(sums.values())),
            "counters": len(node.counters.keys),
            "level": verdict.level,
            "words": verdict.text,
            "sums": {of: str(members[of]) for of in sorted(members)},
            "former": [{"name": name, "sum": str(total)} for total, name in former[:FORMER_MAX]],
            "behind": {
                show(of): each.behind_s
                for of, each in standings.items()
                if each.behind_s is not None and each.liveness == "alive" and show(of) in shown
            },
        }

    def _label(self, of: NodeId) -> str:
        source = self._node.counters.settled.sources.get(of)
        return self._node.roster.label(of) if source is None else show_source(source)
