"""Imports in a cluster: the same file counts once, wherever and whenever it is brought."""

from __future__ import annotations

import pytest
from bringing import bring, made
from closings import COOLED_S, cold_at, lines, restart
from closings import form as form_small
from removals import finish, wait_exit, wait_removed
from stories import SETTLED_S_MAX, agree, form, join, read, values

from gcounterd.counters.settled import Line
from gcounterd.errors import ClientError
from gcounterd.node.returning import EXIT_RETURNED
from tests.finishing import result_of

OLD = {b"apples": 1000, b"pears": 7}


def test_an_import_is_shown_everywhere_under_its_name() -> None:
    cluster = form("a", "b", "c")
    given = made("old", OLD)
    assert bring(cluster, "a", given)
    cluster.add("b", b"apples", 1)
    agree(cluster)
    assert values(cluster, b"apples") == {"a": 1001, "b": 1001, "c": 1001}
    assert lines(cluster, given.column) == dict.fromkeys("abc", Line(1, 1, 2, source="old"))


def test_the_same_file_brought_to_every_node_counts_once() -> None:
    cluster = form("a", "b", "c")
    given = made("old", OLD)
    assert [bring(cluster, name, given) for name in "abc"] == [True] * 3
    agree(cluster)
    assert [bring(cluster, name, given) for name in "abc"] == [False] * 3
    agree(cluster)
    assert values(cluster, b"apples") == {"a": 1000, "b": 1000, "c": 1000}


def test_the_same_file_imported_at_two_nodes_that_are_cut_off_counts_once() -> None:
    cluster = form("a", "b", "c", "d")
    cluster.split("ab", "cd")
    cluster.run(10)
    given = made("old", OLD)
    assert bring(cluster, "a", given)
    assert bring(cluster, "d", given)
    cluster.run(10)
    assert values(cluster, b"apples") == dict.fromkeys("abcd", 1000)
    cluster.network.heal()
    agree(cluster)
    assert values(cluster, b"apples") == dict.fromkeys("abcd", 1000)


def test_two_files_of_one_name_imported_at_nodes_that_are_cut_off_both_count_and_are_seen() -> None:
    cluster = form("a", "b")
    cluster.split("a", "b")
    bring(cluster, "a", made("old", {b"apples": 1}))
    bring(cluster, "b", made("old", {b"apples": 2}))
    cluster.run(5)
    cluster.network.heal()
    agree(cluster)
    assert values(cluster, b"apples") == {"a": 3, "b": 3}
    (known,) = result_of(cluster.node("a").importing.known("", 9))
    assert (len(known.contents), known.total) == (2, 3)


def test_a_source_that_another_node_has_with_other_content_is_refused() -> None:
    cluster = form("a", "b")
    bring(cluster, "a", made("old", OLD))
    agree(cluster)
    with pytest.raises(ClientError) as refused:
        bring(cluster, "b", made("old", {b"apples": 1001}))
    assert refused.value.code == "source_known"
    agree(cluster)


def test_a_node_imports_while_it_is_cut_off_and_is_removed_and_others_import_the_same() -> None:
    cluster = form("a", "b", "c", "d")
    given = made("old", OLD)
    for name in "abcd":
        cluster.add(name, b"pears")
    agree(cluster)
    cluster.split("d", "abc")
    cluster.run(10)
    bring(cluster, "d", given)
    cluster.remove("a", "d", dead=True, forced=True)
    wait_removed(cluster, "d", seconds=SETTLED_S_MAX)
    bring(cluster, "b", given)
    # The columns of earlier lives are forgotten meanwhile; what was imported is not.
    restart(cluster, "c")
    cluster.run(30)
    cluster.network.heal()
    assert wait_exit(cluster, "d", SETTLED_S_MAX)[0] == EXIT_RETURNED
    finish(cluster, "d")
    assert values(cluster, b"apples") == dict.fromkeys("abc", 1000)
    assert values(cluster, b"pears") == dict.fromkeys("abc", 11)
    assert lines(cluster, given.column) == dict.fromkeys("abc", Line(1, 1, 2, source="old"))


def test_what_only_a_removed_node_imported_comes_back_with_it_and_with_its_name() -> None:
    cluster = form("a", "b", "c")
    given = made("old", OLD)
    cluster.split("c", "ab")
    cluster.run(10)
    bring(cluster, "c", given)
    cluster.remove("a", "c", dead=True, forced=True)
    wait_removed(cluster, "c", seconds=SETTLED_S_MAX)
    cluster.network.heal()
    assert wait_exit(cluster, "c", SETTLED_S_MAX)[0] == EXIT_RETURNED
    finish(cluster, "c")
    assert values(cluster, b"apples") == {"a": 1000, "b": 1000}
    # Brought again by a member, it is known.
    assert not bring(cluster, "b", given)
    assert lines(cluster, given.column) == dict.fromkeys("ab", Line(1, 1, 2, source="old"))


