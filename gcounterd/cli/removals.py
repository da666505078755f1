"""Verbs about nodes that were removed: `removals`, `forget`. (`remove-node` has its own module.)

What is forgotten cannot be called back, and what the cluster refuses of it is for the cluster to
say; here such a refusal becomes the exit status of a safety check.
"""

from __future__ import annotations

from itertools import chain
from urllib.parse import quote

import click

from gcounterd.cli.failures import EXIT_REFUSED, CallError
from gcounterd.cli.manners import Call, read_node, verb
from gcounterd.cli.removal_words import describe_conflict, describe_report, read_removals

# How a daemon's safety checks begin; the one that is not about removals is a name nobody has.
_CHECKS = "removal_"
_UNKNOWN = "unknown_node"


def note_refusal(failure: CallError) -> None:
    """Give a failure the exit status of a safety check if it is one."""
    if failure.code.startswith(_CHECKS) or failure.code == _UNKNOWN:
        failure.exit = EXIT_REFUSED


def node_path(*names: str) -> str:
    """Return the path of one or several nodes; all but letters, digits, `_.-~` is escaped."""
    return f"/v1/cluster/nodes/{','.join(quote(name, safe='') for name in names)}"


@click.command()
@verb
def removals(call: Call) -> None:
    """Show the removals of nodes, unfinished and past.

    Of each: the phase, who is waited for, up to which version each column was saved and from whom,
    who could not be asked, late increments taken in since, versions that came too late to be
    counted, and cold copies kept. A disk may be wiped when the removal of its node is done, not
    before. Also shown are members that this node refuses because both have forgotten columns in
    ways that cannot be joined.
    """
    answer = call.client.get("/v1/removals")
    found = read_removals(answer)
    if call.output.as_json:
        call.output.record(answer.body)
        return
    conflicts = [each for each in answer.body.get("conflicts", []) if isinstance(each, dict)]
    for line in chain(*map(describe_report, found), *map(describe_conflict, conflicts)):
        call.output.line(line)
    if not (found or conflicts):
        call.output.say("no node has been removed")


@click.command()
@verb
@click.argument("name", metavar="NAME", callback=read_node)
def forget(call: Call, name: str) -> None:
    """Release the columns of the removed node NAME, or of one given by its id.

    Its cold copies go. From then on increments of it that were not seen before are refused, not
    counted. Refused with exit status 5 if it is not removed. It cannot be called back.
    """
    try:
        answer = call.client.post(f"{node_path(name)}/forget", {})
    except CallError as failure:
        note_refusal(failure)
        raise
    released = answer.field("released", int)
    if call.output.as_json:
        call.output.record(answer.body)
    else:
        noun = "column" if released == 1 else "columns"
        call.output.line(f"{released} {noun} of {name} released")
