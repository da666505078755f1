"""`scripts/cluster`: a local cluster of real processes, from the command line.

Theory. `up` stays in the foreground and owns everything: when it ends, all has ended, and Ctrl-C
is the way to end it. The other verbs are messages to it (see `control`). Only `down` works without
it: should `up` itself have been killed, its daemons live on, and `down` finds them by the pid files
in the directory, and by the directory in their command lines, so that a recycled pid is safe.

This module refuses to know how nodes are run or routes cut.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import trio

from tests.cluster.control import SOCKET_NAME, Control, answers, ask, open_control_socket
from tests.cluster.processes import STOP_WAIT_S, ClusterError, Plan, find_causes, open_cluster

# How often to look whether a process or a socket that is not ours has gone.
GONE_POLL_S = 0.05


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".cluster"),
    show_default=True,
    help="Where the cluster's data, logs and control socket are.",
)
@click.pass_context
def main(context: click.Context, directory: Path) -> None:
    """Start, watch and torment a local cluster of real processes.

    N is a node's number or name: 2 or n2.
    """
    context.obj = directory


@main.command()
@click.option("--nodes", default=3, show_default=True, help="How many nodes.")
@click.option("--http-base", default=7781, show_default=True, help="First HTTP port; 0: free ones.")
@click.option("--peer-base", default=7701, show_default=True, help="First peer port; 0: free ones.")
@click.option(
    "--resp-base",
    type=int,
    help="First RESP port; 0: free ones.  [default: 7381, or free ones if those of HTTP are]",
)
@click.option(
    "--durability",
    type=click.Choice(["commit", "relaxed", "memory"]),
    default="commit",
    show_default=True,
    help="When an increment is answered: on disk, soon on disk, in memory.",
)
@click.option("--fresh", is_flag=True, help="Forget the data of an earlier cluster first.")
@click.argument("options", nargs=-1)
@click.pass_obj
def up(directory: Path, /, fresh: bool, resp_base: int | None, **settings: Any) -> None:
    """Start the cluster, print its URLs and the dashboard's when all are ready, stay until Ctrl-C.

    What follows -- goes to every daemon as it is.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if resp_base is not None:
        settings["resp_base"] = resp_base
    plan = Plan(directory, **settings)
    failures: list[BaseException] = []
    try:
        trio.run(_stay_up, plan, fresh)
    except* ClusterError as group:
        failures = find_causes(group)
    if failures:
        raise _failed(failures)


