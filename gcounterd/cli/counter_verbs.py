"""Verbs that count and read: `incr`, `get`, `top`. (`watch` has its own module.)

An increment is sent once and never again: whoever asked for it decides whether to repeat it, and
is told what that decision needs. Keys and amounts are checked before anything is sent, so that a
typing error cannot be mistaken for a daemon's refusal.
"""

from __future__ import annotations

import click

from gcounterd.cli.client import Answer, Client, key_path
from gcounterd.cli.failures import EXIT_FAILED, EXIT_UNFINISHED, CallError
from gcounterd.cli.manners import Call, read_key, read_prefix, verb

AMOUNT_MAX = 2**31
LEAST_MAX = 2**63 - 1
ACKS = ("local", "majority", "all")
# What one answer of the daemon holds at most.
LIMIT_MAX = 1000
LIMIT_DEFAULT = 10
# The daemon waits at most this long for the others, and less than we wait for it.
WAIT_S_DEFAULT = 5.0
WAIT_S_MAX = 60.0
_ANSWER_MARGIN_S = 2.0


@click.command()
@verb
@click.argument("key", metavar="KEY", callback=read_key)
@click.argument("amount", metavar="[N]", type=click.IntRange(1, AMOUNT_MAX), default=1)
@click.option(
    "--ack",
    type=click.Choice(ACKS),
    default=ACKS[0],
    help="How many members must hold it durably before it is answered: the node asked, a majority "
    f"or all. [default: {ACKS[0]}]",
)
@click.pass_context
def incr(context: click.Context, call: Call, key: str, amount: int, ack: str) -> None:
    """Add N (1 if not given) to a counter and print its value.

    If the answer is lost the increment may have been counted; it is never sent twice. Status 3 with
    a value means that it is counted, but is not held in time by as many members as --ack asks for.
    """
    client, query = call.client, []
    if ack != ACKS[0]:
        client, wait_s = _patient(call)
        query = [("ack", ack), ("timeout", f"{wait_s:g}")]
    try:
        answer = client.post(key_path(key), {"by": amount}, accept=(200, 202), query=query)
        value = answer.field("value", int)
    except CallError as failure:
        if failure.definite is not True:
            _advise(call, key)
        raise
    except KeyboardInterrupt:
        _advise(call, key)
        raise CallError(EXIT_FAILED, "interrupted", "interrupted", definite=False) from None
    if call.output.as_json:
        call.output.record(answer.body)
    else:
        call.output.line(str(value))
    if answer.status == 202:
        names = ", ".join(str(name) for name in answer.field("held_by", list))
        call.output.say(f"it is counted, do not repeat it; known to hold it in time: {names}")
        context.exit(EXIT_UNFINISHED)


def _patient(call: Call) -> tuple[Client, float]:
    """Return for how long the daemon may wait for other members, and a client that waits longer."""
    wait_s = min(call.wait_s or WAIT_S_DEFAULT, WAIT_S_MAX)
    return Client(call.client.target, wait_s + _ANSWER_MARGIN_S), wait_s


def _advise(call: Call, key: str) -> None:
    call.output.say(
        f"the outcome is not known: {key} may have been counted. Compare `gcounterctl get` with "
        "what you expect before you repeat it, since repeating could count it twice."
    )


@click.command()
@verb
@click.argument("key", metavar="KEY", callback=read_key)
@click.option("--consistent", is_flag=True, help="Ask every member, so that nothing is missed.")
@click.option(
    "--min",
    "least",
    metavar="N",
    type=click.IntRange(0, LEAST_MAX),
    default=0,
    help="Wait until the value is at least this: the last one seen, say.",
)
@click.option("--by-node", is_flag=True, help="Show the counts by the node that took them.")
def get(call: Call, key: str, consistent: bool, least: int, by_node: bool) -> None:
    """Print a counter's value; an unknown one is 0."""
    query: list[tuple[str, str]] = []
    client = call.client
    if consistent:
        query.append(("consistency", "consistent"))
    if least:
        query.append(("min", str(least)))
    if query:
        client, wait_s = _patient(call)
        query.append(("timeout", f"{wait_s:g}"))
    if by_node:
        query.append(("by_node", "true"))
    try:
        answer = client.get(key_path(key), query)
        value = answer.field("value", int)
    except CallError as failure:
        _say_what_is_known(call, failure)
        raise
    if call.output.as_json:
        call.output.record(answer.body)
    elif by_node:
        counts = answer.field("by_node", dict)
        call.output.table(("node", "count"), [*counts.items(), ("total", value)])
    else:
        call.output.line(str(value))


def _say_what_is_known(call: Call, failure: CallError) -> None:
    if "best" in failure.more:
        missing = failure.more.get("missing")
        names = ", ".join(str(name) for name in missing) if isinstance(missing, list) else ""
        silent = f"no answer from {names}; " if names else ""
        call.output.say(f"{silent}best value known: {failure.more['best']}")


@click.command()
@verb
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(1, LIMIT_MAX),
    default=LIMIT_DEFAULT,
    help=f"How many. [default: {LIMIT_DEFAULT}]",
)
@click.option(
    "--prefix", metavar="TEXT", default="", callback=read_prefix, help="Only keys that begin so."
)
def top(call: Call, limit: int, prefix: str) -> None:
    """Show the largest counters."""
    query = [("limit", str(limit))] + ([("prefix", prefix)] if prefix else [])
    answer = call.client.get("/v1/top", query)
    counters = read_counters(answer)
    if call.output.as_json:
        call.output.record(answer.body)
    else:
        call.output.table(("key", "value"), counters)


def read_counters(answer: Answer) -> list[tuple[str, int]]:
    """Return the counters of a listing, in its order; raise `CallError` if it is none."""
    try:
        return [(str(item["key"]), int(item["value"])) for item in answer.field("counters", list)]
    except (KeyError, TypeError, ValueError) as error:
        message = "the answer is no listing of counters: is this a gcounterd of this version?"
        raise CallError(EXIT_FAILED, "bad_answer", message) from error
