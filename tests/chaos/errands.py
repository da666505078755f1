"""An operator's errands: removals asked for with `gcounterctl`, and asked for again until done.

Theory. In chaos any command may fail half way: the member that is asked dies, there is no majority
for a moment, a target that was alive is not, or the other way round. Repeating a removal is safe,
and every refusal says the way out. So an errand does what a patient operator does: takes the way
out that is named, asks another member, and comes to its end once the cluster lets it.

This module refuses to know how a removal is done.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

import attrs
import trio

from tests.chaos.story import Story
from tests.cluster.processes import Cluster

GCOUNTERCTL = str(Path(sys.executable).parent / "gcounterctl")
# What `remove-node` is given, and what the process is given beside it.
ASK_WAIT_S, PROCESS_EXTRA_S = 20.0, 20.0
# Between two tries.
AGAIN_S = 0.5
# From the command to Ctrl-C.
INTERRUPT_AFTER_S = (0.2, 1.0)
DONE = 0
_CODE = re.compile(r"\b(removal_\w+|unknown_node|unauthorized)\b")


@attrs.define
class Removal:
    """A removal as it is asked for; `dead` and `heir` follow what members answer."""

    target: str
    heir: str | None
    dead: bool
    how: str
    done: bool = False
    tries: int = 0
    said: str = ""


class Operator:
    """Runs errands in `nursery`."""

    def __init__(self, cluster: Cluster, story: Story, nursery: trio.Nursery, seed: int) -> None:
        self.errands: list[Removal] = []
        self._cluster = cluster
        self._story = story
        self._nursery = nursery
        self._draws = Random(f"operator {seed}")

    def remove(self, target: str, heir: str | None, how: str, *, dead: bool) -> None:
        """Have a node removed, in the background."""
        self._begin(Removal(target, heir, dead, how))
        if how == "twice":
            others = [name for name in self._askable(target) if name != heir]
            other = self._draws.choice(others) if others else None
            self._begin(Removal(target, other, dead, "again"))

    def unfinished(self) -> list[Removal]:
        """Return the errands that have not come to their end."""
        return [errand for errand in self.errands if not errand.done]

    def _begin(self, errand: Removal) -> None:
        self.errands.append(errand)
        self._nursery.start_soon(self._see_through, errand)

    async def _see_through(self, errand: Removal) -> None:
        began = trio.current_time()
        if errand.how in ("detached", "interrupted"):
            await self._try(errand, aborted=True)
        while await self._try(errand, aborted=False) != DONE:
            await trio.sleep(AGAIN_S)
        errand.done = True
        took = trio.current_time() - began
        self._story.say(f"    removal of {errand.target} done after {took:.1f} s")
        self._story.took("a removal, from the command to done", took)

    async def _try(self, errand: Removal, *, aborted: bool) -> int:
        """Ask one member once; return the exit status. `aborted`: do not wait for the end."""
        askable = self._askable(errand.target)
        if not askable:
            return -1
        asked = self._draws.choice(askable)
        command = [GCOUNTERCTL, "--address", self._cluster.find(asked).url]
        command += ["remove-node", errand.target, "--yes", "--timeout", f"{ASK_WAIT_S:g}"]
        command += ["--into", errand.heir] if errand.heir else []
        command += ["--dead"] if errand.dead else []
        command += ["--detach"] if aborted and errand.how == "detached" else []
        errand.tries += 1
        interrupt = aborted and errand.how == "interrupted"
        status, said = await self._run(command, interrupt=interrupt)
        self._learn(errand, asked, status, said)
        return status

    def _learn(self, errand: Removal, asked: str, status: int, said: str) -> None:
        """Take the way out that a refusal names."""
        code = _CODE.search(said)
        reason = code[1] if code else f"exit {status}"
        if status != DONE:
            self._story.notes[f"remove-node: {reason}"] += 1
        if reason != errand.said and status != DONE:
            self._story.say(f"    {asked} about removing {errand.target}: {reason}")
        errand.said = reason
        if reason == "removal_needs_dead":
            errand.dead = True
        elif reason == "removal_is_alive":
            errand.dead = False
        elif reason in ("removal_no_heir", "removal_self_heir"):
            errand.heir = None
        elif code is None and status not in (DONE, 3, 4, -signal.SIGINT):
            self._story.say(f"    {' '.join(said.split())[-300:]}")

    async def _run(self, command: list[str], *, interrupt: bool) -> tuple[int, str]:
        process = await trio.lowlevel.open_process(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={k: v for k, v in os.environ.items() if "GCOUNTER" not in k},
            start_new_session=True,
        )
        assert process.stdout is not None
        said = b""
        try:
            with trio.move_on_after(ASK_WAIT_S + PROCESS_EXTRA_S):
                if interrupt:
                    with trio.move_on_after(self._draws.uniform(*INTERRUPT_AFTER_S)):
                        await process.wait()
                    process.send_signal(signal.SIGINT)
                async for chunk in process.stdout:
                    said += chunk
                await process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                with trio.CancelScope(shield=True):
                    await process.wait()
        status = process.poll()
        return -signal.SIGKILL if status is None else status, said.decode("utf-8", "replace")

    def _askable(self, target: str) -> list[str]:
        """Return the nodes that can be asked, the target aside."""
        nodes = self._cluster.nodes.values()
        return [node.name for node in nodes if node.state == "running" and node.name != target]
