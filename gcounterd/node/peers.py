"""The table of links: which peers are connected, over which channels.

Theory. A pair of peers uses two connections, control and bulk. Either side may dial, so two
connections of one channel can meet; both sides must then keep the same one. Of two dialled by the
same side the newer stays (its dialler gave the older up); of two dialled by different sides, the
one dialled by the smaller node id. A newer epoch of a node replaces every link of an older one.
"""

from __future__ import annotations

from collections import Counter

import attrs

from gcounterd.ids import NodeId
from gcounterd.node.messages import Channel, Hello


@attrs.define(eq=False)
class Link:
    """One accepted connection.

    dialled    the address that we dialled, or None if the peer dialled us
    guest      it carries what a process that gives way hands over, and stands for no peer
    heard      its peer has said something on it since its hello (control)
    parting    its peer said that it will end: that is no sign of trouble then
    surveying  we sent a survey on it and have no answer yet; survey_due  when its peer may again
    told       change number up to which heads were told on it, or None before that (bulk)
    hash_due   when the next hash is due on it (bulk)
    said       when its peer said something last (`node.guarding`)
    eager      in a crowd, what is new goes along it unasked (bulk, `node.tree`)
    """

    id: int
    hello: Hello
    dialled: str | None
    opened: float
    guest: bool = False
    heard: bool = False
    parting: bool = False
    surveying: bool = False
    survey_due: float = 0.0
    told: int | None = None
    hash_due: float = 0.0
    said: float = 0.0
    eager: bool = False

    @property
    def peer(self) -> NodeId:
        """Return the node at the other end."""
        return self.hello.node

    @property
    def channel(self) -> Channel:
        """Return the link's channel."""
        return self.hello.channel


class Peers:
    """Links by id, and by peer and channel."""

    def __init__(self, own: NodeId) -> None:
        self._own = own
        self._links: dict[int, Link] = {}
        self._on: dict[Channel, dict[int, Link]] = {channel: {} for channel in Channel}
        self._by_peer: dict[tuple[NodeId, Channel], Link] = {}
        self._addresses: Counter[str] = Counter()
        self._lacking_bulk: dict[NodeId, None] = {}

    def get(self, link: int) -> Link | None:
        """Return the link of that id, if it is open."""
        return self._links.get(link)

    def to(self, peer: NodeId, channel: Channel) -> Link | None:
        """Return the open link to `peer` on `channel`."""
        return self._by_peer.get((peer, channel))

    def of(self, peer: NodeId) -> list[Link]:
        """Return the open links to `peer`."""
        links = [self._by_peer.get((peer, channel)) for channel in Channel]
        return [link for link in links if link is not None]

    def all(self) -> list[Link]:
        """Return all open links, oldest first."""
        return list(self._links.values())

    def on(self, channel: Channel) -> list[Link]:
        """Return all open links of `channel`, oldest first."""
        return list(self._on[channel].values())

    def is_reached_at(self, address: str) -> bool:
        """Say whether the peer of an open control link is reached at an address."""
        return address in self._addresses

    def lacking_bulk(self) -> list[Link]:
        """Return the control links to peers that no bulk link leads to, oldest first."""
        return [self._by_peer[peer, Channel.CONTROL] for peer in self._lacking_bulk]

    def count(self, channel: Channel) -> int:
        """Return how many links of a channel are open."""
        return len(self._on[channel])

    def epoch_of(self, peer: NodeId) -> bytes | None:
        """Return the epoch of the process that a link to `peer` leads to."""
        for channel in Channel:
            link = self._by_peer.get((peer, channel))
            if link:
                return link.hello.epoch
        return None

    def rival(self, peer: NodeId, nonce: bytes) -> Link | None:
        """Return a link to another process of `peer` than that of `nonce`, control first."""
        return next((link for link in self.of(peer) if link.hello.nonce != nonce), None)

    def put(self, link: Link) -> list[Link]:
        """Add a link; return those that must be closed for it, which may be itself."""
        if link.guest:
            self._links[link.id] = link
            return []
        losers = [old for old in self.of(link.peer) if old.hello.epoch < link.hello.epoch]
        for old in losers:
            self.remove(old.id)
        newest = self.epoch_of(link.peer)
        if newest is not None and newest > link.hello.epoch:
            return [link]  # its process was replaced while it said hello
        rival = self._by_peer.get((link.peer, link.channel))
        if rival and not self._replaces(link, rival):
            return [*losers, link]
        if rival:
            self.remove(rival.id)
            losers.append(rival)
        self._links[link.id] = link
        self._on[link.channel][link.id] = link
        self._by_peer[link.peer, link.channel] = link
        if link.channel is Channel.CONTROL:
            self._addresses.update(_addresses(link))
        self._note_lack(link.peer)
        return losers

    def _note_lack(self, peer: NodeId) -> None:
        control, bulk = (self._by_peer.get((peer, channel)) for channel in Channel)
        if control is not None and bulk is None:
            self._lacking_bulk[peer] = None
        else:
            self._lacking_bulk.pop(peer, None)

    def _replaces(self, new: Link, old: Link) -> bool:
        new_by_us, old_by_us = new.dialled is not None, old.dialled is not None
        if new_by_us == old_by_us:
            return True
        return new_by_us == (self._own < new.peer)

    def remove(self, link: int) -> Link | None:
        """Forget a link; return it if it was known."""
        gone = self._links.pop(link, None)
        if gone:
            self._on[gone.channel].pop(link, None)
        if gone and gone.channel is Channel.CONTROL and not gone.guest:
            for address in _addresses(gone):
                self._addresses[address] -= 1
                if not self._addresses[address]:
                    del self._addresses[address]
        if gone and self._by_peer.get((gone.peer, gone.channel)) is gone:
            del self._by_peer[gone.peer, gone.channel]
        if gone:
            self._note_lack(gone.peer)
        return gone


def _addresses(link: Link) -> tuple[str, ...]:
    """Return where a link's peer is reached: where it says, and where we found it."""
    return (link.hello.address, *([link.dialled] if link.dialled is not None else []))
