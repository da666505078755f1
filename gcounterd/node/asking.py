"""Asking: does the process that we know by a node id still answer, now that another says hello?

Theory. Two processes show one node id when a restart is faster than the end of the connections
before it, and when a disk was cloned. Silence cannot tell the two apart, an answer can. So whoever
says hello with a node id under which another process (another nonce) is linked here has to try
again, while that process is asked over its link; where no link leads to it, and it was known at
another address, that address is dialled first. No answer for as long as a probe waits: the links
go, and the hello is accepted. An answer: they are twins, and the one that says hello is told so if
it has to give way, which is if it is provisional, or gives way already, or has the lower epoch. An
established process with the higher epoch is accepted at once; the other is told when it comes back.

An answer counts for a moment only, and only if it came after the question. So whoever is told of a
twin lived at the same time as that twin, which had counted or been accepted.

This module refuses to know what follows for the one that is told.
"""

from __future__ import annotations

import attrs

from gcounterd.ids import Epoch, NodeId
from gcounterd.members.roster import Roster
from gcounterd.node.dialling import Dialler
from gcounterd.node.effects import Dial, Drop, Effect, Notice, Send
from gcounterd.node.messages import Channel, Hello, Here, Refusal, Refused, Who
from gcounterd.node.peers import Link, Peers

# An answer is good for so long; the hello that it is for comes a fifth of a second after it.
ANSWER_GOOD_S = 1.0
# Of the time between two hellos at most so much counts as waiting for an answer: if this process
# stood still in between, nobody was silent.
WAITED_PER_HELLO_S = 0.5
# Processes for which another one is asked, at a time. One more is told to try again, and comes to
# its turn: a question that nobody asks any more is forgotten after so long.
QUESTIONS_MAX = 1024
QUESTION_KEPT_S = 10.0

Verdict = tuple[Refusal | None, list[Effect]]


@attrs.define(eq=False)
class _Question:
    """What we try to find out for one process that says hello.

    seen      when it last did; waited  how long it has waited without an answer
    link      on which the other process was asked, None for not yet
    address   which was dialled to find it, "" for none; nobody  that dial found nobody
    answered  when the answer came, and `epoch` what it said
    """

    number: int
    seen: float
    waited: float = 0.0
    link: int | None = None
    address: str = ""
    nobody: bool = False
    answered: float | None = None
    epoch: Epoch | None = None


class Asking:
    """The questions that are open here; one per node."""

    def __init__(self, roster: Roster, peers: Peers, dialler: Dialler, patience_s: float) -> None:
        """`patience_s` is how long a process may take to answer."""
        self._roster = roster
        self._peers = peers
        self._dialler = dialler
        self._patience_s = patience_s
        self._questions: dict[tuple[NodeId, bytes], _Question] = {}
        self._number = 0

    def judge(self, hello: Hello, now: float) -> Verdict:
        """Say whether the sender of a hello may take its node's place here.

        Drops among the effects are of links that the caller has to forget.
        """
        rival = self._peers.rival(hello.node, hello.nonce)
        insists = not (hello.provisional or hello.yielding)
        if hello.yielding and hello.channel is Channel.BULK:
            return (None if rival else try_again(), [])  # it hands over, and takes no place
        is_linked = rival is None and bool(self._peers.of(hello.node))
        if is_linked or (insists and (rival is None or hello.epoch > rival.hello.epoch)):
            return None, []
        question = self._question(hello, now)
        if question is None:
            return try_again(), []
        if rival is not None and rival.channel is Channel.CONTROL:
            return self._ask(hello, question, rival, now)
        return self._look(hello, question, now)

    def _question(self, hello: Hello, now: float) -> _Question | None:
        """Return the question for a process, a new one if it has none; None where all are taken."""
        key = hello.node, hello.nonce
        question = self._questions.get(key)
        if question is None:
            if len(self._questions) >= QUESTIONS_MAX:
                old = now - QUESTION_KEPT_S
                self._questions = {k: q for k, q in self._questions.items() if q.seen > old}
            if len(self._questions) >= QUESTIONS_MAX:
                return None
            self._number += 1
            question = self._questions[key] = _Question(self._number, now)
        question.waited += min(now - question.seen, WAITED_PER_HELLO_S)
        question.seen = now
        return question

    def _ask(self, hello: Hello, question: _Question, rival: Link, now: float) -> Verdict:
        """Ask a process that is linked, and judge by what it said."""
        answered = question.answered
        if question.link != rival.id or (answered is not None and now > answered + ANSWER_GOOD_S):
            question.link, question.answered, question.waited = rival.id, None, 0.0
        if question.answered is not None:
            del self._questions[hello.node, hello.nonce]
            return self._tell(hello, rival, question.epoch)
        if question.waited >= self._patience_s:
            return self._accept(hello)
        return try_again(), [Send((rival.id,), Who(question.number))]

    def _tell(self, hello: Hello, rival: Link, epoch: Epoch | None) -> Verdict:
        """Tell a process of its twin, which has answered."""
        fields: dict[str, str | int | float] = {
            "member": self._roster.label(hello.node),
            "id": hello.node.hex(),
            "told": hello.address,
            "stays": rival.hello.address,
        }
        return twin(rival.hello.address, epoch), [Notice("twin", fields)]

    def _look(self, hello: Hello, question: _Question, now: float) -> Verdict:
        """Look for a process that is not linked where the roster says that it listens."""
        entry = self._roster.get(hello.node)
        if (
            entry is None
            or entry.epoch == hello.epoch
            # Whoever listens there now is the one that says hello, or another member.
            or entry.address == hello.address
            or self._peers.is_reached_at(entry.address)
            or question.waited >= self._patience_s
            or (question.nobody and question.address == entry.address)
        ):
            return self._accept(hello)
        if question.address == entry.address:
            return try_again(), []
        question.address, question.nobody = entry.address, False
        dial = Dial(entry.address, Channel.CONTROL)
        return try_again(), [dial] if self._dialler.start(entry.address, now) else []

    def _accept(self, hello: Hello) -> Verdict:
        """Let a process take its node's place; drop what is left of the one before."""
        self._questions.pop((hello.node, hello.nonce), None)
        left = [link for link in self._peers.of(hello.node) if link.hello.nonce != hello.nonce]
        return None, [Drop(link.id, "unanswered") for link in left]

    def heard(self, link: Link, here: Here, now: float) -> None:
        """Take an answer in."""
        for question in self._questions.values():
            if question.number == here.number and question.link == link.id:
                question.answered, question.epoch = now, here.epoch

    def dial_failed(self, address: str, refusal: Refusal | None) -> None:
        """Take note that a dial of an address came to nothing."""
        waits = refusal is not None and refusal.reason is Refused.ASKING  # so we dial again
        for question in self._questions.values():
            if question.address == address:
                question.nobody = not waits
                question.address = "" if waits else address


def try_again() -> Refusal:
    """Return the refusal that is none yet."""
    text = "another process with your node id was known here, and is being asked; try again"
    return Refusal(Refused.ASKING, text)


def twin(address: str, epoch: Epoch | None) -> Refusal:
    """Return the refusal for having a twin, which answers at `address` and lives in `epoch`."""
    text = "another process runs with your node id: a copied data directory, or an earlier life"
    return Refusal(Refused.TWIN, text, address, epoch)
