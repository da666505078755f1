"""Draining: increments are refused with other members to go to, and only that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from test_commits import wishes

from gcounterd.daemon.boot import boot
from gcounterd.daemon.condition import Condition
from gcounterd.daemon.draining import OTHERS_GOOD_S, OTHERS_SHOWN_MAX, Draining
from gcounterd.errors import ClientError
from gcounterd.ids import Epoch, NodeId
from gcounterd.members.claims import Claim, Evidence, Liveness
from gcounterd.members.roster import Entry, State
from gcounterd.node.node import Node

EPOCH = Epoch(b"\x07" * 16)


def node_id(number: int) -> NodeId:
    return NodeId(bytes([number]) * 16)


def meet(node: Node, number: int, state: State = State.ACTIVE) -> None:
    entry = Entry(node_id(number), EPOCH, 0, f"n{number}", f"127.0.0.1:{number}", state)
    node.roster.merge([entry])
    node.detector.know(entry.node, EPOCH, trio.current_time(), joined=True)


@asynccontextmanager
async def draining(folder: Path) -> AsyncIterator[tuple[Node, Condition, Draining]]:
    booted = boot(wishes(folder))
    try:
        node = booted.node("127.0.0.1:1", (), trio.current_time())
        condition = Condition()
        yield node, condition, Draining(node, condition)
    finally:
        booted.store.close()


def refusal(drains: Draining) -> ClientError:
    with pytest.raises(ClientError) as refused:
        drains.check()
    return refused.value


def others(error: ClientError) -> list[str]:
    named = error.details["others"]
    assert isinstance(named, list)
    return sorted(other["node"] for other in named)


async def test_increments_are_refused_with_members_that_are_alive(tmp_path: Path) -> None:
    async with draining(tmp_path / "d") as (node, condition, drains):
        drains.check()
        for number in (2, 3, 4):
            meet(node, number)
        meet(node, 5, State.JOINING)
        dead = Claim(node_id(4), EPOCH, 0, Liveness.DEAD, node_id(3), Evidence.REFUSED)
        node.detector.heard([dead], node_id(3), trio.current_time())
        drains.begin("api")
        error = refusal(drains)
        assert (error.status, error.code, error.definite) == (503, "draining", True)
        assert others(error) == ["n2", "n3"]
        assert "n2 (127.0.0.1:2)" in error.message
        (reason,) = set(condition.reasons(node)) - {*node.joining.reasons()}
        assert reason in error.message


async def test_a_node_that_is_alone_says_that_there_is_nobody_else(tmp_path: Path) -> None:
    async with draining(tmp_path / "d") as (_, _, drains):
        drains.begin("api")
        assert "no other member is alive" in refusal(drains).message


async def test_few_members_are_named_and_others_the_next_time(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with draining(tmp_path / "d") as (node, _, drains):
        for number in range(2, 40):
            meet(node, number)
        drains.begin("api")
        named = set()
        for _ in range(20):
            shown = others(refusal(drains))
            assert len(shown) == OTHERS_SHOWN_MAX
            assert others(refusal(drains)) == shown  # looked up once for a while
            named |= {*shown}
            await trio.sleep(OTHERS_GOOD_S)
        assert len(named) > OTHERS_SHOWN_MAX


async def test_undraining_ends_what_an_operator_began_and_no_stop(tmp_path: Path) -> None:
    async with draining(tmp_path / "d") as (_, condition, drains):
        drains.begin("api")
        drains.begin("SIGUSR2")
        assert drains.end() is False
        drains.check()
        assert drains.end() is False
        drains.begin("api")
        drains.stop()
        assert drains.stopping
        assert drains.end() is True
        assert "stopping" in refusal(drains).message
        assert len(condition.draining) == 1


async def test_with_a_delay_it_is_not_ready_first_and_refuses_later(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with draining(tmp_path / "d") as (node, condition, _):
        drains = Draining(node, condition, 30.0)
        drains.begin("api")
        assert any("draining" in reason for reason in condition.reasons(node))
        drains.check()
        await trio.sleep(29.9)
        drains.begin("api")  # repeating it begins nothing anew
        drains.check()
        await trio.sleep(0.2)
        refusal(drains)
        drains.stop()  # whoever sends clients here has known for long
        assert drains.left() == 0.0

        drains = Draining(node, Condition(), 30.0)
        drains.begin("api")
        await trio.sleep(20)
        drains.end()
        await trio.sleep(20)
        drains.check()
        drains.stop()
        assert drains.left() == 30.0
        drains.check()


async def test_what_only_drains_can_be_read(tmp_path: Path) -> None:
    async with draining(tmp_path / "d") as (node, condition, drains):
        before = condition.unreadable(node)
        drains.begin("api")
        assert condition.unreadable(node) == before
        assert len(condition.reasons(node)) == len(before) + 1
        condition.not_ready["starting"] = "starting"
        assert "starting" in condition.unreadable(node)
