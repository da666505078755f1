"""The detector's clock: it stands still while this process does.

Theory. Whoever was stopped, or had no processor, heard nothing meanwhile; what it did not hear
accuses nobody. So a process that is called much later than it asked to be counts that time as not
passed: every deadline moves by it, and what came in meanwhile is read before anyone is judged.
"""

from __future__ import annotations


class Clock:
    """Turns the loop's seconds into the detector's."""

    def __init__(self, patience: float) -> None:
        """`patience` is how late a call may be without meaning anything."""
        self._patience = patience
        self._stood_still = 0.0
        self._asked_for = float("inf")

    def time(self, now: float) -> float:
        """Return the detector's time."""
        return now - self._stood_still

    def ask_for(self, due: float) -> float:
        """Note when we want to be called, in the detector's time; return it in the loop's."""
        self._asked_for = due + self._stood_still
        return self._asked_for

    def notice(self, now: float) -> float:
        """Return for how long this process stood still, 0 if it did not; call it first."""
        late = now - self._asked_for
        if late <= self._patience:
            return 0.0
        self._asked_for = now
        self._stood_still += late
        return late
