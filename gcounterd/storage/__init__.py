"""The disk: the journal, the images, and what can be said of them without a daemon.

`records` and `recovery` are pure and are imported by the simulator too, so this file imports
nothing by itself.
"""

from __future__ import annotations

from pathlib import Path


def verify_offline(directory: Path) -> dict[str, object]:
    """Check a data directory that no daemon uses; see `gcounterd.storage.store`."""
    from gcounterd.storage import store

    return store.verify_offline(directory)
