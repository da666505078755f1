"""Links under TLS: they carry what others do, and whoever does not belong is told why, and counted.

Every refusal is looked at from both sides: what the dialler learns, and what the acceptor notes.
"""

from __future__ import annotations

import contextlib
import ssl

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from link_ends import PATIENCE_SECONDS, End, RawPeer, big_part, hello_of
from secret_ends import CA, DAY, NOW, STRANGE_CA, Secrets, secrets_of

from gcounterd.links.limits import HANDSHAKE_BYTES_MAX, Limits
from gcounterd.links.mistrust import Reason
from gcounterd.links.secrecy import SecretStream
from gcounterd.node.grades import Grade
from gcounterd.node.messages import Ack, Channel, Refusal, Refused
from gcounterd.wire.codec import encode
from gcounterd.wire.hellos import decode_hello, encode_hello

ONE, TWO = secrets_of("n1"), secrets_of("n2")


async def ends(
    nursery: trio.Nursery,
    one: Secrets | None,
    two: Secrets | None,
    limits: Limits | None = None,
) -> tuple[End, End]:
    """Start two ends with these secrets."""
    both = await End(1, limits).start(nursery), await End(2, limits).start(nursery)
    for end, secrets in zip(both, (one, two), strict=True):
        end.transport.secrets = secrets
    return both


async def test_links_carry_both_ways_and_what_is_large_arrives_as_it_was(
    nursery: trio.Nursery,
) -> None:
    one, two = await ends(nursery, ONE, TWO)
    mine, its = await one.link_to(two, Channel.BULK)
    parts = [big_part(number) for number in range(12)]
    for part in parts:
        one.transport.send([mine], part)
        two.transport.send([its], part)
    await one.until(lambda: len(one.heard(mine)) == len(parts))
    await two.until(lambda: len(two.heard(its)) == len(parts))
    assert [encode(each) for each in two.heard(its)] == [encode(part) for part in parts]
    assert not one.mistrusts
    assert not two.mistrusts


async def test_nothing_is_readable_on_the_way(nursery: trio.Nursery) -> None:
    one, two = await ends(nursery, ONE, TWO)
    seen = bytearray()

    async def pass_on(client: trio.SocketStream) -> None:
        host, port = two.address.rsplit(":", 1)
        server = await trio.open_tcp_stream(host, int(port))

        async def pump(source: trio.SocketStream, target: trio.SocketStream) -> None:
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                async for chunk in source:
                    seen.extend(chunk)
                    await target.send_all(chunk)

        async with client, server, trio.open_nursery() as both:
            both.start_soon(pump, client, server)
            both.start_soon(pump, server, client)

    listeners = await nursery.start(trio.serve_tcp, pass_on, 0)
    two_seen = listeners[0].socket.getsockname()[1]
    one.transport.dial(f"127.0.0.1:{two_seen}", Channel.BULK)
    await one.until(lambda: one.opened_links)
    (link,) = one.opened_links
    one.transport.send([link], big_part(1))
    await two.until(lambda: two.messages)
    assert len(seen) > 200_000
    assert b"xxxxxxxxxxxxxxxx" not in seen
    assert b"nonce678" not in seen


async def test_last_words_of_a_link_arrive(nursery: trio.Nursery) -> None:
    one, two = await ends(nursery, ONE, TWO)
    mine, its = await one.link_to(two)
    one.transport.send([mine], Ack(7))
    one.transport.drop(mine, "over", Refusal(Refused.TWIN, "give way"))
    await two.until(lambda: two.closed_links)
    assert two.refusals == [(its, Refusal(Refused.TWIN, "give way"))]
    mine, its = await one.link_to(two)
    one.transport.send([mine], Ack(8))
    one.transport.drop(mine, "over", gently=True)
    await two.until(lambda: len(two.closed_links) == 2)
    assert two.heard(its) == [Ack(8)]
    assert two.closed_links[1] == (its, "closed_by_peer")


EXPIRED = secrets_of("n1", ends=NOW - DAY)
STRANGER = secrets_of("n1", ca=STRANGE_CA, trusts=(CA,))
FOREIGN = secrets_of("n1", cluster="elsewhere")
MISNAMED = secrets_of("n7")


def old() -> Secrets:
    """Make secrets that speak TLS 1.2 at most."""
    made = secrets_of("n1")
    for context in (made.server, made.client):
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    return made


