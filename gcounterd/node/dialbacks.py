"""Dial-backs: whether a newcomer can be reached where it says it can.

Theory. A newcomer reaches us, but that does not mean that anybody reaches it: it may advertise an
address that is only its own (a container's, one behind NAT). It would join, be dead to everyone who
has to dial it, refute that, and so on for ever. So while a node joins it does not open the bulk
connection; the member does, to the address that the newcomer advertises. Without it nothing is
exchanged and nobody confirms the newcomer, so no rule elsewhere has to know. If it fails, the
newcomer is told why at its next hello, and may try again after that.
"""

from __future__ import annotations

from gcounterd.ids import NodeId
from gcounterd.node.effects import Drop, Effect
from gcounterd.node.grades import Grade
from gcounterd.node.messages import Channel, Hello, Refusal, Refused
from gcounterd.node.peers import Peers

# Newcomers that could not be reached and have not been told yet; beyond, the oldest is forgotten
# and simply tried again.
UNREACHED_MAX = 256

_WORDS = {
    Grade.REFUSED: "nobody listens there",
    Grade.TIMEOUT: "nobody answers there",
    Grade.UNREACHABLE: "there is no way there",
    Grade.NAME: "the name is not known here",
    Grade.PROTOCOL: "what answers there is no peer",
}


class DialBacks:
    """What came of dialling newcomers."""

    def __init__(self, own_address: str, peers: Peers) -> None:
        self._own_address = own_address
        self._peers = peers
        self._unreached: dict[NodeId, Refusal] = {}

    def failed(self, address: str, grade: Grade) -> list[Effect]:
        """Let go of the newcomers that advertise an address which cannot be reached."""
        words = _WORDS.get(grade)
        if words is None:
            return []
        text = f"you cannot be reached at {address} from {self._own_address}: {words}; give "
        refusal = Refusal(Refused.UNREACHABLE, f"{text}--advertise an address that peers can dial")
        effects: list[Effect] = []
        for link in self._peers.on(Channel.CONTROL):
            hello = link.hello
            if hello.joining and link.dialled is None and hello.address == address:
                self._unreached[link.peer] = refusal
                effects.append(Drop(link.id, "unreachable"))
        while len(self._unreached) > UNREACHED_MAX:
            del self._unreached[next(iter(self._unreached))]
        return effects

    def judge(self, hello: Hello) -> Refusal | None:
        """Tell a newcomer once that it cannot be reached; at its next hello it is tried again."""
        return self._unreached.pop(hello.node, None) if hello.joining else None
