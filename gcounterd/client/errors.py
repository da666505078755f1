"""What a call raises, sorted by what became of it, since that decides what may be done next.

    GCounterError
    └── CounterError
        ├── DefiniteError     certainly not counted    → may be counted anew
        ├── IndefiniteError   may have been counted    → counting anew may count twice
        └── ReadError         no value that is good enough; nothing was changed

Whose fault it was says `code`, in the words of the node (the page of exit codes and errors) or of
this client: `unreachable`, `timeout`, `lost`, `closed`, `full`, `bad_answer`. A key or an amount
that no node would take is a `ValueError`, raised before anything is sent.
"""

from __future__ import annotations

from collections.abc import Mapping

from gcounterd.errors import GCounterError


class CounterError(GCounterError):
    """A call that did not do what was asked.

    code     for programs
    message  for people
    node     the name of the node that said so, empty where none did
    """

    def __init__(self, code: str, message: str, *, node: str = "") -> None:
        super().__init__(f"{message} [{code}]")
        self.code = code
        self.message = message
        self.node = node


class DefiniteError(CounterError):
    """Nothing of `counts` was counted. Counting it anew is safe."""

    def __init__(
        self, code: str, message: str, *, node: str = "", counts: Mapping[str, int] | None = None
    ) -> None:
        super().__init__(code, message, node=node)
        self.counts = dict(counts or {})


class IndefiniteError(CounterError):
    """`counts` may have been counted, once, or not; `refused` was certainly not.

    `refused` is empty but for a flush, where several batches may have ended differently.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        node: str = "",
        counts: Mapping[str, int] | None = None,
        refused: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__(code, message, node=node)
        self.counts = dict(counts or {})
        self.refused = dict(refused or {})


class ReadError(CounterError):
    """No node gave a value that is as exact or as new as was asked.

    best     the largest value that any node told this client, 0 if none did
    missing  names of the members that a consistent read did not hear from
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        node: str = "",
        best: int = 0,
        missing: tuple[str, ...] = (),
    ) -> None:
        super().__init__(code, message, node=node)
        self.best = best
        self.missing = missing