def nameless() -> Secrets:
    """Make secrets without a certificate for those it dials."""
    made = secrets_of("n1")
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bare.check_hostname = False
    bare.load_verify_locations(cadata=CA.certificate_pem().decode())
    made.contexts = type(made.contexts)(made.server, bare, 0, 0, ())
    return made


@pytest.mark.parametrize(
    ("secrets", "its_reason", "our_reason"),
    [
        (STRANGER, Reason.AUTHORITY, Reason.AUTHORITY),
        (EXPIRED, Reason.DATES, Reason.DATES),
        (old(), Reason.VERSION, Reason.VERSION),
        (nameless(), Reason.MISSING, Reason.MISSING),
    ],
    ids=["other authority", "expired", "TLS 1.2", "no certificate"],
)
async def test_who_cannot_show_what_is_needed_is_refused_and_both_know_why(
    nursery: trio.Nursery, secrets: Secrets, its_reason: Reason, our_reason: Reason
) -> None:
    one, two = await ends(nursery, secrets, TWO)
    one.transport.dial(two.address, Channel.CONTROL)
    await one.until(lambda: one.failed)
    await two.until(lambda: two.mistrusts)
    assert [each.grade for each in one.failed] == [Grade.PROTOCOL]
    assert one.mistrusts[0][0] == two.address
    assert one.mistrusts[0][1].reason is its_reason
    assert two.mistrusts[0][0] == "127.0.0.1"
    assert two.mistrusts[0][1].reason is our_reason
    assert not two.opened_links


@pytest.mark.parametrize(
    ("secrets", "reason"),
    [
        (STRANGER, Reason.AUTHORITY),
        (EXPIRED, Reason.DATES),
        (old(), Reason.VERSION),
    ],
    ids=["other authority", "expired", "TLS 1.2"],
)
async def test_whoever_dials_looks_at_the_other_side_as_well(
    nursery: trio.Nursery, secrets: Secrets, reason: Reason
) -> None:
    one, two = await ends(nursery, secrets, TWO)
    two.transport.dial(one.address, Channel.CONTROL)
    await two.until(lambda: two.failed)
    await one.until(lambda: one.mistrusts)
    assert two.mistrusts[0][1].reason is reason
    assert one.mistrusts[0][1].reason is reason
    assert not one.opened_links


@pytest.mark.parametrize("secrets", [FOREIGN, MISNAMED], ids=["other cluster", "other name"])
async def test_a_hello_must_say_what_the_certificate_says(
    nursery: trio.Nursery, secrets: Secrets
) -> None:
    one, two = await ends(nursery, secrets, TWO)
    one.transport.dial(two.address, Channel.CONTROL)
    await one.until(lambda: one.failed)
    refusal = one.failed[0].refusal
    assert refusal is not None
    assert refusal.reason is Refused.IDENTITY
    assert [why.reason for _, why in two.mistrusts] == [Reason.NAME]
    # And so must an answer.
    two.transport.dial(one.address, Channel.CONTROL)
    await two.until(lambda: two.failed)
    assert two.failed[0].grade is Grade.UNWANTED
    assert [why.reason for _, why in two.mistrusts] == [Reason.NAME, Reason.NAME]


async def test_a_plain_node_is_told_that_links_are_secured(nursery: trio.Nursery) -> None:
    plain, secured = await ends(nursery, None, TWO)
    plain.transport.dial(secured.address, Channel.CONTROL)
    await plain.until(lambda: plain.failed)
    refusal = plain.failed[0].refusal
    assert refusal is not None
    assert refusal.reason is Refused.UNSECURED
    assert "--cluster-key-file" in refusal.text
    assert [why.reason for _, why in secured.mistrusts] == [Reason.PLAIN]


async def test_a_secured_node_finds_out_that_the_other_one_is_plain(nursery: trio.Nursery) -> None:
    plain, secured = await ends(nursery, None, TWO)
    secured.transport.dial(plain.address, Channel.CONTROL)
    await secured.until(lambda: secured.failed)
    await plain.until(lambda: plain.mistrusts)
    assert secured.failed[0].grade is Grade.PROTOCOL
    assert [why.reason for _, why in secured.mistrusts] == [Reason.PLAIN]
    assert [why.reason for _, why in plain.mistrusts] == [Reason.PLAIN]
    assert plain.counts["tls_on_peer_port"] == 1


