"""The laws that exactness rests on: columns and rosters are lattices, applying is idempotent."""

from unittest import mock

from counting import column, contents, counters
from hypothesis import given, settings
from hypothesis import strategies as st

from gcounterd.counters.counters import Counters
from gcounterd.counters.deltas import Stage
from gcounterd.ids import Epoch, NodeId, draw_epoch
from gcounterd.members.approvals import Approval, Approvals, merge_approvals
from gcounterd.members.roster import Entry, Roster, State, merge_entries

A = column("a")
keys = st.sampled_from([b"k%d" % n for n in range(40)])
flushes = st.lists(st.dictionaries(keys, st.integers(1, 2**31), min_size=1), max_size=8)


def written(flushed: list[dict[bytes, int]]):
    """Return the writer and its batches, one flush each."""
    held, batches = counters("a"), []
    for amounts in flushed:
        for key, amount in amounts.items():
            held.add(key, amount)
        for batch in held.cut():
            held.apply(batch)
            batches.append(batch)
        held.writer.settle()
    return held, batches


def take(held: Counters, batch) -> None:
    """Take a batch as the node does: gaps are not applied."""
    if batch.since <= held.head(batch.column):
        held.apply(batch)


@given(flushes, st.data())
def test_batches_in_any_order_and_number_end_in_the_writers_column(flushed, data) -> None:
    writer, batches = written(flushed)
    noise = data.draw(st.lists(st.sampled_from(batches), max_size=20)) if batches else []
    held = counters("b")

    for batch in noise:
        take(held, batch)
        assert held.recount().tolist() == held.totals.tolist()
    for batch in batches:
        take(held, batch)

    assert contents(held, A) == contents(writer, A)
    assert held.heads() == writer.heads()


@given(flushes, st.integers(0, 8), st.data())
def test_a_delta_from_any_head_levels_a_replica(flushed, known, data) -> None:
    writer, batches = written(flushed)
    held = counters("b")
    for batch in batches[:known]:
        held.apply(batch)
    if held.head(A) == writer.head(A):
        return
    gathering = writer.gather(A, held.head(A), held.size(A))
    stage, batch = Stage(b"g", held.head(A)), None
    for newer in batches[known : known + data.draw(st.integers(0, 3))]:
        held.apply(newer)  # pushes overtake the delta
    while batch is None:
        for piece in gathering.pieces(stage.next):
            batch = stage.take(A, piece.number, piece.version, piece.block)
    take(held, batch)

    assert contents(held, A) == contents(writer, A)
    assert held.head(A) == writer.head(A)


@given(flushes)
def test_a_value_never_goes_down_while_batches_arrive(flushed) -> None:
    _, batches = written(flushed)
    held, before = counters("b"), {}
    for batch in batches:
        for _ in held.applying(batch):
            pass
        now = {name: held.value(name) for name in held.keys.names}
        assert all(now[name] >= value for name, value in before.items())
        before = now


ids = st.sampled_from([NodeId(bytes([n]) * 16) for n in range(3)])
entries = st.builds(
    Entry,
    ids,
    st.sampled_from([Epoch(bytes([n]) * 16) for n in range(3)]),
    st.integers(0, 2),
    st.sampled_from(["web", "db"]),
    st.sampled_from(["a:1", "b:2"]),
    st.sampled_from(State),
    st.none() | ids,
    st.booleans(),
    st.sampled_from([b"", bytes(16), b"\1" * 16]),
)
same_node = entries.map(lambda e: Entry(NodeId(b"x" * 16), *[getattr(e, n) for n in FIELDS]))
FIELDS = ("epoch", "revision", "name", "address", "state", "heir", "forced", "released")


@given(same_node, same_node, same_node)
def test_merging_entries_is_idempotent_commutative_associative(x, y, z) -> None:
    assert merge_entries(x, x) == x
    assert merge_entries(x, y) == merge_entries(y, x)
    assert merge_entries(merge_entries(x, y), z) == merge_entries(x, merge_entries(y, z))


@given(same_node, same_node)
def test_merging_entries_only_rises(x, y) -> None:
    merged = merge_entries(x, y)
    assert merge_entries(merged, x) == merged
    assert merged.state >= x.state
    assert (merged.epoch, merged.revision) >= (x.epoch, x.revision)


@given(st.lists(entries, max_size=8), st.randoms(use_true_random=False))
def test_rosters_agree_whatever_the_order(found, rng) -> None:
    one, two = Roster(), Roster()
    one.merge(found)
    shuffled = found * 2
    rng.shuffle(shuffled)
    for entry in shuffled:
        two.merge([entry])
    assert list(one) == list(two)
    assert one.hash() == two.hash()


tokens = st.sampled_from([bytes([n]) * 32 for n in range(3)])
moments = st.sampled_from([1, 2, 3])
approvals = st.builds(Approval, st.sampled_from(["web", "db"]), tokens, moments, st.none() | ids)
same_key = st.builds(Approval, st.just("web"), st.just(b"t" * 32), st.just(1), st.none() | ids)
tables = st.lists(approvals, max_size=12)


@given(same_key, same_key, same_key)
def test_merging_approvals_is_idempotent_commutative_associative(x, y, z) -> None:
    assert merge_approvals(x, x) == x
    assert merge_approvals(x, y) == merge_approvals(y, x)
    assert merge_approvals(merge_approvals(x, y), z) == merge_approvals(x, merge_approvals(y, z))


@given(tables, tables, tables, st.integers(1, 4))
def test_full_tables_of_approvals_merge_in_any_grouping(x, y, z, most) -> None:
    def merged(*parts):
        table = Approvals()
        for part in parts:
            table.merge(list(part), 0)
            assert len(table) <= most
        return table

    with mock.patch("gcounterd.members.approvals.APPROVALS_MAX", most):
        left = merged(merged(x, y), z)
        right = merged(x, merged(z, y, y))
    assert list(left) == list(right)
    assert left.hash() == right.hash()


@given(st.integers(0, 2**48 - 2), st.integers(0, 2**90), st.integers(0, 2**48 - 2))
@settings(max_examples=50)
def test_an_epoch_is_above_the_last_own_one_whatever_the_clock_says(last_ms, bits, now_ms) -> None:
    last = draw_epoch(last_ms, bits)
    assert draw_epoch(now_ms, bits ^ 1, above=last) > last
