"""`remove-node` on a terminal: it asks before it begins, and shows what lives."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from removal_answers import BEGIN, DELETES, LOOK, PLAN, STATUS, Answers, removal, seen, waiting
from stand_in import StandIn, start

CHUNK_BYTES = 4096


def answers() -> Answers:
    """Return those of a removal that waits for a member whose name looks like markup."""
    waits = [waiting("[red]n1", "lacks 2 versions")]
    looks = [seen(removal("n3", "draining", waiting_for=waits)), seen(removal("n3", "done"))]
    return DELETES | {LOOK: looks}


class Terminal:
    """What a tool shows on a terminal, and the keys that are pressed at it."""

    def __init__(self, end: int, tool: subprocess.Popen[str]) -> None:
        self.shown = ""
        self.tool = tool
        self._end = end

    def read_until(self, text: str) -> None:
        """Read until this is shown; `EOFError` if it never is."""
        while text not in self.shown:
            if not self._read():
                raise EOFError(self.shown)

    def read_all(self) -> str:
        """Read to the end of it."""
        while self._read():
            pass
        return self.shown

    def _read(self) -> bool:
        try:
            data = os.read(self._end, CHUNK_BYTES)
        except OSError:  # nobody has its other end any more
            data = b""
        self.shown += data.decode(errors="replace")
        return bool(data)

    def press(self, keys: str) -> None:
        os.write(self._end, keys.encode())


@contextmanager
def terminal(daemon: StandIn, *words: str, kind: str = "xterm") -> Iterator[Terminal]:
    """Run `remove-node n3` with a terminal for everything but its data."""
    ours, theirs = pty.openpty()
    environ = {name: value for name, value in os.environ.items() if "GCOUNTER" not in name}
    tool = start(
        *("--address", daemon.address, "remove-node", "n3", *words),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=environ | {"TERM": kind, "COLUMNS": "100"},
    )
    os.close(theirs)
    try:
        yield Terminal(ours, tool)
    finally:
        tool.kill()
        tool.communicate()
        os.close(ours)


def test_it_is_begun_when_the_operator_says_yes() -> None:
    with StandIn(answers()) as daemon, terminal(daemon) as screen:
        screen.read_until("Remove n3 for good? [y/N]:")
        assert "remove n3 (030303030303): active, alive" in screen.shown
        assert daemon.asked == [PLAN, STATUS]
        screen.press("y\n")
        screen.read_all()
        assert screen.tool.stdout is not None
        assert screen.tool.stdout.read().startswith("n3 (030303030303) done: it is removed")
        assert screen.tool.wait() == 0


@pytest.mark.parametrize("keys", ["n\n", "\n", "\x04"])
def test_it_is_not_begun_without_a_yes(keys: str) -> None:
    with StandIn(answers()) as daemon, terminal(daemon) as screen:
        screen.read_until("[y/N]:")
        screen.press(keys)
        assert "nothing was removed [not_confirmed]" in screen.read_all()
        assert screen.tool.wait() == 5
        assert BEGIN not in daemon.asked


def test_who_is_waited_for_is_shown_as_it_is_and_phases_stay() -> None:
    with StandIn(answers()) as daemon, terminal(daemon, "--yes") as screen:
        shown = screen.read_all()
        assert screen.tool.wait() == 0
    assert "[red]n1 for 2.0 s (lacks 2 versions)" in shown
    assert "waits for" in shown
    assert shown.count("gcounterctl: n3 draining: it takes no more increments") == 1
    assert shown.count("gcounterctl: n3 done: it is removed") == 1
    assert "\x1b[?25h" in shown.rpartition("\x1b[?25l")[2]  # the cursor is back


def test_a_terminal_that_can_only_print_gets_lines() -> None:
    with StandIn(answers()) as daemon, terminal(daemon, "--yes", kind="dumb") as screen:
        shown = screen.read_all()
        assert screen.tool.wait() == 0
    assert "\x1b" not in shown
    assert "waits for [red]n1 for 2.0 s (lacks 2 versions)" in shown


def test_ctrl_c_gives_the_terminal_back() -> None:
    saving = seen(removal("n3", "saving", waiting_for=[waiting("n5", "dead")]))
    with StandIn(answers() | {LOOK: saving}) as daemon, terminal(daemon, "--yes") as screen:
        screen.read_until("n5 for 2.0 s (dead)")
        screen.tool.send_signal(signal.SIGINT)
        shown = screen.read_all()
        assert screen.tool.wait() == 3
    assert "the removal goes on" in shown
    assert shown.rindex("\x1b[?25h") < shown.rindex("the removal goes on")
