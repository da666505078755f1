"""The verbs `pki …`: an authority for a cluster, certificates for its nodes, and shared keys.

They work on files and ask no daemon. What is made lies in one folder: `ca.pem` and `ca.key` of the
authority, `NAME.pem` and `NAME.key` of each node. Private keys are of mode 0600 from the first byte
on, nothing is ever overwritten but by `renew`, and each verb says what to copy where.

The authority's name is that of the cluster, so no verb but `init` has to be told it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gcounterd.cli.failures import EXIT_FAILED, CallError
from gcounterd.cli.manners import Call, verb
from gcounterd.cli.pki_files import (
    AUTHORITY,
    check_new,
    make_folder,
    nodes_in,
    paths_of,
    replace,
    write_new,
)

if TYPE_CHECKING:  # imported where it is used: it takes longer than everything else that we do
    from gcounterd.security.certificates import Authority

KEY_BYTES = 32
# A node's certificate: long enough to forget, short enough to remember how it is renewed.
NODE_DAYS = 365
AUTHORITY_DAYS = 3650
DAYS_MAX = 36_500

Command = Callable[..., None]


@click.group("pki")
def pki() -> None:
    """Make what secures links between peers: certificates, or a key that all share.

    Works on files, without a daemon. Start with pki init and pki node, or with pki key.
    """


def _read_name(
    context: click.Context, parameter: click.Parameter, value: str | tuple[str, ...] | None
) -> str | tuple[str, ...] | None:
    from gcounterd.members.roster import NAME_PATTERN

    for name in value if isinstance(value, tuple) else [value] if value is not None else []:
        if not NAME_PATTERN.fullmatch(name) or (name == AUTHORITY and isinstance(value, tuple)):
            raise click.BadParameter(f"{name!r} is no name for a node or cluster here")
    return value


_folder = click.option(
    "--dir",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default="pki",
    help="Where everything lies. [default: pki]",
)


def _days(default: int) -> Callable[[Command], Command]:
    return click.option(
        "--days",
        metavar="N",
        type=click.IntRange(1, DAYS_MAX),
        default=default,
        help=f"How long it is good. [default: {default}]",
    )


@pki.command("init")
@verb
@click.option(
    "--cluster", metavar="NAME", required=True, callback=_read_name, help="The cluster's name."
)
@_folder
@_days(AUTHORITY_DAYS)
def init(call: Call, cluster: str, folder: Path, days: int) -> None:
    """Make the authority of a cluster.

    Refused with exit status 5 where there is one already.
    """
    from gcounterd.security.certificates import make_authority

    authority = make_authority(cluster, _now(), timedelta(days=days))
    make_folder(folder)
    certificate, key = paths_of(folder, AUTHORITY)
    check_new(certificate)
    write_new(key, authority.key_pem(), 0o600)
    write_new(certificate, authority.certificate_pem(), 0o644)
    ends = authority.certificate.not_valid_after_utc
    if call.output.as_json:
        made = {"cluster": cluster, "certificate": str(certificate), "key": str(key)}
        call.output.record({**made, "ends": _written(ends)})
        return
    call.output.line(f"{certificate}  the authority of cluster {cluster}, until {ends:%Y-%m-%d}")
    call.output.line(f"{key}  its private key: keep it here, away from the nodes")
    call.output.say(f"next: gcounterctl pki node NAME… --dir {folder}")


@pki.command("node")
@verb
@click.argument("names", metavar="NAME…", nargs=-1, required=True, callback=_read_name)
@click.option(
    "--also",
    metavar="NAME",
    multiple=True,
    callback=_read_name,
    help="A further name of the same node, while it is being renamed; repeat for more.",
)
@_folder
@_days(NODE_DAYS)
def node(
    call: Call, names: tuple[str, ...], also: tuple[str, ...], folder: Path, days: int
) -> None:
    """Make a certificate and a private key for each node called NAME.

    Refused with exit status 5 where a node has one already; see pki renew.
    """
    if also and len(names) > 1:
        raise click.UsageError("--also is for one node at a time")
    authority, cluster = _open_authority(folder)
    for path in [path for name in names for path in paths_of(folder, name)]:
        check_new(path)
    made = [_issue(folder, authority, cluster, (name, *also), days) for name in names]
    for each in made:
        for path, body, mode in each.files:
            write_new(path, body, mode)
    _tell(call, cluster, folder, made)


@pki.command("renew")
@verb
@click.argument("names", metavar="[NAME…]", nargs=-1, callback=_read_name)
@_folder
@_days(NODE_DAYS)
def renew(call: Call, names: tuple[str, ...], folder: Path, days: int) -> None:
    """Make new certificates and keys for nodes that have some, in their place.

    Without a NAME for all in the folder. Names stay what they are.
    """
    authority, cluster = _open_authority(folder)
    made = []
    for name in names or nodes_in(folder):
        known = _names_of(paths_of(folder, name)[0])
        made.append(_issue(folder, authority, cluster, known, days))
    if not made:
        raise CallError(EXIT_FAILED, "nothing_to_renew", f"there are no nodes in {folder}")
    for each in made:
        for path, body, mode in each.files:
            replace(path, body, mode)
    _tell(call, cluster, folder, made)
    if not call.output.as_json:
        call.output.say("then: kill -HUP each daemon; links that are open stay as they are")


@pki.command("key")
@verb
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
def key(call: Call, path: Path) -> None:
    """Make a key for --cluster-key-file, in a new FILE.

    Refused with exit status 5 where the file exists.
    """
    write_new(path, f"{secrets.token_hex(KEY_BYTES)}\n".encode(), 0o600)
    if call.output.as_json:
        call.output.record({"key": str(path)})
        return
    call.output.line(f"{path}  a new key: copy it to every node")


class _Made:
    """A pair on its way into its files; `names` are those that it carries, its own first."""

    def __init__(
        self, paths: tuple[Path, Path], bodies: tuple[bytes, bytes], names: tuple[str, ...]
    ) -> None:
        from gcounterd.security.certificates import describe

        self.names = names
        self.paths = paths
        self.ends = describe(bodies[0])[2]
        # The key first: a certificate that is there has its key beside it.
        self.files = ((paths[1], bodies[1], 0o600), (paths[0], bodies[0], 0o644))


def _issue(
    folder: Path, authority: Authority, cluster: str, names: tuple[str, ...], days: int
) -> _Made:
    from gcounterd.security.certificates import BACKDATED, issue

    now = _now()
    pair = issue(authority, cluster, names, now - BACKDATED, now + timedelta(days=days))
    return _Made(paths_of(folder, names[0]), (pair.certificate, pair.key), names)


def _open_authority(folder: Path) -> tuple[Authority, str]:
    from gcounterd.security.certificates import cluster_of, load_authority

    certificate, key = paths_of(folder, AUTHORITY)
    try:
        authority = load_authority(certificate.read_bytes(), key.read_bytes())
        return authority, cluster_of(authority)
    except FileNotFoundError:
        text = f"there is no authority in {folder}: gcounterctl pki init makes one"
        raise CallError(EXIT_FAILED, "no_authority", text) from None
    except (OSError, ValueError) as error:
        text = f"the authority in {folder} cannot be used: {error}"
        raise CallError(EXIT_FAILED, "bad_authority", text) from None


def _names_of(certificate: Path) -> tuple[str, ...]:
    from gcounterd.security.certificates import describe

    try:
        return describe(certificate.read_bytes())[1]
    except (OSError, ValueError) as error:
        text = f"{certificate} cannot be renewed: {error}"
        raise CallError(EXIT_FAILED, "bad_certificate", text) from None


def _tell(call: Call, cluster: str, folder: Path, made: list[_Made]) -> None:
    authority = paths_of(folder, AUTHORITY)[0]
    if call.output.as_json:
        rows = [
            {
                "name": each.names[0],
                "names": list(each.names),
                "certificate": str(each.paths[0]),
                "key": str(each.paths[1]),
                "ends": _written(each.ends),
            }
            for each in made
        ]
        call.output.record({"cluster": cluster, "authority": str(authority), "nodes": rows})
        return
    for each in made:
        certificate, key = each.paths
        until = f"until {each.ends:%Y-%m-%d}"
        call.output.line(f"{certificate} {key}  {' '.join(each.names)} of {cluster}, {until}")
    call.output.say(
        f"copy these two and {authority} to the host of each, and start it with --cluster "
        f"{cluster} --name NAME --tls-cert NAME.pem --tls-key NAME.key --tls-ca ca.pem"
    )


def _written(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _now() -> datetime:
    return datetime.now(UTC)
