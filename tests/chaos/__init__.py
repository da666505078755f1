"""Chaos: a cluster of real daemons under load, to which faults happen every few seconds.

Reading order: `ledger` (what may be shown), `account` (a process that counts and looks: `wires`,
`load`), `schedule` (which faults, in what order), `hand` (does them), `errands` (what an operator
does, and repeats), `play` (rounds, and what must hold after each), `story` (the log and the table),
`command` (`scripts/soak chaos`).

Theory. Faults come in rounds. Within a round they pile up: nodes are dead, stopped, cut off and
being removed at the same time. A round ends by mending: all routes and processes come back, and
then every removal must end, and all nodes must show the same numbers, which the ledger allows. So
nothing is masked by the next fault, and what was found is dated to a round.
"""
