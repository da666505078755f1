"""A cluster of real processes on one machine, for `scripts/` and for `tests/processes/`.

Reading order: `proxy` (the network that can be cut), `ground` (its ports), `processes` (the nodes),
`client` (what a client sees), `control` and `command` (`scripts/cluster`), `ledger` and `replay`
(`scripts/replay`). Nothing here is installed with the package, and nothing here reaches into it:
the daemon is a program with options, ports and signals.
"""
