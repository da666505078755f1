"""Histories: what clients asked and were told, recorded, and held against what a counter may say.

Reading order: `history` (what is recorded), `sums` (which totals the unanswered allow), `moments`
(what was known when), `audits` (what rest tells), `rules` (what must hold: each with its name),
`checker` (all of it over a history); `model` (histories that are right, to be spoiled); `recorder`
(how histories are made), `clients` and `simulated` (of a simulated cluster in any weather),
`talking`, `looking` and `live` (of real processes while `tests.chaos` is at them), `command`
(`scripts/soak histories`).

Theory. The checkers of the simulator look into nodes; these look at nothing but what clients saw,
as a user could. So they hold for whatever produced the history, and what a node believes of itself
cannot mislead them. They are Jepsen's way of judging a counter, and Maelstrom's, with what we
promise beyond it.
"""
