"""`python -m tests.fuzz`: what `scripts/fuzz` runs."""

from tests.fuzz.command import main

main()
