"""A real daemon on a disk that fills up, and on one that has changed behind its back."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from test_hostile_input import request

from tests.cluster.client import counter_target
from tests.cluster.processes import DAEMON, Plan, open_cluster

pytestmark = pytest.mark.slow

PATIENCE_S = 60
DISK_BYTES = 24 * 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder on a file system of 24 MiB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    made = subprocess.run(mount, capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"no file system can be mounted here: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def increment(url: str, key: str) -> tuple[int, dict[str, object]]:
    status, body = await request(url, "POST", counter_target(key))
    return status, json.loads(body)


async def test_a_full_disk_refuses_definitely_reads_go_on_and_room_cures_it(
    small_disk: Path,
) -> None:
    async with open_cluster(Plan(small_disk, 1, 0, 0)) as cluster:
        await cluster.start_all()
        await cluster.ready()
        url = cluster.find("n1").url
        assert (await increment(url, "x"))[0] == 200
        ballast = small_disk / "ballast"
        with ballast.open("wb") as file:
            try:
                while True:
                    os.write(file.fileno(), b"\0" * 65_536)
            except OSError:
                pass

        acknowledged = 1
        with trio.fail_after(PATIENCE_S):
            while (answer := await increment(url, "x"))[0] == 200:
                acknowledged += 1
        status, body = answer
        assert status == 507
        assert body["error"]["definite"] is True
        status, body = await request(url, "GET", counter_target("x"))
        assert (status, json.loads(body)["value"]) == (200, acknowledged)

        ballast.unlink()
        assert (await increment(url, "x"))[1] == {"key": "x", "value": acknowledged + 1}
        await cluster.kill("n1")
        await cluster.start("n1")
        await cluster.ready()
        _, body = await request(url, "GET", counter_target("x"))
        assert json.loads(body)["value"] == acknowledged + 1


async def test_a_journal_changed_behind_its_back_is_said_and_not_passed_over(
    tmp_path: Path,
) -> None:
    async with open_cluster(Plan(tmp_path, 1, 0, 0)) as cluster:
        await cluster.start_all()
        await cluster.ready()
        for _ in range(3):
            await increment(cluster.find("n1").url, "x")
    (store,) = tmp_path.glob("n1/**/store.db")
    connection = sqlite3.connect(store)
    connection.execute(
        "UPDATE journal SET body = CAST(x'ff' || substr(body, 2) AS BLOB) "
        "WHERE id = (SELECT max(id) FROM journal)"
    )
    connection.commit()
    connection.close()

    run = [*DAEMON, "--data-dir", str(store.parent), "--cluster", "demo", "--name", "n1"]
    run += ["--peer", "127.0.0.1:0", "--http", "127.0.0.1:0", "--resp", "off"]
    ended = await trio.run_process(run, capture_stderr=True, check=False)

    assert ended.returncode == 3
    assert b"--salvage" in ended.stderr
    assert b"journal" in ended.stderr
