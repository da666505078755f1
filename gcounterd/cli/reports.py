"""What a check of the store found, in words: the same for a running daemon and for its files.

A report is `{"ok": bool, "problems": [text, …], "checked": {kind: number}}`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gcounterd.daemon.printable import escape


def describe_report(report: Mapping[str, object]) -> Iterator[str]:
    """Yield the lines to show: what was checked, each problem, the verdict."""
    checked = report.get("checked")
    if isinstance(checked, Mapping):
        for kind, number in checked.items():
            yield escape(f"checked {kind}: {number}")
    problems = report.get("problems")
    if isinstance(problems, list):
        for problem in problems:
            yield escape(f"problem: {problem}")
    yield "the store is sound" if report.get("ok") is True else "the store is DAMAGED"
