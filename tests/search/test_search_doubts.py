"""What is remembered of a host stands for every way that leads there."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

import attrs
import pytest

from gcounterd.node.intake import Intake
from tests.search import canon
from tests.search.__main__ import search
from tests.search.doubts import Doubting
from tests.search.scale import small
from tests.search.scopes import SCOPES, Scope


@pytest.fixture(autouse=True)
def _small() -> Iterator[None]:
    with small():
        yield


def scope(name: str) -> Scope:
    return next(each for each in SCOPES if each.name == name)


def test_hosts_of_one_form_do_the_same_whatever_happens_next() -> None:
    states = Doubting(every=1)
    assert not search(scope("spreading"), inf, 3, states).complaint
    assert states.compared


def test_a_form_that_leaves_out_what_waits_for_a_commit_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(canon.LEFT_OUT, Intake, ("_closings",))
    monkeypatch.setattr(canon, "_FIELDS", {})
    # A disk from before its column was closed for good meets a node that knows of that.
    older = (
        "add a x; commit a; finish a; commit a; sync a b; crash a; rewind a 1; start a; sync a b"
    )
    lives = attrs.evolve(scope("lives"), begin=older, fused=False, syncs=False)
    with pytest.raises(AssertionError, match="in another way"):
        search(lives, inf, 3, Doubting(every=1))
