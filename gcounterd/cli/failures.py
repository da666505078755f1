"""How a verb of `gcounterctl` fails, and the exit statuses that tell scripts what happened.

A failure says whether the operation certainly did not take effect (`definite`), because that
decides whether it may be repeated: a repeated increment that had been counted counts twice.
"""

from __future__ import annotations

from collections.abc import Mapping

from gcounterd.errors import GCounterError

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_UNFINISHED = 3
EXIT_UNREACHABLE = 4
EXIT_REFUSED = 5
# Codes of failures that pass: the node is away, stops, is not ready, or has too much to do.
_PASSING = ("unreachable", "lost", "timeout", "not_ready", "busy", "draining")


class CallError(GCounterError):
    """A verb did not do what it was asked.

    exit      one of the statuses above
    code      short and stable, for programs
    definite  True: nothing was changed; False: it may have been; None: nothing was to be changed
    more      further fields of the error answer, such as `missing`
    """

    def __init__(
        self,
        exit_status: int,
        code: str,
        message: str,
        *,
        definite: bool | None = None,
        more: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.exit = exit_status
        self.code = code
        self.message = message
        self.definite = definite
        self.more = dict(more or {})

    @property
    def may_pass(self) -> bool:
        """Say whether whoever watches should ask again."""
        return self.code in _PASSING
