"""Laws of claims, suspicions and of several detectors, whatever is said and however it travels."""

from __future__ import annotations

from random import Random

import attrs
from detecting import ALIVE, DEAD, SUSPECT, Mesh, claim, epoch, letter
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from nodes import node_id

from gcounterd.members.claims import Claim, Evidence, Liveness
from gcounterd.members.detector import Detector
from gcounterd.members.suspicions import Accusation, Suspicion
from gcounterd.members.timing import LAN, PROFILES
from gcounterd.node.messages import Ack, Ping

NAMES = "abcd"
OBSERVERS = "xy"
BAD = (SUSPECT, DEAD)

letters = st.sampled_from(NAMES)
claims = st.builds(
    claim,
    letters,
    st.sampled_from(Liveness),
    st.integers(0, 3),
    by=letters,
    evidence=st.sampled_from(Evidence),
    life=st.integers(1, 2),
)
of_one = claims.map(lambda said: attrs.evolve(said, node=node_id("a")))


def greater(one: Claim, other: Claim) -> Claim:
    return one if one.replaces(other) else other


def key(said: Claim) -> tuple[object, ...]:
    return (said.node, said.epoch, said.incarnation, said.liveness)


# -- claims -------------------------------------------------------------------------------------


@given(of_one, of_one, of_one)
def test_merging_claims_is_idempotent_commutative_and_associative(
    x: Claim, y: Claim, z: Claim
) -> None:
    assert greater(x, x) is x
    assert key(greater(x, y)) == key(greater(y, x))
    assert key(greater(greater(x, y), z)) == key(greater(x, greater(y, z)))


@given(of_one, of_one)
def test_of_two_different_claims_exactly_one_replaces_the_other(x: Claim, y: Claim) -> None:
    assert (x.replaces(y) + y.replaces(x)) == (key(x) != key(y))


# -- suspicions ---------------------------------------------------------------------------------


@given(
    st.sampled_from(list(PROFILES.values())),
    st.lists(st.tuples(letters, st.sampled_from(Evidence), st.integers(1, 2000)), min_size=1),
)
def test_a_deadline_only_comes_nearer_and_never_before_what_a_restart_needs(
    timing: object, accused: list[tuple[str, Evidence, int]]
) -> None:
    t, suspicion, dues = 100.0, None, []
    for by, evidence, members in accused:
        accusation = Accusation(node_id(by), t, evidence, "told")
        if suspicion is None:
            suspicion = Suspicion(accusation, t, timing, members)
        else:
            suspicion.confirm(accusation, t, timing, members)
        dues.append(suspicion.due)
        t += 0.1
    assert dues == sorted(dues, reverse=True)
    assert dues[-1] >= 100.0 + timing.refused_after
    assert dues[0] <= 100.0 + timing.beta * timing.shortest(2000)


# -- two nodes that hear the same ---------------------------------------------------------------


def observer(name: str) -> Detector:
    """Return a detector outside the members spoken of, that doubts nothing that it hears."""
    made = Detector(
        node_id(name), epoch(), LAN, Random(1), 0.0, label=letter, linked=lambda _: False
    )
    for each in NAMES:
        made.know(node_id(each), epoch(), 0.0, joined=False)
    return made


def held(detector: Detector) -> list[tuple[object, ...]]:
    views = [detector.view(node_id(each)) for each in NAMES]
    return [(view.epoch, view.incarnation, detector.liveness(view.node)) for view in views]


# A death by hearsay is softened by what was heard before it, so it is no law that its order does
# not matter; everything else is.
undying = claims.filter(lambda said: said.liveness is not DEAD)


@given(st.lists(undying), st.data())
def test_what_was_said_in_any_order_and_any_number_of_times_ends_in_the_same_beliefs(
    said: list[Claim], data: st.DataObject
) -> None:
    again = data.draw(st.permutations(said + data.draw(st.lists(st.sampled_from(said or [None])))))
    one, other = observer("x"), observer("y")
    one.heard(said, node_id("z"), 0.0)
    for each in again:
        if each is not None:
            other.heard([each], node_id("z"), 0.0)
    assert held(one) == held(other)


