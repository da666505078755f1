"""Verbs that bring counts from elsewhere, and write them out: `import`, `start-at`, `imports`,
`export`.

Theory. What is imported counts once in the whole cluster, however often the same file is brought
under the same name, so a lost answer is no riddle: the command is repeated. What asks for care is
a new file under a known name, since both would count; that is refused with status 5 until `--again`
says that it is meant.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO
from urllib.parse import quote

import click

from gcounterd.cli.client import Answer, Query
from gcounterd.cli.failures import EXIT_REFUSED, CallError
from gcounterd.cli.manners import Call, read_key, read_prefix, verb
from gcounterd.cli.transfer import download, upload

COUNT_MAX = 2**53
# Reading, ordering and writing a file of 64 MiB takes well under a minute.
IMPORT_S_DEFAULT = 600.0
LIMIT_MAX = 1000
FORMATS = ("json", "csv")
# What the daemon refuses until `--again` is given.
_CHECKED = ("source_known", "partly_counted")


def _guess(file: str, form: str | None) -> str:
    return form or ("csv" if file.lower().endswith(".csv") else "json")


@click.command("import")
@verb
@click.argument("file", metavar="FILE", type=click.File("rb"))
@click.option("--source", metavar="NAME", required=True, help="Where the counts come from.")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="How they are written. [default: csv if the file is named so, else json]",
)
@click.option(
    "--again", is_flag=True, help="Count it although other content of this source is counted."
)
def import_(call: Call, file: BinaryIO, source: str, form: str | None, again: bool) -> None:
    """Count the counts of FILE, once in the whole cluster; - is standard input.

    JSON lines {"key": "visits", "value": 7}, or one object {"visits": 7}, or CSV lines visits,7, up
    to 64 MiB and 2 million counters. All of it is counted or nothing.

    Repeating it is safe, at any node: the same counts of the same source count once. A source that
    is known with other counts is refused with status 5, since both would count, unless --again says
    that it is meant.
    """
    query = [("source", source), ("format", _guess(str(getattr(file, "name", "")), form))]
    if again:
        query.append(("again", "true"))
    size = _size(file)
    with _progress(call, size) as told:
        client = call.waiting(IMPORT_S_DEFAULT)
        answer = _checked(lambda: upload(client, "/v1/imports", query, file, size, told))
    _tell(call, answer)


def _size(file: BinaryIO) -> int | None:
    """Return how many bytes a file has, None if that is not known, as of a pipe."""
    try:
        status = os.fstat(file.fileno())
    except OSError:  # what stands in for a file has none
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


@contextmanager
def _progress(call: Call, size: int | None) -> Iterator[Callable[[int], None]]:
    """Draw how much is sent, on a terminal and for people only."""
    if call.output.as_json or not sys.stderr.isatty():
        yield lambda sent: None
        return
    # Imported here: it takes longer than everything else that the tool does.
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = TextColumn("sending"), BarColumn(), DownloadColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("sending", total=size)
        yield lambda sent: progress.update(task, completed=sent)


def _checked(ask: Callable[[], Answer]) -> Answer:
    """Ask; give what only `--again` lets through the status of a safety check."""
    try:
        return ask()
    except CallError as failure:
        if failure.code in _CHECKED:
            failure.exit = EXIT_REFUSED
            failure.message = failure.message.replace("say `again`", "give --again")
        elif failure.definite is not True:
            failure.message += "; repeat it: the same counts of a source count once"
        raise


def _tell(call: Call, answer: Answer) -> None:
    keys, total = answer.field("keys", int), answer.field("total", int)
    repeated = answer.field("repeated", bool)
    if call.output.as_json:
        call.output.record(answer.body)
        return
    counters = f"{keys} counter{'' if keys == 1 else 's'}, {total} in all"
    call.output.line(f"{counters}: counted before" if repeated else f"{counters}: counted")


@click.command("start-at")
@verb
@click.argument("key", metavar="KEY", callback=read_key)
@click.argument("value", metavar="N", type=click.IntRange(1, COUNT_MAX))
@click.option("--again", is_flag=True, help="Count it although another start of it is counted.")
def start_at(call: Call, key: str, value: int, again: bool) -> None:
    """Let a counter start at N: N is added once, in the whole cluster.

    It is an import of one counter: repeating it is safe, at any node. Another N for the same
    counter is refused with status 5, since both would count, unless --again says that it is meant.
    """
    path = f"/v1/start-at/{quote(key, safe='')}" + ("?again=true" if again else "")
    _tell(call, _checked(lambda: call.client.post(path, {"value": value})))


@click.command()
@verb
def imports(call: Call) -> None:
    """Show what was imported: sources, how many counters, what they add up to."""
    found: list[dict[str, object]] = []
    after: str | None = ""
    while after is not None:
        query: Query = [("limit", str(LIMIT_MAX)), *([("after", after)] if after else [])]
        answer = call.client.get("/v1/imports", query)
        found += answer.field("imports", list)
        following = answer.body.get("next")
        after = following if isinstance(following, str) else None
    if call.output.as_json:
        call.output.record({"imports": found})
        return
    rows = [
        (each.get("source"), each.get("keys"), each.get("total"), _state(each)) for each in found
    ]
    call.output.table(("source", "counters", "total", "state"), rows)


def _state(known: dict[str, object]) -> str:
    contents = known.get("contents")
    told = contents if isinstance(contents, list) else []
    lacking = sum(not each.get("held") for each in told)
    several = [f"{len(told)} contents, all counted"] if len(told) > 1 else []
    away = ["on its way to this node"] if lacking else []
    return "; ".join([*several, *away]) or "counted"


@click.command()
@verb
@click.option("--prefix", metavar="TEXT", default="", callback=read_prefix, help="Keys so begun.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="json", help="How.")
def export(call: Call, prefix: str, form: str) -> None:
    """Write all counters to standard output, by key; `import` reads what this writes.

    JSON lines, or CSV with --format csv. Each value is as of the moment in which it is written. If
    it breaks off, the exit status is 1.
    """
    query = [("format", form), *([("prefix", prefix)] if prefix else [])]
    for piece in download(call.waiting(IMPORT_S_DEFAULT), "/v1/export", query):
        call.output.raw(piece)
