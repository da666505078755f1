"""The checks: what must hold after every step.

Theory. A step changes one host, so only that host is compared: with itself before the step (I6),
with its own columns (I5), and with what the writers of its columns wrote (I1, I4). Every
increment is a digit of its own, so a value is a set of increments, and "at most the attempted"
and "exactly once" are said of each increment and not of a sum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.search.ground import HOSTS, INCREMENTS_MAX, KEYS, Content
from tests.search.host import Host, Outcome

if TYPE_CHECKING:
    from tests.search.locals import Look


_NOTHING: Content = (0,) * len(KEYS)


def digits_of(value: int) -> dict[int, int]:
    """Return how often each increment is in a value, for those that are."""
    found = {}
    for digit in range(len(HOSTS) * INCREMENTS_MAX + 1):
        value, times = divmod(value, 10)
        if times:
            found[digit] = times
    return found


def name_column(host: int, life: int) -> str:
    """Return a column's short name."""
    return f"{HOSTS[host]}{life}"


def check_step(before: Look, after: Look, outcome: Outcome, host: Host) -> str:
    """Return what does not hold at one host after a step, seen without any other host."""
    name = HOSTS[after.index]
    if outcome.error:
        return f"peer error: {name} drops the link to {outcome.error}"
    if not after.alive:
        return ""
    least = before.values if before.alive else before.kept.shown
    for key, was, value in zip(KEYS, least, after.values, strict=True):
        digits = digits_of(value)
        if any(times > 1 for times in digits.values()):
            return f"I1 never over: {name} shows {key.decode()} = {value}"
        if any(digit not in digits for digit in digits_of(was)):
            return f"I6 no dip: {name} shows {key.decode()} = {value} after {was}"
    for digit, number in host.answered():
        if digit not in digits_of(after.values[number]):
            return f"I7 honest answers: {name} answered 10^{digit} and shows {after.values}"
    recount = host.node.counters.recount()[: len(KEYS)].tolist()
    if recount != host.node.counters.totals[: len(KEYS)].tolist():
        return f"I5 exactly once: {name} counts {recount} again"
    return ""


def compare(look: Look, writer: Look) -> str:
    """Return where a host's state contradicts what another host wrote; "" if it does not."""
    name = HOSTS[look.index]
    for host, life, head, content in look.held:
        written = writer.written.get((life, head), _NOTHING)
        if host == writer.index and content != written:
            return (
                f"I4 fixed content: {name} holds {content} as version {head} of "
                f"{name_column(host, life)}, written was {written}"
            )
    return _compare_values(look, writer) or _compare_finals(look, writer)


def _compare_values(look: Look, writer: Look) -> str:
    """Hold what a value has of the writer's increments against the columns taken in of it."""
    heads = [(life, head) for (host, life), head in look.heads.items() if host == writer.index]
    contents = [writer.written.get(each, _NOTHING) for each in heads]
    for key, value in enumerate(look.values):
        due = sum(content[key] for content in contents)
        if value // writer.low % writer.high != due // writer.low:
            return (
                f"I5 exactly once: {HOSTS[look.index]} shows {look.values}, the versions that it "
                f"has of {HOSTS[writer.index]}'s columns come to {due}"
            )
    return ""


def _compare_finals(look: Look, writer: Look) -> str:
    """Hold what is said to be final against what was written."""
    for host, life, version, final in look.lines:
        last = max([v for at, v in writer.written if at == life], default=0)
        if host == writer.index and final and max(version, last) > final:
            return (
                f"final: {HOSTS[look.index]} knows {final} as the last version of "
                f"{name_column(host, life)}, which has {max(version, last)}"
            )
    return ""
