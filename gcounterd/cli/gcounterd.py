"""The command that runs a node, and those that work on its data while it does not run.

Settings come from `daemon.settings`; this module turns its table into flags, starts the daemon,
and turns how it ended into an exit status, by whose fault it was:

    0 stopped · 2 settings · 3 storage · 4 refused by the cluster (do not restart)

Anything else is a mistake of our own and ends in a traceback. The daemon itself is imported when
it is wanted, so that `--help` and `--check-config` need neither Trio nor NumPy.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from gcounterd import __version__
from gcounterd.cli.reports import describe_report
from gcounterd.daemon import logs
from gcounterd.daemon.join_token import read_join_token
from gcounterd.daemon.options import OPTIONS, Option, Shape
from gcounterd.daemon.places import data_directory
from gcounterd.daemon.printable import escape
from gcounterd.daemon.settings import (
    CONFIG_VARIABLE,
    Origins,
    Settings,
    load_settings,
    print_settings,
)
from gcounterd.errors import ConfigError, GCounterError, RefusedError, RemovedError, StorageError
from gcounterd.security.client_tls import load_context
from gcounterd.security.tokens import load_tokens

EXIT_USAGE = 2
EXIT_STORAGE = 3
EXIT_REFUSED = 4
EXIT_REMOVED = 5
# Where several went wrong at once the first that fits is the status: the disk is named first.
_STATUSES: tuple[tuple[type[GCounterError], int], ...] = (
    (StorageError, EXIT_STORAGE),
    (RefusedError, EXIT_REFUSED),
    (RemovedError, EXIT_REMOVED),
    (ConfigError, EXIT_USAGE),
)

Command = Callable[..., None]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gcounterd")
def main() -> None:
    """Keep named grow-only counters on every host of a cluster.

    Exit status: 0 stopped or removed, 2 wrong settings, 3 the disk or what is on it, 4 refused by
    the cluster (name, cluster, twin), 5 came back after its removal. After 4 and 5 a supervisor
    must not start it again.
    """


def setting_options(command: Command) -> Command:
    """Give a command one flag for each row of the table of options."""
    for option in reversed(OPTIONS):
        command = _setting_option(option)(command)
    return command


def _setting_option(option: Option) -> Callable[[Command], Command]:
    # No default and no variable for Click: `load_settings` must see what was given, and by whom.
    text = f"{option.help} [default: {option.default}; env: {option.variable}]"
    if option.shape is Shape.SWITCH:
        names = f"{option.flag}/--no-{option.name}"
        return click.option(names, option.field, default=None, help=text)
    many = option.shape is Shape.LIST
    return click.option(option.flag, option.field, metavar=option.metavar, multiple=many, help=text)


@main.command()
@setting_options
@click.option(
    "--config", metavar="FILE", help=f"Take settings from a TOML file. [env: {CONFIG_VARIABLE}]"
)
@click.option("--check-config", is_flag=True, help="Check the settings and exit: 0 good, 2 not.")
@click.option(
    "--print-config", is_flag=True, help="Print each value and where it came from, and exit."
)
@click.version_option(__version__, prog_name="gcounterd")
def run(check_config: bool, print_config: bool, **flags: object) -> None:
    """Run a node in the foreground until TERM or INT. USR2 only drains it. HUP reads tokens and
    the log level anew.

    A setting is taken from the first that gives it: flags, environment, the TOML file, defaults.
    An empty variable counts as not given; several addresses in one are separated by commas.
    """
    context = click.get_current_context()

    def read() -> tuple[Settings, Origins]:
        return load_settings(
            flags,
            os.environ,
            host_name=socket.gethostname(),
            terminal=sys.stderr.isatty(),
        )

    try:
        settings, origins = read()
        if check_config:
            read_join_token(settings)
            _check_peer_links(settings)
            if settings.token_file is not None:
                load_tokens(settings.token_file)
            if settings.http_tls_cert is not None and settings.http_tls_key is not None:
                load_context(settings.http_tls_cert, settings.http_tls_key)
    except ConfigError as error:
        context.exit(complain(error, EXIT_USAGE))
    if print_config:
        click.echo(print_settings(settings, origins), nl=False)
    if check_config:
        click.echo("gcounterd: the settings are good", err=True)
    if not (print_config or check_config):
        context.exit(start(settings, lambda: read()[0]))


def _check_peer_links(settings: Settings) -> None:
    """Try out what links between peers are to be secured with; raise `ConfigError`."""
    if settings.cluster_key_file is None and settings.tls_cert is None:
        return
    from gcounterd.daemon.peer_links import open_securing

    open_securing(settings)


def start(settings: Settings, read_again: Callable[[], Settings]) -> int:
    """Run the daemon to its end and return the exit status.

    Errors of the tree become a status and a log line; any other is raised.
    """
    if not __debug__:
        raise click.UsageError("Python runs with -O, which takes out checks that guard counts")
    logs.configure(settings.log_format, settings.log_level, sys.stderr)
    from gcounterd.daemon.run import main as run_daemon

    try:
        return run_daemon(settings, read_again)
    except (GCounterError, BaseExceptionGroup) as error:
        status = exit_status(error)
        if status is None:
            raise
        for cause in _causes(error):
            logs.get_logger().error("stopped_by_error", reason=cause, status=status)
        return status
    finally:
        logs.flush()


def exit_status(error: BaseException) -> int | None:
    """Return the status that stands for `error`, None if it is no error of the tree's four.

    Tasks that fail together arrive as a group; it has a status only if every cause has one.
    """
    causes = list(_causes(error))
    kinds = tuple(kind for kind, _ in _STATUSES)
    if not all(isinstance(cause, kinds) for cause in causes):
        return None
    return next(
        status for kind, status in _STATUSES if any(isinstance(cause, kind) for cause in causes)
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _causes(inner)
    else:
        yield error


def complain(error: GCounterError, status: int) -> int:
    """Tell people on stderr what was wrong, one line per problem; return the status."""
    for line in str(error).splitlines():
        click.echo(f"gcounterd: {escape(line)}", err=True)
    return status


@main.command()
@click.option(
    "--data-dir",
    metavar="DIR",
    help="The store to check. [default: as for run; env: GCOUNTERD_DATA_DIR]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def verify(data_dir: str | None, as_json: bool) -> None:
    """Check the store of a node that does not run.

    Exit status: 0 sound, 3 damaged, or in use by a running daemon (ask that one with gcounterctl
    verify).
    """
    context = click.get_current_context()
    try:
        directory = Path(data_dir) if data_dir else data_directory(os.environ)
    except ConfigError as error:
        context.exit(complain(error, EXIT_USAGE))
    if not directory.is_dir():
        context.exit(complain(ConfigError(f"there is no directory {directory}"), EXIT_USAGE))
    from gcounterd.storage import verify_offline

    try:
        report = verify_offline(directory)
    except StorageError as error:
        context.exit(complain(error, EXIT_STORAGE))
    if as_json:
        click.echo(json.dumps(report))
    else:
        for line in describe_report(report):
            click.echo(line)
    context.exit(0 if report["ok"] else EXIT_STORAGE)
