"""Following the membership: `watch --events`, a line per event as it comes.

Theory. As `dmesg -w` does, it prints what the daemon has kept and then what follows, so whoever
looks after something happened sees it too. The daemon holds each request until there is news, hence
a line comes at once though nothing is pushed. A daemon that goes away is asked again; one that was
started anew says so by the name of its life, and is then read from its first event. What a reader
missed because it was away too long is said as a number.

Times are the daemon's, in UTC, and lines carry no date: it is said whenever it changes. This module
refuses to know which events there are: one that it has never heard of is shown with its fields.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gcounterd.cli.client import Answer, Client
from gcounterd.cli.failures import EXIT_FAILED, CallError
from gcounterd.cli.manners import Call

# The daemon holds a request this long, and we wait a little longer for its answer: a daemon that
# hangs is noticed after that.
HOLD_S = 20.0
HOLD_S_MAX = 60.0
PAGE_EVENTS = 256
_ANSWER_MARGIN_S = 2.0
_STAMP_CHARS = len("2026-01-01T00:00:00.000Z")
_DATE_CHARS = len("2026-01-01")
_PLAIN = ("number", "time", "event", "member", "id")
_WORDS = {
    "refuted": "alive after all",
    "alone": "no other member answers",
    "company": "another member answers again",
}


@dataclass(slots=True)
class _Place:
    # Up to where events have been printed, and the date that was said last.
    life: str = ""
    after: int = 0
    date: str = ""


def follow(call: Call, pause_s: float, count: int | None) -> None:
    """Print events until Ctrl-C, or until `count` of them; raise `CallError` as `watch` does.

    `pause_s` is how long to wait before a daemon that is away is asked again.
    """
    hold_s = min(HOLD_S if call.wait_s is None else call.wait_s, HOLD_S_MAX)
    client = Client(call.client.target, hold_s + _ANSWER_MARGIN_S)
    place = _Place()
    left = count
    away = False
    while left is None or left > 0:
        try:
            # At first, and when it comes back, it should say at once that it is there.
            answer = _ask(client, place, hold_s if place.life and not away else 0, left)
        except CallError as error:
            if not place.life or not error.may_pass:
                raise
            if not away:
                call.output.say(f"{error.message}; trying again")
            away = True
            time.sleep(pause_s)
            continue
        if away:
            call.output.say("answers again")
        away = False
        shown = _show(call, place, answer)
        left = None if left is None else left - shown


def _ask(client: Client, place: _Place, hold_s: float, left: int | None) -> Answer:
    limit = PAGE_EVENTS if left is None else min(left, PAGE_EVENTS)
    query = [("after", str(place.after)), ("limit", str(limit)), ("timeout", f"{hold_s:g}")]
    if place.life:
        query.append(("life", place.life))
    return client.get("/v1/events", query)


def _show(call: Call, place: _Place, answer: Answer) -> int:
    # Print an answer and remember where it ended; return how many events it had.
    life, following = answer.field("life", str), answer.field("next", int)
    events = list(_read_events(answer))
    node = str(answer.body.get("node", "?"))
    if place.life not in ("", life):
        call.output.say(f"{node} was started anew")
    lost = answer.body.get("lost")
    if lost:
        call.output.say(f"{lost} earlier events are not kept any more")
    for event in events:
        if call.output.as_json:
            call.output.record({"node": node, "life": life, **event})
            continue
        date = event["time"][:_DATE_CHARS]
        if date != place.date:
            call.output.say(f"{date}, times are UTC")
        place.date = date
        call.output.line(describe(event, node))
    place.life, place.after = life, following
    return len(events)


def _read_events(answer: Answer) -> Iterator[dict[str, Any]]:
    for event in answer.field("events", list):
        if not (
            isinstance(event, dict)
            and isinstance(event.get("event"), str)
            and isinstance(event.get("time"), str)
            and len(event["time"]) == _STAMP_CHARS
        ):
            message = "the answer has no proper events: is this a gcounterd of this version?"
            raise CallError(EXIT_FAILED, "bad_answer", message)
        yield event


def describe(event: Mapping[str, Any], node: str) -> str:
    """Write an event that `node` saw as a line: the time, whom it is about, what, and details."""
    name = event["event"]
    line = f"{event['time'][_DATE_CHARS + 1 : -1]} {event.get('member', node)} {name}"
    details = _detail(name, {k: v for k, v in event.items() if k not in _PLAIN})
    return f"{line} ({details})" if details else line


def _detail(name: str, fields: Mapping[str, Any]) -> str:
    match name, dict(fields):
        case "suspect" | "dead", {"why": why, "by": by}:
            return f"{why}, says {by}"
        case "member", {"state": state}:
            return str(state)
        case "slow", {"seconds": float() | int() as seconds}:
            return f"stood still for {seconds:.1f} s"
        case _ if name in _WORDS:
            return _WORDS[name]
        case _:
            return " ".join(f"{field}={value}" for field, value in fields.items())
