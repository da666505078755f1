"""Mutants of closing: what is told, what is added, what waits, and what comes late."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, by_seeds, by_tests

_STALE_DISK = "scenarios/test_restarts.py::test_a_stale_disk_levels_up_and_counts_on"
_CLOSINGS = "unit/node/test_closings.py"
_SETTLING = "unit/node/test_settling.py"
_STORIES = "scenarios/test_closed_columns.py"
_CUT_OFF = (
    f"{_STORIES}::test_what_a_cut_off_node_alone_holds_of_a_closed_column_counts_once_everywhere"
)
_REDRAWN = (
    f"{_STORIES}::test_a_node_whose_running_column_is_closed_goes_on_in_a_new_one_and_loses_nothing"
)
_CLOSING = "unit/counters/test_closing.py"
_COUNTERS = "gcounterd/counters/counters.py"
_COLUMNS = "gcounterd/counters/columns.py"

RELAYED = (
    Mutant(
        "line-taken-at-its-word",
        "relayed",
        "A node writes down the version that a peer says it holds, and passes that on.",
        "gcounterd/node/settling.py",
        """            mine = self._settled.get(column)
            if mine is None""",
        """            mine = self._settled.get(column)
            if mine is not None and line.version > mine.version:
                self._settled.put(column, line)
            if mine is None""",
        (
            by_tests(_CUT_OFF),
            by_seeds(60, 89),
        ),
    ),
    Mutant(
        "final-taken-for-held",
        "relayed",
        "A node that hears of a column when it is final says that it holds that version.",
        _COUNTERS,
        "line = Line(0, closing.final, source",
        "line = Line(closing.final, closing.final, source",
        (by_tests(f"{_STORIES}::test_a_newcomer_does_not_take_a_final_version_for_what_it_holds"),),
    ),
)

ADDED = (
    Mutant(
        "cold-column-counted-again",
        "added",
        "A cold column that is read from disk is added to the totals again.",
        _COUNTERS,
        "read.load(image, None, upto",
        "read.load(image, self._totals, upto",
        (by_tests(_CLOSING), by_tests(_STORIES), by_seeds(60, 89)),
        instead="Closing moves no counts, so there is no sum to which a delta could be added"
        " whole: the totals hold the column already when it is read for the delta.",
    ),
    Mutant(
        "old-copy-warmed",
        "added",
        "A copy of a cold column that was read before a late batch is taken for the column.",
        _COUNTERS,
        "line is not None and line.version == column.head:",
        "line is not None:",
        (by_tests(_CLOSING),),
        instead="The next delta would be compared with older counts, and its rises would be too"
        " large.",
    ),
    Mutant(
        "base-takes-whole-counts",
        "added",
        "A late batch adds its counts to its node's share, instead of their rises.",
        _COLUMNS,
        "segment.base.rise_one(segment.rows.item(offset), rise)",
        "segment.base.rise_one(segment.rows.item(offset), count)",
        (by_tests(_CLOSING), by_seeds(60, 89)),
    ),
    Mutant(
        "base-takes-whole-counts-of-large-batches",
        "added",
        "The same where a batch is large enough for whole arrays.",
        _COLUMNS,
        "segment.base.rise(segment.rows[offsets], new - old)",
        "segment.base.rise(segment.rows[offsets], new)",
        (by_tests(_CLOSING),),
    ),
)

FLIGHT = (
    Mutant(
        "flush-dropped-at-closing",
        "flight",
        "What waits when the running column is closed is thrown away.",
        _COUNTERS,
        """        if self.is_closed(self.writer.own):
            return []""",
        """        if self.is_closed(self.writer.own):
            finish(self.writer.cutting(None))
            self.writer.settle()
            return []""",
        (by_tests(_CLOSING), by_tests(_REDRAWN)),
        instead="A group that is on its way to the disk is applied before a closing can be, in"
        " one order for all. What can be lost is what is gathered meanwhile.",
    ),
    Mutant(
        "flush-dropped-at-reopening",
        "flight",
        "What waits is thrown away when the new column begins.",
        "gcounterd/counters/writer.py",
        """        self.own = own
        self._places = reserve""",
        """        self.own = own
        self._pending = {}
        self._places = reserve""",
        (by_tests(_CLOSING), by_tests(_REDRAWN)),
    ),
    Mutant(
        "answered-while-it-waits",
        "flight",
        "A client is told that its increment is durable while it waits for a new column.",
        "gcounterd/daemon/commits.py",
        "return [noting]\n",
        "return [noting, self._gathering]\n",
        (
            by_tests(
                "unit/daemon/test_commits.py::"
                "test_who_counts_into_a_closed_column_is_answered_when_the_next_one_holds_it"
            ),
        ),
    ),
)

GOES_ON = (
    Mutant(
        "writer-goes-on",
        "goes-on",
        "A writer goes on in its closed column, and begins at nothing once that is cold.",
        _COUNTERS,
        """        if self.is_closed(self.writer.own):
            return []
