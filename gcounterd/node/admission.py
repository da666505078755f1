"""Admission: which hellos are accepted, and what a refusal means for us.

Theory. Nothing of a peer is parsed, let alone merged, before its hello is accepted: cluster and
version first, since merging a foreign cluster's counters could not be undone; then identity: which
of two processes with one node id may stay is decided by `twins`; then, of newcomers, what
`newcomers` asks. Two islands that both have an active member of one name keep both.

Refusals that time may cure do not end a process: too many newcomers at once, a judge that is
still joining itself, and for a while a token that the judge has not heard of yet. A name that
nobody has by the roster of those who let us in may belong to a removed member whose removal the
judge has not heard of yet: that is waited for as well.
"""

from __future__ import annotations

from gcounterd.counters.settled import Settled
from gcounterd.members.roster import Roster
from gcounterd.node.asking import Verdict
from gcounterd.node.config import Config
from gcounterd.node.effects import Effect, Exit, Notice
from gcounterd.node.joining import Joining
from gcounterd.node.messages import PROTOCOL_VERSION, Channel, Hello, Refusal, Refused
from gcounterd.node.newcomers import Newcomers
from gcounterd.node.returning import Returning
from gcounterd.node.twins import Twins

EXIT_REFUSED = 4
# An approval or a removal is told to every member at once, and found by the next comparison of
# hashes (30 s) where that was lost. Whoever is refused for longer has the wrong token, or a name
# that is taken.
PATIENCE_S = 60.0


def introduce(
    config: Config,
    channel: Channel,
    joining: Joining,
    twins: Twins,
    returning: Returning,
    settled: Settled,
) -> Hello:
    """Return our first frame for a link on `channel`; the token is shown while we are joining."""
    return Hello(
        PROTOCOL_VERSION,
        config.cluster,
        config.node,
        config.name,
        config.epoch,
        config.nonce,
        channel,
        config.address,
        joining.is_joining,
        provisional=not twins.established,
        yielding=twins.yielding,
        token=config.join_token if joining.is_joining else b"",
        returning=returning.active,
        take_over=joining.is_joining and config.take_over,
        settled=settled.state_hash(),
    )


def judge_cluster(hello: Hello, config: Config) -> Refusal | None:
    """Return why a hello is refused that is not of our protocol or cluster, or None."""
    if hello.version != PROTOCOL_VERSION:
        text = f"this node speaks protocol {PROTOCOL_VERSION}, you speak {hello.version}"
        return Refusal(Refused.VERSION, text, config.address)
    if hello.cluster != config.cluster:
        text = f"this is cluster '{config.cluster}', you are in '{hello.cluster}'"
        return Refusal(Refused.CLUSTER, text, config.address)
    return None


def judge(hello: Hello, twins: Twins, newcomers: Newcomers, now: float) -> Verdict:
    """Return why a peer of our cluster is refused, or None if it is accepted; and what to do."""
    refusal, effects = twins.judge(hello, now)
    if refusal is None and hello.joining:
        refusal = newcomers.judge(hello, now)  # which may use its token up
    return refusal, effects


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
        case Refused.UNSECURED | Refused.IDENTITY:
            return joining and not established
        case Refused.UNREACHABLE | Refused.SELF | Refused.REMOVED | Refused.BUSY | Refused.YOUNG:
            return False
        case Refused.QUARANTINED:
            return False
        case Refused.ASKING | Refused.TWIN:
            return False  # `twins` decides
        case Refused.RESIDUES:
            return False  # an operator, or what is forgotten next


def yields_name(config: Config, hello: Hello) -> bool:
    """Say whether we, while joining, must leave our name to the sender of `hello`."""
    return hello.joining and hello.name == config.name and hello.node < config.node


def leave_name(hello: Hello) -> Exit:
    """Return our end for having the name of another newcomer."""
    text = f"the name '{hello.name}' is taken by another newcomer at {hello.address}"
    return Exit(EXIT_REFUSED, f"{text}; start with another --name")


class Refusals:
    """What refusals mean to a process that was refused; one per node."""

    def __init__(self, config: Config, roster: Roster) -> None:
        self._config = config
        self._roster = roster
        self._since: dict[Refused, float] = {}  # a reason that time may cure → first given

    def take(
        self, address: str, refusal: Refusal, joining: bool, established: bool, now: float
    ) -> Effect:
        """Return the end of this process, or a notice where it goes on; see `is_final`.

        joining      we are not yet an active member
        established  we have committed or been accepted before in this life
        """
        final = is_final(refusal, joining=joining, established=established)
        if self._may_pass(refusal.reason, established):
            since = self._since.setdefault(refusal.reason, now)
            final = final and now >= since + PATIENCE_S
        if not final:
            fields = {"address": address, "reason": str(refusal.reason), "text": refusal.text}
            return Notice("refused", {**fields})
        return Exit(EXIT_REFUSED, f"refused by {address}: {refusal.text}")

    def _may_pass(self, reason: Refused, established: bool) -> bool:
        """Say whether the judge may lack what others know: an approval, or a removal."""
        if reason is Refused.UNKNOWN:
            return True
        if reason is not Refused.NAME or not established:
            return False
        named = self._roster.named(self._config.name)
        return all(entry.node == self._config.node for entry in named)
