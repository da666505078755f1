"""`scripts/challenge`: the counters challenge, played to three real nodes over its own API.

Theory. The challenge asks for three things, in this order: P0, the consistent read is accurate once
all messages were processed; P1, the service is available while processes or the network fail; P2,
it survives crashes, and a node that comes back gets no second config. Its text leaves the steps to
the tester; these are those of the programs that were written for it. Adding goes only to nodes that
live and is never repeated, so what a read must show is known: at least all that was answered
before it began, at most all that was sent before it ended.

A consistent read that answers with an error has kept its word (the challenge allows it while
something is broken) and is tried again once nothing is; one that answers with a wrong number has
not, whenever that is. Nobody waits after the config: it has taken effect when it is answered. This
module refuses to know any API but the challenge's.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import click
import trio

from tests.cluster.client import Answer, Client, Lost, NotSent
from tests.cluster.processes import Cluster, ClusterError, Plan, find_causes, open_cluster

NODES = ("n1", "n2", "n3")
COUNTER = "foobar"
# What the challenge's own script gives any request.
REQUEST_WAIT_S = 6.0
# How long the nodes may take to be whole again after a fault, or at all.
WHOLE_WAIT_S = 30.0
POLL_S = 0.05
ACCURATE, AVAILABLE, DURABLE = "P0", "P1", "P2"
NUMBERS = range(1, 11)


@attrs.frozen
class Finding:
    """One thing that was looked at: in which step, for which priority, and whether it held."""

    step: str
    priority: str
    asked: str
    seen: str
    holds: bool


@attrs.define
class Sums:
    """What was sent and what was answered, in increments added up."""

    sent: int = 0
    answered: int = 0


def judge(answer: Answer | None, at_least: int, at_most: int, *, may_refuse: bool) -> bool:
    """Say whether a read kept its word; None is no answer at all."""
    if answer is None:
        return False
    if answer.status == 200:
        value = read_number(answer)
        return value is not None and at_least <= value <= at_most
    return may_refuse and answer.status == 503


def read_number(answer: Answer) -> int | None:
    """Return a plain decimal, None if the body is none."""
    text = answer.body.decode("ascii", "replace").strip()
    return int(text) if text.isdecimal() else None


def show(answer: Answer | None) -> str:
    """Return an answer in a few words."""
    if answer is None:
        return "no answer"
    if answer.status == 200:
        return answer.body.decode("ascii", "replace").strip()[:20]
    try:
        told = answer.json()
        return f"{answer.status} {told['error']['code']}, best {told.get('best', '-')}"
    except (ValueError, KeyError, TypeError):
        return str(answer.status)


class Contest:
    """The steps of the challenge, and what was found.

    timeout_s     what a consistent read may take
    whole_wait_s  what the nodes may take to be whole again after a fault, or at all
    """

    def __init__(self, cluster: Cluster, timeout_s: float, whole_wait_s: float) -> None:
        self.findings: list[Finding] = []
        self._cluster = cluster
        self._timeout_s = timeout_s
        self._whole_wait_s = whole_wait_s
        self._sums = Sums()
        self._step = ""

    async def play(self) -> None:
        """Play all steps."""
        await self.configure()
        await self.add_at_two()
        await self.pause_one()
        await self.kill_one()
        await self.cut_one_off()

    async def configure(self) -> None:
        """Tell one node of all of them, the only time that anybody is told."""
        self._step = "config"
        actors = [self._cluster.find(name).front for name in NODES]
        answer = await self._ask("n1", "POST", "/config", json.dumps({"actors": actors}).encode())
        self._find(AVAILABLE, "POST /config to n1", show_status(answer), ok(answer))

    async def add_at_two(self) -> None:
        """Add 1 to 10 at two nodes at once, and read both ways at all."""
        self._step = "add at n2, n3"
        await self._add(["n2", "n3"])
        await self._read_all(ACCURATE)

    async def pause_one(self) -> None:
        """Stop a node where it stands, go on at the others, and let it go on."""
        self._step = "n3 paused"
        self._cluster.pause("n3")
        await self._add(["n1", "n2"])
        await self._read_broken(["n1", "n2"])
        self._step = "n3 resumed"
        self._cluster.resume("n3")
        await self._read_all(ACCURATE)

    async def kill_one(self) -> None:
        """Kill a node with what it alone knows, and start it again without a config."""
        self._step = "n2 killed"
        self._cut_off("n2")
        await self._add(["n2"])
        await self._cluster.kill("n2")
        self._cluster.heal()
        await self._add(["n1", "n3"])
        await self._read_broken(["n1", "n3"])
        self._step = "n2 started again"
        await self._cluster.start("n2")
        await self._read_all(DURABLE)

    async def cut_one_off(self) -> None:
        """Cut a node off from both others, add on both sides, and bring the routes back."""
        self._step = "n1 cut off"
        self._cut_off("n1")
        await self._add(["n1", "n2"])
        await self._read_broken(list(NODES))
        self._step = "healed"
        self._cluster.heal()
        await self._read_all(ACCURATE)

    def _cut_off(self, name: str) -> None:
        for other in NODES:
            if other != name:
                self._cluster.cut(name, other)

    async def _add(self, names: Sequence[str]) -> None:
        """Add 1 to 10 at each of these at once; every one must be answered."""
        answered: list[bool] = []

        async def add(name: str, number: int) -> None:
            self._sums.sent += number
            answer = await self._ask(name, "POST", f"/counter/{COUNTER}", b"%d" % number)
            answered.append(ok(answer))
            if ok(answer):
                self._sums.answered += number

        async with trio.open_nursery() as nursery:
            for name in names:
                for number in NUMBERS:
                    nursery.start_soon(add, name, number)
        asked = f"add 1…10 at {' and '.join(names)}"
        self._find(AVAILABLE, asked, f"{sum(answered)} of {len(answered)}", all(answered))

    async def _read_broken(self, names: Sequence[str]) -> None:
        """Read while something is broken: the plain value comes, the other may refuse, not lie."""
        for name in names:
            plain = await self._ask(name, "GET", f"/counter/{COUNTER}/value")
            holds = judge(plain, 0, self._sums.sent, may_refuse=False)
            self._find(AVAILABLE, f"value at {name}", show(plain), holds)
        async with trio.open_nursery() as nursery:
            for name in names:
                nursery.start_soon(self._read_exact_once, name)

    async def _read_exact_once(self, name: str) -> None:
        at_least = self._sums.answered
        answer = await self._ask(name, "GET", self._exact_target())
        holds = judge(answer, at_least, self._sums.sent, may_refuse=True)
        self._find(ACCURATE, f"consistent_value at {name}", show(answer), holds)

    def _exact_target(self) -> str:
        return f"/counter/{COUNTER}/consistent_value?timeout={self._timeout_s:g}"

    async def _read_all(self, priority: str) -> None:
        """Read both ways at all nodes, which are well now: both must come to the exact sum."""
        for name in NODES:
            await self._until_exact(priority, name, self._exact_target(), "consistent_value")
        for name in NODES:
            await self._until_exact(AVAILABLE, name, f"/counter/{COUNTER}/value", "value")

    async def _until_exact(self, priority: str, name: str, target: str, what: str) -> None:
        """Read until the sum is exact. A consistent read may be refused meanwhile, never wrong."""
        sums, answer, lied = self._sums, None, False
        with trio.move_on_after(self._whole_wait_s):
            while True:
                answer = await self._ask(name, "GET", target)
                if judge(answer, sums.answered, sums.sent, may_refuse=False):
                    break
                lied = what != "value" and answer is not None and answer.status == 200
                if lied:
                    break
                await trio.sleep(POLL_S)
        holds = not lied and judge(answer, sums.answered, sums.sent, may_refuse=False)
        self._find(priority, f"{what} at {name}", f"{show(answer)} of {sums.answered}", holds)

    async def _ask(self, name: str, method: str, target: str, body: bytes = b"") -> Answer | None:
        """Ask on a connection of its own; None if no answer comes in time."""
        client = Client.at(self._cluster.find(name).url)
        try:
            wait_s = max(REQUEST_WAIT_S, self._timeout_s + 1)
            return await client.request(method, target, body, wait_s=wait_s)
        except (NotSent, Lost):
            return None
        finally:
            client.drop()

    def _find(self, priority: str, asked: str, seen: str, holds: bool) -> None:
        self.findings.append(Finding(self._step, priority, asked, seen, holds))


def ok(answer: Answer | None) -> bool:
    """Say whether an answer came and is a 200."""
    return answer is not None and answer.status == 200


def show_status(answer: Answer | None) -> str:
    """Return the status of an answer."""
    return "no answer" if answer is None else str(answer.status)


@asynccontextmanager
async def open_contest(
    directory: Path, timeout_s: float, whole_wait_s: float = WHOLE_WAIT_S
) -> AsyncIterator[Contest]:
    """Start three nodes, empty and told of nobody."""
    async with open_cluster(Plan(directory, len(NODES), 0, 0)) as cluster:
        for node in cluster.nodes.values():
            node.seeds = ()
        await cluster.start_all()
        await cluster.ready()
        yield Contest(cluster, timeout_s, whole_wait_s)


async def play(directory: Path, timeout_s: float) -> list[Finding]:
    """Play the challenge in a directory; return what was found."""
    async with open_contest(directory, timeout_s) as contest:
        await contest.play()
        return contest.findings


def show_table(findings: Sequence[Finding]) -> str:
    """Return the findings as a table, and a line for each priority."""
    rows = [("step", "for", "asked", "seen", "holds")]
    rows += [(f.step, f.priority, f.asked, f.seen, "yes" if f.holds else "NO") for f in findings]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    names = {ACCURATE: "accurate", AVAILABLE: "available", DURABLE: "crash-tolerant"}
    for priority, name in names.items():
        found = [finding.holds for finding in findings if finding.priority == priority]
        verdict = "holds" if found and all(found) else "DOES NOT HOLD"
        lines.append(f"{priority} {name}: {verdict} ({sum(found)} of {len(found)})")
    return "\n".join(lines)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--timeout", default=5.0, show_default=True, help="Seconds that a consistent read may take."
)
@click.option("--json", "as_json", is_flag=True, help="A JSON list instead of a table.")
def main(timeout: float, as_json: bool) -> None:
    """Play the counters challenge: config, adds, a pause, a kill, a cut; read both ways each time.

    Exits 0 if P0, P1 and P2 hold.
    """
    directory = Path(tempfile.mkdtemp(prefix="gcounterd-challenge-"))
    findings: list[Finding] = []
    failures: list[BaseException] = []
    try:
        findings = trio.run(play, directory, timeout)
    except* ClusterError as group:
        failures = find_causes(group)
    if failures:
        raise click.ClickException("\n".join(str(failure) for failure in failures))
    click.echo(json.dumps([attrs.asdict(f) for f in findings]) if as_json else show_table(findings))
    if not all(finding.holds for finding in findings):
        click.echo(f"data and logs are kept in {directory}", err=True)
        sys.exit(1)
    shutil.rmtree(directory)


if __name__ == "__main__":
    main()
