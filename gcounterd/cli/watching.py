"""The verb `watch`: counters as they change, or, with `--events`, the membership (`following`).

Of counters it asks each second and prints what differs from the last time, so it works with any
daemon and through any proxy. A node that goes away while it is watched may come back: then that is
said, and it is asked again. Only the first round, or an answer that says that the question is
wrong, ends the watch.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence

import click

from gcounterd.cli.client import encode_query
from gcounterd.cli.counter_verbs import LIMIT_DEFAULT, read_counters
from gcounterd.cli.failures import CallError
from gcounterd.cli.following import follow
from gcounterd.cli.manners import Call, read_key, read_seconds, verb

INTERVAL_S_DEFAULT = 1.0
# All keys go into one request's target, of which the daemon takes 8 KiB.
QUERY_BYTES_MAX = 8 * 1024 - 64


@click.command()
@verb
@click.argument("keys", metavar="[KEY]...", nargs=-1, callback=read_key)
@click.option(
    "--events",
    is_flag=True,
    help="Print what the node sees happen to the membership instead: what it has kept, then each "
    "event as it comes.",
)
@click.option(
    "--interval",
    metavar="SECONDS",
    type=float,
    default=INTERVAL_S_DEFAULT,
    callback=read_seconds,
    help="How long to pause between rounds; with --events, before a node that is away is asked "
    f"again. [default: {INTERVAL_S_DEFAULT:g}]",
)
@click.option(
    "--count",
    metavar="N",
    type=click.IntRange(1),
    help="Stop after so many rounds; with --events, after so many events. [default: until Ctrl-C]",
)
def watch(
    call: Call, keys: tuple[str, ...], events: bool, interval: float, count: int | None
) -> None:
    """Print a line whenever one of the counters changes; without keys, of the largest ones.

    Ctrl-C ends it with exit status 0.
    """
    if events and keys:
        raise click.UsageError("--events shows no counters; watch the keys by a second command")
    if len(encode_query([("key", key) for key in keys])) > QUERY_BYTES_MAX:
        message = f"the keys, escaped, are over {QUERY_BYTES_MAX} bytes together; watch fewer"
        raise click.UsageError(message)
    try:
        if events:
            follow(call, interval, count)
        else:
            _watch(call, keys, interval, count)
    except KeyboardInterrupt:
        return


def _watch(call: Call, keys: Sequence[str], interval_s: float, count: int | None) -> None:
    known: Mapping[str, int] = {}
    failure: CallError | None = None
    for round_number in itertools.count(1):
        try:
            values = _ask(call, keys)
        except CallError as error:
            if round_number == 1 or not error.may_pass:
                raise
            if failure is None:
                call.output.say(f"{error.message}; trying again")
            failure = error
        else:
            if failure is not None:
                call.output.say("answers again")
            failure = None
            _print_changes(call, known, values)
            # Only this round's, so that a list whose members come and go takes no more and more.
            known = values
        if round_number == count:
            break
        time.sleep(interval_s)
    if failure is not None:
        raise failure


def _ask(call: Call, keys: Sequence[str]) -> dict[str, int]:
    if keys:
        answer = call.client.get("/v1/counters", [("key", key) for key in dict.fromkeys(keys)])
    else:
        answer = call.client.get("/v1/top", [("limit", str(LIMIT_DEFAULT))])
    return dict(read_counters(answer))


def _print_changes(call: Call, known: Mapping[str, int], values: Mapping[str, int]) -> None:
    for key, value in values.items():
        before = known.get(key)
        if value == before:
            continue
        change = None if before is None else value - before
        if call.output.as_json:
            call.output.record({"key": key, "value": value, "change": change})
        else:
            call.output.row((key, value, "" if change is None else f"{change:+d}"))
