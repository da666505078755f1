"""`verify` and `backup`, done by the daemon."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from stand_in import StandIn, error

SOUND = {"ok": True, "problems": [], "checked": {"journal": 12, "images": 3}}
DAMAGED = {"ok": False, "problems": ["row 3: CRC"], "checked": {"journal": 12}}


def test_a_sound_store_is_status_zero() -> None:
    with StandIn({"POST /v1/admin/verify": (200, SOUND)}) as daemon:
        result = daemon.run("verify")
        assert json.loads(daemon.run("verify", "--json").stdout) == SOUND
    assert result.exit_code == 0
    assert result.stdout == "checked journal: 12\nchecked images: 3\nthe store is sound\n"


def test_a_damaged_store_is_status_one_with_the_problems() -> None:
    with StandIn({"POST /v1/admin/verify": (200, DAMAGED)}) as daemon:
        result = daemon.run("verify")
    assert result.exit_code == 1
    assert "problem: row 3: CRC\nthe store is DAMAGED\n" in result.stdout


def test_a_backup_goes_to_an_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written = {"path": f"{tmp_path}/b.db", "bytes": 4096}
    with StandIn({"POST /v1/admin/backup": (200, written)}) as daemon:
        result = daemon.run("backup", "b.db")
        assert daemon.bodies == [{"path": f"{tmp_path}/b.db"}]
        assert json.loads(daemon.run("backup", "/x/b.db", "--json").stdout) == written
        assert daemon.bodies[1] == {"path": "/x/b.db"}
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path}/b.db: 4096 bytes\n")


def test_a_backup_onto_an_existing_file_is_refused_by_the_daemon_and_said() -> None:
    refused = 409, error("exists", "/x/b.db exists", definite=True)
    with StandIn({"POST /v1/admin/backup": refused}) as daemon:
        result = daemon.run("backup", "/x/b.db")
    assert result.exit_code == 1
    assert "/x/b.db exists [exists]" in result.stderr


def test_a_path_that_does_not_print_is_a_usage_error() -> None:
    with StandIn({}) as daemon:
        assert daemon.run("backup", "/x/\x1bb").exit_code == 2
        assert daemon.asked == []
