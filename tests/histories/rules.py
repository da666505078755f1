"""The rules: what must hold of every history, each with the name it is rejected by.

    never over           no more is shown than was asked for until then
    refused is nothing   what was refused as certainly not counted is in no value
    no dip               a place shows no less than it has shown, and than it has answered on top;
                         an increment's answer includes its own amount
    min is kept          a read that asked for at least so much shows it
    asks everybody       a consistent read includes all that was acknowledged before it began
    shows everything     a consistent read includes all that was shown before it began
    held by all          what was answered with ack=all is in every later read at a member
    same answer          an increment that is repeated by its key is answered as the first time
    agreement            at rest all places show the same
    acceptable end       at rest the value is all that was answered, and some of what never was
    all or nothing       a request of several counters counts in all of them or in none

Theory. Each rule is a function of a moment, or of an audit, so it can be read by itself. A value is
judged wherever it is shown: in reads, in answers to increments, in what a refused read has best.

This module refuses to know how moments are found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.histories.audits import Audit
from tests.histories.history import Outcome
from tests.histories.moments import Increment, Moment

# What a rule says of something: nothing to judge, all right, or what is wrong.
NOTHING, RIGHT = None, ""
Judgement = str | None


def judge_over(moment: Moment) -> Judgement:
    """Hold a value against what was asked for."""
    value = moment.operation.value
    if value is None:
        return NOTHING
    if value <= moment.with_refused:
        return RIGHT
    return f"{value}, but {moment.with_refused} was asked for"


def judge_refused(moment: Moment) -> Judgement:
    """Hold a value against what was asked for and not refused."""
    value = moment.operation.value
    if value is None or moment.with_refused == moment.attempted or value > moment.with_refused:
        return NOTHING
    if value <= moment.attempted:
        return RIGHT
    return f"{value}, but {moment.attempted} was asked for and not refused"


def judge_dip(moment: Moment) -> Judgement:
    """Hold a value against what its place showed and answered before."""
    operation = moment.operation
    if operation.value is None:
        return NOTHING
    least = operation.amount + (0 if operation.repeated else moment.floor)
    if operation.value >= least:
        return RIGHT
    return f"{operation.value}, but at least {least} is at {operation.place}"


def judge_min(moment: Moment) -> Judgement:
    """Hold a read against its `min=`."""
    operation = moment.operation
    if operation.outcome is not Outcome.OK or not operation.least:
        return NOTHING
    assert operation.value is not None
    return RIGHT if operation.value >= operation.least else f"{operation.value} < {operation.least}"


def judge_acknowledged(moment: Moment) -> Judgement:
    """Hold a consistent read against what was acknowledged by those it asks."""
    return _judge_asking(moment, sum, moment.answered, "was acknowledged before")


def judge_shown(moment: Moment) -> Judgement:
    """Hold a consistent read against what was shown by those it asks."""
    return _judge_asking(moment, max, moment.floors, "was shown or acknowledged at one place")


def _judge_asking(
    moment: Moment, gather: Callable[[list[int]], int], places: dict[str, int], what: str
) -> Judgement:
    operation = moment.operation
    asks = operation.consistent or operation.final > 0
    if not asks or operation.outcome is not Outcome.OK:
        return NOTHING
    assert operation.value is not None
    covers = list(places) if operation.covers is None else operation.covers
    least = gather([0, *(places[name] for name in covers if name in places)])
    return RIGHT if operation.value >= least else f"{operation.value}, but {least} {what}"


def judge_to_all(moment: Moment) -> Judgement:
    """Hold a value against what all members held before."""
    operation = moment.operation
    if operation.value is None or operation.repeated or not moment.to_all:
        return NOTHING
    if operation.value >= moment.to_all:
        return RIGHT
    return f"{operation.value}, but {moment.to_all} was held by all, {operation.place} included"


MOMENT_RULES: dict[str, Callable[[Moment], Judgement]] = {
    "never over": judge_over,
    "refused is nothing": judge_refused,
    "no dip": judge_dip,
    "min is kept": judge_min,
    "asks everybody": judge_acknowledged,
    "shows everything": judge_shown,
    "held by all": judge_to_all,
}


def judge_repeats(increment: Increment) -> Judgement:
    """Hold the answers to one increment against each other."""
    answers = [each for each in increment.attempts if each.outcome is Outcome.OK]
    if len(answers) < 2:
        return NOTHING
    shown = {(each.place, each.value): None for each in answers}
    if len(shown) == 1:
        return RIGHT
    texts = ", ".join(f"{value} at {place}" for place, value in shown)
    return f"one increment of {increment.amount} was answered with {texts}"


def judge_agreement(audit: Audit) -> Judgement:
    """Hold the reads of an audit against each other."""
    if len(audit.reads) < 2:
        return NOTHING
    if len(audit.values) == 1:
        return RIGHT
    return ", ".join(f"{value} at {place}" for value, place in audit.values.items())


def judge_end(audit: Audit) -> Judgement:
    """Hold each value against the acceptable totals, since the beginning and since the audit
    before.
    """
    for value, place in audit.values.items():
        for base in audit.bases():
            acceptable = audit.acceptable(base)
            if value not in acceptable:
                return f"{value} at {place}, not {acceptable} (since {base.what})"
    return RIGHT


def judge_bundle(fates: Mapping[str, bool]) -> Judgement:
    """Hold what became of the parts of one request against each other; `fates` are by key."""
    if len(fates) < 2:
        return NOTHING
    counted = [key for key, has_counted in fates.items() if has_counted]
    if len(counted) in (0, len(fates)):
        return RIGHT
    return f"of {', '.join(fates)} only {', '.join(counted)} counted"
