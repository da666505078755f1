"""A cluster in one process: hosts with disks, processes on them, and who watches.

Theory. A host outlives its processes: it keeps the disk, the address and the name. Starting a
process is what booting the daemon is: a new epoch above the last one on the disk, recovery, a
node. The cluster is the witness of its processes and hands what it sees to ledger and checkers.

This module refuses to know chance: weather and workload decide what happens, scripts in tests do
the same by hand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial

from gcounterd.errors import ClientError
from gcounterd.ids import ColumnId, Epoch, NodeId, column_id, draw_epoch, show
from gcounterd.members.removals import Plan, Wish, may_start_anew
from gcounterd.members.timing import LAN, Timing
from gcounterd.node.config import Config
from gcounterd.node.effects import AckDone, Keep, Notice
from gcounterd.node.levels import Mark
from gcounterd.node.messages import Channel
from gcounterd.node.node import Node
from gcounterd.node.records import Group, TakeBatch
from gcounterd.sim.checkers import Checkers, ViolationError, check, find_disagreement, find_unrest
from gcounterd.sim.chronicle import Chronicle
from gcounterd.sim.clients import Add
from gcounterd.sim.disk import Content, Disk
from gcounterd.sim.host import Host
from gcounterd.sim.ledger import Ledger
from gcounterd.sim.lives import Lives
from gcounterd.sim.network import End, Network
from gcounterd.sim.process import STEP_S, Process
from gcounterd.sim.promises import Promises
from gcounterd.sim.world import WALL_START_MS, World


class Cluster:
    """Hosts, and everything that can be done to them by name; `timing` is every node's."""

    def __init__(self, seed: int, timing: Timing = LAN) -> None:
        self.timing = timing
        self.world = World(seed)
        self.tally: Counter[str] = Counter()
        self.network = Network(self.world, self.tally)
        self.ledger = Ledger()
        self.checkers = Checkers(self.ledger)
        self.promises = Promises()
        self.hosts: dict[str, Host] = {}
        self.rolled_back: dict[NodeId, None] = {}
        self.notices: Counter[str] = Counter()
        self.chronicle = Chronicle()
        self._lives = Lives()
        self._rng = self.world.derive("cluster")

    # -- hosts and processes ----------------------------------------------------------------

    def add_host(self, name: str, *, seeds: Sequence[str] = (), node: bytes = b"") -> Host:
        """Put up a machine with an empty disk; `seeds` are addresses."""
        node = node or self._rng.randbytes(16)
        disk = Disk(self.world, self.world.derive(f"disk {name}"), self.tally)
        host = Host(name, f"{name}:7700", NodeId(node), disk, tuple(seeds))
        self.hosts[name] = host
        self.network.hosts[host.address] = name
        return host

    def clone(self, name: str, copy: str) -> Host:
        """Put up a machine with a copy of a host's disk as it is now; it does not run yet."""
        original = self.hosts[name]
        host = self.add_host(copy, seeds=original.seeds, node=original.node)
        host.name, host.rows_per_checkpoint = original.name, original.rows_per_checkpoint
        host.disk.replace(original.disk.content.copy())
        # Of two processes of one node only one is asked by a consistent read.
        self.rolled_back[host.node] = None
        self.promises.doubt(host.node)
        self.tally["disk cloned"] += 1
        return host

    def start(self, name: str) -> Process:
        """Boot the host's daemon."""
        host = self.hosts[name]
        assert host.process is None, f"{name} runs already"
        self.network.switch_on(name)
        node, names_on_disk = self._boot(name, host)
        host.process = Process(
            self.world,
            self.network,
            host.disk,
            node,
            name,
            self,
            self.tally,
            host.rows_per_checkpoint,
            names_on_disk,
        )
        self.tally["start"] += 1
        host.process.begin()
        return host.process

    def _boot(self, name: str, host: Host) -> tuple[Node, int]:
        epoch, host.drawn = host.drawn or self._draw(host, host.disk.content.epoch), None
        host.disk.content.epoch = epoch
        restored = host.disk.recover(column_id(host.node, epoch), host.max_counters)
        check(not restored.gaps, "I7 honest answers", f"{host.name}'s journal has gaps")
        self.checkers.restarted(name, restored.counters, undamaged=not host.rolled_back)
        if host.answered is not None and not host.rolled_back:
            self.checkers.check_durable(name, restored.counters, *host.answered)
        host.rolled_back = False
        if host.new_identity and may_start_anew(restored.roster, host.node):
            host.node, host.answered = NodeId(self._rng.randbytes(16)), None
            restored.counters.reopen(column_id(host.node, epoch))
            host.seeds = host.seeds or tuple([e.address for e in restored.roster.belonging()])
            self.tally["new identity"] += 1
        node = Node(
            self._config(host, epoch),
            restored.counters,
            restored.roster,
            self.world.derive(f"node {host.name} {epoch.hex()}"),
            self.world.now,
            damaged=bool(restored.gaps),
            receipts=restored.receipts,
        )
        return node, restored.names_on_disk

    def _wall_ms(self, host: Host) -> int:
        return WALL_START_MS + host.skew_ms + int(self.world.now * 1000)

    def _draw(self, host: Host, above: Epoch | None) -> Epoch:
        return draw_epoch(self._wall_ms(host), self._rng.getrandbits(80), above)

    def _config(self, host: Host, epoch: Epoch) -> Config:
        return Config(
            host.cluster,
            host.node,
            host.name,
            epoch,
            self._rng.randbytes(8),
            host.address,
            host.seeds,
            timing=self.timing,
            wall_ms=partial(self._wall_ms, host),
            approved_only=host.approved_only,
            join_token=host.token,
            take_over=host.take_over,
            archive_budget=host.archive_budget,
        )

    def kill(self, name: str, *, power: bool = False) -> None:
        """Kill the process; with `power`, the host is gone too, without a word to its peers."""
        host = self.hosts[name]
        assert host.process is not None, f"{name} does not run"
        self._lives.ended(host.process, self.world.now)
        host.process.kill(power=power)
        host.process = None
        self.tally["power cut" if power else "kill"] += 1
        if power:
            self.network.switch_off(name)

    def suspend(self, name: str) -> None:
        """Let a host sleep: its kernel is silent, its process and its clock stand still."""
        self.process(name).pause()
        self.network.switch_off(name)
        self.tally["suspend"] += 1

    def rouse(self, name: str) -> None:
        """Wake a host that sleeps."""
        self.network.switch_on(name)
        self.process(name).resume(slept=True)

    def stop(self, name: str) -> None:
        """Stop the process as an operator does, and wait until it has ended."""
        process = self.process(name)
        process.stop()
        while self.hosts[name].process is process:
            self.run(STEP_S)

    def roll_back(self, name: str, content: Content) -> None:
        """Put an older copy of its disk in place of a host's, whose process must not run.

        What was answered and now survives nowhere is struck from the ledger.
        """
        host = self.hosts[name]
        assert host.process is None
        host.disk.replace(content.copy())
        host.rolled_back = True
        host.answered = None  # what it answered since the copy is not its disk's business now
        self.tally["stale disk"] += 1
        self.rolled_back[host.node] = None
        self.promises.lose(host.node, self.world.now)
        left = [each for each in self.hosts.values() if not each.sent_away]
        self.promises.check(left)
        held = [each.heads() for each in left]
        for column, written in self.ledger.columns.items():
            surviving = max(heads.get(column, 0) for heads in held)
            if surviving < written.acknowledged:
                self.tally["answered and lost with a disk"] += 1
                self.ledger.lose(column, surviving)

    # -- what scripts ask -------------------------------------------------------------------

    @property
    def running(self) -> list[Process]:
        """Return the processes that live, in the order of their hosts."""
        return [host.process for host in self.hosts.values() if host.process is not None]

    def process(self, name: str) -> Process:
        """Return the life that runs on a host."""
        process = self.hosts[name].process
        assert process is not None, f"{name} does not run"
        return process

    def node(self, name: str) -> Node:
        """Return the node that runs on a host."""
        return self.process(name).node

    def add(self, name: str, key: bytes, amount: int = 1) -> bool:
        """Count at a host; return whether it was accepted."""
        process = self.process(name)
        accepted = process.add(key, amount)
        process.turn()
        return accepted

    def remove(
        self, at: str, *names: str, into: str = "", dead: bool = False, forced: bool = False
    ) -> Plan:
        """Ask a host's node to remove members, as an operator does; raise `ClientError`."""
        removing = self.node(at).removing
        plan = removing.plan(Wish(names, into, dead, forced))
        removing.begin(plan, forced=forced)
        self.process(at).turn()
        self.tally["removal asked for"] += 1
        return plan

    def release(self, at: str, node: NodeId) -> None:
        """Give up what may still come of a removed node, as an operator does at a host."""
        self.node(at).settlement.releasing.release(show(node))
        self.process(at).turn()
        self.ledger.release(node)
        self.tally["released"] += 1

    def value(self, name: str, key: bytes) -> int:
        """Read at a host, and check what a reader may see."""
        process = self.process(name)
        self.checkers.check_value(name, process.node.counters, key)
        return process.node.counters.value(key)

    def run(self, seconds: float) -> None:
        """Let so much time pass."""
        self.world.run_until(self.world.now + seconds)

    def split(self, left: Iterable[str], right: Iterable[str]) -> None:
        """Cut all routes between two groups, both ways."""
        others = list(right)
        for a in left:
            for b in others:
                self.network.block(a, b)
                self.network.block(b, a)

    def links(self, name: str) -> list[End]:
        """Return the open links of a host's process."""
        process = self.hosts[name].process
        return list(process.ends.values()) if process is not None else []

    def settle(self, seconds: float, *, step_s: float = 1.0) -> float:
        """Run until all nodes agree and are at rest; return how long that took.

        Raises `ViolationError` if it takes more than so many seconds.
        """
        start = self.world.now
        while True:
            self.run(step_s)
            unrest = self.find_unrest()
            if not unrest:
                return self.world.now - start
            check(
                self.world.now - start < seconds,
                "I3 agreement",
                f"not within {seconds} s: {unrest}",
            )

    def find_unrest(self) -> str:
        """Return in what nodes differ or what they are still about; "" if nothing."""
        nodes = [process.node for process in self.running]
        found = find_disagreement(nodes)
        for node in nodes:
            others = [other.config.node for other in nodes if other is not node]
            found = found or find_unrest(node, others, self.network.listening)
        return found

    # -- the witness ------------------------------------------------------------------------

    def attempted(self, process: Process, key: bytes, amount: int) -> None:
        """See an increment accepted for the next commit."""
        self.ledger.attempt(key, amount)

    def turned_away(self, process: Process, error: ClientError) -> None:
        """See an increment refused at once, which must be definite."""
        check(error.definite, "I7 honest answers", f"{process.host} is not sure: {error}")

    def cut(self, process: Process, group: Group) -> None:
        """See a group before it goes to the disk."""
        self.world.note(b"cut", process.host.encode())
        for record in group.records:
            if isinstance(record, TakeBatch) and record.batch.column == process.column:
                self.ledger.cut(record.batch)

    def refused(self, process: Process, adds: Sequence[Add], group: Group) -> None:
        """See increments refused for certain."""
        self.tally["commit refused"] += 1
        for add in adds:
            self.ledger.refuse(add.key, add.amount)
        for record in reversed(group.records):
            if isinstance(record, TakeBatch) and record.batch.column == process.column:
                self.ledger.columns[process.column].take_back(record.batch.version)

    def applied(self, process: Process, before: dict[ColumnId, int], group: Group) -> None:
        """See a group applied."""
        self.checkers.applied(process.host, process.node.counters, before, group)

    def acknowledged(self, process: Process) -> None:
        """See that the own column is answered up to its head."""
        head = process.node.counters.head(process.column)
        if head:
            self.ledger.acknowledge(process.column, head)
            self.hosts[process.host].answered = process.column, head

    def held(self, process: Process, mark: Mark, since: float, outcome: AckDone) -> None:
        """See a client told by whom its increments are held."""
        self.promises.make(process, mark, since, outcome, self.hosts.values())

    def kept(self, process: Process, keep: Keep) -> None:
        """Note that what was answered above what is counted there is in a file, for people."""
        whole = {keep.batch.column: (keep.batch.version, keep.counted)}
        for column, (_, counted) in (keep.of or whole).items():
            self.ledger.lose(column, counted)

    def draw(self, process: Process, above: Epoch) -> Epoch:
        """Draw an epoch for a process, by its host's clock."""
        return self._draw(self.hosts[process.host], above)

    def noticed(self, process: Process, notice: Notice) -> None:
        """See what an operator would; correct nodes never break the protocol."""
        self.notices[notice.name] += 1
        self.chronicle.note(self.world.now, process.host, notice)
        if notice.name == "residue" and notice.fields["set_aside"]:
            self.checkers.set_aside(process.host)
        if notice.name == "peer_error":
            raise ViolationError(f"no peer error: {process.host} says {notice.fields}")

    def ended(self, process: Process, code: int, text: str) -> None:
        """See a process end by itself."""
        host = self.hosts[process.host]
        twin = self._lives.gave_way(process, code, text, self.running, self.world.now)
        self.tally["twin ended"] += twin
        self._lives.ended(process, self.world.now)
        host.process = None
        host.exits.append((code, text))
        if host.sent_away:
            self.promises.lose(host.node, self.world.now)
        self.tally[f"exit {code}"] += 1

    # -- the end ----------------------------------------------------------------------------

    def check_everything(self) -> None:
        """Check all that must hold when all nodes agree."""
        for process in self.running:
            counters = process.node.counters
            self.checkers.check_all(process.host, counters)
            self.checkers.check_nothing_lost(counters, process.host)

    def reset_links(self, name: str, channel: Channel | None = None) -> None:
        """Break the connections of a host."""
        for end in self.links(name):
            if channel is None or end.channel is channel:
                self.network.reset(end)
