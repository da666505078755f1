"""What operators did stands in a file of bounded size, whatever they named things."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio

from gcounterd.api.routes import ROUTES
from gcounterd.api.scopes import ACTIONS, scope_of
from gcounterd.daemon.auditing import REFUSED_PER_S_MAX, Auditing
from gcounterd.security import audit
from gcounterd.security.audit import NAME, NAME_BEFORE, AuditFile, Deed
from gcounterd.security.rates import BURST_S
from gcounterd.security.tokens import Scope

DEED = Deed("anna", "drain", "POST /v1/drain", 200)


def read(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_operators_route_has_a_name_for_the_audit() -> None:
    admin = {(route.method, route.pattern) for route in ROUTES if scope_of(route) is Scope.ADMIN}
    assert ACTIONS.keys() == admin
    assert len(set(ACTIONS.values())) == len(ACTIONS)


def _stands(path: Path, deed: Deed) -> bool:
    return path.exists() and [line["who"] for line in read(path)][-1:] == [deed.who]


async def write(folder: Path, *deeds: Deed) -> list[dict[str, object]]:
    """Note these deeds, and return the lines of the file when as many are there."""
    auditing = Auditing(folder)
    for deed in deeds:
        auditing.note(deed)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(auditing.run)
        with trio.fail_after(20):
            while not _stands(folder / NAME, deeds[-1]):
                await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    return read(folder / NAME)


async def test_a_deed_is_one_line_whatever_it_holds(tmp_path: Path) -> None:
    nasty = Deed("otto", "add_node", 'POST /x {"name": "\n\x1b[2J\x7f\u202e"}', 400, "bad_name")
    lines = await write(tmp_path, nasty, DEED)
    assert [line["action"] for line in lines] == ["add_node", "drain"]
    assert lines[0]["asked"] == nasty.asked
    raw = (tmp_path / NAME).read_bytes()
    assert all(0x20 <= byte < 0x7F or byte == 0x0A for byte in raw)
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600


async def test_refused_attempts_cannot_fill_the_file(tmp_path: Path) -> None:
    refused = Deed("10.0.0.7", "drain", "POST /v1/drain", 401, "token_needed")
    lines = await write(tmp_path, *[refused] * 1000, DEED)
    assert lines[-1]["who"] == "anna"
    assert 1 < len(lines) <= REFUSED_PER_S_MAX * (BURST_S + 20)


def test_the_file_is_kept_with_the_one_before_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "FILE_BYTES_MAX", 500)
    file = AuditFile(tmp_path)
    for number in range(50):
        file.write(str(number), DEED)
    kept = [
        *read(tmp_path / NAME_BEFORE),
        *(read(tmp_path / NAME) if (tmp_path / NAME).exists() else []),
    ]
    assert [int(str(line["ts"])) for line in kept] == list(range(50 - len(kept), 50))
    assert 4 <= len(kept) < 20
    assert sorted(path.name for path in tmp_path.iterdir()) <= [NAME_BEFORE, NAME]
