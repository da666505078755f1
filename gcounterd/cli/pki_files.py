"""The files of `gcounterctl pki`: where they lie, and how they come there.

A private key has mode 0600 from its first byte on, nothing that exists is overwritten but where it
is replaced on purpose, and then whole. This module refuses to know what is in them.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from gcounterd.cli.failures import EXIT_FAILED, EXIT_REFUSED, CallError

# The stem of the authority's files, which no node may have as its name.
AUTHORITY = "ca"


def paths_of(folder: Path, name: str) -> tuple[Path, Path]:
    """Return where the certificate and the key of a node, or the authority, lie."""
    return folder / f"{name}.pem", folder / f"{name}.key"


def make_folder(folder: Path) -> None:
    """Make a folder that only its owner may enter, where there is none."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _not_written(folder, error) from None


def check_new(path: Path) -> None:
    """Raise `CallError` where something lies there already."""
    if path.exists():
        text = f"{path} exists; nothing was changed"
        raise CallError(EXIT_REFUSED, "exists", text, definite=True)


def write_new(path: Path, body: bytes, mode: int) -> None:
    """Write a file that was not there; raise `CallError`."""
    check_new(path)
    try:
        _write(path, body, mode)
    except OSError as error:
        raise _not_written(path, error) from None


def replace(path: Path, body: bytes, mode: int) -> None:
    """Put a file in the place of another one, whole; raise `CallError`."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        _write(beside, body, mode)
        beside.replace(path)
    except OSError as error:
        raise _not_written(path, error) from None


def _write(path: Path, body: bytes, mode: int) -> None:
    """Write a new file that never had a wider mode."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


def _not_written(path: Path, error: OSError) -> CallError:
    return CallError(EXIT_FAILED, "not_written", f"{path} cannot be written: {error.strerror}")


def nodes_in(folder: Path) -> Iterator[str]:
    """Yield the nodes that have a certificate and a key in a folder, in order."""
    for path in sorted(folder.glob("*.pem")):
        name = path.name.removesuffix(".pem")
        if name != AUTHORITY and paths_of(folder, name)[1].exists():
            yield name