""",
        "",
        (by_tests(_CLOSING),),
        instead="What is written to a closed column is taken in like any late batch, so it is not"
        " lost by that alone; but a version is used twice when the column is no longer in memory.",
    ),
    Mutant(
        "writer-stops-for-ever",
        "goes-on",
        "A writer whose column is closed draws no new one, and its increments wait for ever.",
        "gcounterd/node/closings.py",
        "return self.holds_back and not",
        "return self.finished and not",
        (by_tests(_REDRAWN),),
    ),
    Mutant(
        "counts-after-its-last-version",
        "goes-on",
        "A process that has called its column final takes increments, which nobody will write.",
        "gcounterd/node/settlement.py",
        """        if self.closings.finished:
            raise ClientError""",
        """        if not self.closings:
            raise ClientError""",
        (by_tests(_CLOSINGS),),
    ),
)

FINAL = (
    Mutant(
        "final-of-an-earlier-process",
        "final",
        "A process calls the columns of earlier processes final at what its disk holds of them.",
        "gcounterd/node/closings.py",
        "self.decide(Closing(column))",
        "self.decide(Closing(column, self._counters.head(column)))",
        (
            by_tests(_CLOSINGS),
            by_tests(f"{_STORIES}::test_only_the_process_that_wrote_a_column_calls_it_final"),
            by_seeds(60, 89),
        ),
    ),
)

LATE = (
    Mutant(
        "late-batch-not-applied",
        "late",
        "A batch of a closed column is written to disk and not counted.",
        _COUNTERS,
        "if batch.version <= self.head(batch.column) or self.is_forgotten(batch.column):",
        "if batch.version <= self.head(batch.column) or self.is_closed(batch.column):",
        (by_tests(_CLOSING), by_tests(_STALE_DISK)),
    ),
    Mutant(
        "late-batch-not-taken",
        "late",
        "A batch of a closed column is dropped when it arrives.",
        "gcounterd/node/intake.py",
        "if self._counters.is_forgotten(batch.column) or not batch.since",
        "if self._counters.is_closed(batch.column) or not batch.since",
        (by_tests("unit/node/test_exchange.py"),),
    ),
    Mutant(
        "late-counts-not-asked-for",
        "late",
        "Nobody asks for the versions of closed columns that others hold above its own.",
        "gcounterd/node/settling.py",
        "self._exchange.ahead(link, column, line.version)",
        "pass",
        (
            by_tests(_SETTLING),
            by_tests(
                f"{_STORIES}::test_a_newcomer_gets_every_closed_column_from_the_disks_of_others"
            ),
        ),
    ),
    Mutant(
        "late-batch-not-replayed",
        "late",
        "After a crash, batches in the journal that came after the closing are left out.",
        "gcounterd/storage/recovery.py",
        "case TakeBatch(batch) if counters.is_forgotten(batch.column):",
        "case TakeBatch(batch) if counters.is_closed(batch.column):",
        (by_tests(f"{_STORIES}::test_late_counts_of_a_closed_column_outlive_a_power_cut"),),
    ),
)
