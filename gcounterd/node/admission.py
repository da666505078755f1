"""Admission: which hellos are accepted, and what a refusal means for us.

Theory. Nothing of a peer is parsed, let alone merged, before its hello is accepted: cluster and
version first, since merging a foreign cluster's counters could not be undone; then identity; then,
of newcomers, what `newcomers` asks. Two islands that both have an active member of one name keep
both. A hello of our own node id from another process is a twin and refused; whether the
established or the starting one must go is decided by who is established.

Refusals that time may cure do not end a process: too many newcomers at once, a judge that is
still joining itself, and for a while a token that the judge has not heard of yet.
"""

from __future__ import annotations

from gcounterd.node.config import Config
from gcounterd.node.effects import Effect, Exit, Notice
from gcounterd.node.messages import PROTOCOL_VERSION, Channel, Hello, Refusal, Refused
from gcounterd.node.newcomers import Newcomers
from gcounterd.node.peers import Peers

EXIT_REFUSED = 4
# An approval is told to every member at once, and found by the next comparison of hashes (30 s)
# where that was lost. Whoever is refused for longer has the wrong token.
APPROVAL_PATIENCE_S = 60.0


def introduce(config: Config, channel: Channel, *, joining: bool, provisional: bool) -> Hello:
    """Return our first frame for a link on `channel`; the token is shown while we are `joining`."""
    return Hello(
        PROTOCOL_VERSION,
        config.cluster,
        config.node,
        config.name,
        config.epoch,
        config.nonce,
        channel,
        config.address,
        joining,
        provisional,
        token=config.join_token if joining else b"",
    )


def judge(
    hello: Hello, config: Config, peers: Peers, newcomers: Newcomers, now: float
) -> Refusal | None:
    """Return why a peer's hello is refused, or None if it is accepted."""
    if hello.version != PROTOCOL_VERSION:
        text = f"this node speaks protocol {PROTOCOL_VERSION}, you speak {hello.version}"
        return Refusal(Refused.VERSION, text, config.address)
    if hello.cluster != config.cluster:
        text = f"this is cluster '{config.cluster}', you are in '{hello.cluster}'"
        return Refusal(Refused.CLUSTER, text, config.address)
    if hello.node == config.node:
        if hello.nonce == config.nonce:
            return Refusal(Refused.SELF, "you have dialled yourself", config.address)
        return _twin(config.address)
    known = peers.epoch_of(hello.node)
    if known is not None and known > hello.epoch:
        return _twin(hello.address)
    if hello.joining:
        return newcomers.judge(hello, now)
    return None


def _twin(address: str) -> Refusal:
    return Refusal(
        Refused.TWIN,
        "another process runs with your node id: a copied data directory, or an old life of "
        "yours; stop it, or start on a directory of its own",
        address,
    )


def is_final(refusal: Refusal, *, joining: bool, established: bool) -> bool:
    """Say whether being refused so ends this process.

    joining      we are not yet an active member
    established  we have committed or been accepted before in this life
    """
    match refusal.reason:
        case Refused.NAME | Refused.CROWDED | Refused.FULL:
            return joining
        case Refused.CLUSTER | Refused.VERSION | Refused.UNAPPROVED | Refused.UNKNOWN:
            return joining and not established
        case Refused.TWIN:
            return not established
        case Refused.UNREACHABLE | Refused.SELF | Refused.REMOVED | Refused.ASKING:
            return False
        case Refused.BUSY | Refused.YOUNG:
            return False


def yields_name(config: Config, hello: Hello) -> bool:
    """Say whether we, while joining, must leave our name to the sender of `hello`."""
    return hello.joining and hello.name == config.name and hello.node < config.node


def leave_name(hello: Hello) -> Exit:
    """Return our end for having the name of another newcomer."""
    text = f"the name '{hello.name}' is taken by another newcomer at {hello.address}"
    return Exit(EXIT_REFUSED, f"{text}; start with another --name")


class Refusals:
    """What refusals mean to a process that was refused; one per node."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._unknown_since = float("inf")

    def take(
        self, address: str, refusal: Refusal, joining: bool, established: bool, now: float
    ) -> Effect:
        """Return the end of this process, or a notice where it goes on; see `is_final`.

        joining      we are not yet an active member
        established  we have committed or been accepted before in this life
        """
        final = is_final(refusal, joining=joining, established=established)
        if refusal.reason is Refused.UNKNOWN:
            self._unknown_since = min(self._unknown_since, now)
            final = final and now >= self._unknown_since + APPROVAL_PATIENCE_S
        if not final:
            fields = {"address": address, "reason": str(refusal.reason), "text": refusal.text}
            return Notice("refused", {**fields})
        text = f"refused by {address}: {refusal.text}"
        if refusal.reason is Refused.NAME and self._config.take_over:
            text += ". Taking over (--take-over) is not in this version yet"
        return Exit(EXIT_REFUSED, text)
