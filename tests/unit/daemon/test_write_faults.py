"""Every error of the write path is true: a fault at each step, against what a restart finds."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
from faulty import (
    AMOUNT,
    AT_LEAST,
    CLAIM,
    IN_LOOP,
    KEYED,
    MANY,
    ON_DISK,
    PLAIN,
    SHARE,
    Faulty,
    Told,
    play,
    restart,
)

from gcounterd.counters.settled import Closing
from gcounterd.members.roster import State
from gcounterd.node.messages import Refusal, Refused
from gcounterd.storage.schema import Durability

STEPS = ("added", "cut", "encoded", *ON_DISK, "applied", "followed")


def fail_disk(code: int, faulty: Faulty) -> None:
    error = sqlite3.OperationalError("injected")
    error.sqlite_errorcode = code
    raise error


def full(faulty: Faulty) -> None:
    fail_disk(sqlite3.SQLITE_FULL, faulty)


def broken(faulty: Faulty) -> None:
    fail_disk(sqlite3.SQLITE_IOERR, faulty)


def mistake(faulty: Faulty) -> None:
    raise AssertionError("a mistake of ours")


def kill(faulty: Faulty) -> None:
    faulty.kill()


def stop_at_once(faulty: Faulty) -> None:
    faulty.stop.cancel()


def close_column(faulty: Faulty) -> None:
    """Let a peer say that the column is over, and no new one come."""
    node = faulty.bench.node
    node.intake.take_closings((Closing(node.config.column),))
    faulty.stays = False


def begin_removal(faulty: Faulty) -> None:
    node = faulty.bench.node
    mine = node.roster.get(node.config.node)
    node.intake.take_entries((attrs.evolve(mine, state=State.REMOVING),))


def meet_twin(faulty: Faulty) -> None:
    refusal = Refusal(Refused.TWIN, "twin", "10.0.0.1:7700")
    faulty.bench.node.twins._giving_way.told("10.0.0.1:7700", refusal, 0.0)


def drain(faulty: Faulty) -> None:
    faulty.condition.draining["operator"] = "draining: an operator asked for it"


FAULTS: dict[str, tuple[Callable[[Faulty], None], tuple[str, ...]]] = {
    "full disk": (full, ON_DISK[:3]),
    "disk error": (broken, ON_DISK),
    "mistake": (mistake, ("cut", "encoded", "applied", "followed")),
    "kill": (kill, STEPS),
    "stop at once": (stop_at_once, ("added", "cut", "encoded", "applied", "followed")),
    "column closed": (close_column, ("added", *IN_LOOP)),
    "removal": (begin_removal, ("added", *IN_LOOP)),
    "twin": (meet_twin, ("added", *IN_LOOP)),
    "drain": (drain, ("added", *IN_LOOP)),
}
# What those are told who are not answered as counted, and whether it is definite; None: either.
ERRORS: dict[str, tuple[str, bool | None]] = {
    "full disk": ("disk_full", True),
    "disk error": ("storage_failed", False),
    "mistake": ("stopped", False),
    "stop at once": ("stopped", None),  # definite where it had not been cut yet
    "column closed": ("no_column", True),
    "removal": ("removing", True),
    "twin": ("twin", True),
    "drain": ("draining", True),
}
CASES = [
    (name, step, turn)
    for name, (_, steps) in FAULTS.items()
    for step in dict.fromkeys(steps)
    for turn in ((1, 2, 3) if step == "added" else (1, 2))
]


def agrees(told: Told, counted: int, amount: int, steps: tuple[int, ...] = ()) -> bool:
    """Say whether what a client was told is true; nothing told is no claim."""
    match told:
        case int(value):
            return value == counted == amount
        case (_, True):
            return counted == 0
        case _:
            return counted in (0, *steps, amount)


def check_errors(fault: str, told: dict[bytes, Told]) -> None:
    """Check that clients were told what stands in the documentation."""
    code, definite = ERRORS[fault]
    for key, error in told.items():
        if not isinstance(error, tuple):
            continue
        # A share that rose in a first commit has risen, whatever stops the second one.
        claims = (True, False) if key == SHARE or definite is None else (definite,)
        assert error in [(code, claim) for claim in claims]


@pytest.mark.parametrize("durability", [Durability.COMMIT, Durability.RELAXED])
@pytest.mark.parametrize(("fault", "step", "turn"), CASES)
async def test_what_a_client_was_told_is_what_a_restart_finds(
    tmp_path: Path, fault: str, step: str, turn: int, durability: Durability
) -> None:
    faulty = await play(tmp_path / "d", step, turn, FAULTS[fault][0], durability)
    assert faulty.seen >= turn, "the fault happened"
    killed = faulty.killed is not None
    told = faulty.killed if faulty.killed is not None else faulty.told
    assert killed or None not in told.values(), "everyone has an answer"
    if not killed:
        check_errors(fault, told)

    found = restart(tmp_path / ("killed" if killed else "d"))

    value = found.counters.value
    assert agrees(told.get(PLAIN), value(PLAIN), AMOUNT)
    assert agrees(told.get(KEYED), value(KEYED), AMOUNT)
    assert agrees(told.get(MANY[0]), value(MANY[0]), AMOUNT)
    assert value(MANY[0]) == value(MANY[1]), "all or nothing"
    assert agrees(told.get(SHARE), value(SHARE), AT_LEAST, (AT_LEAST // 2,))
    receipt = found.receipts.find(CLAIM, 0)
    assert (receipt.values if receipt else ()) == ((AMOUNT,) if value(KEYED) else ())
