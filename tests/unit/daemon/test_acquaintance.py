"""Who is waited for after a config, step by step, and that the wait ends."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import trio
from trio.testing import MockClock

from gcounterd.daemon.acquaintance import join_all
from gcounterd.daemon.driver import Driver

B, C = "b:7700", "c:7700"


class Meeting:
    """A driver whose cluster comes together a step at each look: `steps` is what each look finds.

    unmet    addresses that no hello has answered from
    strange  addresses of linked peers that are not on the roster
    missing  whom the round of questions did not hear from
    agreed   whether all knew the same members
    """

    def __init__(self, *steps: dict[str, Any]) -> None:
        self.joined: list[str] = []
        self.looks = 0
        self._steps = steps

    @property
    def _step(self) -> dict[str, Any]:
        return self._steps[min(self.looks - 1, len(self._steps) - 1)]

    @property
    def node(self) -> SimpleNamespace:
        self.looks += 1
        step = self._step
        hellos = [SimpleNamespace(address=address) for address in step.get("strange", ())]
        links = [SimpleNamespace(peer=hello.address, hello=hello) for hello in hellos]
        roster = MembersOf("a", "b")
        return SimpleNamespace(
            dialler=SimpleNamespace(unmet=step.get("unmet", [])),
            peers=SimpleNamespace(all=lambda: links),
            reading=SimpleNamespace(agreed=lambda: step.get("agreed", True)),
            roster=roster,
        )

    def join(self, addresses: Sequence[str]) -> None:
        self.joined += addresses

    async def read(self, seconds: float) -> tuple[str, ...]:
        await trio.lowlevel.checkpoint()
        return tuple(self._step.get("missing", ()))


class MembersOf(dict[str, str]):
    """A roster of these names."""

    def __init__(self, *names: str) -> None:
        super().__init__(dict.fromkeys(names, ""))

    def belonging(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(node=name) for name in self]

    def label(self, node: str) -> str:
        return node


async def join(meeting: Meeting, seconds: float = 5.0) -> tuple[str, ...]:
    return await join_all(cast("Driver", meeting), [B, C], seconds)


async def test_it_ends_when_all_are_met_on_the_roster_and_know_each_other(
    autojump_clock: MockClock,
) -> None:
    meeting = Meeting(
        {"unmet": [B, C]}, {"unmet": ["x:1", C]}, {"strange": [C]}, {"agreed": False}, {}
    )
    assert await join(meeting) == ()
    assert meeting.joined == [B, C]
    assert meeting.looks == 5
    assert trio.current_time() < 1.0


async def test_a_seed_of_somebody_else_is_not_waited_for(autojump_clock: MockClock) -> None:
    assert await join(Meeting({"unmet": ["x:1"]})) == ()


async def test_at_the_end_of_its_time_it_says_who_is_still_waited_for(
    autojump_clock: MockClock,
) -> None:
    assert await join(Meeting({"unmet": [C]})) == (C,)
    assert await join(Meeting({"strange": [C, B]})) == (B, C)
    assert await join(Meeting({"missing": ["n3"]})) == ("n3",)
    assert await join(Meeting({"agreed": False})) == ("a", "b")
    assert trio.current_time() < 21.0