def test_a_live_removal_hands_over_what_was_imported_just_before() -> None:
    cluster = form("a", "b", "c")
    bring(cluster, "c", made("old", OLD))
    cluster.remove("a", "c")
    finish(cluster, "c")
    assert values(cluster, b"apples") == {"a": 1000, "b": 1000}


def test_an_import_outlives_kills_power_cuts_and_its_own_disk_s_checkpoints() -> None:
    cluster = form_small("a", "b")
    given = made("old", OLD)
    bring(cluster, "a", given)
    agree(cluster)
    restart(cluster, "a")
    restart(cluster, "b", power=True)
    agree(cluster)
    for number in range(10):
        cluster.add("a", b"plums", number + 1)
        cluster.run(0.5)
    cluster.run(COOLED_S)
    assert cold_at(cluster, given.column) == ["a", "b"]
    restart(cluster, "a")
    restart(cluster, "b")
    agree(cluster)
    assert lines(cluster, given.column) == dict.fromkeys("ab", Line(1, 1, 2, source="old"))
    assert values(cluster, b"apples") == {"a": 1000, "b": 1000}
    assert not bring(cluster, "b", given)


def test_a_kill_during_an_import_leaves_all_of_it_or_nothing() -> None:
    for delay in (0.0, 0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01):
        cluster = form("a", "b")
        given = made("old", OLD)
        bring(cluster, "a", given)
        cluster.run(delay)
        restart(cluster, "a", power=True)
        agree(cluster)
        found = values(cluster, b"apples"), values(cluster, b"pears")
        whole = {"a": 1000, "b": 1000}, {"a": 7, "b": 7}
        assert found in (whole, ({"a": 0, "b": 0}, {"a": 0, "b": 0}))
        # Whoever got no answer repeats it.
        bring(cluster, "b", given)
        agree(cluster)
        assert (values(cluster, b"apples"), values(cluster, b"pears")) == whole


def test_a_newcomer_gets_what_was_imported_by_content_and_by_name() -> None:
    cluster = form("a", "b")
    given = made("old", OLD)
    bring(cluster, "a", given)
    agree(cluster)
    join(cluster, "c", "b")
    agree(cluster)
    assert values(cluster, b"apples") == {"a": 1000, "b": 1000, "c": 1000}
    assert lines(cluster, given.column)["c"] == Line(1, 1, 2, source="old")
    assert not bring(cluster, "c", given)


def test_an_import_is_never_forgotten_though_its_version_is_final() -> None:
    cluster = form("a", "b")
    given = made("old", OLD)
    bring(cluster, "a", given)
    cluster.add("a", b"plums")
    cluster.stop("a")
    cluster.start("a")
    agree(cluster)
    cluster.run(60)
    agree(cluster)
    assert cluster.node("a").counters.residues.nodes()  # the life that ended is forgotten
    assert lines(cluster, given.column) == dict.fromkeys("ab", Line(1, 1, 2, source="old"))


def test_a_consistent_read_holds_an_import_that_was_acknowledged_elsewhere() -> None:
    cluster = form("a", "b", "c")
    cluster.network.block("a", "c")
    cluster.network.block("c", "a")
    bring(cluster, "a", made("old", OLD))
    cluster.run(0.02)
    cluster.network.heal()
    ended = read(cluster, "c")
    while not ended:
        cluster.run(0.01)
    assert ended == [()]  # it missed nobody
    assert cluster.value("c", b"apples") == 1000
    agree(cluster)


def test_what_a_process_imported_that_gives_way_to_its_twin_is_handed_over_by_name() -> None:
    cluster = form("a", "b")
    cluster.add("a", b"apples", 1)
    agree(cluster)
    cluster.clone("a", "copy")
    cluster.split(["copy"], "ab")
    cluster.start("copy")
    cluster.run(1)
    given = made("old", OLD)
    bring(cluster, "copy", given)
    cluster.run(1)
    cluster.network.heal()
    cluster.run(20)
    agree(cluster)
    assert len(cluster.running) == 2
    for process in cluster.running:
        assert process.node.counters.value(b"apples") == 1001
        line = process.node.counters.settled.get(given.column)
        assert line == Line(1, 1, 2, source="old")
