"""Serving: windows of parts, kept gatherings, and columns that have to be read first."""

from __future__ import annotations

import pytest
from nodes import commit, config, hello, node, sent

from gcounterd.counters import deltas
from gcounterd.counters.settled import Closing
from gcounterd.errors import PeerError
from gcounterd.ids import ColumnId
from gcounterd.node import serving
from gcounterd.node.messages import Part, Want
from gcounterd.node.node import Node
from gcounterd.node.peers import Link
from gcounterd.node.serving import KEPT_S, Serving


def server() -> tuple[Node, Link]:
    """Return a node that has counted, and its link to b."""
    made = node("a", "a", "b", "c")
    made.add(b"x", 1)
    commit(made)
    made.opened(1, hello("b"), None, 0.0)
    made.opened(2, hello("c"), None, 0.0)
    link = made.peers.get(1)
    assert link is not None
    return made, link


def want(made: Node, part: int = 0, gathering: bytes = b"") -> Want:
    return Want(made.config.column, 0, 0, gathering, part)


def parts(made: Node, link: int = 1) -> list[Part]:
    effects = []
    while made.exchange.serving.can_serve:
        effects += made.exchange.serving.step()
    return [message for message in sent(effects, link) if isinstance(message, Part)]


def cool(made: Node) -> ColumnId:
    """Close the node's column and let go of it, as if it had been written."""
    column = made.config.column
    made.intake.take_closings((Closing(column),))
    commit(made)
    made.counters.settled.dirty.clear()
    made.counters.columns[column].segments[0].dirty = False
    made.exchange.serving.chilled(column)
    made.counters.chill(column)
    return column


def test_what_is_asked_for_is_served() -> None:
    made, link = server()
    made.exchange.serving.serve(link, want(made), 0.0)
    (part,) = parts(made)
    assert (part.version, part.since, part.number) == (1, 0, 0)


def test_a_column_that_was_never_offered_breaks_the_protocol() -> None:
    made, link = server()
    with pytest.raises(PeerError, match="never offered"):
        made.exchange.serving.serve(link, Want(config("d").column, 0, 0, b"", 0), 0.0)


def test_what_the_asker_has_already_is_not_served() -> None:
    made, link = server()
    made.exchange.serving.serve(link, Want(made.config.column, 1, 1, b"", 0), 0.0)
    assert parts(made) == []


def test_a_part_beyond_the_next_one_breaks_the_protocol() -> None:
    made, link = server()
    made.exchange.serving.serve(link, want(made), 0.0)
    (part,) = parts(made)
    made.exchange.serving.serve(link, want(made, 1, part.gathering), 0.0)
    with pytest.raises(PeerError, match="beyond"):
        made.exchange.serving.serve(link, want(made, 9, part.gathering), 0.0)


def test_the_oldest_gathering_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "GATHERINGS_MAX", 1)
    made, link = server()
    other = made.peers.get(2)
    assert other is not None
    made.exchange.serving.serve(link, want(made), 0.0)
    made.exchange.serving.serve(other, want(made), 0.0)
    assert made.exchange.serving.gatherings == 1


def test_a_cold_column_is_wanted_until_it_was_read_and_then_served() -> None:
    made, link = server()
    kept = made.counters.columns[made.config.column]
    column = cool(made)
    made.exchange.serving.serve(link, want(made), 0.0)
    assert made.exchange.serving.cold_wanted == [column]
    assert parts(made) == []
    made.counters.warm(kept)
    made.exchange.serving.warmed(column, 0.0)
    assert made.exchange.serving.cold_wanted == []
    assert len(parts(made)) == 1


def test_whoever_has_gone_meanwhile_is_not_served() -> None:
    made, link = server()
    kept = made.counters.columns[made.config.column]
    column = cool(made)
    made.exchange.serving.serve(link, want(made), 0.0)
    made.closed(1, 0.0)
    assert made.exchange.serving.cold_wanted == []
    made.counters.warm(kept)
    made.exchange.serving.warmed(column, 0.0)
    assert parts(made) == []


def test_a_column_is_in_use_while_somebody_has_not_got_all_of_it_for_a_while() -> None:
    made, link = server()
    made.exchange.serving.serve(link, want(made), 5.0)
    column, served = made.config.column, made.exchange.serving
    assert column in served.columns(5.0)
    assert column in served.columns(5.0 + 2 * KEPT_S)  # a window is still to be sent
    parts(made)
    assert column not in served.columns(5.0)  # all of it was sent


def test_no_more_is_queued_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "SERVING_MAX", 1)
    made, link = server()
    other = made.peers.get(2)
    assert other is not None
    made.exchange.serving.serve(link, want(made), 0.0)
    made.exchange.serving.serve(other, want(made), 0.0)
    assert parts(made, 2) == []


def test_nothing_is_served_while_an_apply_is_under_way() -> None:
    made, link = server()
    served: Serving = made.exchange.serving
    served.serve(link, want(made), 0.0)
    made.counters.columns[made.config.column].busy = True
    assert not served.can_serve
    assert served.step() == []
    made.counters.columns[made.config.column].busy = False
    assert len(parts(made)) == 1


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> tuple[Node, Link]:
    """Return a node with a column of eight parts, served four at a time, and its link to b."""
    monkeypatch.setattr(deltas, "_PART_ENTRIES", 1)
    monkeypatch.setattr(deltas, "LAST_PART_BYTES_MAX", 30)
    monkeypatch.setattr(serving, "PARTS_PER_WANT", 4)
    made, link = server()
    for number in range(7):
        made.add(b"%d" % number, 1)
        commit(made)
    return made, link


def test_whoever_asks_on_before_all_is_in_is_not_sent_it_again(many: tuple[Node, Link]) -> None:
    made, link = many
    made.exchange.serving.serve(link, want(made), 0.0)
    window = parts(made)
    made.exchange.serving.serve(link, want(made, 2, window[0].gathering), 0.0)
    assert [part.number for part in [*window, *parts(made)]] == [0, 1, 2, 3, 4, 5]


def test_whoever_asks_for_the_same_part_again_has_lost_it(many: tuple[Node, Link]) -> None:
    made, link = many
    made.exchange.serving.serve(link, want(made), 0.0)
    name = parts(made)[0].gathering
    made.exchange.serving.serve(link, want(made, 2, name), 0.0)
    parts(made)
    made.exchange.serving.serve(link, want(made, 2, name), 0.0)
    assert [part.number for part in parts(made)] == [2, 3, 4, 5]


def test_on_another_link_nothing_has_been_sent(many: tuple[Node, Link]) -> None:
    made, link = many
    made.exchange.serving.serve(link, want(made), 0.0)
    name = parts(made)[0].gathering
    made.closed(1, 0.0)
    made.opened(3, hello("b"), None, 0.0)
    again = made.peers.get(3)
    assert again is not None
    made.exchange.serving.serve(again, want(made, 2, name), 0.0)
    assert [part.number for part in parts(made, 3)] == [2, 3, 4, 5]


def test_nothing_follows_the_last_part_for_whoever_asks_on(many: tuple[Node, Link]) -> None:
    made, link = many
    made.exchange.serving.serve(link, want(made), 0.0)
    window = parts(made)
    name = window[0].gathering
    while not window[-1].version:
        made.exchange.serving.serve(link, want(made, window[-2].number, name), 0.0)
        window = parts(made)
    made.exchange.serving.serve(link, want(made, window[-1].number, name), 0.0)
    assert parts(made) == []
