"""Invitations: a line that a shell takes as it is meant, whoever chose what stands in it."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import attrs
from nodes import WALL_MS, entry, hello, node

from gcounterd.daemon.invitations import (
    JOIN_ADDRESSES_SHOWN_MAX,
    invite,
    meeting_points,
    write_time,
)
from gcounterd.ids import NodeId
from gcounterd.members.approvals import HOUR_MS, Approval, hash_token
from gcounterd.members.roster import State
from gcounterd.node.messages import Channel
from gcounterd.node.node import Node

TOKEN = bytes(range(32))
EVIL = "x:1; touch it $(touch it) `touch it` '"
APPROVAL = Approval("n4", hash_token(TOKEN), WALL_MS + HOUR_MS)


def run_line(line: str, folder: Path) -> list[str]:
    """Let a shell run a line with a `gcounterd` that only notes its arguments, and return them."""
    programs = folder / "bin"
    programs.mkdir()
    noted = folder / "arguments"
    (programs / "gcounterd").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {noted}\n')
    (programs / "gcounterd").chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["sh", "-c", line], cwd=folder, env={"PATH": path}, check=True)
    return noted.read_text().splitlines()


def meet(of: Node, *peers: str, **changes: object) -> Node:
    """Let a node have heard of these peers."""
    for number, peer in enumerate(peers):
        of.opened(number, hello(peer, Channel.CONTROL, **changes), None, 0.0)
    return of


def said(of: Node, address: str = "") -> dict[str, object]:
    return invite(of, APPROVAL, TOKEN, address)


def test_an_invitation_says_everything_apart_and_as_a_line() -> None:
    invitation = said(meet(node("a", "a", "b"), "b"))
    assert list(invitation) == ["name", "token", "expires", "admission", "command", "join"]
    assert (invitation["name"], invitation["token"]) == ("n4", TOKEN.hex())
    assert invitation["expires"] == "2027-01-15T09:00:00Z"
    assert invitation["join"] == ["a:1", "b:1"]


def test_the_line_stores_the_token_for_its_owner_alone_and_starts_the_node(tmp_path: Path) -> None:
    line = str(said(meet(node("a", "a", "b"), "b"), "10.0.0.4:7700")["command"])
    assert run_line(line, tmp_path) == [
        *("run", "--cluster", "test", "--name", "n4", "--peer", "10.0.0.4:7700"),
        *("--join", "a:1", "--join", "b:1", "--join-token-file", "join-token"),
    ]
    file = tmp_path / "join-token"
    assert bytes.fromhex(file.read_text()) == TOKEN
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_other_members_advertise_cannot_become_a_command(tmp_path: Path) -> None:
    a = node("a", "a", "b")
    a.roster.merge([attrs.evolve(entry("b", life=2), address=EVIL)])
    meet(a, "b")
    assert len(meeting_points(a)) == 2
    assert EVIL in run_line(str(said(a)["command"]), tmp_path)
    assert not (tmp_path / "it").exists()


def test_a_member_that_lets_in_approved_nodes_only_asks_the_same_of_newcomers() -> None:
    strict, lax = node("a", "a", approved_only=True), node("a", "a")
    assert str(said(strict)["command"]).endswith(" --admission approved")
    assert "--admission" not in str(said(lax)["command"])


def test_a_newcomer_is_sent_to_some_members_that_are_alive_and_active() -> None:
    a = meet(node("a", *"abcdefgh"), *"cdefgh")  # b has not been heard of since the start
    new = attrs.evolve(
        entry("c", state=State.JOINING), node=NodeId(b"c" * 15 + b"d"), address="n:1"
    )
    a.roster.merge([new])
    meet(a, "c", node=new.node)
    points = meeting_points(a)
    assert points == ["a:1", "c:1", "d:1", "e:1"]
    assert len(points) == JOIN_ADDRESSES_SHOWN_MAX


def test_a_moment_is_written_in_utc() -> None:
    assert write_time(999) == "1970-01-01T00:00:00Z"
