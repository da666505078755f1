"""The detector's clock: it stands still while this process does.

Theory. Whoever was stopped, or had no processor, heard nothing meanwhile; what it did not hear
accuses nobody. So a process that is called much later than it asked to be counts that time as not
passed: every deadline moves by it. Whatever call comes first after such a time may be the one that
notices, and asking to be called again must not make it forgotten.
"""

from __future__ import annotations


class Clock:
    """Turns the loop's seconds into the detector's."""

    def __init__(self, patience: float) -> None:
        """`patience` is how late a call may be without meaning anything."""
        self._patience = patience
        self._stood_still = 0.0
        self._asked_for = float("inf")
        self._unsaid = 0.0

    def time(self, now: float) -> float:
        """Return the detector's time."""
        return now - self._stood_still

    def ask_for(self, due: float, now: float) -> float:
        """Note when we want to be called, in the detector's time; return it in the loop's."""
        self._look(now)
        self._asked_for = max(now, due + self._stood_still)
        return self._asked_for

    def notice(self, now: float) -> float:
        """Return for how long this process stood still, 0 if it did not; call it first."""
        self._look(now)
        late, self._unsaid = self._unsaid, 0.0
        return late

    def _look(self, now: float) -> None:
        late = now - self._asked_for
        if late > self._patience:
            self._asked_for = now
            self._stood_still += late
            self._unsaid += late