async def test_an_authority_is_replaced_while_links_stay(nursery: trio.Nursery) -> None:
    one, two = await ends(nursery, ONE, TWO)
    first, _ = await one.link_to(two)
    both = (CA, STRANGE_CA)
    # Trusted by all, then used by one after the other, then the old one is trusted no more.
    for mine, its in (
        (secrets_of("n1", trusts=both), TWO),
        (secrets_of("n1", trusts=both), secrets_of("n2", trusts=both)),
        (secrets_of("n1", ca=STRANGE_CA, trusts=both), secrets_of("n2", trusts=both)),
        (
            secrets_of("n1", ca=STRANGE_CA, trusts=both),
            secrets_of("n2", ca=STRANGE_CA, trusts=both),
        ),
        (
            secrets_of("n1", ca=STRANGE_CA, trusts=(STRANGE_CA,)),
            secrets_of("n2", ca=STRANGE_CA, trusts=(STRANGE_CA,)),
        ),
    ):
        one.transport.secrets, two.transport.secrets = mine, its
        await one.link_to(two)
        await two.link_to(one)
    assert not one.mistrusts
    assert not two.mistrusts
    assert first not in dict(one.closed_links)


# -- strangers ------------------------------------------------------------------------------


async def test_a_handshake_that_stands_still_ends_in_time(nursery: trio.Nursery) -> None:
    one, _ = await ends(nursery, ONE, None, Limits(hello_seconds=0.1))
    for said in (b"", b"\x16", b"\x16\x03\x01\x02\x00"):
        peer = await RawPeer.connect(one)
        await peer.send(said)
        assert await peer.is_closed()
    assert one.counts["hello_timeout"] == 3
    assert [why.reason for _, why in one.mistrusts] == [Reason.TIMEOUT] * 3


async def test_handshakes_of_one_address_are_bounded(nursery: trio.Nursery) -> None:
    one, _ = await ends(nursery, ONE, None, Limits(greeting=2))
    for _ in range(2):
        await (await RawPeer.connect(one)).send(b"\x16")
    excess = await RawPeer.connect(one)
    assert await excess.is_closed()
    assert one.counts["inbound_excess"] == 1


async def test_a_handshake_that_never_ends_is_cut_off(nursery: trio.Nursery) -> None:
    one, _ = await ends(nursery, ONE, None)
    peer = await RawPeer.connect(one)
    # A ClientHello of 16 MiB, in records of 16 KiB: OpenSSL gives up long before; so do we.
    record = b"\x16\x03\x01\x40\x00" + b"\x01\xff\xff\xff" + b"x" * 16380
    with contextlib.suppress(trio.BrokenResourceError):
        for _ in range(2 * HANDSHAKE_BYTES_MAX // len(record)):
            await peer.send(record)
    assert await peer.is_closed()
    assert one.mistrusts


STARTS = [b"", b"\x16", b"\x16\x03\x01\x00\x05\x01\x00\x00\x01", b"GET / HTTP/1.1\r\n", b"\x80"]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(start=st.sampled_from(STARTS), rest=st.binary(max_size=600))
async def test_no_bytes_of_a_stranger_reach_what_reads_hellos(start: bytes, rest: bytes) -> None:
    async with trio.open_nursery() as nursery:
        one, _ = await ends(nursery, ONE, None)
        judged: list[object] = []
        one.judges = lambda hello: judged.append(hello)  # type: ignore[func-returns-value]
        peer = await RawPeer.connect(one)
        with contextlib.suppress(trio.BrokenResourceError):
            await peer.send(start + rest)
            await peer.stream.send_eof()
        assert await peer.is_closed()
        await one.until(lambda: one.counts or one.mistrusts)
        assert not judged
        assert not one.opened_links
        nursery.cancel_scope.cancel()


async def test_a_hello_after_the_handshake_is_read_however_it_is_cut(
    nursery: trio.Nursery,
) -> None:
    one, _ = await ends(nursery, ONE, None)
    peer = await RawPeer.connect(one)
    stream = SecretStream(peer.stream, TWO.client, accepts=False)
    await stream.shake_hands()
    for byte in encode_hello(hello_of(2)):
        await stream.send_all(bytes([byte]))
    await one.until(lambda: one.opened_links)
    with trio.fail_after(PATIENCE_SECONDS):
        answer = await stream.receive_some(1024)
    assert decode_hello(answer[4:]) == hello_of(1)
