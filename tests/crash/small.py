"""A daemon whose limits a short story meets: `python -m tests.crash.small run …`.

Checkpoints after some KiB, groups in several rows, receipts in several chunks, trimming in several
steps. What reads the disk afterwards lowers them as well. Nothing else is changed.
"""

from __future__ import annotations

import logging

from gcounterd.cli.gcounterd import main
from gcounterd.daemon import checkpoints
from gcounterd.node import receipts
from gcounterd.storage import database, journal


def shrink() -> None:
    """Lower the limits in this process."""
    checkpoints.JOURNAL_BYTES_MIN = 2 * 1024
    receipts.CHUNK = 8
    database.LOG_BYTES_FORCED = 96 * 1024
    database.LOG_BYTES_RESTING = 24 * 1024
    database.LOG_FILE_BYTES_MAX = 48 * 1024
    setattr(journal, "PART_BYTES_MAX", 400)  # noqa: B010 - imported there, so not its own
    journal.TRIM_ROWS_MAX = 8


def hush() -> None:
    """Have this process write no log: it starts daemons' stores by the thousand."""
    logging.getLogger("gcounterd").setLevel(logging.CRITICAL)


if __name__ == "__main__":
    shrink()
    main()