@given(st.lists(undying), st.lists(undying))
def test_two_tables_are_equal_after_one_exchange_of_surveys(
    here: list[Claim], there: list[Claim]
) -> None:
    one, other = observer("x"), observer("x")
    one.heard(here, node_id("z"), 0.0)
    other.heard(there, node_id("z"), 0.0)
    told = other.differing(one.survey())
    survey = other.survey()  # goes behind what it tells
    one.heard(told, node_id("z"), 0.0)
    other.heard(one.differing(survey), node_id("z"), 0.0)
    assert one.digest() == other.digest()
    assert held(one) == held(other)
    assert one.differing(other.survey()) == ()


@given(st.lists(claims), st.lists(claims))
def test_digests_are_equal_exactly_where_beliefs_are(here: list[Claim], there: list[Claim]) -> None:
    one, other = observer("x"), observer("x")
    one.heard(here, node_id("z"), 0.0)
    other.heard(there, node_id("z"), 0.0)
    assert (one.digest() == other.digest()) == (held(one) == held(other))


@given(st.lists(claims.map(lambda said: attrs.evolve(said, epoch=epoch()))))
def test_whatever_is_said_of_a_node_its_last_word_is_that_it_lives(said: list[Claim]) -> None:
    a = observer("a")
    for each in said:
        a.heard([each], node_id("z"), 0.0)
    about_me = [each for each in said if each.node == node_id("a")]
    assert a.me.liveness is ALIVE
    assert all(a.me.replaces(each) for each in about_me if each.liveness is not ALIVE)


# -- several, over a network that does as it likes ----------------------------------------------


class AnyNetwork(RuleBasedStateMachine):
    """Four live detectors; messages are late, lost, repeated, reordered, and sometimes forged.

    However badly it went: as soon as all can reach each other, everyone is alive everywhere.
    """

    @initialize(seed=st.integers(0, 2**16))
    def begin(self, seed: int) -> None:
        self.mesh = Mesh(NAMES, seed=seed)

    @rule(seconds=st.sampled_from([0.01, 0.3, 1.0, 5.0, 40.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.mesh.now += seconds

    @rule(name=letters)
    def wake(self, name: str) -> None:
        self.mesh.wake(name)
        due = self.mesh.detectors[name].next_wake(self.mesh.now)
        assert due >= self.mesh.now

    @rule(number=st.integers(0, 10**6), again=st.booleans())
    def deliver(self, number: int, again: bool) -> None:
        if self.mesh.wire:
            self.mesh.deliver(number % len(self.mesh.wire), keep=again)

    @rule(number=st.integers(0, 10**6))
    def lose(self, number: int) -> None:
        if self.mesh.wire:
            del self.mesh.wire[number % len(self.mesh.wire)]

    @rule()
    def lose_all(self) -> None:
        self.mesh.wire.clear()

    @rule(name=letters, other=letters)
    def refuse(self, name: str, other: str) -> None:
        detector, now = self.mesh.detectors[name], self.mesh.now
        self.mesh.perform(name, detector.refused(node_id(other), now))

    @rule(name=letters, other=letters)
    def hang_up(self, name: str, other: str) -> None:
        detector, now = self.mesh.detectors[name], self.mesh.now
        self.mesh.perform(name, detector.hint(node_id(other), now))

    @rule(name=letters, source=letters, said=claims)
    def lie(self, name: str, source: str, said: Claim) -> None:
        detector, now = self.mesh.detectors[name], self.mesh.now
        self.mesh.perform(name, detector.heard([said], node_id(source), now))

    @rule(name=letters, source=letters, number=st.integers(0, 50))
    def answer_what_nobody_asked(self, name: str, source: str, number: int) -> None:
        self.mesh.post(source, name, Ack(number))
        self.mesh.post(source, name, Ping(number, b"12345678"))

    def teardown(self) -> None:
        mesh = getattr(self, "mesh", None)
        if mesh is None:
            return
        for name in NAMES:  # whoever was late for something else is not late for this
            mesh.wake(name)
            mesh.detectors[name].next_wake(mesh.now)
        mesh.deliver_all()
        for one in NAMES:
            for other in NAMES:
                if one < other:
                    mesh.greet(one, other)
                    mesh.deliver_all()
                    mesh.compare(one, other)
                    mesh.deliver_all()
        mesh.run(60.0, step=0.25)
        assert mesh.all_alive(), {name: mesh.beliefs(name) for name in NAMES}
        deaths = [each for each in mesh.happened if each[0] > mesh.now - 59 and each[2] == "dead"]
        assert deaths == []
        digests = {detector.digest() for detector in mesh.detectors.values()}
        assert len(digests) == 1


TestAnyNetwork = AnyNetwork.TestCase
TestAnyNetwork.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
