"""One process per directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gcounterd.errors import StorageError
from gcounterd.storage.lock import DirectoryLock, make_directory
from gcounterd.storage.store import Store

HOLDER = """
import sys
from pathlib import Path
from gcounterd.storage.store import Store
store = Store.open(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_refused_by_name_until_the_first_is_gone(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        message = rf"in use by another gcounterd \(pid {holder.pid}\)"
        with pytest.raises(StorageError, match=message) as caught:
            Store.open(tmp_path)
        assert caught.value.definite
        holder.kill()
        holder.wait()
    Store.open(tmp_path).close()


def test_a_second_store_in_one_process_is_refused_too(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with pytest.raises(StorageError, match=f"pid {os.getpid()}"):
        Store.open(tmp_path)
    store.close()
    Store.open(tmp_path).close()


def test_a_failed_opening_gives_the_lock_back(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"")
    with pytest.raises(StorageError, match="damaged"):
        Store.open(tmp_path)
    DirectoryLock.acquire(tmp_path).release()


def test_a_file_in_the_place_of_the_directory_is_said_to_be_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(StorageError, match="not a directory"):
        make_directory(path)
    with pytest.raises(StorageError, match=r"(?i)not a directory"):
        make_directory(path / "below")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_directory_without_permission_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / "sealed"
    directory.mkdir(mode=0o500)
    with pytest.raises(StorageError, match="no permission"):
        Store.open(directory)
