"""`python -m tests.crash`: what `scripts/crash-images` runs."""

from tests.crash.command import main

main()
