"""Whom to probe next, and when a probe is hopeless."""

from random import Random

import msgpack
import pytest
from detecting import letter
from nodes import node_id

from gcounterd.ids import NodeId
from gcounterd.members.claims import Evidence
from gcounterd.members.rounds import Numbers, Order, Probe, Reply

LETTERS = "bcdefghijk"


def order(seed: int, letters: str = LETTERS) -> Order:
    made = Order(Random(seed))
    for each in letters:
        made.add(node_id(each))
    return made


def anybody(_: NodeId) -> bool:
    return True


def test_each_member_is_probed_once_in_each_pass() -> None:
    o = order(1)
    for _ in range(5):
        assert sorted(letter(o.next(anybody)) for _ in LETTERS) == list(LETTERS)


def test_passes_come_in_orders_of_their_own() -> None:
    o = order(1)
    passes = {"".join(letter(o.next(anybody)) for _ in LETTERS) for _ in range(5)}
    assert len(passes) == 5


@pytest.mark.parametrize("seed", range(20))
def test_two_probes_of_one_member_are_at_most_2n_minus_1_rounds_apart(seed: int) -> None:
    o, last = order(seed), dict.fromkeys(LETTERS, 0)
    gaps = []
    for turn in range(1, 2000):
        probed = letter(o.next(anybody))
        gaps.append(turn - last[probed])
        last[probed] = turn
    assert max(gaps) <= 2 * len(LETTERS) - 1


@pytest.mark.parametrize("seed", range(20))
def test_a_newcomer_is_probed_within_the_present_pass(seed: int) -> None:
    o = order(seed)
    for _ in range(4):
        o.next(anybody)
    o.add(node_id("x"))
    rest = [letter(o.next(anybody)) for _ in range(len(LETTERS) - 4 + 1)]
    assert rest.count("x") == 1


@pytest.mark.parametrize("seed", range(20))
def test_the_only_member_that_is_wanted_is_found_in_every_round(seed: int) -> None:
    o = order(seed)
    assert [letter(o.next(lambda node: node == node_id("e"))) for _ in range(50)] == ["e"] * 50


def test_nobody_is_found_where_nobody_is_wanted_or_there() -> None:
    assert order(1).next(lambda _: False) is None
    assert order(1, "").next(anybody) is None


@pytest.mark.parametrize("seed", range(10))
def test_a_member_that_goes_makes_no_other_miss_its_turn(seed: int) -> None:
    o = order(seed)
    before = [letter(o.next(anybody)) for _ in range(5)]
    o.remove(node_id(before[2]))
    o.remove(node_id(next(each for each in LETTERS if each not in before)))
    rest = [letter(o.next(anybody)) for _ in range(4)]
    assert len({*before, *rest}) == 9


def probe(**relays: Reply) -> Probe:
    made = Probe(1, node_id("b"), 0.5, 1.0)
    made.asked = True
    made.relays = {node_id(name): reply for name, reply in relays.items()}
    return made


def test_a_refused_probe_is_hopeless_as_soon_as_every_relay_has_said_no() -> None:
    it = probe(c=Reply.REFUSED, d=Reply.NOTHING)
    it.direct = Evidence.REFUSED
    assert not it.is_hopeless
    it.relays[node_id("d")] = Reply.NO
    assert it.is_hopeless


def test_a_silent_probe_is_waited_for_until_its_end_whatever_relays_say() -> None:
    assert not probe(c=Reply.NO, d=Reply.REFUSED).is_hopeless


def test_a_probe_says_over_which_paths_it_went() -> None:
    it = probe(c=Reply.NO, d=Reply.NOTHING)
    assert it.missing == 1
    assert it.describe(letter) == "direct: silent; c: no answer; d: no word"


def test_numbers_go_round_and_are_all_of_one_length_in_a_message() -> None:
    numbers = Numbers()
    drawn = [numbers.next() for _ in range(2**16)]
    assert len(dict.fromkeys(drawn)) == 2**16 - 2**8
    assert {len(msgpack.packb(number)) for number in drawn} == {3}
