"""Combinations: settings that are each right alone, and wrong together.

Each rule says what is wrong, where it was set, and every way out. Nothing is opened or resolved
here; `settings` reads the values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gcounterd.daemon.places import SOCKET_PATH_BYTES_MAX, admin_socket
from gcounterd.daemon.printable import cut, escape

# So that a long path cannot fill the screen.
PATH_SHOWN_CHARS_MAX = 120


def find_problems(values: Mapping[str, Any], origins: Mapping[str, str]) -> list[str]:
    """Return what is wrong with values that are each right alone."""
    problems = [*_check_peers(values, origins), *_check_clients(values, origins)]
    if values["advertise"].is_wildcard():
        problems.append(
            f"advertise ({origins['advertise']}) = {values['advertise']}: this stands for all "
            "interfaces, so peers cannot connect to it; give --advertise"
        )
    socket_path = str(admin_socket(values["data_dir"]))
    if len(socket_path.encode(errors="surrogateescape")) > SOCKET_PATH_BYTES_MAX:
        shown = cut(escape(socket_path), PATH_SHOWN_CHARS_MAX)
        problems.append(
            f"data-dir: the admin socket's path {shown} would be over "
            f"{SOCKET_PATH_BYTES_MAX} bytes, which the system does not allow; choose a shorter one"
        )
    return problems


def _check_peers(values: Mapping[str, Any], origins: Mapping[str, str]) -> list[str]:
    """Return what is wrong with how links between peers are to be secured."""
    problems = []
    tls = ("tls-cert", "tls-key", "tls-ca")
    lacking = [name for name in tls if values[name.replace("-", "_")] is None]
    keyed = values["cluster_key_file"] is not None
    if keyed and len(lacking) < len(tls):
        problems.append("cluster-key-file: it stands instead of tls-cert, tls-key and tls-ca")
    elif 0 < len(lacking) < len(tls):
        problems.append(f"{', '.join(lacking)}: missing; tls-cert, tls-key and tls-ca go together")
    if values["peer"].is_loopback():
        return problems
    if not keyed and len(lacking) == len(tls):
        problems.append(
            f"peer ({origins['peer']}) = {values['peer']}: this is not a loopback address, and "
            "links between peers are not secured. Give --cluster-key-file with a key that all "
            "nodes have, or --tls-cert, --tls-key and --tls-ca with a certificate for each; "
            "gcounterctl pki makes either"
        )
    if origins["cluster"] == "default":
        problems.append("cluster: it must be given with a peer address that is not loopback")
    return problems


def _check_clients(values: Mapping[str, Any], origins: Mapping[str, str]) -> list[str]:
    """Return what is wrong with who may come in, and how."""
    problems = []
    for name in ("http", "resp"):
        reachable = values[name] is not None and not values[name].is_loopback()
        if reachable and values["token_file"] is None and not values["public"]:
            problems.append(
                f"{name} ({origins[name]}) = {values[name]}: others can reach this address, and "
                "everybody could count, read and remove nodes there. Say who may: --token-file "
                "FILE with lines of gcounterctl token new; or --public count,read, for what needs "
                "no token"
            )
    encrypted = values["http_tls_cert"] is not None
    if encrypted != (values["http_tls_key"] is not None):
        problems.append("http-tls-cert and http-tls-key go together")
    elif values["resp_tls"] and not encrypted:
        problems.append("resp-tls: it needs http-tls-cert and http-tls-key")
    if encrypted and values["fronts"]:
        problems.append(
            "fronts: they cannot hand over what is encrypted; leave them away, or leave "
            "http-tls-cert away and let a balancer end TLS"
        )
    return problems
