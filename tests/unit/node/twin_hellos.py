"""Hellos of several processes of one node, for tests of twins."""

from __future__ import annotations

from nodes import hello

from gcounterd.ids import Epoch
from gcounterd.node.messages import Channel, Hello

CONTROL, BULK = Channel.CONTROL, Channel.BULK


def epoch(life: int) -> Epoch:
    """Return the epoch of a node's process by its number."""
    return Epoch(bytes([life]) * 16)


def life_of(letter: str, life: int, channel: Channel = CONTROL, **changes: object) -> Hello:
    """Return the hello of process `life` of a node, at an address of its own."""
    values = {
        "epoch": epoch(life),
        "nonce": letter.encode() * 7 + bytes([life]),
        "address": f"{letter}:{life}",
        "joining": False,
    }
    return hello(letter, channel, **{**values, **changes})
