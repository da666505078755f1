"""The routes for web pages, and for words: a part of the route table.

Each row is a `Route`, as in `api.routes`, which puts the parts together. All are open to pages of
any origin, and none changes anything but a counter.
"""

from __future__ import annotations

from gcounterd.api import badges, countapi, texts
from gcounterd.api.badges import COLOR_DEFAULT, COLORS, LABEL_CHARS_MAX, LABEL_COLOR_DEFAULT, STYLES
from gcounterd.api.countapi import CALLBACK_CHARS_MAX
from gcounterd.api.limits import KEYS_MAX
from gcounterd.api.routing import Parameter, Route, Schema
from gcounterd.api.schemas import INTEGER, JSON, KEY, PLAIN, STRING, choice, listed, shape
from gcounterd.counters.batches import KEY_BYTES_MAX

_NS = Parameter("ns", "the first part of the counter's name, percent-encoded", KEY, "path")
_KEY = Parameter("key", "the rest of it, behind a `/`, percent-encoded", KEY, "path")
_URL = Parameter(
    "url",
    "the page, as its address, percent-encoded; `Referer` if not given",
    {"type": "string", "maxLength": KEY_BYTES_MAX},
)
_CALLBACK = Parameter(
    "callback",
    "answer a script that calls this function; its status is 200, and `code` says the real one",
    {"type": "string", "maxLength": CALLBACK_CHARS_MAX},
)
_IMG = Parameter("img", "answer a transparent image of one pixel", STRING)
_BOTS = choice("bots", "`ignore`: do not count programs that say what they are", "count", "ignore")
_AS = choice("as", "write numbers as strings", "number", "string")
_LABEL = Parameter(
    "label",
    "what stands beside the number; nothing if empty",
    {"type": "string", "maxLength": LABEL_CHARS_MAX},
)
_COLORS = f"hexadecimal, as `4c1`, or {', '.join(f'`{name}`' for name in COLORS)}"
_COLOR = Parameter("color", f"{_COLORS}; {COLOR_DEFAULT} by default", STRING)
_LABEL_COLOR = Parameter("labelColor", f"likewise; {LABEL_COLOR_DEFAULT} by default", STRING)
_STYLE = choice("style", "how it looks", *STYLES)
_ABBREVIATED = choice("abbreviated", "1.2k and 3.4M for large numbers", "false", "true")
_SHIELD = shape(schemaVersion=INTEGER, label=STRING, message=STRING, color=STRING)
_COUNTED = shape(words=INTEGER, total=INTEGER, too_long=INTEGER)
_WORDS_SAID = "the number of different words, of all words, and of what is too long to be one"
_AGAINST_CACHES = Parameter("_", "of no meaning: what pages add against caches", STRING)
_HITTING = (_CALLBACK, _IMG, _BOTS, _AS, _AGAINST_CACHES)
_GETTING = (_CALLBACK, _AS, _AGAINST_CACHES)
_VALUE = shape(value=INTEGER)

_STALE = choice("stale", "read a node that is not ready", "ok")


def _words(name: str) -> Parameter:
    schema: Schema = {"type": "array", "items": STRING, "maxItems": KEYS_MAX}
    return Parameter(name, "these words, in this order; repeat it", schema)


PAGES: tuple[Route, ...] = (
    Route(
        "GET",
        "/hit/{ns}/{key}",
        "Count a visit; HEAD and prefetches only read",
        handler=countapi.hit,
        parameters=(_NS, _KEY, *_HITTING),
        answers={200: ("the value", JSON, _VALUE)},
        open=True,
        tag="pages",
    ),
    Route(
        "POST",
        "/hit/{ns}/{key}",
        "Count a visit, as `navigator.sendBeacon` does; any body, which is not looked at",
        handler=countapi.hit,
        parameters=(_NS, _KEY, *_HITTING),
        answers={200: ("the value", JSON, _VALUE)},
        open=True,
        tag="pages",
    ),
    Route(
        "GET",
        "/hit/{ns}",
        "Count a visit of a page, under its host and path: `{ns}/example.org/about`",
        handler=countapi.hit,
        parameters=(_NS, _URL, *_HITTING),
        answers={200: ("the value", JSON, _VALUE)},
        open=True,
        tag="pages",
    ),
    Route(
        "POST",
        "/hit/{ns}",
        "The same, as `navigator.sendBeacon` does",
        handler=countapi.hit,
        parameters=(_NS, _URL, *_HITTING),
        answers={200: ("the value", JSON, _VALUE)},
        open=True,
        tag="pages",
    ),
    Route(
        "GET",
        "/get/{ns}/{key}",
        "Read a counter of pages; an unknown one is 0",
        handler=countapi.get,
        parameters=(_NS, _KEY, *_GETTING),
        answers={200: ("the value", JSON, _VALUE)},
        open=True,
        tag="pages",
    ),
    Route(
        "GET",
        "/get/{ns}",
        "Read the counter of a page",
        handler=countapi.get,
        parameters=(_NS, _URL, *_GETTING),
        answers={200: ("the value", JSON, _VALUE)},
        open=True,
        tag="pages",
    ),
    Route(
        "GET",
        "/info/{ns}/{key}",
        "Read a counter of pages, with its name",
        handler=countapi.info,
        parameters=(_NS, _KEY, *_GETTING),
        answers={200: ("the value", JSON, shape(namespace=STRING, key=STRING, value=INTEGER))},
        open=True,
        tag="pages",
    ),
    Route(
        "GET",
        "/badge/{ns}/{key}.svg",
        "Show a counter as a picture; it does not count",
        handler=badges.show_badge,
        parameters=(_NS, _KEY, _LABEL, _COLOR, _LABEL_COLOR, _STYLE, _ABBREVIATED, _AGAINST_CACHES),
        answers={200: ("the badge", "image/svg+xml", STRING)},
        open=True,
        tag="pages",
    ),
    Route(
        "GET",
        "/shields/{ns}/{key}",
        "Show a counter as an endpoint of shields.io; it does not count",
        handler=badges.show_shield,
        parameters=(_NS, _KEY, _LABEL, _COLOR, _ABBREVIATED, _AGAINST_CACHES),
        answers={200: ("what makes shields.io draw a badge", JSON, _SHIELD)},
        open=True,
        tag="pages",
    ),
    Route(
        "POST",
        "/v1/text",
        "Count each word of a text in UTF-8, under `words/{word}`; all in one commit",
        handler=texts.count_text,
        body={PLAIN: STRING},
        answers={200: (_WORDS_SAID, JSON, _COUNTED)},
        uploads=True,
        open=True,
        tag="words",
    ),
    Route(
        "GET",
        "/v1/text",
        "Read how often words were counted, in any case",
        handler=texts.read_words,
        parameters=(_words("word"), _STALE),
        answers={200: ("counts", JSON, shape(counts=listed(shape(word=STRING, count=INTEGER))))},
        open=True,
        tag="words",
    ),
    Route(
        "POST",
        "/keywords",
        "Count each word of a text, as `POST /v1/text` does",
        handler=texts.count_text,
        body={PLAIN: STRING},
        answers={200: (_WORDS_SAID, JSON, _COUNTED)},
        uploads=True,
        open=True,
        tag="words",
    ),
    Route(
        "GET",
        "/keywords",
        "Read how often words were counted, as a list",
        handler=texts.read_keywords,
        parameters=(_words("keywords"), _STALE),
        answers={200: ("counts", JSON, listed(shape(key=STRING, count=INTEGER)))},
        open=True,
        tag="words",
    ),
)
