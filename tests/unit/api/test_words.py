"""What a text is split into, whatever pieces it comes in, and what bounds it."""

# ruff: noqa: RUF001 — letters of other scripts are what is tested here

from __future__ import annotations

import itertools
import re
import sys
import unicodedata
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcounterd.api import words
from gcounterd.api.words import PREFIX, WORD_BYTES_MAX, Splitter, fold, key_of
from gcounterd.errors import ClientError

TEXTS = st.text("aB9_'’ .,\n\u0301é数β", max_size=200)


def split(*pieces: str) -> dict[str, int]:
    splitter = Splitter()
    for piece in pieces:
        splitter.feed(piece)
    return splitter.words()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The cat. The CAT!", {"the": 2, "cat": 2}),
        ("don't, don’t; 'quoted'", {"don't": 2, "quoted": 1}),
        ("snake_case e-mail 3.14", {"snake": 1, "case": 1, "e": 1, "mail": 1, "3": 1, "14": 1}),
        ("Straße STRASSE", {"strasse": 2}),
        ("caf\u00e9 cafe\u0301 CAFÉ", {"café": 3}),
        ("Όλος όλοσ", {"όλοσ": 2}),
        ("नमस्ते दुनिया", {"नमस्ते": 1, "दुनिया": 1}),
        ("日本語。日本語", {"日本語": 2}),
        ("a\u00a0b\u2003c", {"a": 1, "b": 1, "c": 1}),
        ("  \n… — !?", {}),
        ("", {}),
    ],
)
def test_words_of_any_script_are_found_in_any_case(text: str, found: dict[str, int]) -> None:
    assert split(text) == found


def test_marks_are_looked_for_wherever_there_are_any() -> None:
    characters = [chr(code) for code in range(sys.maxunicode + 1)]
    told = [each for each in characters if unicodedata.category(each) in ("Mn", "Mc", "Me")]
    assert re.findall(f"[{words.marks()}]", "".join(characters)) == told


@given(TEXTS, st.lists(st.integers(0, 200)))
def test_the_pieces_in_which_a_text_comes_change_nothing(text: str, cuts: list[int]) -> None:
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[at:end] for at, end in itertools.pairwise(places)]
    assert split(*pieces) == split(text)


@given(TEXTS)
def test_every_word_is_counted_as_it_is_asked_for(text: str) -> None:
    found = split(text)
    for word in found:
        assert key_of(word.upper() if word.isascii() else word) == PREFIX + word.encode()


@given(TEXTS, TEXTS)
def test_two_texts_count_what_each_counts(one: str, other: str) -> None:
    assert split(one, " ", other) == Counter(split(one)) + Counter(split(other))


def test_a_text_without_white_space_is_looked_at_on_the_way() -> None:
    splitter = Splitter()
    for _ in range(100):
        splitter.feed("日本語、" * 1000)
    assert len(splitter._rest) < 70_000
    assert splitter.words() == {"日本語": 100_000}


def test_what_is_too_long_is_no_word_and_is_told() -> None:
    splitter = Splitter()
    longest = "a" * WORD_BYTES_MAX
    splitter.feed(f"{longest} {longest}a x ")
    for _ in range(50):
        splitter.feed("b" * 10_000)
    splitter.feed("b end")
    assert splitter.words() == {longest: 1, "x": 1, "end": 1}
    assert splitter.too_long == 2
    assert key_of(longest) is not None
    assert key_of(longest + "a") is None
    assert key_of("") is None


def test_a_text_with_too_many_words_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "WORDS_MAX", 3)
    assert len(split("a b c a b c")) == 3
    with pytest.raises(ClientError) as refused:
        split("a b c d")
    assert (refused.value.status, refused.value.code) == (413, "too_many_words")


def test_folding_is_for_case_and_accents_alone() -> None:
    assert fold("ÀB’c") == fold("a\u0300b'C")
    assert fold("resume") != fold("résumé")


def test_a_word_with_an_apostrophe_is_one_wherever_a_long_piece_is_cut() -> None:
    for before in (65_530, 65_533, 65_534, 65_535, 65_536, 65_537):
        splitter = Splitter()
        text = "-" * before + "don't"
        splitter.feed(text[: before + 4])  # up to the apostrophe
        splitter.feed(text[before + 4 :])
        assert splitter.words() == {"don't": 1}
