"""Clients in TLS are answered as others are, and whoever does not shake hands is shown out."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import attrs
import h11
import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gcounterd.api import encrypted
from gcounterd.api.access import Access
from gcounterd.api.encrypted import Encryption
from gcounterd.api.judged import open_doors
from gcounterd.api.limits import Limits
from gcounterd.api.listeners import listen_tcp
from gcounterd.api.server import serve
from gcounterd.errors import ConfigError
from gcounterd.resp.doors import open_resp
from gcounterd.security.client_tls import load_context
from gcounterd.security.rates import Rates
from gcounterd.security.tokens import Scope
from tests.unit.api.memory_backend import MemoryBackend
from tests.unit.resp.resp_rig import pack

PATIENCE_S = 20
ONE = b"POST /v1/counters/a HTTP/1.1\r\nHost: localhost\r\n\r\n"


def certify(folder: Path, name: str) -> tuple[Path, Path]:
    """Make a certificate of this host that signs itself; return its file and that of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    title = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    names: list[x509.GeneralName] = [x509.DNSName(name), x509.IPAddress(IPv4Address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(title)
        .issuer_name(title)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].touch(mode=0o600)
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certify(tmp_path_factory.mktemp("tls"), "localhost")


@attrs.define
class House:
    """A node whose ports are encrypted."""

    backend: MemoryBackend
    http: int
    resp: int
    encryption: Encryption
    cancel: trio.CancelScope
    trust: Path
    stopped: trio.Event = attrs.Factory(trio.Event)

    async def connect(self, port: int) -> trio.SSLStream[trio.SocketStream]:
        context = ssl.create_default_context(cafile=str(self.trust))
        plain = await trio.open_tcp_stream("127.0.0.1", port)
        return trio.SSLStream(plain, context, server_hostname="localhost")


@asynccontextmanager
async def opened(
    certificate: tuple[Path, Path], limits: Limits | None = None, access: Access | None = None
) -> AsyncIterator[House]:
    backend, encryption = MemoryBackend(), Encryption(load_context(*certificate))
    http, resp = await listen_tcp("127.0.0.1", 0), await listen_tcp("127.0.0.1", 0)
    doors = open_doors(backend, [http], limits, access, encryption)
    doors.append(open_resp(backend, resp, access, encryption))
    scope = trio.CancelScope()
    house = House(backend, http.port, resp.port, encryption, scope, certificate[0])

    async def run(*, task_status: trio.TaskStatus[object]) -> None:
        with scope:
            await serve(backend, doors, limits=limits, task_status=task_status)
        house.stopped.set()

    with trio.fail_after(PATIENCE_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(run)
            yield house
            scope.cancel()


async def read(stream: trio.SSLStream[trio.SocketStream], answers: int) -> list[int]:
    """Read so many answers; return their statuses."""
    parser, statuses = h11.Connection(h11.CLIENT), []
    while len(statuses) < answers:
        parser.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
        parser.send(h11.EndOfMessage())
        while True:
            event = parser.next_event()
            if event is h11.NEED_DATA:
                parser.receive_data(await stream.receive_some())
            elif isinstance(event, h11.Response):
                statuses.append(event.status_code)
            elif isinstance(event, h11.EndOfMessage):
                if len(statuses) < answers:
                    parser.start_next_cycle()
                break
    return statuses


async def is_closed(stream: trio.SocketStream) -> bool:
    """Wait until the other end closes, whatever it says before."""
    try:
        while await stream.receive_some():
            pass
    except trio.BrokenResourceError:
        pass
    return True


async def test_http_and_resp_are_answered_in_tls(certificate: tuple[Path, Path]) -> None:
    async with opened(certificate) as house:
        async with await house.connect(house.http) as stream:
            await stream.send_all(ONE * 3)
            assert await read(stream, 3) == [200] * 3
            # A body that is larger than what any buffer on the way holds.
            text = b"word " * 400_000
            head = b"POST /v1/text HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
            await stream.send_all(head % len(text) + text)
            assert await read(stream, 1) == [200]
        async with await house.connect(house.resp) as stream:
            await stream.send_all(pack("INCR", "a"))
            assert await stream.receive_some() == b":4\r\n"
            await stream.send_all(pack("QUIT"))
            assert await stream.receive_some() == b"+OK\r\n"
            assert await stream.receive_some() == b""
        assert house.backend.values == {b"a": 4, b"words/word": 400_000}


async def test_whoever_does_not_shake_hands_is_shown_out_in_time(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encrypted, "HANDSHAKE_S", 0.05)
    async with opened(certificate) as house:
        for said in (ONE, b"\x16\x03\x01", b""):
            async with await trio.open_tcp_stream("127.0.0.1", house.http) as stream:
                await stream.send_all(said)
                assert await is_closed(stream)
        assert house.backend.events["http_tls_failed"] == 3
        assert house.encryption.shaking == 0
        assert house.backend.values == {}


async def test_only_so_many_shake_hands_at_once(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(certificate) as house:
        house.encryption.shaking = encrypted.HANDSHAKES_MAX
        async with await trio.open_tcp_stream("127.0.0.1", house.http) as stream:
            assert await stream.receive_some() == b""
        assert house.backend.events["http_tls_refused"] == 1


async def test_a_slow_request_in_tls_ends_as_any_other(certificate: tuple[Path, Path]) -> None:
    limits = Limits(head_s=0.1, idle_s=0.2)
    async with opened(certificate, limits) as house:
        async with await house.connect(house.http) as stream:
            await stream.send_all(b"GET /v1/to")
            assert await read(stream, 1) == [408]
        async with await house.connect(house.http) as stream:
            await stream.do_handshake()
            assert await stream.receive_some() == b""


async def test_a_certificate_that_is_replaced_is_shown_to_those_who_come_later(
    certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    other = certify(tmp_path, "localhost")
    async with opened(certificate) as house:
        first = await house.connect(house.http)
        await first.do_handshake()
        house.encryption.context = load_context(*other)
        house.trust = other[0]
        async with await house.connect(house.http) as second:
            for stream in (first, second):
                await stream.send_all(ONE)
                assert await read(stream, 1) == [200]
        await first.aclose()


async def test_a_stop_sends_what_is_to_be_answered(certificate: tuple[Path, Path]) -> None:
    async with opened(certificate) as house:
        house.backend.gate = trio.Event()
        async with await house.connect(house.http) as stream:
            await stream.send_all(ONE)
            await house.backend.waiting.wait()
            house.cancel.cancel()
            house.backend.gate.set()
            assert await read(stream, 1) == [200]
            assert await stream.receive_some() == b""
        await house.stopped.wait()


async def test_a_client_in_tls_is_known_by_its_address(certificate: tuple[Path, Path]) -> None:
    access = Access((Scope.READ, Scope.COUNT), clock=lambda: 0.0, rates=Rates(1))
    async with opened(certificate, access=access) as house:
        for expected in ([200, 200], [429, 429]):
            async with await house.connect(house.http) as stream:
                await stream.send_all(ONE * 2)
                assert await read(stream, 2) == expected


def test_a_key_that_others_can_read_or_that_does_not_fit_is_refused(
    certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    other = certify(tmp_path, "other")
    with pytest.raises(ConfigError, match="cannot be used: KEY_VALUES_MISMATCH"):
        load_context(certificate[0], other[1])
    with pytest.raises(ConfigError, match="cannot be used: No such file"):
        load_context(tmp_path / "none", other[1])
    other[1].chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_context(*other)
