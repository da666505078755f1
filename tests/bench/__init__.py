"""Measurements of the real thing: `scripts/bench` and `scripts/profile`.

Benchmarks measure and say whether a target is met; tests never do. Nothing here is imported by
the daemon or by tests of it.
"""
