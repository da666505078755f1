"""Members that lie, flood, stall or never read: bounded, counted, and nobody who is well dies."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import attrs
import pytest

from gcounterd.ids import Epoch, NodeId
from gcounterd.members.buckets import BUCKETS
from gcounterd.members.claims import INCARNATION_MAX, Claim, Evidence, Liveness
from gcounterd.members.table import SUM_BYTES
from gcounterd.members.timing import LAN
from gcounterd.node.messages import Ack, Gossip, Message, Nack, Ping, PingFor, Survey
from gcounterd.node.relays import RELAYED_MAX
from tests.soak.stage import Stage

ALIVE, SUSPECT, DEAD, LEFT = Liveness
LIAR = "n1"
FORGED = b"\xff" * BUCKETS * SUM_BYTES
# Longer than a suspicion that enough confirm, and than one by refused ports.
LYING_S = 12.0


def stage(nodes: int = 5) -> Stage:
    return Stage(seed=7, nodes=nodes)


def lie(on: Stage, message: Callable[[str], Message | None], *, every: float = 0.1) -> None:
    """Let the liar say something to each other member again and again, for long enough."""
    until = on.now + LYING_S
    while on.now < until:
        for name in on.others(LIAR):
            said = message(name)
            if said is not None:
                on.say(LIAR, name, said)
        on.cluster.run(every)


def accused(on: Stage, of: str, liveness: Liveness, *, ahead: int = 0, by: str = "") -> Claim:
    """Return a lie about a member as it is now, by the liar or whom it names."""
    me = on.cluster.node(of).detector.me
    accuser = NodeId(by.encode() * 16) if by else on.host(LIAR).node
    named = accuser if liveness in (SUSPECT, DEAD) else None
    return Claim(me.node, me.epoch, me.incarnation + ahead, liveness, named, Evidence.REFUSED)


def check_that_all_is_well(on: Stage) -> None:
    on.until(on.everyone_sees_everyone, 5.0, "after the lies")
    on.check_no_deaths(on.names, "lies")
    on.cluster.run(LAN.tellings(5) * LAN.gossip_every)
    on.finish()
    for name in on.names:
        assert on.cluster.node(name).detector.telling == 0, name


@pytest.mark.parametrize(
    "incarnation", [0, 1, 65_536, 65_537, INCARNATION_MAX - 1, INCARNATION_MAX]
)
def test_rumours_about_oneself_are_refuted_or_counted_whatever_their_incarnation(
    incarnation: int,
) -> None:
    on = stage()

    def message(name: str) -> Message:
        me = on.cluster.node(name).detector.me
        said = accused(on, name, SUSPECT)
        return Gossip(
            (attrs.evolve(said, incarnation=incarnation), attrs.evolve(said, epoch=me.epoch))
        )

    lie(on, message)
    assert all(on.cluster.node(n).detector.me.incarnation < INCARNATION_MAX for n in on.names)
    check_that_all_is_well(on)


def test_a_member_that_is_accused_of_everything_by_invented_accusers_lives_on() -> None:
    on = stage()
    names = count()

    def message(name: str) -> Message:
        victim = "n2" if name != "n2" else "n3"
        lies = [accused(on, victim, SUSPECT, by=chr(65 + next(names) % 26)) for _ in range(16)]
        return Gossip(tuple(lies))

    lie(on, message)
    check_that_all_is_well(on)


@pytest.mark.parametrize("said", [DEAD, LEFT])
def test_a_member_of_whom_it_is_said_that_it_is_gone_is_back_as_fast_as_it_is_said(
    said: Liveness,
) -> None:
    on = stage()
    lie(on, lambda name: Gossip((accused(on, "n2" if name != "n2" else "n3", said),)))
    check_that_all_is_well(on)


def test_lives_in_the_far_future_are_believed_of_nobody() -> None:
    on = stage()
    future = Epoch(b"\xff" * 16)

    def message(name: str) -> Message:
        victims = [other for other in on.names if other != LIAR]
        return Gossip(tuple(attrs.evolve(accused(on, v, DEAD), epoch=future) for v in victims))

    lie(on, message)
    assert on.cluster.node("n2").detector.tally["claims_unknown"] > 0
    assert not on.cluster.chronicle.find("suspect", "dead")
    check_that_all_is_well(on)


def test_answers_that_nobody_asked_for_and_questions_about_strangers_change_nothing() -> None:
    on = stage()
    numbers = count()

    def message(name: str) -> Message:
        number = next(numbers)
        return (
            Ack(number),
            Nack(number, refused=True),
            PingFor(number, NodeId(b"?" * 16)),
            PingFor(number, on.host(name).node),
            Ping(number, b"12345678"),
        )[number % 5]

    lie(on, message, every=0.01)
    assert on.cluster.node("n2").detector.tally["late"] > 0
    assert not on.cluster.chronicle.find("suspect", "dead")
    check_that_all_is_well(on)


def test_a_member_that_has_others_pinged_without_end_delays_no_probe() -> None:
    on = stage()
    numbers, nobody = count(), on.host("n5").node
    on.cluster.kill("n5", power=True)  # so that none of them is answered
    on.until(lambda: on.all_see(DEAD, ["n5"]), on.death_bound, "n5")
    began = on.now
    for _ in range(3 * RELAYED_MAX):
        for name in ("n2", "n3", "n4"):
            on.say(LIAR, name, PingFor(next(numbers), nobody))
    on.cluster.run(30.0)
    assert not on.cluster.chronicle.find("suspect", "dead", since=began)


def test_surveys_without_end_are_counted_and_the_table_is_told_seldom() -> None:
    on = stage()
    before = on.cluster.process("n2").sent_bytes
    began = on.now
    surveys = 0
    while on.now < began + 5.0:
        for _ in range(50):  # as many as a full queue holds
            on.say(LIAR, "n2", Survey(FORGED, reply=False))
            surveys += 1
        on.cluster.run(0.02)
    excess = on.cluster.node("n2").detector.tally["surveys_excess"]
    assert surveys > 10_000
    assert excess > 0.9 * surveys
    assert (on.cluster.process("n2").sent_bytes - before) / 5.0 < 20_000
    check_that_all_is_well(on)


def test_a_member_that_does_everything_late_makes_nobody_else_die() -> None:
    on = stage(8)
    on.cluster.process(LIAR).starve(lambda: on.rng.uniform(1.0, 3.0))
    on.cluster.run(120.0)
    on.check_no_deaths(on.others(LIAR), "late")


def test_a_member_that_never_reads_dies_alone_and_its_accusations_with_it() -> None:
    on = stage(6)
    on.cluster.process(LIAR).starve(lambda: 1e9)
    well = on.others(LIAR)
    on.until(lambda: on.all_see(DEAD, [LIAR], by=well), on.death_bound, "the deaf one")
    on.cluster.run(60.0)
    assert not on.deaths(well, by=well)
    assert on.all_see(ALIVE, well, by=well)


def test_rumours_of_one_member_stay_few_however_many_are_said() -> None:
    on = stage()
    most = 0

    def message(name: str) -> Message:
        nonlocal most
        most = max(most, *[on.cluster.node(n).detector.telling for n in on.names])
        victims = [v for v in on.others(LIAR) if v != name]
        return Gossip(tuple(accused(on, v, SUSPECT, ahead=3) for v in victims))

    lie(on, message, every=0.05)
    assert 0 < most <= 3 * len(on.names)
    check_that_all_is_well(on)
