"""Where a node keeps its state, and where its admin socket is.

One rule for the daemon and for the tool that talks to it, so that `gcounterctl` finds a local
daemon without being told. It takes the environment as an argument and touches no disk. It imports
only the standard library, since the tool may import nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gcounterd.errors import ConfigError

ADMIN_SOCKET_NAME = "admin.sock"
# What Linux keeps of a Unix socket's path is 108 bytes with the closing NUL.
SOCKET_PATH_BYTES_MAX = 107


def state_directory(environ: Mapping[str, str]) -> tuple[Path, str]:
    """Return the default data directory and where the rule took it from, in words.

    systemd's `$STATE_DIRECTORY` (the first, if it lists several), else `gcounterd` in the XDG
    state folder. Raises `ConfigError` where the environment names neither that nor a home.
    """
    from_systemd = environ.get("STATE_DIRECTORY", "").split(":")[0]
    if from_systemd:
        return Path(from_systemd), "$STATE_DIRECTORY"
    xdg = environ.get("XDG_STATE_HOME", "")
    # The XDG rules say that a relative path there is to be ignored.
    if xdg.startswith("/"):
        return Path(xdg) / "gcounterd", "$XDG_STATE_HOME"
    home = environ.get("HOME", "")
    if not home.startswith("/"):
        raise ConfigError(
            "--data-dir is not given, and neither $STATE_DIRECTORY, "
            "$XDG_STATE_HOME nor $HOME says where state belongs"
        )
    return Path(home) / ".local" / "state" / "gcounterd", "the XDG state folder"


def data_directory(environ: Mapping[str, str]) -> Path:
    """Return the data directory of a daemon started here without flags; raise `ConfigError`."""
    named = environ.get("GCOUNTERD_DATA_DIR", "")
    return Path(named) if named else state_directory(environ)[0]


def admin_socket(data_dir: Path) -> Path:
    """Return where a daemon on `data_dir` takes its operator's requests."""
    return data_dir / ADMIN_SOCKET_NAME
