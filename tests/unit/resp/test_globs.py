"""Globs: what Redis' patterns match, and that no pattern takes for ever."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcounterd.resp.globs import compile_glob


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("*", ["", "a", "a\nb"], []),
        ("a*", ["a", "ab"], ["ba", ""]),
        ("*a", ["a", "ba"], ["ab"]),
        ("a?c", ["abc", "a\nc"], ["ac", "abbc"]),
        ("h[ae]llo", ["hallo", "hello"], ["hillo"]),
        ("h[^e]llo", ["hallo"], ["hello", "hllo"]),
        ("[a-c]", ["a", "b", "c"], ["d", "-"]),
        ("[c-a]", ["a", "b", "c"], ["d"]),
        ("[a-]", ["a", "-"], ["b"]),
        ("[a", ["a"], ["b", "[a"]),
        ("a[]b", [], ["ab", "axb"]),
        (r"\*", ["*"], ["a"]),
        (r"[\]]", ["]"], ["\\"]),
        ("a.b", ["a.b"], ["axb"]),
        ("*b*b*", ["abcb", "bb"], ["b", "aba"]),
        ("a*b*c", ["abc", "abbcc", "axbxc"], ["acb", "ab"]),
    ],
)
def test_patterns_match_as_in_redis(pattern: str, matching: list[str], other: list[str]) -> None:
    glob = compile_glob(pattern.encode())
    assert [key for key in matching + other if glob.fullmatch(key.encode())] == matching


@given(st.text("ab*?"), st.text("ab"))
def test_stars_match_as_a_backtracking_expression_does(pattern: str, key: str) -> None:
    plain = pattern.replace("*", ".*").replace("?", ".")
    found = compile_glob(pattern.encode()).fullmatch(key.encode())
    assert (found is not None) is (re.fullmatch(plain, key) is not None)


@given(st.binary(max_size=30), st.binary(max_size=30))
def test_any_bytes_are_a_pattern(pattern: bytes, key: bytes) -> None:
    compile_glob(pattern).fullmatch(key)


def test_a_hostile_pattern_ends() -> None:
    # By backtracking this takes longer than the world has been there.
    assert compile_glob(b"*a" * 100 + b"b").fullmatch(b"a" * 1024) is None
