"""The keyring: secrets that all nodes of a cluster share, and what each node makes of them.

Theory. Whoever has the secret can make the cluster's authority from it, and have that sign a
certificate for this process. So links under a shared key are links under certificates (`peers`):
one handshake, one set of errors, and forward secrecy, since the secret never encrypts anything. A
file may hold several keys: the first one signs, all are trusted, so a key is replaced in three
steps while every node goes on understanding every other: add the new one at the end, put it first,
take the old one out. What a name in such a certificate is worth: whoever has the key can take any.

Keys are random and never a phrase that people remember (`certificates.derive_authority`).
"""

from __future__ import annotations

import re
from pathlib import Path

import attrs

from gcounterd.errors import ConfigError
from gcounterd.security.certificates import ALWAYS, SECRET_BYTES, Pair, derive_authority, issue
from gcounterd.security.private_files import read_private

# Two are enough to replace one; more only make each other's mistakes harder to see.
KEYS_MAX = 8
# Keys with a comment each.
FILE_BYTES_MAX = 16 * 1024
_DIGITS = re.compile(rf"[0-9A-Fa-f]{{{2 * SECRET_BYTES}}}")
_WHAT = "the cluster key file"


@attrs.frozen
class Keyring:
    """The keys of a file, the first of which is used."""

    keys: tuple[bytes, ...] = attrs.field(repr=False)

    def authorities(self, cluster: str) -> str:
        """Return the certificates of all authorities that are trusted, as PEM."""
        found = [derive_authority(cluster, key).certificate_pem() for key in self.keys]
        return b"".join(found).decode()

    def sign(self, cluster: str, name: str) -> Pair:
        """Return a new certificate for this process, by the authority of the first key."""
        return issue(derive_authority(cluster, self.keys[0]), cluster, [name], *ALWAYS)


def read_keyring(path: Path) -> Keyring:
    """Read a file with one key a line, 64 hexadecimal digits; raise `ConfigError`.

    Lines that are empty or begin with # are passed over.
    """
    body = read_private(path, FILE_BYTES_MAX, _WHAT)
    lines = [line.strip() for line in body.decode("latin-1").splitlines()]
    given = [line for line in lines if line and not line.startswith("#")]
    if not all(_DIGITS.fullmatch(line) for line in given):
        raise ConfigError(
            f"{_WHAT} {path} has a line that is no key, which is {2 * SECRET_BYTES} hexadecimal "
            "digits; gcounterctl pki key makes one"
        )
    keys = dict.fromkeys(bytes.fromhex(line) for line in given)
    if not 1 <= len(keys) <= KEYS_MAX:
        raise ConfigError(f"{_WHAT} {path} has {len(keys)} keys; 1 to {KEYS_MAX} are possible")
    return Keyring(tuple(keys))
