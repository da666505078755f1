"""Mutants: deliberate bugs, each of which the tests must find.

Theory. A test proves nothing unless it can fail. The bugs that lose or repeat a count in systems of
this kind are known; each is written down here as a change of one place of the code, together with
the tests that must find it. A mutant that is not found is a test that is missing.

Where the design leaves no place for a bug as it is known elsewhere, the nearest bug that is
possible here takes its place, and the catalogue says so.

    mutant     what a mutant is, and what can find it
    closing, gatherings, forgetting  the mutants, by subject
    catalogue  all of them
    seeds      the simulator as a finder: seeds until something is violated
    trial      one mutant: a copy of the tree, the change, the finders
    command    all of them, and what came of it

`scripts/mutants` is the command; docs/mutants.md says what a run came to.
"""
