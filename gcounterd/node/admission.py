"""Admission: which hellos are accepted, and what a refusal means for us.

Theory. Nothing of a peer is parsed, let alone merged, before its hello is accepted: cluster and
version first, since merging a foreign cluster's counters could not be undone; then identity. A
newcomer whose name belongs to another member is refused with that member's address; two islands
that both have an active member of one name keep both. Of two newcomers of one name the smaller
node id stays. A hello of our own node id from another process is a twin and refused; whether the
established or the starting one must go is decided by who is established.
"""

from __future__ import annotations

from gcounterd.counters.counters import OPEN_COLUMNS_MAX, Counters
from gcounterd.ids import show
from gcounterd.members.roster import Roster, State
from gcounterd.node.config import Config
from gcounterd.node.messages import PROTOCOL_VERSION, Channel, Hello, Refusal, Refused
from gcounterd.node.peers import Peers


def introduce(config: Config, channel: Channel, *, joining: bool, provisional: bool) -> Hello:
    """Return our first frame for a link on `channel`."""
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
    )


def judge(
    hello: Hello, config: Config, roster: Roster, counters: Counters, peers: Peers
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
        return _newcomer(hello, config, roster, counters)
    return None


def _twin(address: str) -> Refusal:
    return Refusal(
        Refused.TWIN,
        "another process runs with your node id: a copied data directory, or an old life of "
        "yours; stop it, or start on a directory of its own",
        address,
    )


def _newcomer(hello: Hello, config: Config, roster: Roster, counters: Counters) -> Refusal | None:
    mine = roster.get(config.node)
    if mine is None and hello.name == config.name and config.node < hello.node:
        return _taken(hello.name, show(config.node), config.address)  # ours, but not durable yet
    for holder in roster.named(hello.name):
        if holder.node == hello.node:
            continue
        both_new = holder.state is State.JOINING and hello.node < holder.node
        if not both_new:
            return _taken(hello.name, show(holder.node), holder.address)
    crowded = hello.node not in roster and len(counters.columns) >= OPEN_COLUMNS_MAX
    if crowded and mine is not None:
        text = f"this cluster has its {OPEN_COLUMNS_MAX} open columns"
        return Refusal(Refused.CROWDED, text, config.address)
    return None


def _taken(name: str, holder: str, address: str) -> Refusal:
    text = f"the name '{name}' belongs to node {holder[:12]} at {address}"
    return Refusal(Refused.NAME, f"{text}; start with another --name", address)


def is_final(refusal: Refusal, *, joining: bool, established: bool) -> bool:
    """Say whether being refused so ends this process.

    joining      we are not yet an active member
    established  we have committed or been accepted before in this life
    """
    match refusal.reason:
        case Refused.NAME | Refused.CROWDED:
            return joining
        case Refused.CLUSTER | Refused.VERSION:
            return joining and not established
        case Refused.TWIN:
            return not established
        case Refused.UNREACHABLE | Refused.SELF | Refused.REMOVED | Refused.ASKING:
            return False
