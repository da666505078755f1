"""The checker: all rules over a history. A pure function; what is wrong comes with its rule's name.

A rule that was never asked proves nothing, so the verdict counts what each rule judged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import attrs

from tests.histories.audits import find_audits
from tests.histories.history import History, Loss, Operation, Outcome
from tests.histories.moments import Sweep
from tests.histories.rules import (
    MOMENT_RULES,
    NOTHING,
    Judgement,
    judge_agreement,
    judge_bundle,
    judge_end,
    judge_repeats,
)

RULES = (*MOMENT_RULES, "same answer", "agreement", "acceptable end", "all or nothing")


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
    fates: dict[str, dict[str, bool]] = {}
    for key, operations in history.by_key().items():
        _check_key(verdict, key, operations, history.losses, places, fates)
    for bundle, parts in fates.items():
        verdict.take("all or nothing", bundle, judge_bundle(parts))
    return verdict


def _check_key(
    verdict: Verdict,
    key: str,
    operations: Sequence[Operation],
    losses: Sequence[Loss],
    places: Sequence[str],
    fates: dict[str, dict[str, bool]],
) -> None:
    """Check one key; `fates` takes what became of parts of bundles, by bundle and key."""
    sweep = Sweep(operations, losses, places)
    for moment in sweep.run():
        for rule, judge in MOMENT_RULES.items():
            verdict.take(rule, key, judge(moment), moment.operation)
    for increment in sweep.increments:
        verdict.take("same answer", key, judge_repeats(increment), increment.attempts[-1])
    for audit in find_audits(operations, sweep.increments, losses):
        verdict.take("agreement", key, judge_agreement(audit))
        verdict.take("acceptable end", key, judge_end(audit))
        for increment, has_counted in audit.fates():
            bundle = increment.attempts[0].bundle
            if bundle and increment.outcome is Outcome.UNKNOWN:
                fates.setdefault(bundle, {})[key] = has_counted
