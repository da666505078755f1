"""Connection: one HTTP client in the hub.

Theory. A chunk of nothing but hot requests (`api.hot`) is answered by plain code: its increments
are gathered with those of all other connections, and its answers are written when their commit is
through. A read behind an increment of the same chunk sees it. Whatever else a chunk holds goes,
whole and parsed, to the connection's task (`api.conversation`), so answers keep the order of their
requests. What is refused is refused in its place and does not touch its neighbours.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

from gcounterd.api import hot
from gcounterd.api.conversation import Conversation, Shared
from gcounterd.api.counters import refuse_unready
from gcounterd.api.hub import Hub
from gcounterd.api.intake import Stage
from gcounterd.api.listeners import Listener
from gcounterd.api.requests import Request
from gcounterd.api.responses import Response, refuse
from gcounterd.api.spoke import Outcome, Taken

# Looking a member of an enumeration up by its class takes longer than all else of a step here.
_LATER, _NOW, _IDLE = Taken.LATER, Taken.NOW, Stage.IDLE


class Connection(Conversation):
    """One connection; see `Spoke` for what the hub asks of it."""

    __slots__ = ("_asked", "_counts", "_head", "_of_visit")

    def __init__(self, sock: socket.socket, listener: Listener, shared: Shared, hub: Hub) -> None:
        super().__init__(sock, listener, shared, hub)
        self._head = b""  # of its last hot request, while the parser is at rest
        self._of_visit = False  # that was a visit
        self._counts = 0  # how many increments were taken, where nothing else was
        self._asked: list[hot.Hot] = []  # what was taken else

    def quick(self, data: bytes, keys: list[bytes]) -> Taken:
        """Take hot requests; leave everything else to the task."""
        head = self._head
        if head and data.endswith(head) and not self._hub.stopping:
            found = hot.read_one(data, head)
            if found is not None:
                if found[0] == hot.HIT and not self._of_visit:
                    return self._parse(data, keys)
                if found[0] != hot.COUNT:
                    return self._take([found], keys)
                keys.append(found[1])
                self._counts = 1
                return _LATER
            counts = hot.read_counts(data, head)
            if counts is not None:
                before = len(keys)
                keys += counts
                self._counts = len(keys) - before
                return _LATER
        return self._parse(data, keys)

    def _parse(self, data: bytes, keys: list[bytes]) -> Taken:
        intake = self._intake
        before = intake.stage
        self._head = b""
        requests = intake.feed(data)
        is_cold = self._is_cold()
        asked = [] if is_cold or self._hub.stopping else self._read_hot(requests)
        if len(asked) < len(requests) or is_cold or self._hub.stopping:
            self._given = requests
            return Taken.TASK
        if not requests:
            if intake.stage is not before:
                self.deadline = self._hub.from_now(self._patience())
            return Taken.NOTHING
        if before is Stage.IDLE is intake.stage:
            self._head = hot.learn(data)  # the head of the first
            self._of_visit = asked[0][0] == hot.HIT
        return self._take(asked, keys)

    def _is_cold(self) -> bool:
        """Say whether what was parsed is for the task, whatever it asks for."""
        intake = self._intake
        return intake.failure is not None or intake.closed or intake.awaits_body

    def _read_hot(self, requests: Sequence[Request]) -> list[hot.Hot]:
        """Return the hot requests up to the first other one."""
        found = []
        for request in requests:
            asked = hot.read_request(request) if self._is_plain(request) else None
            if asked is None:
                break
            found.append(asked)
        return found

    def _is_plain(self, request: Request) -> bool:
        """Say whether the headers of a request ask for nothing of their own."""
        return hot.is_plain(request.headers)

    def _take(self, asked: list[hot.Hot], keys: list[bytes]) -> Taken:
        counted = [key for form, key in asked if form != hot.READ]
        if all(form == hot.COUNT for form, _ in asked):
            self._counts = len(counted)
        else:
            self._asked = asked
        keys += counted
        return Taken.LATER if counted else Taken.NOW

    async def serve(self, rest: bytes) -> bool:
        """Have the socket until nothing is left to read; return whether it goes back."""
        self._head = b""  # nobody knows how the task leaves the parser
        return await super().serve(rest)

    def answer(self, outcome: Outcome, first: int) -> bytes:
        """Write the answers of what was taken, in the order of the requests."""
        is_idle = self._intake.stage is _IDLE
        shared = self._shared
        self.deadline = shared.rest_until if is_idle else self._hub.from_now(self._patience())
        number, self._counts = self._counts, 0
        if not number:
            return self._answer_mixed(outcome, first)
        if not outcome.plain:
            self._asked = [(hot.COUNT, key) for key in outcome.keys[first : first + number]]
            return self._answer_mixed(outcome, first)
        head = shared.heads.value
        if number == 1:
            body = b'{"key":"%b","value":%d}' % (outcome.keys[first], outcome.values[first])
            return b"%b%d\r\n\r\n%b" % (head, len(body), body)
        answers = []
        end = first + number
        for key, value in zip(outcome.keys[first:end], outcome.values[first:end], strict=True):
            body = b'{"key":"%b","value":%d}' % (key, value)
            answers.append(b"%b%d\r\n\r\n%b" % (head, len(body), body))
        return b"".join(answers)

    def _answer_mixed(self, outcome: Outcome, first: int) -> bytes:
        asked, self._asked = self._asked, []
        shared = self._shared
        failure = None if outcome.failure is None else refuse(outcome.failure)
        unready: Response | None = None
        if any(form == hot.READ for form, _ in asked):
            unready = refuse_unready(shared.backend, {})
        answers, at = [], first
        for form, key in asked:
            refusal = unready
            if form != hot.READ:
                error = outcome.refused.get(at)
                refusal = failure if error is None else refuse(error)
                at += 1
            if form == hot.HIT and refusal is None:
                body = b'{"value":%d}' % outcome.values[at - 1]
                answers.append(b"%b%d\r\n\r\n%b" % (shared.heads.visit, len(body), body))
            else:
                answers.append(self._write(key, refusal))
        return b"".join(answers)

    def _write(self, key: bytes, refusal: Response | None) -> bytes:
        heads = self._shared.heads
        if refusal is not None:
            return heads.render(refusal)
        body = b'{"key":"%b","value":%d}' % (key, self._shared.backend.value(key))
        return b"%b%d\r\n\r\n%b" % (heads.value, len(body), body)
