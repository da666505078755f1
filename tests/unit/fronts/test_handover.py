"""Handover: the socket itself arrives, with what was read from it."""

from __future__ import annotations

import socket

import trio

from gcounterd.fronts.handover import UNREAD_BYTES_MAX, Parcel, hand_over, open_channel, take_over

PARCEL = Parcel(1, b"GET / HTTP/1.1\r\n", {"protocol": 3, "name": b"me"})


async def test_the_client_goes_on_with_whoever_took_the_connection_over() -> None:
    near, far = open_channel()
    client, sock = socket.socketpair()
    with near, far, client:
        await hand_over(near, sock, PARCEL)
        sock.close()
        taken = await take_over(far)
        assert taken is not None
        other, parcel = taken
        with other:
            assert parcel == PARCEL
            other.send(b"hello")
            assert client.recv(9) == b"hello"
            client.send(b"and you")
            assert other.recv(9) == b"and you"


async def test_connections_arrive_in_order_and_whole_although_the_channel_is_full() -> None:
    near, far = open_channel()
    pairs = [socket.socketpair() for _ in range(40)]
    parcels = [Parcel(at, b"x" * UNREAD_BYTES_MAX, {}) for at in range(len(pairs))]
    found = []

    async def send() -> None:
        for (_, sock), parcel in zip(pairs, parcels, strict=True):
            await hand_over(near, sock, parcel)
            sock.close()
        near.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        while (taken := await take_over(far)) is not None:
            sock, parcel = taken
            with sock:
                sock.send(b"%d" % parcel.door)
            found.append(parcel)
    assert found == parcels
    for at, (client, _) in enumerate(pairs):
        with client:
            assert client.recv(9) == b"%d" % at
    far.close()
