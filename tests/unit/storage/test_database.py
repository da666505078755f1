"""Transactions against disks that are full or broken."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from storehouse import body_of, fill, read_directory, serving

from gcounterd.errors import StorageError
from gcounterd.storage.database import LOG_BYTES_FORCED, Database
from gcounterd.storage.schema import LOG_FILE
from gcounterd.storage.store import Store

FILL_A_DISK = """
import sys
from pathlib import Path
import trio
from storehouse import body_of, read_directory, serving
from gcounterd.errors import StorageError
from gcounterd.storage.store import Store

async def main(directory, ballast):
    acked = []
    async with serving(directory) as store:
        ballast.write_bytes(b"x" * 1_500_000)
        for seq in range(1, 400):
            try:
                await store.append(seq, body_of(seq, 50_000))
            except StorageError as error:
                assert error.full and error.definite, error
                break
            acked.append(seq)
        else:
            raise AssertionError("the disk was never full")
        ballast.unlink()
        await store.append(seq + 1, b"room again")
    found = read_directory(directory)
    assert [one for one, _ in found.groups] == [*acked, seq + 1], (acked, found.groups)
    assert found.damage == []
    print("acked", len(acked))
    await stop_on_a_full_disk(directory, ballast)

async def stop_on_a_full_disk(directory, ballast):
    before = read_directory(directory)
    store = Store.open(directory)
    with ballast.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(b"x" * 4096)
            except OSError:
                break
    try:
        store.close()
    except StorageError as error:
        assert error.full, error
    ballast.unlink()
    assert read_directory(directory) == before
    print("stopped")

trio.run(main, Path(sys.argv[1]) / "data", Path(sys.argv[1]) / "ballast")
"""


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Make the kernel refuse, with an error that is not 'full', to let files grow beyond that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def limit_pages(store: Store, more: int) -> None:
    connection = store._database.connection
    (count,) = await store._thread.do(connection.execute("PRAGMA page_count").fetchone)
    await store._thread.do(lambda: connection.execute(f"PRAGMA max_page_count={count + more}"))


async def test_a_full_store_refuses_definitely_and_goes_on_when_there_is_room(
    tmp_path: Path,
) -> None:
    await fill(tmp_path)
    async with serving(tmp_path) as store:
        await limit_pages(store, 2)
        with pytest.raises(StorageError, match="full") as caught:
            await store.append(21, body_of(21, 100_000))
        assert (caught.value.full, caught.value.definite) == (True, True)
        assert store.failed is None
        assert store.last_seq == 20
        await store.append(22, b"small enough")
        await limit_pages(store, 1000)
        await store.append(23, body_of(23, 100_000))
        assert store.journal_bytes == 20 * 300 + 12 + 100_000
    found = read_directory(tmp_path)
    assert [seq for seq, _ in found.groups] == [*range(1, 21), 22, 23]
    assert found.damage == []


def test_a_file_system_that_fills_up_refuses_definitely_and_loses_nothing(tmp_path: Path) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("no unshare, so no file system of our own")
    mount = 'mount -t tmpfs -o size=4m tmpfs "$1" || exit 77; exec "$2" -c "$3" "$1"'
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", mount, "sh", tmp_path, sys.executable, FILL_A_DISK],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"no file system of our own: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("stopped\n")


async def test_after_an_input_output_error_nothing_is_tried_again(tmp_path: Path) -> None:
    await fill(tmp_path)
    async with serving(tmp_path) as store:
        await store.append(21, b"before")
        size = (tmp_path / LOG_FILE).stat().st_size
        with largest_file(size + 20_000), pytest.raises(StorageError) as caught:
            await store.append(22, body_of(22, 200_000))
        assert (caught.value.full, caught.value.definite) == (False, False)
        assert store.failed is caught.value
        with pytest.raises(StorageError, match="stopped after an error") as later:
            await store.append(23, b"after")
        assert later.value.definite
        with pytest.raises(StorageError, match="stopped after an error"):
            await store.put_images([])
    found = read_directory(tmp_path)
    assert found.damage == []
    assert read_directory(tmp_path) == found
    seqs = [seq for seq, _ in found.groups]
    assert seqs[:21] == list(range(1, 22))
    assert 23 not in seqs


async def test_the_log_stays_small_without_a_moment_of_rest(tmp_path: Path) -> None:
    async with serving(tmp_path) as store:
        for seq in range(1, 400):
            await store.append(seq, body_of(seq, 50_000))
        assert store._database.copy_backs > 5
        # A transaction more than the threshold, and what the estimate leaves out.
        assert (tmp_path / LOG_FILE).stat().st_size < 2 * LOG_BYTES_FORCED


def test_a_failed_block_is_rolled_back(tmp_path: Path) -> None:
    store = Store.open(tmp_path)

    def write_and_fail() -> None:
        with store._database.transaction():
            store._database.write("INSERT INTO journal VALUES (4096, 1, 0, 0, x'')")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    assert not store._database.connection.in_transaction
    store.close()
    assert read_directory(tmp_path).groups == []


async def test_a_file_that_cannot_be_opened_is_an_error_of_ours(tmp_path: Path) -> None:
    for opening in (Database.open, Database.open_copy):
        with pytest.raises(StorageError, match="cannot be opened"):
            opening(tmp_path / "none" / "store.db")
