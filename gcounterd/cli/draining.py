"""Verbs that take a node out of service and back, while it stays a member: `drain`, `undrain`.

Both may be repeated, so one whose answer was lost may be asked again. They end with the process:
a node that was started anew takes increments.
"""

from __future__ import annotations

import click

from gcounterd.cli.failures import EXIT_FAILED, CallError
from gcounterd.cli.manners import Call, verb


@click.command()
@verb
def drain(call: Call) -> None:
    """Let the node take no more increments while it stays a member.

    It refuses them and names other members, is not ready for a balancer, and is read as before.
    That ends with undrain, or with the process.
    """
    _tell(call, draining=_ask(call, "/v1/drain"))


@click.command()
@verb
def undrain(call: Call) -> None:
    """Let the node take increments again; exit status 1 if it goes on draining, as it stops."""
    draining = _ask(call, "/v1/undrain")
    if draining:
        message = "it takes no increments all the same: it is stopping"
        raise CallError(EXIT_FAILED, "still_draining", message, definite=True)
    _tell(call, draining=draining)


def _ask(call: Call, path: str) -> bool:
    draining: bool = call.client.post(path, {}).field("draining", bool)
    return draining


def _tell(call: Call, *, draining: bool) -> None:
    if call.output.as_json:
        call.output.record({"draining": draining})
    else:
        call.output.line("draining" if draining else "takes increments")
