"""The one tree of errors, sorted by whose fault it is.

    GCounterError
    ├── ConfigError      the operator's settings          → exit 2, nothing was touched
    ├── RefusedError     the cluster does not want us     → exit 4, nothing was merged
    ├── RemovedError     it came back after its removal   → exit 5, it has handed over what it held
    ├── PeerError        a peer broke the protocol        → its link is closed and counted
    ├── ClientError      a client asked for the impossible → an answer with `definite`
    └── StorageError     the disk                         → acknowledging stops

A mistake of our own is an assertion, and assertions stay on in production.
"""

from __future__ import annotations

from collections.abc import Mapping


class GCounterError(Exception):
    """Root of every error that gcounterd raises on purpose."""


class ConfigError(GCounterError):
    """A setting is wrong. Nothing was counted or merged."""


class RefusedError(GCounterError):
    """The cluster refused this node for good (name, cluster, twin). No state was merged."""


class RemovedError(GCounterError):
    """This node was removed from the cluster. What it held was handed over."""


class PeerError(GCounterError):
    """A peer sent what the protocol forbids. Nothing of the offending message was taken in.

    `reason` is a short constant for metrics, never text from the peer.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class ClientError(GCounterError):
    """A request that cannot be done as asked.

    `definite` says whether the operation certainly did not take effect. Unless it is set to
    False, nothing was counted. `details` are fields for programs, beside the error.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        definite: bool = True,
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.details = dict(details or {})
        self.status = status
        self.code = code
        self.message = message
        self.definite = definite

    @classmethod
    def again(
        cls, status: int, code: str, message: str, definite: bool, details: Mapping[str, object]
    ) -> ClientError:
        """Return an error that another process has raised."""
        return cls(status, code, message, definite=definite, details=details)


class StorageError(GCounterError):
    """The disk failed or holds what we did not write.

    `definite` is True where the transaction is known to be rolled back (a full disk), so that
    waiting clients may be told that nothing was counted; `full` is True when room would cure it.
    """

    def __init__(self, message: str, *, definite: bool = False, full: bool = False) -> None:
        super().__init__(message)
        self.definite = definite
        self.full = full
