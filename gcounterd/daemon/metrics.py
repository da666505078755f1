"""Metrics: the node's figures as Prometheus text.

Theory. Figures are plain numbers kept where they arise and collected when somebody asks, so a hit
pays nothing for them. No counter name, path or text from a stranger is ever a label: the events
are constants of this program, and their number is bounded all the same.
"""

from __future__ import annotations

import resource
from collections import Counter
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from gcounterd import __version__
from gcounterd.daemon.driver import Driver
from gcounterd.daemon.views import Views
from gcounterd.daemon.watchdog import BOUND_S
from gcounterd.links.mistrust import Reason
from gcounterd.members.claims import Liveness
from gcounterd.node.messages import Channel

Family = CounterMetricFamily | GaugeMetricFamily

# Different events shown; a program error that made names from outside would stop here.
EVENTS_MAX = 256
_KIB = 1024
# What the detector tallies: how probes ended, and the rest of it. Its events are with all events.
PROBE_OUTCOMES = ("acked", "indirect", "failed", "refused", "local")
DETECTOR_TALLIES = (
    "late",
    "nacks_missing",
    "suspicions_raised",
    "refuted_self",
    "claims_unknown",
    "claims_leaping",
    "surveys_excess",
)


class Metrics(Collector):
    """Collects from a driver; `exposition` gives the text."""

    def __init__(self, driver: Driver, views: Views) -> None:
        self._driver = driver
        self._views = views
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def exposition(self) -> bytes:
        """Return the Prometheus text format 0.0.4."""
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Family]:
        """Return nothing: the registry need not know the names before they are asked for."""
        return []

    def collect(self) -> Iterable[Family]:
        """Yield every family with its present figures."""
        yield from self._state()
        yield from self._detecting()
        yield from self._securing()
        yield from self._work()
        yield from self._steps()
        events = CounterMetricFamily(
            "gcounterd_events", "Named events since the start.", labels=["event"]
        )
        for name, number in sorted(self._driver.events.items())[:EVENTS_MAX]:
            events.add_metric([name], number)
        yield events

    def _state(self) -> Iterable[Family]:
        node, store = self._driver.node, self._driver.store
        info = GaugeMetricFamily("gcounterd_info", "Always 1.", labels=["version"])
        info.add_metric([__version__], 1)
        yield info
        members = GaugeMetricFamily("gcounterd_members", "Members.", labels=["liveness"])
        seen = Counter(self._views.liveness(entry.node) for entry in node.roster.belonging())
        for liveness in Liveness:
            word = liveness.name.lower()
            members.add_metric([word], seen[word])
        yield members
        yield _gauge("ready", "1 if the node is caught up.", not self._views.reasons())
        yield _gauge("counters", "Names in the key index.", len(node.counters.keys))
        yield _gauge("columns", "Open columns.", len(node.counters.heads()))
        yield _gauge("closed_columns", "Closed columns.", len(node.counters.settled))
        yield _gauge("links", "Open bulk links.", len(node.peers.on(Channel.BULK)))
        yield _gauge("fetching_columns", "Columns asked for.", len(node.exchange.progress))
        yield _gauge("intake_bytes", "Received, not committed.", node.intake.size_bytes)
        yield _gauge("receipts", "Keyed requests remembered.", len(node.receipts))
        yield _gauge("journal_bytes", "Bytes of the journal.", store.journal_bytes)
        yield _gauge("image_bytes", "Bytes of the images.", store.image_bytes)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB
        yield _gauge("resident_peak_bytes", "Largest resident size so far.", peak)

    def _detecting(self) -> Iterable[Family]:
        detector, transport = self._driver.node.detector, self._driver.transport
        yield _gauge("local_health", "How much the node doubts itself.", detector.health)
        yield _gauge("alone", "1 if no other member answers.", detector.alone)
        probes = CounterMetricFamily("gcounterd_probes", "Probes that ended.", labels=["outcome"])
        for outcome in PROBE_OUTCOMES:
            probes.add_metric([outcome], detector.tally[outcome])
        yield probes
        did = CounterMetricFamily("gcounterd_detector", "Else of the detector.", labels=["what"])
        for what in DETECTOR_TALLIES:
            did.add_metric([what], detector.tally[what])
        yield did
        yield _count("dials", "Dials that ended.", transport.dials)
        yield _count("dial_seconds", "Time in them.", transport.dial_seconds)

    def _securing(self) -> Iterable[Family]:
        failed = CounterMetricFamily(
            "gcounterd_handshakes_failed", "Handshakes of peers that failed.", labels=["why"]
        )
        for why in Reason:
            failed.add_metric([why], self._driver.mistrusts.tally[why])
        yield failed
        securing = self._views.securing
        yield _gauge("links_secured", "1 if links between peers speak TLS.", securing is not None)
        ends = "When this node's certificate ends, in seconds since 1970; 0 if it does not."
        yield _gauge("certificate_ends_seconds", ends, securing.ends if securing else 0)

    def _work(self) -> Iterable[Family]:
        commits = self._driver.commits
        yield _count("commits", "Group commits.", commits.number)
        yield _count("commits_refused", "Commits refused by a full disk.", commits.refused)
        yield _count("checkpoints", "Checkpoints completed.", commits.checkpoints.number)
        waited = "Longest wait of a commit for other work of the disk's thread, of late."
        yield _gauge("longest_append_wait_seconds", waited, commits.longest_wait())

    def _steps(self) -> Iterable[Family]:
        watchdog = self._driver.watchdog
        step = watchdog.longest_step()
        longest = "Longest CPU time of one step of a task, of the last minute at most."
        yield _gauge("longest_step_seconds", longest, step.cpu if step else 0.0)
        held = "Longest CPU time between two looks at I/O, likewise."
        yield _gauge("longest_turn_seconds", held, watchdog.longest_turn())
        bound = f"{1000 * BOUND_S:.0f} ms of CPU"
        steps = CounterMetricFamily(
            "gcounterd_long_steps", f"Steps above {bound}, by name.", labels=["step"]
        )
        for name, number in sorted(watchdog.long.items()):
            steps.add_metric([name], number)
        yield steps
        yield _count("long_turns", f"Turns of the loop above {bound}.", watchdog.turns)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"gcounterd_{name}", text, value=float(value))


def _count(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(f"gcounterd_{name}", text, value=float(value))
