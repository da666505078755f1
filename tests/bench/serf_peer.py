"""serf in the comparison of failure detection: an agent, its events from its log.

Theory. An agent hands events to handlers and monitors only after it has gathered them for a
second or more; its log says `EventMemberFailed` in the step in which the agent takes the member
for failed. So the log is read: it is what serf knows soonest.
"""

from __future__ import annotations

import re
import shutil
import subprocess

from tests.bench.crowd import Seat, System, Unavailable
from tests.bench.sightings import Sign, Told

LINE = re.compile(r"\[INFO\] (?:serf: Event(MemberJoin|MemberFailed): (\S+) |agent: Serf (agent) )")
SIGNS = {"MemberJoin": Sign.ALIVE, "MemberFailed": Sign.DEAD}


def prepare() -> str:
    """Return the version; the package's, which the program does not say."""
    if shutil.which("serf") is None:
        raise Unavailable("serf is not installed; on Debian and Ubuntu: apt-get install serf")
    asked = ["dpkg-query", "--show", "--showformat=${Version}", "serf"]
    if shutil.which(asked[0]):
        done = subprocess.run(asked, capture_output=True, text=True)
        if done.returncode == 0:
            return f"serf {done.stdout}"
    done = subprocess.run(["serf", "version"], capture_output=True, text=True)
    return f"serf {done.stdout.splitlines()[0]}"


def command(seat: Seat, seed: Seat) -> list[str]:
    """Return the command of an agent; its profile is `lan` unless told otherwise."""
    join = [f"-join=127.0.0.1:{seed.port}"] if seat is not seed else []
    return [
        *("serf", "agent", f"-node={seat.name}", f"-bind=127.0.0.1:{seat.port}"),
        *(f"-rpc-addr=127.0.0.1:{seat.other_port}", *join),
    ]


def read(line: str) -> Told | None:
    """Return what a log line says."""
    found = LINE.search(line)
    if found is None:
        return None
    event, member, agent = found.groups()
    return Told(Sign.UP) if agent else Told(SIGNS[event], member)


SERF = System("serf", prepare, command, read)
