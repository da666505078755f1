"""Peer security: the TLS contexts of this node, and whom a certificate stands for.

Theory. Links between peers speak TLS 1.3, and both sides show a certificate that an authority of
the cluster signed. That says who somebody is, by the URI among its names (`certificates`); what it
says is compared with the hello by whoever reads both. There is one pair of contexts at a time: new
connections use what is newest, open ones stay as they are, so reloading disturbs nobody.

What is loaded is tried out before it is used: one handshake with itself, in memory. So a
certificate that peers would not accept is found by whoever loads it, with words, and not by all the
others; and a mistake in a reload leaves what was in use. The dates take no part in that: a node
whose certificate has expired still counts, and says so.

This module refuses to know sockets, links and the clock.
"""

from __future__ import annotations

import contextlib
import os
import re
import ssl
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from gcounterd.errors import ConfigError
from gcounterd.security.certificates import SCHEME, Pair
from gcounterd.security.private_files import read_private

# As `ssl.SSLSocket.getpeercert` gives it.
Certificate = Mapping[str, Any]

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_URI = re.compile(rf"{SCHEME}://({_NAME})/({_NAME})")
# A private key in PEM: the longest in use, RSA of 16,384 bits, takes 13 KB.
KEY_FILE_BYTES_MAX = 64 * 1024
# OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which Python has no name for.
_NO_CHECK_TIME = 0x200000
# A handshake takes two flights each way; a context that does not end it by then never will.
_FLIGHTS_MAX = 8


@attrs.frozen
class Files:
    """Where a node's own certificate, its key, and the authorities it trusts lie."""

    certificate: Path
    key: Path
    authorities: Path


@attrs.frozen(eq=False)
class Contexts:
    """What connections are made with.

    begins, ends  in seconds since 1970, when our own certificate is good
    names         the names of this cluster that it carries
    """

    server: ssl.SSLContext
    client: ssl.SSLContext
    begins: float
    ends: float
    names: tuple[str, ...]


def names_in(certificate: Certificate, cluster: str) -> tuple[str, ...]:
    """Return the nodes of a cluster that a certificate names."""
    uris = [value for kind, value in certificate.get("subjectAltName", ()) if kind == "URI"]
    found = [_URI.fullmatch(uri) for uri in uris]
    return tuple([match[2] for match in found if match and match[1] == cluster])


def load_files(files: Files, cluster: str, name: str) -> Contexts:
    """Load what lies in files and try it out; raise `ConfigError`."""
    return _try_out(lambda kind: _from_files(kind, files), cluster, name)


def load_pair(pair: Pair, authorities: str, cluster: str, name: str) -> Contexts:
    """Load a certificate that was just made; raise `ConfigError`."""
    with _in_files(pair) as (certificate, key):

        def make(kind: int) -> ssl.SSLContext:
            context = _bare(kind)
            context.load_cert_chain(certificate, key)
            context.load_verify_locations(cadata=authorities)
            return context

        return _try_out(make, cluster, name)


def _bare(kind: int) -> ssl.SSLContext:
    context = ssl.SSLContext(kind)
    context.check_hostname = False  # names are compared with the hello, by `names_in`
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if kind == ssl.PROTOCOL_TLS_SERVER:
        context.num_tickets = 0  # nobody resumes: each link is a whole handshake
    return context


def _from_files(kind: int, files: Files) -> ssl.SSLContext:
    read_private(files.key, KEY_FILE_BYTES_MAX, "tls-key")
    context = _bare(kind)
    try:
        context.load_cert_chain(files.certificate, files.key, password=_no_password)
    except (OSError, ValueError) as error:
        where = f"tls-cert {files.certificate} with tls-key {files.key}"
        raise ConfigError(f"{where}: {_why(error)}") from None
    try:
        context.load_verify_locations(cafile=files.authorities)
    except OSError as error:
        raise ConfigError(f"tls-ca {files.authorities}: {_why(error)}") from None
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted; a daemon that starts by itself cannot ask for a word")


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        words = (error.reason or "it cannot be read as PEM").replace("_", " ").lower()
        return "the key does not belong to the certificate" if "mismatch" in words else words
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


@contextlib.contextmanager
def _in_files(pair: Pair) -> Iterator[tuple[str, str]]:
    """Lend a pair as files, since OpenSSL is only given those; in memory where there is such."""
    if hasattr(os, "memfd_create"):
        with contextlib.ExitStack() as stack:
            paths = []
            for data in (pair.certificate, pair.key):
                file = stack.enter_context(os.fdopen(os.memfd_create("gcounterd"), "wb"))
                file.write(data)
                file.flush()
                paths.append(f"/proc/self/fd/{file.fileno()}")
            if all(os.path.exists(path) for path in paths):
                yield paths[0], paths[1]
                return
    with tempfile.TemporaryDirectory(prefix="gcounterd-") as folder:  # of mode 0700
        certificate, key = Path(folder, "certificate"), Path(folder, "key")
        certificate.write_bytes(pair.certificate)
        key.write_bytes(pair.key)
        yield str(certificate), str(key)


def _try_out(make: Callable[[int], ssl.SSLContext], cluster: str, name: str) -> Contexts:
    """Return contexts that understand each other; raise `ConfigError`."""
    pairs = [(make(ssl.PROTOCOL_TLS_SERVER), make(ssl.PROTOCOL_TLS_CLIENT)) for _ in range(2)]
    for context in pairs[0]:
        context.verify_flags |= _NO_CHECK_TIME
    try:
        certificate = _shake_hands(*pairs[0])
    except ssl.SSLError as error:
        why = getattr(error, "verify_message", "") or error.reason or "unknown"
        raise ConfigError(f"the certificate is not accepted by its own authority: {why}") from None
    names = names_in(certificate, cluster)
    if name not in names:
        shown = [value for kind, value in certificate.get("subjectAltName", ()) if kind == "URI"]
        raise ConfigError(
            f"the certificate does not name this node, which is {SCHEME}://{cluster}/{name}; "
            f"it names {', '.join(shown) or 'no URI'}"
        )
    begins, ends = (ssl.cert_time_to_seconds(certificate[at]) for at in ("notBefore", "notAfter"))
    return Contexts(*pairs[1], float(begins), float(ends), names)


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> dict[str, Any]:
    """Let two contexts meet in memory; return the certificate that was shown."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [server.wrap_bio(there, back, server_side=True), client.wrap_bio(back, there)]
    waiting = list(reversed(ends))
    for _ in range(_FLIGHTS_MAX):
        for end in list(waiting):
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
                waiting.remove(end)
        if not waiting:
            break
    shown = ends[0].getpeercert()
    assert shown is not None, "a handshake without a certificate"
    return shown
