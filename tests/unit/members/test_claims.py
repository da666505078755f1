"""Which of two claims holds."""

from itertools import product

import pytest
from detecting import ALIVE, DEAD, LEFT, SUSPECT, claim

from gcounterd.members.claims import NEEDS, Liveness, Needs, write_diagram, write_table


def test_a_newer_life_replaces_whatever_was_said_of_an_older_one() -> None:
    for said, believed in product(Liveness, Liveness):
        newer, older = claim("b", said, 0, life=2), claim("b", believed, 99, life=1)
        assert newer.replaces(older)
        assert not older.replaces(newer)


def test_a_higher_incarnation_replaces_whatever_was_said_of_a_lower_one() -> None:
    for said, believed in product(Liveness, Liveness):
        assert claim("b", said, 8).replaces(claim("b", believed, 7))
        assert not claim("b", believed, 7).replaces(claim("b", said, 8))


@pytest.mark.parametrize(
    ("better", "worse"), [(ALIVE, SUSPECT), (SUSPECT, DEAD), (DEAD, LEFT), (ALIVE, LEFT)]
)
def test_of_one_incarnation_the_worse_holds(better: Liveness, worse: Liveness) -> None:
    assert claim("b", worse, 7).replaces(claim("b", better, 7))
    assert not claim("b", better, 7).replaces(claim("b", worse, 7))


def test_the_same_again_replaces_nothing_whoever_says_it() -> None:
    for said in Liveness:
        assert not claim("b", said, 7, by="c").replaces(claim("b", said, 7, by="d"))


def test_the_table_for_the_documentation_has_every_pair_of_the_rule() -> None:
    head, _, *rows = [line.strip("| ").split(" | ") for line in write_table().splitlines()]
    columns = [Liveness[name.upper()] for name in head[1:]]
    read = {
        (Liveness[row[0].strip("*").upper()], claimed): Needs(cell)
        for row in rows
        for claimed, cell in zip(columns, row[1:], strict=True)
    }
    assert read == {(b, c): NEEDS[b][c] for b, c in product(Liveness, Liveness)}


def test_the_diagram_has_an_arrow_for_each_change_of_liveness() -> None:
    arrows = [line.split(":")[0].split() for line in write_diagram().splitlines()[2:]]
    pairs = {(before, after) for before, _, after in arrows}
    names = [each.name.lower() for each in Liveness]
    assert pairs == {(b, a) for b, a in product(names, names) if a != b}
