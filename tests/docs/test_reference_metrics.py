"""The page of metrics lists every family and every event, neither less nor more."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import trio

from gcounterd.api.connection import Connection
from gcounterd.api.doors import ADMISSIONS
from gcounterd.api.spoke import End
from gcounterd.daemon.boot import Wishes, boot
from gcounterd.daemon.condition import Condition
from gcounterd.daemon.driver import Driver
from gcounterd.daemon.events import MEMBERSHIP
from gcounterd.daemon.identity import Identity
from gcounterd.daemon.metrics import DETECTOR_TALLIES, PROBE_OUTCOMES, Metrics
from gcounterd.daemon.removals import Removals
from gcounterd.daemon.views import Views
from gcounterd.links.mistrust import Reason
from gcounterd.node.grades import Grade
from gcounterd.resp.connection import Connection as RespConnection
from gcounterd.storage.schema import Durability
from tests.docs.tables import read_tables

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/reference/metrics.md").read_text()
# Where a `PeerError` comes from the node, which counts it as `peer_error` whatever its reason.
NODE = ("node/", "counters/counters.py", "counters/deltas.py")
# `links.link` tells what was out of place: a second hello, or a refusal.
RENAMED = "out_of_place"


def column(title: str) -> list[str]:
    return [row[title].strip("`") for table in read_tables(PAGE, title) for row in table]


def named(by: str, *, node: bool | None = None) -> Iterator[str]:
    """Yield the constants that calls of this name have as their first argument.

    `node`: only calls in the node's modules, or only others.
    """
    package = ROOT / "gcounterd"
    for path in sorted(package.rglob("*.py")):
        place = str(path.relative_to(package))
        if place.startswith(("sim/", "cli/")) or node not in (None, place.startswith(NODE)):
            continue
        for part in ast.walk(ast.parse(path.read_text())):
            if isinstance(part, ast.Call) and part.args:
                called = getattr(part.func, "id", getattr(part.func, "attr", ""))
                first = part.args[0]
                if called == by and isinstance(first, ast.Constant) and type(first.value) is str:
                    yield first.value


def dropped() -> set[str]:
    source = ast.parse((ROOT / "gcounterd/links/link.py").read_text())
    (table,) = [
        part.value
        for part in source.body
        if isinstance(part, ast.Assign) and ast.unparse(part.targets[0]) == "_DROPPED"
    ]
    assert isinstance(table, ast.Dict)
    return {str(ast.literal_eval(value)) for value in table.values}


async def test_every_family_stands_with_its_type_and_labels(tmp_path: Path) -> None:
    booted = boot(Wishes(tmp_path / "d", "n1", "test", 1000, Durability.COMMIT, salvage=False))
    node = booted.node("127.0.0.1:1", (), trio.current_time())
    identity = Identity(booted.identity, booted.store)
    driver = Driver(node, booted.store, Durability.COMMIT, 0, identity)
    driver.count("bytes_sent")
    driver.watchdog.long["daemon.slow"] = 1
    views = Views(driver, Condition(), Durability.COMMIT, Removals(driver, b""))
    families = list(Metrics(driver, views).collect())
    booted.store.close()

    (table,) = read_tables(PAGE, "name", "type", "labels")
    shown = [(row["name"].strip("`"), row["type"], row["labels"].strip("`")) for row in table]

    suffixes = {"counter": "_total", "gauge": ""}
    assert sorted(shown) == sorted(
        (family.name + suffixes[family.type], family.type, ", ".join(sample.labels))
        for family in families
        for sample in family.samples[:1]
    )


def test_every_event_stands_there() -> None:
    # Those of the membership stand on a page of their own.
    notices = {*named("Notice")} - {*MEMBERSHIP}
    spoken = (Connection.protocol, RespConnection.protocol)
    ends = {f"{protocol}_{each}" for protocol in spoken for each in (*End, *ADMISSIONS)}
    events = {*named("count"), *notices, *ends, *dropped()}
    read = {*named("PeerError", node=False)} - {RENAMED}
    assert sorted({*column("event"), *column("reason")}) == sorted(events | read)
    assert sorted(column("cause")) == sorted({*named("PeerError", node=True)} - events)


def tallied() -> Iterator[str]:
    """Yield the constant names under which the detector tallies something."""
    rooms = [ROOT / "gcounterd/members", ROOT / "gcounterd/node"]
    for path in sorted(path for room in rooms for path in room.rglob("*.py")):
        for part in ast.walk(ast.parse(path.read_text())):
            match part:
                case ast.Subscript(ast.Attribute(attr="tally" | "_tally"), key):
                    if not isinstance(key, ast.JoinedStr):
                        names = [n.value for n in ast.walk(key) if isinstance(n, ast.Constant)]
                        yield from (name for name in names if isinstance(name, str))


def test_all_that_the_detector_tallies_is_a_metric_and_stands_there() -> None:
    assert {*tallied()} == {*PROBE_OUTCOMES, *DETECTOR_TALLIES}
    assert column("outcome") == list(PROBE_OUTCOMES)
    assert column("what") == list(DETECTOR_TALLIES)


def test_every_reason_of_a_failed_handshake_stands_there() -> None:
    assert column("why") == list(Reason)


def test_every_grade_of_a_failed_dial_stands_there() -> None:
    assert column("grade") == list(Grade)
