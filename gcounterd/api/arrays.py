"""Arrays: a JSON array of objects, read while it arrives.

Theory. An array is read element by element: what is unfinished is tried again when more has come,
which costs little since an element is bounded. Whatever stands between elements must be what JSON
asks for. This module refuses to know what the elements mean.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

_SPACE = re.compile(r"[ \t\r\n]*+")


class ArrayReader:
    """Reads the elements of one array from pieces of its text.

    number  of the element that was read last, from 1
    """

    def __init__(
        self,
        take: Callable[[object], None],
        decoder: json.JSONDecoder,
        *,
        element_chars_max: int,
        slice_elements: int,
    ) -> None:
        """`take` gets each element; a pause is made after so many."""
        self._take = take
        self._decoder = decoder
        self._element_chars_max = element_chars_max
        self._slice_elements = slice_elements
        self._rest = ""
        self._expected = "["
        self.number = 0

    def feed(self, text: str, *, last: bool) -> Iterator[None]:
        """Read on, pausing between slices; raise `ValueError` for what is no such array.

        `take` may raise what it likes.
        """
        text = self._rest + text
        at = self._skip(text, 0)
        while at < len(text) and (end := self._step(text, at, last=last)) is not None:
            at = self._skip(text, end)
            if self.number % self._slice_elements == 0:
                yield
        self._rest = text[at:]
        if len(self._rest) > self._element_chars_max or (last and self._expected != "nothing"):
            raise ValueError("not an object, or no end of the array")

    def _skip(self, text: str, at: int) -> int:
        space = _SPACE.match(text, at)
        assert space is not None
        return space.end()

    def _step(self, text: str, at: int, *, last: bool) -> int | None:
        """Read one sign or one element; return where it ends, None if its end is still to come."""
        sign = text[at]
        if self._expected == "[" and sign == "[":
            self._expected = "first"
        elif self._expected in ("first", "sign") and sign == "]":
            self._expected = "nothing"
        elif self._expected == "sign" and sign == ",":
            self._expected = "element"
        elif self._expected in ("first", "element") and sign == "{":
            return self._element(text, at, last=last)
        else:
            raise ValueError("something stands where JSON has none of it")
        return at + 1

    def _element(self, text: str, at: int, *, last: bool) -> int | None:
        try:
            element, end = self._decoder.raw_decode(text, at)
        except json.JSONDecodeError:
            if last or len(text) - at > self._element_chars_max:
                raise
            return None
        if end - at > self._element_chars_max:
            raise ValueError("it is too long")
        self.number += 1
        self._take(element)
        self._expected = "sign"
        return end