async def _stay_up(plan: Plan, fresh: bool) -> None:
    """Run the cluster until a signal, `down`, or a node that does not become ready."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cancel_on, signals, nursery.cancel_scope)
            async with open_control_socket(plan.directory / SOCKET_NAME) as listener:
                _refuse_leftovers(plan.directory)
                if fresh:
                    _forget(plan.directory)
                async with open_cluster(plan, _say) as cluster:
                    control = Control(cluster)
                    nursery.start_soon(control.serve, listener)
                    await cluster.start_all()
                    await cluster.ready()
                    for node in cluster.nodes.values():
                        click.echo(f"{node.name}  {node.url}  {node.redis_url}")
                    click.echo(f"dashboard  {cluster.find('n1').url}/  (each node has one)")
                    _say("ready; Ctrl-C stops it")
                    await control.stopping.wait()
                    nursery.cancel_scope.cancel()
    _say("stopped")


async def _cancel_on(signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
    async for _ in signals:
        _say(f"stopping, which takes at most {STOP_WAIT_S:g} s")
        scope.cancel()


def _say(text: str) -> None:
    click.echo(text, err=True)


@main.command()
@click.pass_obj
def down(directory: Path) -> None:
    """Stop the cluster and `up` with it."""
    if answers(directory / SOCKET_NAME):
        _ask(directory, "down")
        trio.run(_until_gone, directory / SOCKET_NAME)
        return
    stopped = trio.run(_stop_leftovers, directory)
    if stopped:
        _say(f"stopped what an `up` that was killed had left: {', '.join(stopped)}")


@main.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
@click.pass_obj
def status(directory: Path, as_json: bool) -> None:
    """Show each node: process, state, URL, whether it is ready; and the cut routes."""
    result = _ask(directory, "status")
    if as_json:
        click.echo(json.dumps(result))
        return
    rows = [("node", "pid", "state", "ready", "url")]
    for node in result["nodes"]:
        ready = "yes" if node["ready"] else "no"
        rows.append((node["name"], str(node["pid"] or "-"), node["state"], ready, node["url"]))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        click.echo("  ".join(cells).rstrip())
    for one, other in result["cuts"]:
        click.echo(f"cut: {one} {other}")
    for sender, receiver in result["one_way"]:
        click.echo(f"cut: {sender} to {receiver} only")


@main.command()
@click.pass_obj
def add(directory: Path) -> None:
    """Start one more node, which joins all others; print its URL, ready or not yet."""
    node = _ask(directory, "add")
    click.echo(f"{node['name']}  {node['url']}")


@main.command()
@click.argument("one", metavar="N")
@click.argument("other", metavar="M")
@click.option("--one-way", is_flag=True, help="Drop only what N sends to M.")
@click.pass_obj
def cut(directory: Path, /, one: str, other: str, one_way: bool) -> None:
    """Drop the route between two nodes, both ways, as a black hole."""
    _ask(directory, "block" if one_way else "cut", one, other)


def _add_verb(name: str, help_text: str, *metavars: str) -> None:
    def act(directory: Path, /, **arguments: str) -> None:
        _ask(directory, name, *arguments.values())

    verb = click.pass_obj(act)
    for number, metavar in reversed(list(enumerate(metavars))):
        verb = click.argument(f"argument{number}", metavar=metavar)(verb)
    main.command(name, help=help_text)(verb)


_add_verb("kill", "Kill a node's process, as kill -9 does.", "N")
_add_verb("stop", "Let a node stop by itself (SIGTERM), so that it can say goodbye.", "N")
_add_verb("pause", "Stop a node's process where it stands (SIGSTOP).", "N")
_add_verb("resume", "Let a paused process go on.", "N")
_add_verb("start", "Start a node again that was killed or stopped, on the data it has.", "N")
_add_verb("heal", "Bring all routes back.")


def _ask(directory: Path, verb: str, *arguments: str) -> Any:
    try:
        return ask(directory / SOCKET_NAME, verb, *arguments)
    except ClusterError as error:
        raise _failed([error]) from None


def _failed(errors: Sequence[BaseException]) -> click.ClickException:
    return click.ClickException("\n".join(str(error) for error in errors))


def _leftovers(directory: Path) -> dict[str, int]:
    """Return name → pid of daemons on this directory whose `up` is gone. Empty without /proc."""
    found = {}
    for path in sorted(directory.glob("n*/pid")):
        data = os.fsencode(path.parent.absolute() / "data")
        try:
            pid = int(path.read_text())
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            continue
        if data in words:
            found[path.parent.name] = pid
    return found


def _refuse_leftovers(directory: Path) -> None:
    names = ", ".join(_leftovers(directory))
    if names:
        raise ClusterError(f"{names} still run, left by an `up` that was killed; use: down")


async def _until_gone(path: Path) -> None:
    """Wait for the end of `up`, so that the next one finds everything free."""
    with trio.move_on_after(STOP_WAIT_S):
        while path.exists():
            await trio.sleep(GONE_POLL_S)


async def _stop_leftovers(directory: Path) -> list[str]:
    """TERM them, KILL them after `STOP_WAIT_S`; return their names."""
    names = list(_leftovers(directory))
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in _leftovers(directory).values():
            with suppress(ProcessLookupError):
                os.kill(pid, number)
                os.kill(pid, signal.SIGCONT)  # a paused process cannot hear TERM
        with trio.move_on_after(STOP_WAIT_S):
            while _leftovers(directory):
                await trio.sleep(GONE_POLL_S)
    return names


def _forget(directory: Path) -> None:
    for node in directory.glob("n*/"):
        shutil.rmtree(node)


if __name__ == "__main__":
    main()
