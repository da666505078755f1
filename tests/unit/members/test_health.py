"""How much a node doubts itself."""

from gcounterd.members.health import Health


def test_health_stays_between_well_and_its_worst() -> None:
    health = Health(8)
    health.change(-1)
    assert (health.score, health.factor) == (0, 1)
    health.change(20)
    assert (health.score, health.factor) == (8, 9)
    health.change(-1)
    assert health.score == 7


def test_a_limit_of_zero_turns_it_off() -> None:
    health = Health(0)
    health.change(5)
    assert health.factor == 1
