"""Words: what a text is split into, and how often each occurs.

Theory. A word is a run of letters, digits and marks of any script, with apostrophes inside it;
whatever else stands in a text separates words. Words that differ only in case, or in how an accent
is encoded, are one word: they are case-folded and composed (NFC). Scripts that put nothing between
their words are not taken apart: that needs dictionaries.

Splitting ten million characters is a matter of what is done for each of them, so a text is first
cut at white space and counted in that raw form, at the speed of C; only what is different is looked
at closely. What is held is bounded at every point: characters of a piece without white space,
different raw pieces, different words. No I/O, no clock.
"""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections import Counter

from gcounterd.errors import ClientError

PREFIX = b"words/"
# Different words of one text: all are counted in one commit, which holds the loop for their number.
WORDS_MAX = 100_000
# UTF-8 of a word; what is longer is none, but some encoding that somebody left in a text.
WORD_BYTES_MAX = 255
# Raw pieces that are counted before they are looked at, and their characters: some 50 MB at most.
_RAW_MAX = 150_000
_RAW_CHARS_MAX = 8 * 1024 * 1024
# A piece without white space of which the end has not come yet.
_REST_CHARS_MAX = 64 * 1024
_APOSTROPHES = "'\N{RIGHT SINGLE QUOTATION MARK}"
_MARKS = ("Mn", "Mc", "Me")
# Where there are any: in the first two planes, and variation selectors. To look at all that Unicode
# has room for takes a fifth of a second, which the first text would wait for.
_MARK_PLANES = (range(0x20000), range(0xE0100, 0xE01F1))


@functools.cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return the patterns of a word, in pieces without `_`, and of a part of one."""
    letters = f"[\\w{marks()}]+"
    part = f"(?:[^\\W_]|[{marks()}])+"
    return re.compile(f"{letters}(?:[{_APOSTROPHES}]{letters})*"), re.compile(part)


@functools.cache
def marks() -> str:
    """Return all marks of all scripts, as ranges for a class of a pattern."""
    runs: list[str] = []
    first = None
    for code in itertools.chain(*_MARK_PLANES):
        belongs = unicodedata.category(chr(code)) in _MARKS
        if belongs and first is None:
            first = code
        elif not belongs and first is not None:
            runs.append(f"{chr(first)}-{chr(code - 1)}")
            first = None
    return "".join(runs)


def fold(word: str) -> str:
    """Return the form under which a word is counted."""
    return unicodedata.normalize("NFC", word.replace(_APOSTROPHES[1], "'").casefold())


def key_of(word: str) -> bytes | None:
    """Return the key under which a word is counted, None if no word can be counted so."""
    folded = fold(word).encode()
    return PREFIX + folded if 1 <= len(folded) <= WORD_BYTES_MAX else None


class Splitter:
    """Counts the words of one text, given in pieces.

    too_long  how many times a word stood there that is too long to be one
    """

    def __init__(self) -> None:
        self._words: Counter[str] = Counter()
        self._raw: Counter[bytes] = Counter()
        self._raw_chars = 0
        self._rest = ""
        self._in_long = False
        self.too_long = 0

    def feed(self, text: str) -> None:
        """Take the next piece; raise `ClientError` 413 `too_many_words`."""
        if self._in_long:
            text = self._skip_long(text)
        text = self._rest + text
        self._rest = ""
        if text and not text[-1].isspace():
            self._rest = text.rsplit(maxsplit=1)[-1]
            text = text[: len(text) - len(self._rest)]
        # As bytes, which are cut and found again faster; other white space is no word either.
        self._raw.update(text.encode().split())
        self._raw_chars += len(text)
        if len(self._rest) > _REST_CHARS_MAX:
            self._cut_rest()
        if len(self._raw) > _RAW_MAX or self._raw_chars > _RAW_CHARS_MAX:
            self._look()

    def words(self) -> dict[str, int]:
        """End the text, and return how often each of its words occurred.

        Raises `ClientError` 413 `too_many_words`.
        """
        self._raw[self._rest.encode()] += 1
        self._rest = ""
        self._look()
        return self._words

    def _skip_long(self, text: str) -> str:
        """Return a piece without what still belongs to a word that is too long."""
        more = _patterns()[1].match(text)
        end = more.end() if more else 0
        self._in_long = end == len(text)
        return text[end:]

    def _cut_rest(self) -> None:
        """Count what is over of a piece without white space, but for a word at its end."""
        at = len(self._rest)
        letter = _patterns()[1]
        # An apostrophe belongs to the word behind it, if one comes.
        while at and (self._rest[at - 1] in _APOSTROPHES or letter.match(self._rest[at - 1])):
            at -= 1
        self._raw[self._rest[:at].encode()] += 1
        self._raw_chars += at
        self._rest = self._rest[at:]
        if len(self._rest) > WORD_BYTES_MAX:
            self._rest, self._in_long = "", True
            self.too_long += 1

    def _look(self) -> None:
        """Take the words out of the raw pieces."""
        word, words = _patterns()[0], self._words
        for piece, times in self._raw.items():
            for found in word.findall(piece.decode().replace("_", " ")):
                folded = fold(found)
                if len(folded.encode()) > WORD_BYTES_MAX:
                    self.too_long += times
                else:
                    words[folded] += times
        self._raw.clear()
        self._raw_chars = 0
        if len(words) > WORDS_MAX:
            text = f"a text has at most {WORDS_MAX:,} different words; send it in parts"
            raise ClientError(413, "too_many_words", text)
