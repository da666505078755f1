"""The search: every interleaving of a small cluster, over the code that the daemon runs.

Theory. Random schedules find what is likely; the bugs of this field hide in what is not (a crash
between two messages, a copy of a disk, a removal at the same moment). Where three nodes, two keys
and a dozen steps suffice to show a bug, all of them can be tried. So the search takes real `Node`
objects with a disk of a few rows each, and does at every state whatever could happen next: count,
commit, deliver any message in any order (or never, or twice), crash, restart, go back to an older
disk. After every step the invariants are checked, and from states that were reached "connect
everybody and deliver everything" must end in agreement on everything that survived.

How it is that fast. Hosts share nothing but messages, so a step changes one host, and what a step
does to a host depends on nothing but that host. `locals` keeps each state of a host once, as the
inputs that lead there, and runs the real code once for each (state, input); the search over whole
clusters (`explore`) then combines numbers. It is the idea of local model checking (Guerraoui and
Yabandeh 2011), without its over-approximation: only clusters that can be reached are looked at.

    scale      the limits that are made small, so that small states reach what is behind them
    ground     what hosts stand on: names, digits, disks, dice
    host       one host: its disk, its process, and what can happen to it
    facts      what is seen of a node
    canon      the canonical form of a host's state: equal where the future is
    locals     states of hosts by number, and steps between them
    cluster    states of clusters: hosts' states and the messages under way
    actions    what can happen next, and its spelling
    checks     what must hold
    quiet      what must hold after everybody was connected and heard
    explore    breadth first, to a depth, within seconds
    scopes     what is searched: which actions, how many of each, from where
    play       one schedule, written as text: for tests, and to repeat a violation
    machine    the same actions under Hypothesis, which shortens what it finds

`scripts/search` is the command; docs/search.md says what a run came to.
"""
