"""`python -m tests.mutants`: what `scripts/mutants` runs."""

from tests.mutants.command import main

main()
