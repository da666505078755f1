"""One run of `remove-node`: asking for the plan, asking for the removal, watching it, the report.

Theory. The cluster does the work and anybody may ask it to, twice or from two places, so a run only
begins, watches and reports; the same one again goes on watching. What is begun is what was shown:
the second request names the ids of the plan, not the names, which may have other holders by then.

The node that is asked may be one of those that are removed. It says that it is removed, and then
goes; if it went without saying so, nobody here knows, and that is what is said. This module refuses
to know what a removal takes, and terminals.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from gcounterd.cli.client import Answer, Client
from gcounterd.cli.failures import EXIT_UNFINISHED, CallError
from gcounterd.cli.manners import WAIT_S_DEFAULT, Call
from gcounterd.cli.progress import Progress, open_progress
from gcounterd.cli.removal_words import (
    Plan,
    Removal,
    describe_plan,
    describe_progress,
    describe_report,
    find,
    is_done,
    is_removed,
    read_plan,
    read_removals,
)
from gcounterd.cli.removals import node_path, note_refusal

DONE_S_DEFAULT = 60.0
POLL_S = 0.2
# One request is waited for at least so long, however short the whole may take: an answer that comes
# late is worth more than none.
REQUEST_S_MIN = 2.0
# How long the node that is asked may be away when it is being removed itself: long enough for one
# that was killed and that its supervisor starts anew.
GONE_S = 10.0
_GOES_ON = (
    "the removal goes on; `gcounterctl removals` shows it, and the same command watches it again"
)
_ELSEWHERE = "the removal goes on at the others; ask one of them: gcounterctl --address … removals"
_SUSPECT = "removal_suspect"
# Roster states of a target that somebody has decided on before.
_DECIDED = ("removing", "removed")


class Run:
    """What was asked for, and what is known of it by now.

    begun  the removal was asked for, so it may go on whatever becomes of this run
    """

    def __init__(self, call: Call, wanted: Mapping[str, str]) -> None:
        """`wanted` are the parameters of the request, beside the names."""
        self._output = call.output
        self._wait_s = DONE_S_DEFAULT if call.wait_s is None else call.wait_s
        answer_s = min(WAIT_S_DEFAULT, max(REQUEST_S_MIN, self._wait_s))
        self._client = Client(call.client.target, answer_s)
        self._wanted = dict(wanted)
        self._plan: Plan = {"targets": []}
        self._asked: object = None  # the id of the node that is asked
        self._known: dict[str, Removal] = {}
        self._away_since: float | None = None
        self.begun = False

    # -- beginning --------------------------------------------------------------------------

    def plan(self, names: Sequence[str], *, as_data: bool) -> None:
        """Ask what would be done, and show it: as data, or as talk before the rest."""
        self._plan = read_plan(self._delete(names, {**self._wanted, "dry_run": "true"}))
        self._asked = self._ask_own_id()
        if self._output.as_json:
            self._output.record({"event": "plan", "plan": self._plan})
            return
        tell = self._output.line if as_data else self._output.say
        for line in describe_plan(self._plan, self._asked):
            tell(line)

    def _ask_own_id(self) -> object:
        try:
            return self._client.get("/v1/status").body.get("id")
        except CallError:  # knowing it only serves to say more
            return None

    @property
    def _ids(self) -> list[str]:
        return [target["id"] for target in self._plan["targets"]]

    @property
    def targets(self) -> str:
        """Return the nodes to be removed, for people."""
        return ", ".join(str(target.get("node")) for target in self._plan["targets"])

    @property
    def needs_word(self) -> bool:
        """Say whether the plan has something in it that was not decided before."""
        states = [target.get("roster") for target in self._plan["targets"]]
        if "without_majority" in self._wanted:
            return any(state != "removed" for state in states)
        return any(state not in _DECIDED for state in states)

    def begin(self) -> None:
        """Have done what was planned."""
        into = self._plan.get("into")
        chosen = into.get("id") if isinstance(into, dict) and self.needs_word else None
        self.begun = True
        try:
            answer = self._delete(self._ids, self._wanted | ({"into": chosen} if chosen else {}))
        except CallError as failure:
            if failure.definite is not True:
                self.advise()
            raise
        self._known = find(read_removals(answer), self._ids)

    def advise(self) -> None:
        """Say what to do where nobody knows whether it has begun."""
        self._output.say("it may have begun: the same command again tells, and does it only once")

    def _delete(self, names: Sequence[str], wanted: Mapping[str, str]) -> Answer:
        """Ask for a removal; where it is still to be seen whether a node is dead, again."""
        deadline = time.monotonic() + self._wait_s
        said = False
        while True:
            try:
                return self._client.delete(node_path(*names), list(wanted.items()))
            except CallError as failure:
                note_refusal(failure)
                if failure.code != _SUSPECT:
                    raise
                if time.monotonic() >= deadline:
                    failure.exit = EXIT_UNFINISHED
                    raise
                if not said:
                    self._note("waiting", f"{failure.message}; waiting for the verdict")
                said = True
            time.sleep(POLL_S)

    def _note(self, event: str, text: str) -> None:
        if self._output.as_json:
            self._output.record({"event": event, "message": text})
        else:
            self._output.say(text)

    # -- watching ---------------------------------------------------------------------------

    def follow(self) -> None:
        """Watch until all is done, and report; raise `CallError` where the end is not seen."""
        deadline = time.monotonic() + self._wait_s
        with open_progress(self._output) as progress:
            progress.show(self._known.values())
            while not self._is_over():
                time.sleep(POLL_S)
                self._look(progress)
                progress.show(self._known.values())
                if time.monotonic() >= deadline and not self._is_over():
                    message = f"not done within {self._wait_s:g} s"
                    raise self._unfinished(CallError(EXIT_UNFINISHED, "not_removed", message))
        self._report()

    def _is_over(self) -> bool:
        # When the node that was asked has gone, nobody here can tell more than: it is removed.
        enough = is_removed if self._has_gone else is_done
        return all(node in self._known and enough(self._known[node]) for node in self._ids)

    @property
    def _has_gone(self) -> bool:
        return self._away_since is not None and self._asked_is_removed

    @property
    def _asked_is_removed(self) -> bool:
        own = self._known.get(str(self._asked))
        return own is not None and is_removed(own)

    def _look(self, progress: Progress) -> None:
        try:
            answer = self._client.get("/v1/removals")
        except CallError as failure:
            if not failure.may_pass:
                raise
            self._miss(failure, progress)
            return
        if self._away_since is not None:
            progress.note("back", "answers again")
        self._away_since = None
        self._known |= find(read_removals(answer), self._ids)

    def _miss(self, failure: CallError, progress: Progress) -> None:
        """Take note that the node that is asked does not answer now."""
        now = time.monotonic()
        if self._asked_is_removed and failure.code != "unreachable":
            return  # it is about to go
        if self._away_since is None:
            self._away_since = now
            gone = "the node that was asked is removed, and has gone"
            away = f"{failure.message}; trying again"
            progress.note("away", gone if self._asked_is_removed else away)
        if self._has_gone and not self._is_over():
            message = "the node that was asked has gone before the others were removed"
            raise self._unfinished(CallError(EXIT_UNFINISHED, "asked_gone", message))
        if self._asked in self._ids and now >= self._away_since + GONE_S:
            message = "the node that was asked has gone, and never said that it is removed"
            raise self._unfinished(CallError(EXIT_UNFINISHED, "asked_gone", message))

    # -- ending -----------------------------------------------------------------------------

    def _unfinished(self, failure: CallError) -> CallError:
        """Say how to learn more, and add what is known to a failure."""
        self._output.say(_ELSEWHERE if failure.code == "asked_gone" else _GOES_ON)
        known = "; ".join(describe_progress(removal) for removal in self._known.values())
        failure.message = f"{failure.message}; last seen: {known or 'nothing'}"
        failure.more["removals"] = list(self._known.values())
        return failure

    def detach(self) -> None:
        """Watch no more, and say so."""
        if self._output.as_json:
            self._output.record({"event": "detached", "removals": list(self._known.values())})
            return
        for removal in self._known.values():
            self._output.say(describe_progress(removal))
        self._output.say(_GOES_ON)

    def _report(self) -> None:
        removals = [self._known[node] for node in self._ids]
        if self._output.as_json:
            self._output.record({"event": "report", "removals": removals})
            return
        for removal in removals:
            for line in describe_report(removal):
                self._output.line(line)
