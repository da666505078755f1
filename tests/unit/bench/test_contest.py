"""Contests between programs: turns, shares, and what is said of a program that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.contest import Contender, Contest, play
from tests.bench.redis import Load, read_rate
from tests.cluster.programs import ProgramError, free_port, lacking, open_program


async def test_contenders_take_turns_and_another_one_begins_each_round() -> None:
    turns: list[str] = []

    def contender(name: str, rates: list[float]) -> Contender:
        async def run() -> float:
            turns.append(name)
            return rates.pop(0)

        return run

    contest = Contest(absent={"other": "not installed: other"})
    contenders = {"a": contender("a", [2, 4, 9]), "b": contender("b", [1, 8, 3])}
    await play(contest, contenders, 3)
    assert turns == ["a", "b", "b", "a", "a", "b"]
    assert (contest.median("a"), contest.median("b"), contest.median("other")) == (4, 3, None)
    assert contest.share("a", "b") == 4 / 3
    assert contest.share("a", "other") is None
    assert contest.spread("a") == "of 3, 2 to 9"
    assert contest.share_spread("a", "b") == "of 3, 0.5 to 3"


def test_the_rate_of_redis_benchmark_is_that_of_its_last_row() -> None:
    printed = '"test","rps","avg_latency_ms"\n"INCR","108108.11","7.202"\n'
    assert read_rate(printed) == 108108.11
    with pytest.raises(ProgramError, match="says"):
        read_rate('"test","rps","avg_latency_ms"\nError from server: WRONGTYPE\n')


@pytest.mark.parametrize(
    ("load", "rate", "requests"),
    [(Load(1), 40_000, 80_000), (Load(64), 500_000, 998_400), (Load(64), 1, 64_000)],
)
def test_a_load_is_of_whole_pipelines_of_all_clients(
    load: Load, rate: float, requests: int
) -> None:
    assert load.requests(rate, 2.0) == requests
    assert requests % (load.pipeline * load.clients) == 0


async def test_a_program_that_does_not_come_up_says_what_it_printed(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match=r"is not up on port \d+:\n.*no-such-file"):
        async with open_program(["cat", "no-such-file"], free_port(), tmp_path / "log"):
            pytest.fail("it is not up")
    assert lacking("sh", "no-such-program") == "not installed: no-such-program"
    with pytest.raises(ProgramError, match="not installed: no-such-program"):
        async with open_program(["no-such-program"], 1, tmp_path / "log"):
            pytest.fail("it is not there")
