"""Settling: lines of settled columns become equal, in pages, and what they speak of is fetched."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from nodes import commit, config, entry, hello, node, sent

from gcounterd.counters.counters import Counters
from gcounterd.counters.settled import LAST_COLUMN, Closing, Line
from gcounterd.errors import PeerError
from gcounterd.ids import ColumnId, Epoch, column_id
from gcounterd.members.roster import Roster
from gcounterd.node import exchange, settling
from gcounterd.node.effects import Effect
from gcounterd.node.messages import SETTLED_MESSAGES, Digest, Message, StateHash, Want
from gcounterd.node.node import Node
from gcounterd.node.settled_messages import Settled, SettledDiffer, SettledSums
from gcounterd.wire.codec import encode

PAGE = 4


@pytest.fixture(autouse=True)
def short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "LINES_MAX", PAGE)


def lives(letter: str, number: int) -> list[ColumnId]:
    mine = config(letter).node
    return [column_id(mine, Epoch(life.to_bytes(16, "big"))) for life in range(1, number + 1)]


def holding(letter: str, columns: list[ColumnId], final: int = 0) -> Node:
    """Return a node whose disk says that these columns are closed, and nothing of them."""
    made = node(letter, "a", "b")
    made.intake.take_closings(tuple(Closing(column, final) for column in columns))
    commit(made)
    return made


def settled(effects: list[Effect], link: int = 1) -> list[Settled]:
    return [message for message in sent(effects, link) if isinstance(message, Settled)]


class Pair:
    """Two nodes with one link, which a dialled."""

    def __init__(self, a: Node, b: Node) -> None:
        self.a, self.b = a, b
        self.said: list[Message] = []
        a.opened(1, hello("b"), "b:1", 0.0)
        b.opened(1, hello("a"), None, 0.0)

    def walk(self) -> None:
        """Let a find that the hashes differ, and both say what there is to say."""
        found = StateHash(
            self.b.roster.hash(),
            self.b.exchange.telling.heads_hash(),
            self.b.counters.settled.hash(),
            asks=False,
        )
        self._carry(self.a, self.b, sent(self.a.received(1, found, 0.0), 1))

    def _carry(self, source: Node, target: Node, messages: list[Message]) -> None:
        for message in messages:
            if isinstance(message, SETTLED_MESSAGES):
                self.said.append(message)
                assert not isinstance(message, Settled) or len(message.lines) <= PAGE
                back = sent(target.received(1, message, 0.0), 1)
                self._carry(target, source, back)

    def lines(self, of: Node) -> dict[ColumnId, Line | None]:
        commit(of)
        return {column: of.counters.settled.get(column) for column in of.counters.settled}


@pytest.fixture(params=[0, 1, PAGE, PAGE + 1, 5 * PAGE + 1])
def number(request: pytest.FixtureRequest) -> Iterator[int]:
    return request.param


def test_whoever_asks_learns_every_line_in_pages(number: int) -> None:
    pair = Pair(holding("a", lives("a", 1)), holding("b", lives("c", number), final=3))
    pair.walk()
    assert pair.lines(pair.a) == pair.lines(pair.b)
    assert len(pair.a.counters.settled) == number + 1
    assert all(pair.lines(pair.a)[column] == Line(0, 3) for column in lives("c", number))
    assert not pair.a.settlement.settling._walks


def test_whoever_is_asked_learns_every_line_too(number: int) -> None:
    pair = Pair(holding("a", lives("c", number)), holding("b", lives("b", 2)))
    pair.walk()
    assert pair.lines(pair.b) == pair.lines(pair.a)
    assert len(pair.b.counters.settled) == number + 2


def test_lines_that_lie_between_each_other_are_all_told() -> None:
    columns = lives("c", 8 * PAGE)
    pair = Pair(holding("a", columns[::2]), holding("b", columns[1::3]))
    pair.walk()
    assert pair.lines(pair.a) == pair.lines(pair.b)
    assert list(pair.a.counters.settled) == sorted({*columns[::2], *columns[1::3]})


@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("extra", [0, 700, 1999])
def test_of_two_thousand_lines_a_comparison_costs_what_differs(extra: int, asked: bool) -> None:
    columns = lives("c", 2000)
    most = [column for column in columns if column != columns[extra]]
    pair = Pair(holding("a", columns if asked else most), holding("b", most if asked else columns))
    pair.walk()
    assert pair.lines(pair.a) == pair.lines(pair.b)
    assert list(pair.a.counters.settled) == columns
    assert sum(len(encode(message)) for message in pair.said) < 3000
    assert not pair.a.settlement.settling._walks


@pytest.mark.parametrize("seed", range(20))
def test_whatever_differs_is_found(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = Random(seed)
    monkeypatch.setattr(settling, "FEW_LINES", rng.choice([1, 4, 16]))
    monkeypatch.setattr(settling, "PARTS", rng.choice([2, 8]))
    columns = lives("c", 300)
    common = rng.choice([0.0, 0.5, 0.97, 1.0])
    held = [[c for c in columns if rng.random() < max(common, rng.random())] for _ in range(2)]
    pair = Pair(holding("a", held[0]), holding("b", held[1]))
    pair.walk()
    assert pair.lines(pair.a) == pair.lines(pair.b)
    assert list(pair.a.counters.settled) == sorted({*held[0], *held[1]})
    assert not pair.a.settlement.settling._walks


def test_an_answer_to_sums_that_were_not_told_moves_nothing() -> None:
    made = holding("a", lives("c", 100))
    made.opened(1, hello("b"), "b:1", 0.0)
    stray = SettledDiffer(b"", LAST_COLUMN, 3)
    assert sent(made.received(1, stray, 0.0), 1) == []
    found = StateHash(made.roster.hash(), bytes(16), b"h" * 16, asks=False)
    (sums,) = [m for m in sent(made.received(1, found, 0.0), 1) if isinstance(m, SettledSums)]
    elsewhere = SettledDiffer(sums.ends[0], LAST_COLUMN, 3)
    assert sent(made.received(1, elsewhere, 0.0), 1) == []
    (deeper,) = sent(made.received(1, stray, 0.0), 1)
    assert isinstance(deeper, Settled)  # two neighbours, of which all are told


def test_one_answer_is_one_page_however_much_there_is_to_tell() -> None:
    made = holding("b", lives("c", 10 * PAGE))
    made.opened(1, hello("a"), None, 0.0)
    effects = made.received(1, Settled(b"", LAST_COLUMN, {}, asks=True), 0.0)
    (answer,) = settled(effects)
    assert list(answer.lines) == lives("c", PAGE)
    assert (answer.after, answer.upto) == (b"", lives("c", PAGE)[-1])


def test_lines_that_are_equal_are_not_told_again() -> None:
    columns = lives("c", 3)
    pair = Pair(holding("a", columns), holding("b", columns))
    pair.walk()
    assert pair.said == []  # the hashes are equal


def test_what_a_line_speaks_of_is_asked_for_where_it_is_more_than_ours() -> None:
    made = holding("a", [])
    made.opened(1, hello("b"), None, 0.0)
    (column,) = lives("c", 1)
    effects = made.received(1, Settled(b"", b"", {column: Line(7)}, asks=False), 0.0)
    assert [m for m in sent(effects, 1) if isinstance(m, Want)] == [Want(column, 0, 0, b"", 0)]
    commit(made)
    assert made.counters.settled.get(column) == Line(0)  # closed at what is held


def test_a_walk_waits_while_what_it_found_is_still_to_be_fetched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exchange, "AHEAD_MAX", 4 * PAGE)
    made = holding("a", [])
    made.opened(1, hello("b"), "b:1", 0.0)
    made.received(1, StateHash(made.roster.hash(), bytes(16), b"h" * 16, asks=False), 0.0)
    columns = lives("c", 9 * PAGE)
    asked, after = 0, b""
    while asked < 9 and not made.exchange.is_behind:
        page = {c: Line(1) for c in columns[asked * PAGE : (asked + 1) * PAGE]}
        effects = made.received(1, Settled(after, list(page)[-1], page, asks=False), 0.0)
        asked, after = asked + 1, list(page)[-1]
    assert asked == 2  # three columns are asked for, the others wait
    assert settled(effects) == []
    assert settled(made.settlement.settling.walk_on()) == []
    made.intake.take_closings(tuple(Closing(column) for column in columns))
    made.exchange._ahead.clear()  # as if they had come
    (page,) = settled(made.wake(0.0))
    assert (page.after, page.asks) == (after, True)
    assert settled(made.wake(0.1)) == []  # once


def test_an_answer_to_another_walk_moves_nothing() -> None:
    made = holding("a", [])
    made.opened(1, hello("b"), "b:1", 0.0)
    stray = Settled(lives("c", 1)[0], LAST_COLUMN, {}, asks=False)
    assert settled(made.received(1, stray, 0.0)) == []
    made.received(1, StateHash(made.roster.hash(), bytes(16), b"h" * 16, asks=False), 0.0)
    assert settled(made.received(1, stray, 0.0)) == []
    assert made.settlement.settling._walks
    made.closed(1, 0.0)
    assert not made.settlement.settling._walks


def test_a_peer_that_tells_of_too_many_columns_loses_the_link(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(settling, "SETTLED_MAX", 3)
    made = holding("a", lives("c", 2))
    made.opened(1, hello("b"), None, 0.0)
    link = made.peers.get(1)
    assert link is not None
    lines = dict.fromkeys(lives("d", 2), Line(1))
    with pytest.raises(PeerError, match="settled columns"):
        made.settlement.take(link, Settled(b"", b"", lines, asks=False), 0.0)


def test_a_change_is_told_once_to_each_link() -> None:
    made = holding("a", [])
    made.opened(1, hello("b"), None, 0.0)
    link = made.peers.get(1)
    assert link is not None
    (column,) = lives("c", 1)
    made.intake.take_closings((Closing(column, 2),))
    commit(made)
    told = settled(made.settlement.settling.tell_changes(link))
    assert told == [Settled(b"", b"", {column: Line(0, 2)}, asks=False)]
    assert made.settlement.settling.tell_changes(link) == []


def test_whoever_catches_up_waits_for_a_column_also_where_its_peer_has_closed_it() -> None:
    mine = config("a")
    roster = Roster([entry("a"), entry("b")])
    made = Node(mine, Counters(mine.column, 100), roster, Random(1), 0.0, damaged=True)
    commit(made)
    made.opened(1, hello("b"), None, 0.0)
    (column,) = lives("c", 1)
    made.received(1, Digest({column: 3}, whole=True), 0.0)
    made.received(1, Digest({}, whole=True), 0.1)  # its line comes with other news
    assert made.joining.behind() == [column]
    made.closed(1, 1.0)
    made.opened(2, hello("b", epoch=Epoch(b"\2" * 16)), None, 2.0)  # perhaps on an older disk
    assert made.joining.behind() == []
