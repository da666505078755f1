"""Certificates: making a cluster's authority and what it signs, as PEM.

Theory. A certificate says which node of which cluster somebody is, by a URI among its names:
`gcounterd://CLUSTER/NAME`. A URI and no DNS name, since names of nodes may hold dots, underscores
and 64 characters, and since no resolver has a part in who a node is. A certificate may carry more
than one, for a node that is being renamed.

Keys are Ed25519: small, fast to sign with, and their signatures are deterministic, so an authority
may be made from a secret alone (`keyring`). The clock is an argument.

This module refuses to know files, sockets and who asks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SCHEME = "gcounterd"
# Hosts whose clocks differ by less than this accept what was made just now.
BACKDATED = timedelta(hours=1)
# For what is made anew at each start from a secret that everybody has: a date would protect
# nothing, and clocks that are wrong would cut the cluster apart. RFC 5280 names this one "never".
ALWAYS = (datetime(2000, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
SECRET_BYTES = 32
# Stands in every subject beside the name of the cluster or node, which take 64 characters as X.509
# allows.
_ORGANISATION = "gcounterd"
_NO_USAGE = {
    "content_commitment": False,
    "key_encipherment": False,
    "data_encipherment": False,
    "key_agreement": False,
    "encipher_only": False,
    "decipher_only": False,
}


@attrs.frozen(eq=False)
class Authority:
    """Who signs: a certificate, and the key that belongs to it."""

    certificate: x509.Certificate
    key: Ed25519PrivateKey = attrs.field(repr=False)

    def certificate_pem(self) -> bytes:
        """Return the certificate as a file has it."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def key_pem(self) -> bytes:
        """Return the private key as a file has it, not encrypted."""
        return _key_pem(self.key)


@attrs.frozen
class Pair:
    """A certificate and its private key, as files have them."""

    certificate: bytes
    key: bytes = attrs.field(repr=False)


def node_uri(cluster: str, name: str) -> str:
    """Return the name by which a certificate calls a node."""
    return f"{SCHEME}://{cluster}/{name}"


def make_authority(cluster: str, now: datetime, lasting: timedelta) -> Authority:
    """Make a new authority for a cluster, good from now on for so long."""
    key = Ed25519PrivateKey.generate()
    return _self_signed(key, cluster, now - BACKDATED, now + lasting)


def derive_authority(cluster: str, secret: bytes) -> Authority:
    """Make the authority that everybody makes who has this secret of a cluster.

    `secret` is SECRET_BYTES of randomness: whoever can guess it can find out that it is right from
    one certificate. The same secret gives other clusters other authorities.
    """
    assert len(secret) == SECRET_BYTES, "a secret that could be guessed"
    derive = HKDF(hashes.SHA256(), 32, None, f"gcounterd authority 1 {cluster}".encode())
    key = Ed25519PrivateKey.from_private_bytes(derive.derive(secret))
    public = key.public_key().public_bytes_raw()
    # In its title, so that of two authorities each certificate names its own.
    title = f"key {hashlib.sha256(public).hexdigest()[:16]}"
    return _self_signed(key, title, *ALWAYS)


def load_authority(certificate: bytes, key: bytes) -> Authority:
    """Read an authority back; raise `ValueError` where the two are none."""
    found = x509.load_pem_x509_certificate(certificate)
    private = serialization.load_pem_private_key(key, None)
    if not isinstance(private, Ed25519PrivateKey) or private.public_key() != found.public_key():
        raise ValueError("the key does not belong to the certificate")
    return Authority(found, private)


def cluster_of(authority: Authority) -> str:
    """Return whose authority one is that `make_authority` made; raise `ValueError` if it is not."""
    found = authority.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if len(found) != 1:
        raise ValueError("it does not name a cluster")
    return str(found[0].value)


def issue(
    authority: Authority, cluster: str, names: Sequence[str], begins: datetime, ends: datetime
) -> Pair:
    """Make a key, and sign that it is that of the node called so; a first name, and any others.

    It lasts no longer than the authority.
    """
    key = Ed25519PrivateKey.generate()
    uris = [x509.UniformResourceIdentifier(node_uri(cluster, name)) for name in names]
    uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    signer = authority.certificate
    builder = (
        _begin(key, names[0], begins, min(ends, signer.not_valid_after_utc))
        .issuer_name(signer.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        .add_extension(x509.SubjectAlternativeName(uris), critical=False)
        .add_extension(_signer_id(authority.key), critical=False)
    )
    signed = builder.sign(authority.key, None)
    return Pair(signed.public_bytes(serialization.Encoding.PEM), _key_pem(key))


def describe(certificate: bytes) -> tuple[str, tuple[str, ...], datetime]:
    """Return cluster, names and end of a node's certificate; raise `ValueError` if it is none."""
    found = x509.load_pem_x509_certificate(certificate)
    try:
        alternative = found.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        raise ValueError("the certificate names no node") from None
    uris = alternative.value.get_values_for_type(x509.UniformResourceIdentifier)
    pieces = [uri.removeprefix(f"{SCHEME}://").partition("/") for uri in uris]
    if not pieces:
        raise ValueError("the certificate names no node")
    return pieces[0][0], tuple([name for _, _, name in pieces]), found.not_valid_after_utc


def _self_signed(key: Ed25519PrivateKey, title: str, begins: datetime, ends: datetime) -> Authority:
    builder = (
        _begin(key, title, begins, ends)
        .issuer_name(_called(title))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(_signer_id(key), critical=False)
    )
    return Authority(builder.sign(key, None), key)


def _begin(
    key: Ed25519PrivateKey, title: str, begins: datetime, ends: datetime
) -> x509.CertificateBuilder:
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(_called(title))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(identifier, critical=False)
    )


def _called(title: str) -> x509.Name:
    organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ORGANISATION)
    return x509.Name([organisation, x509.NameAttribute(NameOID.COMMON_NAME, title)])


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs, key_cert_sign=signs, crl_sign=signs, **_NO_USAGE
    )


def _signer_id(key: Ed25519PrivateKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _key_pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
