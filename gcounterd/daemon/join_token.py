"""The join token: what an approved newcomer was given, read from its file.

Theory. It is needed once, until this node is a member, and the file should not outlive that. So a
file that is gone is a mistake only where there is no store yet; later starts go on without it. A
token that others on the host can read is said, since they could join in this node's place.

In the file it is 64 hexadecimal digits: they survive every shell, editor and clipboard. This
module refuses to know who checks it.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path

from gcounterd.daemon.logs import get_logger
from gcounterd.daemon.printable import escape
from gcounterd.daemon.settings import Settings
from gcounterd.errors import ConfigError
from gcounterd.members.approvals import TOKEN_BYTES

log = get_logger("gcounterd.join_token")

# A token, and room for what an editor adds.
FILE_BYTES_MAX = 1024
_DIGITS = re.compile(rb"[0-9A-Fa-f]{%d}" % (2 * TOKEN_BYTES))
_OPEN_TO_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read_join_token(settings: Settings) -> bytes:
    """Return the token, or b"" if there is none to show; raise `ConfigError`."""
    path = settings.join_token_file
    if path is None:
        return b""
    shown = f"join-token-file: {escape(str(path))}"
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(path.stat().st_mode)
            text = file.read(FILE_BYTES_MAX + 1).strip()
    except FileNotFoundError:
        if _was_started_before(settings.data_dir):
            log.info("join_token_gone", file=str(path), then="a member needs none")
            return b""
        raise ConfigError(f"{shown} is not there; gcounterctl add-node prints a token") from None
    except OSError as error:
        raise ConfigError(f"{shown} cannot be read: {error.strerror}") from None
    if not _DIGITS.fullmatch(text):
        raise ConfigError(
            f"{shown} does not hold a token, which is {2 * TOKEN_BYTES} hexadecimal digits as "
            "printed by gcounterctl add-node"
        )
    if mode & _OPEN_TO_OTHERS:
        log.warning("join_token_exposed", file=str(path), mode=f"{mode:03o}", do="chmod 600")
    return bytes.fromhex(text.decode())


def _was_started_before(data_dir: Path) -> bool:
    # Imported here, since settings are checked without loading what the daemon runs on.
    from gcounterd.storage.schema import STORE_FILE

    return (data_dir / STORE_FILE).exists()
