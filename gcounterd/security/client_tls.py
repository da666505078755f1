"""Client TLS: the certificate that this node shows to clients.

Theory. Clients are known by their tokens, so only the node has a certificate. It is loaded
whole or not at all: what is in force is one context, and connections made later use the newer one.
TLS 1.2 is the least, since old programs count too; how it is used is Python's default for servers.

This module refuses to know connections.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from gcounterd.errors import ConfigError
from gcounterd.security.private_files import read_private

# A key with its comments; a chain is not counted here.
KEY_BYTES_MAX = 64 * 1024


def load_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Load a chain and its key, as PEM; raise `ConfigError`, also where others can read the key."""
    read_private(key, KEY_BYTES_MAX, "the TLS key")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key, password=_refuse_password)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise ConfigError(
            f"the TLS certificate {certificate} and its key {key} cannot be used: {reason}"
        ) from error
    return context


def _refuse_password() -> str:
    raise ValueError("the key is encrypted")
