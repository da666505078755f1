"""The comparison of failure detection: what lines say, when all know, what is false."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bench import kinship_peer, our_peer, serf_peer
from tests.bench.crowd import CrowdError, Seat, System, draw_ports, open_crowd
from tests.bench.detection import SETTLE_S, SIZE, plan
from tests.bench.machine import Ticks, parse_ticks
from tests.bench.outcomes import Fault, Figures, Outcome, make_rows
from tests.bench.sightings import Death, Sightings, Sign, Told

SEED = Seat("n1", Path("/x/n1"), 20_000, 20_001)
OTHER = Seat("n2", Path("/x/n2"), 20_002, 20_003)
SYSTEMS = (our_peer.OURS, serf_peer.SERF, kinship_peer.KINSHIP)


@pytest.mark.parametrize(
    ("read", "line", "told"),
    [
        (our_peer.read, '{"event": "listening", "node": "n1"}', Told(Sign.UP)),
        (our_peer.read, '{"event": "joined", "member": "n3"}', Told(Sign.ALIVE, "n3")),
        (our_peer.read, '{"event": "back", "member": "n3"}', Told(Sign.ALIVE, "n3")),
        (our_peer.read, '{"event": "dead", "member": "n3", "by": "n2"}', Told(Sign.DEAD, "n3")),
        (our_peer.read, '{"event": "suspect", "member": "n3"}', None),
        (our_peer.read, '["dead"]', None),
        (our_peer.read, "Traceback (most recent call last):", None),
        (
            serf_peer.read,
            "    2026/11/21 05:10:42 [INFO] agent: Serf agent starting",
            Told(Sign.UP),
        ),
        (
            serf_peer.read,
            "    2026/11/21 05:10:42 [INFO] serf: EventMemberJoin: n3 127.0.0.1",
            Told(Sign.ALIVE, "n3"),
        ),
        (
            serf_peer.read,
            "    2026/11/21 05:10:48 [INFO] serf: EventMemberFailed: n3 127.0.0.1",
            Told(Sign.DEAD, "n3"),
        ),
        (serf_peer.read, "[INFO] memberlist: Suspect n3 has failed, no acks received", None),
        (
            serf_peer.read,
            "    2026/11/21 05:10:49 [INFO] agent: Received event: member-failed",
            None,
        ),
        (kinship_peer.read, "up", Told(Sign.UP)),
        (kinship_peer.read, "alive n3", Told(Sign.ALIVE, "n3")),
        (kinship_peer.read, "dead n3", Told(Sign.DEAD, "n3")),
        (kinship_peer.read, "WARNING kinship: no seed answered", None),
    ],
)
def test_a_line_says_who_is_alive_who_is_dead_or_nothing(
    read: Callable[[str], Told | None], line: str, told: Told | None
) -> None:
    assert read(line) == told


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_all_but_the_seed_join_through_the_seed(system: System) -> None:
    def mentions(seat: Seat, port: int) -> bool:
        return any(word.endswith(f"127.0.0.1:{port}") for word in system.command(seat, SEED))

    assert mentions(SEED, SEED.port)
    assert not mentions(SEED, OTHER.port)
    assert mentions(OTHER, OTHER.port)
    assert mentions(OTHER, SEED.port)
    assert not any("profile" in word for word in system.command(OTHER, SEED))


def see_all(names: str) -> Sightings:
    sightings = Sightings(list(names))
    for watcher in names:
        for member in names:
            if member != watcher:
                assert not sightings.complete
                assert watcher in sightings.missing()
                sightings.take(watcher, Told(Sign.ALIVE, member), 1.0)
    return sightings


def test_a_cluster_is_complete_when_all_see_all_others() -> None:
    sightings = see_all("abc")
    assert sightings.complete
    assert sightings.missing() == {}
    sightings.take("b", Told(Sign.DEAD, "a"), 2.0)
    assert sightings.missing() == {"b": ["a"]}


def test_who_knows_is_told_from_what_is_false() -> None:
    sightings = see_all("abcd")
    sightings.take("a", Told(Sign.DEAD, "b"), 2.0)  # while the cluster settles
    sightings.take("a", Told(Sign.DEAD, "d"), 8.0)  # before anything was done to it
    sightings.take("a", Told(Sign.DEAD, "d"), 13.0)
    sightings.take("a", Told(Sign.DEAD, "d"), 14.0)
    sightings.take("b", Told(Sign.DEAD, "d"), 12.5)
    sightings.take("b", Told(Sign.DEAD, "c"), 13.0)  # it lives
    sightings.take("d", Told(Sign.DEAD, "a"), 13.0)  # the victim, which was stopped a while
    assert sightings.knowing("d", 10.0) == {"a": 3.0, "b": 2.5}
    assert sightings.false_deaths("d", 10.0, since=5.0) == [
        Death("a", "d", 8.0),
        Death("b", "c", 13.0),
    ]


def test_systems_take_turns_and_have_the_same_victims_never_the_seed() -> None:
    turns = list(plan(SYSTEMS, list(Fault), 50, seed=1))
    assert turns == list(plan(SYSTEMS, list(Fault), 50, seed=1))
    assert [turn.system.name for turn in turns] == ["ours", "serf", "kinship"] * 100
    assert [turn.fault for turn in turns] == [Fault.KILL] * 150 + [Fault.STOP] * 150
    for first in range(0, len(turns), 3):
        assert len({(t.victim, t.pause_s, t.repeat) for t in turns[first : first + 3]}) == 1
    assert {turn.victim for turn in turns} == set(range(1, SIZE))
    assert min(turn.pause_s for turn in turns) >= SETTLE_S
    assert [t.victim for t in plan(SYSTEMS, list(Fault), 50, seed=2)] != [t.victim for t in turns]


def outcome(
    system: str, fault: Fault, times: list[float], *, silent: int = 0, false: int = 0
) -> Outcome:
    return Outcome(
        system=system,
        fault=fault,
        repeat=0,
        victim="n3",
        assembled_s=1.0,
        times={f"n{4 + at}": time for at, time in enumerate(times)},
        silent=tuple(f"n{90 + at}" for at in range(silent)),
        false_deaths=("n1: n2",) * false,
        busy=0.1,
    )


def test_a_repeat_takes_as_long_as_its_last_watcher_and_for_ever_with_a_silent_one() -> None:
    assert outcome("ours", Fault.KILL, [2.0, 3.0, 2.5]).all_know_s == 3.0
    assert outcome("ours", Fault.KILL, [2.0, 3.0, 2.5]).first_knows_s == 2.0
    assert outcome("ours", Fault.KILL, [2.0], silent=1).all_know_s == math.inf
    assert outcome("ours", Fault.KILL, [], silent=9).first_knows_s == math.inf


def test_the_p99_of_up_to_a_hundred_repeats_is_the_longest() -> None:
    figures = Figures([outcome("serf", Fault.STOP, [float(n)]) for n in range(1, 21)])
    assert (figures.median, figures.p99) == (10.5, 20.0)


def test_ours_must_be_below_the_best_of_the_others_under_each_fault() -> None:
    def rows_with(ours: float, fault: Fault = Fault.STOP) -> list[str]:
        outcomes = [
            outcome("ours", fault, [ours], false=1),
            outcome("serf", fault, [6.0]),
            outcome("kinship", fault, [5.0]),
        ]
        rows = make_rows(outcomes, ["ours", "serf", "kinship"])
        assert len(rows) == 9
        assert {row.verdict for row in rows[3:]} == {"measured"}
        return [row.verdict for row in rows[:3]]

    assert rows_with(4.9) == ["pass", "pass", "FAIL"]
    assert rows_with(5.1) == ["FAIL", "FAIL", "FAIL"]
    assert rows_with(2.9, Fault.KILL) == ["pass", "pass", "FAIL"]
    assert rows_with(3.1, Fault.KILL) == ["FAIL", "FAIL", "FAIL"]


def test_ours_alone_has_no_rival_and_those_who_never_knew_are_named() -> None:
    [median, p99, false] = make_rows(
        [outcome("ours", Fault.STOP, [], silent=9), outcome("ours", Fault.STOP, [4.0])], ["ours"]
    )
    assert (median.verdict, p99.verdict, false.verdict) == ("measured", "measured", "pass")
    assert (median.measured, p99.measured) == ("inf s", "inf s")
    assert false.remark == "in 1 of 2 somebody never knew"


def test_an_outcome_is_kept_whole() -> None:
    kept = json.loads(json.dumps(outcome("ours", Fault.KILL, [2.0, 3.0], false=1).as_json()))
    assert kept["fault"] == "kill"
    assert kept["times"] == {"n4": 2.0, "n5": 3.0}
    assert kept["false_deaths"] == ["n1: n2"]


def test_busy_is_what_was_not_idle_between_two_looks() -> None:
    text = "cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n"
    before = parse_ticks(text)
    assert before == Ticks(total=1000, idle=850)
    assert before.busy_until(Ticks(1100, 925)) == 0.25
    assert before.busy_until(before) == 0


TALKER = """
import sys, time
print("up", flush=True)
for name in ("n1", "n2"):
    print("alive", name, flush=True)
"""


def talk(more: str) -> System:
    """Return a system whose processes see each other at once, and then do `more`."""
    program = [sys.executable, "-I", "-c", TALKER + more]
    return System("talkers", lambda: "", lambda *_: program, kinship_peer.read)


async def test_processes_are_watched_and_none_is_left_behind(tmp_path: Path) -> None:
    async with open_crowd(talk("time.sleep(600)"), 2, tmp_path, draw_ports()) as crowd:
        await crowd.assemble()
        assert crowd.sightings.complete
        assert set(crowd.sightings.up) == {"n1", "n2"}
        struck_at = crowd.strike("n2", Fault.STOP.number)
        assert struck_at > max(crowd.sightings.up.values())
        crowd.check()


async def test_a_process_that_ends_by_itself_spoils_the_measurement(tmp_path: Path) -> None:
    async def wait_for_more() -> None:
        async with open_crowd(talk('print("bye")'), 2, tmp_path, draw_ports()) as crowd:
            await crowd.assemble()
            await crowd.until(lambda: False)

    with pytest.raises(CrowdError, match=r"n\d ended by itself:\n(.*\n)*bye"):
        await wait_for_more()
