"""What the load is told and what it tells: lines of JSON on stdin and stdout.

    {"do": "join", "place": "n1", "port": 7781}      count there, look there
    {"do": "leave", "place": "n1"}                   no more
    {"do": "wipe", "place": "n1"}                    its disk is lost
    {"do": "doubt", "place": "n1"}                   it is being removed
    {"do": "audit", "away": ["n4"], "wait_s": 60}    → {"audit": {"wrong": [...], "seconds": 1.2}}
    {"do": "end"}                                    → {"end": {counts}}

and by itself `{"wrong": "n1: c7 went down: 3 after 4"}` and, every few seconds, `{"so_far":
{counts}}`. The end of stdin is an end too.

An audit stops offering, waits until nothing is under way, and looks until all nodes have shown the
same values twice. Only then is the ledger asked. This module refuses to know how counting is done.
"""

from __future__ import annotations

import json
import os
import selectors
import sys
import time
from typing import Any

import click

from tests.chaos.load import Load, Place, agreed

TURN_S = 0.005
TELL_EVERY_S = 5.0
# Nodes show the same twice: what is still on its way would make one of them move.
AGREED_TIMES = 2
LINE_BYTES_MAX = 64 * 1024
STDIN = 0


def main_loop(load: Load) -> None:
    """Do what is told until the end."""
    rest = b""
    told_at = time.monotonic()
    os.set_blocking(STDIN, False)
    while True:
        load.turn(TURN_S)
        if time.monotonic() > told_at + TELL_EVERY_S:
            told_at = time.monotonic()
            tell({"so_far": dict(load.counts)})
        try:
            chunk = os.read(STDIN, LINE_BYTES_MAX)
        except BlockingIOError:
            continue
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if not obey(load, json.loads(line)):
                return
        if not chunk:
            return


def obey(load: Load, command: dict[str, Any]) -> bool:
    """Carry out a command; False at the end."""
    match command["do"]:
        case "join":
            load.join(command["place"], command["port"])
        case "leave":
            load.leave(command["place"])
        case "wipe":
            load.wipe(command["place"])
        case "doubt":
            load.doubt(command["place"])
        case "audit":
            tell({"audit": audit(load, command["away"], command["wait_s"])})
            load.young.clear()
        case "end":
            load.offering = False
            tell({"end": dict(load.counts)})
            return False
        case other:
            raise ValueError(f"no command {other!r}")
    return True


def audit(load: Load, away: list[str], wait_s: float) -> dict[str, Any]:
    """Bring the load to rest, compare all nodes with the ledger, and go on."""
    began = time.monotonic()
    load.offering = False
    while load.under_way() and time.monotonic() < began + wait_s:
        load.turn(TURN_S)
    values, why = (None, f"{load.under_way()} requests are still under way")
    if not load.under_way():
        values, why = until_agreed(load, began + wait_s)
    wrong = [f"the nodes do not agree: {why}"]
    if values is not None:
        wrong = load.ledger.audit(values, away)
    load.offering = True
    return {"wrong": wrong, "seconds": round(time.monotonic() - began, 2)}


def until_agreed(load: Load, deadline: float) -> tuple[list[int] | None, str]:
    """Look at all nodes until they show the same; return None and why if they never do."""
    before: list[int] | None = None
    times, said = 0, ""
    while True:
        values, why = look_once(load, deadline)
        times = times + 1 if values is not None and values == before else 1
        if values is not None and times >= AGREED_TIMES:
            return values, ""
        if time.monotonic() > deadline:
            return None, said or why or "they still change"  # the last look may be cut short
        before, said = values, why


def look_once(load: Load, deadline: float) -> tuple[list[int] | None, str]:
    """Look at every node, each look begun from now on; return what `agreed` says."""
    places: list[Place] = list(load.places.values())
    while any(place.watch.task is not None for place in places) and time.monotonic() < deadline:
        load.turn(TURN_S)
    for place in places:
        place.shown = None
        place.looks_at = 0.0
    while any(place.shown is None for place in places) and time.monotonic() < deadline:
        load.turn(TURN_S)
    return agreed(places)


def tell(finding: dict[str, Any]) -> None:
    """Write a line."""
    sys.stdout.write(json.dumps(finding) + "\n")
    sys.stdout.flush()


@click.command()
@click.option("--rate", type=float, required=True, help="Increments a second, all nodes together.")
@click.option("--seed", type=int, default=1, show_default=True)
def main(rate: float, seed: int) -> None:
    """Count and look at the nodes that stdin tells of."""
    load = Load(rate, seed, tell)
    load.selector.register(STDIN, selectors.EVENT_READ, None)
    main_loop(load)


if __name__ == "__main__":
    main()
