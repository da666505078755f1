"""The verb `remove-node`: the plan, the operator's word, then watching until the nodes are removed.

Theory. A removal cannot be called back, so nothing begins that was not shown before: on a terminal
the operator is asked, elsewhere the word is given beforehand, with `--yes`. What has begun does not
depend on this tool, so everything that ends it only ends the watching. What is asked and watched is
in `removal_run`; this module refuses to know it.
"""

from __future__ import annotations

import sys

import click

from gcounterd.cli.failures import EXIT_FAILED, EXIT_REFUSED, EXIT_UNFINISHED, CallError
from gcounterd.cli.manners import Call, read_node, verb
from gcounterd.cli.removal_run import Run
from gcounterd.daemon.printable import escape

# As many as the daemon takes in one request; see `api.limits`.
TARGETS_MAX = 14


@click.command("remove-node")
@verb
@click.argument("names", metavar="NAME...", nargs=-1, required=True, callback=read_node)
@click.option(
    "--into",
    metavar="NAME",
    callback=read_node,
    help="The member as whose its counts are shown. [default: one that is alive; the plan says it]",
)
@click.option("--dead", is_flag=True, help="It does not answer, and will not come back.")
@click.option("--dry-run", is_flag=True, help="Only show the plan.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--detach", is_flag=True, help="Do not wait for the end.")
@click.option(
    "--without-majority",
    is_flag=True,
    help="Also where too few are alive to decide it. The plan says what that may cost.",
)
@click.pass_context
def remove_node(
    context: click.Context,
    call: Call,
    names: tuple[str, ...],
    into: str | None,
    dry_run: bool,
    yes: bool,
    detach: bool,
    dead: bool,
    without_majority: bool,
) -> None:
    """Remove nodes for good. What was counted there stays: no total changes.

    NAME is a name or an id. A node that answers hands over what it holds, and stops; one that does
    not needs --dead. The plan comes first, and nothing is done without your word: on a terminal you
    are asked, elsewhere --yes is needed. It cannot be called back.

    Then each phase is shown, and who is waited for since when. Ctrl-C ends only the watching, and
    so does --timeout, here 60 seconds by default; the exit status is 3 then. The same command again
    goes on watching, or gives the report again. With --json each line is an event, the last one the
    report.

    Refused with exit status 5: an unknown name, itself as --into, the last node, one that does not
    answer without --dead, one that answers with it, and where not more than half of the members
    answer. One that is only suspected is waited for until it is known to be dead or alive.
    """
    if len(names) > TARGETS_MAX:
        raise click.UsageError(f"at most {TARGETS_MAX} nodes at once; repeat it for the rest")
    flags = {"dead": dead, "without_majority": without_majority}
    wanted = {name: "true" for name, given in flags.items() if given}
    run = Run(call, wanted | ({"into": into} if into else {}))
    try:
        run.plan(names, as_data=dry_run)
        if dry_run:
            return
        if not yes and run.needs_word:
            _confirm(run.targets)
        run.begin()
    except KeyboardInterrupt:
        raise _interrupted(run) from None
    try:
        if detach:
            run.detach()
        else:
            run.follow()
    except KeyboardInterrupt:
        run.detach()
        context.exit(EXIT_UNFINISHED)


def _confirm(names: str) -> None:
    """Ask whether to go on; raise `CallError` unless the answer is yes."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        message = "there is no terminal to ask at: give --yes if the plan is what you want"
        raise CallError(EXIT_REFUSED, "not_confirmed", message, definite=True)
    try:
        agreed = click.confirm(f"Remove {escape(names)} for good?", err=True)
    except click.Abort:  # Ctrl-C, or the end of the input
        agreed = False
    if not agreed:
        raise CallError(EXIT_REFUSED, "not_confirmed", "nothing was removed", definite=True)


def _interrupted(run: Run) -> CallError:
    """Return how a command fails that was interrupted before it had an answer to watch."""
    if run.begun:
        run.advise()
    message = "interrupted" if run.begun else "interrupted; nothing was removed"
    return CallError(EXIT_FAILED, "interrupted", message, definite=not run.begun)
