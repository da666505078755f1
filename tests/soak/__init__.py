"""The soak: every scenario of the membership, each a function of a seed.

`scripts/soak` plays them over many seeds, `tests/scenarios/test_membership_*.py` over a few.
"""
