"""The checker: all rules over a history. A pure function; what is wrong comes with its rule's name.

A rule that was never asked proves nothing, so the verdict counts what each rule judged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import attrs

from tests.histories.history import History, Loss, Operation, Outcome
from tests.histories.moments import Increment, Sweep
from tests.histories.rules import (
    MOMENT_RULES,
    NOTHING,
    Audit,
    Judgement,
    judge_agreement,
    judge_end,
    judge_repeats,
)

RULES = (*MOMENT_RULES, "same answer", "agreement", "acceptable end")


@attrs.frozen
class Finding:
    """What breaks a rule: of which key, and the operation, unless it is about several."""

    rule: str
    key: str
    text: str
    operation: Operation | None = None

    def __str__(self) -> str:
        return f"{self.rule}: {self.key}: {self.text}" + (
            f"\n    {self.operation}" if self.operation else ""
        )


@attrs.define
class Verdict:
    """All findings, and how often each rule had something to judge."""

    findings: list[Finding] = attrs.Factory(list)
    judged: Counter[str] = attrs.Factory(Counter)

    def take(
        self, rule: str, key: str, judgement: Judgement, operation: Operation | None = None
    ) -> None:
        """Take in what a rule says."""
        if judgement is NOTHING:
            return
        self.judged[rule] += 1
        if judgement:
            self.findings.append(Finding(rule, key, judgement, operation))

    def merge(self, other: Verdict) -> None:
        """Take in another verdict."""
        self.findings += other.findings
        self.judged += other.judged

    @property
    def broken(self) -> list[str]:
        """Return the names of the rules that are broken, each once, in their order."""
        return [rule for rule in RULES if any(each.rule == rule for each in self.findings)]


def check(history: History) -> Verdict:
    """Hold a history against all rules; raise `BadHistory` where it contradicts itself."""
    history.check()
    verdict = Verdict()
    named = [each.place for each in history.operations] + [loss.place for loss in history.losses]
    named += [place for each in history.operations for place in each.covers or ()]
    places = list(dict.fromkeys(named))
    for key, operations in history.by_key().items():
        _check_key(verdict, key, operations, history.losses, places)
    return verdict


def _check_key(
    verdict: Verdict,
    key: str,
    operations: Sequence[Operation],
    losses: Sequence[Loss],
    places: Sequence[str],
) -> None:
    sweep = Sweep(operations, losses, places)
    for moment in sweep.run():
        for rule, judge in MOMENT_RULES.items():
            verdict.take(rule, key, judge(moment), moment.operation)
    for increment in sweep.increments:
        verdict.take("same answer", key, judge_repeats(increment), increment.attempts[-1])
    for audit in find_audits(operations, sweep.increments, losses):
        verdict.take("agreement", key, judge_agreement(audit))
        verdict.take("acceptable end", key, judge_end(audit))


def find_audits(
    operations: Sequence[Operation], increments: list[Increment], losses: Sequence[Loss]
) -> list[Audit]:
    """Return the audits of one key in their order, each with the one before it."""
    reads: dict[int, list[Operation]] = {}
    for each in operations:
        if each.final and each.outcome is Outcome.OK:
            reads.setdefault(each.final, []).append(each)
    audits: list[Audit] = []
    for number in sorted(reads):
        since = audits[-1] if audits and len(audits[-1].values) == 1 else None
        audits.append(Audit(reads[number], increments, losses, since))
    return audits
