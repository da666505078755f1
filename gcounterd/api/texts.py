"""Handlers of texts: count the words of one, read the counts of words.

Theory. A word is a counter, `words/{word}`, so everything that holds for counters holds for words;
a text is counted as a whole or not at all. Words are asked for in any case, since they are counted
in none. This module refuses to know how a text is split (`api.words`), and by whom.
"""

from __future__ import annotations

from gcounterd.api.backend import Backend
from gcounterd.api.counters import refuse_unready
from gcounterd.api.limits import KEYS_MAX
from gcounterd.api.requests import Query
from gcounterd.api.responses import Response, answer, dump
from gcounterd.api.routing import Call
from gcounterd.api.words import key_of
from gcounterd.errors import ClientError


async def count_text(call: Call, backend: Backend) -> Response:
    """`POST /v1/text` and `POST /keywords`: count each word of a text, in one commit."""
    assert call.request.upload is not None
    words = await backend.count_text(call.request.upload.next)
    said = {"words": len(words.counts), "total": words.total, "too_long": words.too_long}
    return answer(said)


async def read_words(call: Call, backend: Backend) -> Response:
    """`GET /v1/text?word=a&word=b`: how often each was counted."""
    words = _read(call.query, "word")
    if not words:
        raise ClientError(400, "bad_parameter", "say which words: ?word=a&word=b")
    unready = refuse_unready(backend, call.query)
    if unready is not None:
        return unready
    return answer({"counts": [{"word": word, "count": _count(backend, word)} for word in words]})


async def read_keywords(call: Call, backend: Backend) -> Response:
    """`GET /keywords?keywords=a&keywords=b`: the same as a list, as its first implementation."""
    words = _read(call.query, "keywords")
    unready = refuse_unready(backend, call.query)
    if unready is not None:
        return unready
    return Response(body=dump([{"key": word, "count": _count(backend, word)} for word in words]))


def _read(query: Query, name: str) -> list[str]:
    try:
        words = [word.decode() for word in query.get(name, ())]
    except UnicodeDecodeError:
        raise ClientError(400, "bad_parameter", f"{name} is UTF-8") from None
    if len(words) > KEYS_MAX:
        raise ClientError(400, "too_many_keys", f"one request names at most {KEYS_MAX:,} keys")
    return words


def _count(backend: Backend, word: str) -> int:
    key = key_of(word)
    return 0 if key is None else backend.value(key)
