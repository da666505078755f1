"""Badges: a counter as a small picture, or as what makes others draw one.

Theory. An SVG is drawn with whatever font its viewer has, so its boxes must be measured here:
widths are those of Verdana at 11 pixels, and each text says how long it is (`textLength`), which
makes a viewer with another font squeeze it into its box. Nothing is fetched from anywhere, and
every letter of a stranger is escaped.

Image proxies keep what they are not told to let go of, some for a year, so these answers say it in
every way that one of them is known to obey. Badges read and never count: a proxy may ask as often
as it likes. This module refuses to know sockets.
"""

from __future__ import annotations

import re
import unicodedata
from html import escape

import attrs

from gcounterd.api.backend import Backend
from gcounterd.api.countapi import read_name
from gcounterd.api.counters import refuse_unready
from gcounterd.api.requests import Query, read_choice, read_text
from gcounterd.api.responses import EMBEDDABLE, Response, dump
from gcounterd.api.routing import Call
from gcounterd.errors import ClientError

LABEL_CHARS_MAX = 128
LABEL_DEFAULT = "views"
STYLES = ("flat", "flat-square", "plastic")
COLORS = {
    "brightgreen": "4c1",
    "green": "97ca00",
    "yellowgreen": "a4a61d",
    "yellow": "dfb317",
    "orange": "fe7d37",
    "red": "e05d44",
    "blue": "007ec6",
    "lightgrey": "9f9f9f",
    "grey": "555",
    "black": "000",
}
COLOR_DEFAULT = "blue"
LABEL_COLOR_DEFAULT = "grey"
SVG_TYPE = b"image/svg+xml; charset=utf-8"
NEVER_KEPT = b"max-age=0, no-cache, no-store, must-revalidate"
_HEADERS = (
    (b"Expires", b"Thu, 01 Jan 1970 00:00:00 GMT"),
    (b"Content-Security-Policy", b"default-src 'none'"),
    EMBEDDABLE,
)
_HEX = re.compile(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
_UNITS = ("", "k", "M", "G", "T", "P", "E")

# Widths of the characters from space to tilde, in 2,048ths of the font's size.
_WIDTHS = (
    (720, 806, 940, 1676, 1302, 2204, 1488, 550, 930, 930, 1302, 1676, 745, 930, 745, 930)
    + (1302,) * 10
    + (930, 930, 1676, 1676, 1676, 1117, 2048)
    + (1400, 1404, 1430, 1578, 1295, 1177, 1588, 1539, 862, 931, 1419, 1140, 1726)
    + (1532, 1612, 1235, 1612, 1424, 1400, 1262, 1499, 1400, 2025, 1403, 1260, 1403)
    + (930, 930, 930, 1676, 1302, 1302)
    + (1230, 1276, 1067, 1276, 1220, 720, 1276, 1296, 562, 705, 1212, 562, 1992)
    + (1296, 1243, 1276, 1276, 874, 1067, 807, 1296, 1212, 1676, 1212, 1212, 1076)
    + (1300, 930, 1300, 1676)
)
_EM = 2048
_FONT_PX = 11
_FONTS = "Verdana,Geneva,DejaVu Sans,sans-serif"
# Of a character that stands in no table: wide ones fill a square, others are as wide as a digit.
_OTHER_WIDTH = 1302
_MARGIN_PX = 5
_HEIGHT_PX = 20


@attrs.frozen
class Badge:
    """What a badge says, and how it looks; colors as hexadecimal digits."""

    label: str
    message: str
    color: str = COLORS[COLOR_DEFAULT]
    label_color: str = COLORS[LABEL_COLOR_DEFAULT]
    style: str = STYLES[0]


def text_width(text: str) -> float:
    """Return how wide a text is in Verdana at 11 pixels, in pixels."""
    return sum(map(_width, text)) * _FONT_PX / _EM


def _width(character: str) -> int:
    place = ord(character) - ord(" ")
    if 0 <= place < len(_WIDTHS):
        return _WIDTHS[place]
    if unicodedata.combining(character) or unicodedata.category(character) in ("Cf", "Mn"):
        return 0
    return _EM if unicodedata.east_asian_width(character) in "WF" else _OTHER_WIDTH


def abbreviate(value: int) -> str:
    """Write a number with three digits at most: 999, 1.2k, 12k, 3.4M; never more than it is."""
    unit = 0
    while value // 10 ** (3 * unit) >= 1000:
        unit += 1
    whole, tenths = divmod(value // 10 ** max(0, 3 * unit - 1), 10) if unit else (value, 0)
    shown = f"{whole}.{tenths}" if tenths and whole < 10 else str(whole)
    return shown + _UNITS[unit]


def draw(badge: Badge) -> str:
    """Return a badge as SVG."""
    label, message = (_legible(text) for text in (badge.label, badge.message))
    left = text_width(label) + 2 * _MARGIN_PX if label else 0.0
    right = text_width(message) + 2 * _MARGIN_PX
    width = left + right
    name = escape(f"{label}: {message}" if label else message)
    body = "".join(_text(text, at) for text, at in ((label, left / 2), (message, left + right / 2)))
    round_px, shine = {"flat": (3, 0.1), "flat-square": (0, 0.0), "plastic": (4, 0.5)}[badge.style]
    gloss = (
        '<linearGradient id="s" x2="0" y2="100%"><stop offset="0" stop-color="#fff" '
        f'stop-opacity="{shine}"/><stop offset="1" stop-opacity=".1"/></linearGradient>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.1f}" height="{_HEIGHT_PX}" '
        f'role="img" aria-label="{name}"><title>{name}</title>{gloss if shine else ""}'
        f'<clipPath id="r"><rect width="{width:.1f}" height="{_HEIGHT_PX}" rx="{round_px}"/>'
        f'</clipPath><g clip-path="url(#r)"><rect width="{left:.1f}" height="{_HEIGHT_PX}" '
        f'fill="#{badge.label_color}"/><rect x="{left:.1f}" width="{right:.1f}" '
        f'height="{_HEIGHT_PX}" fill="#{badge.color}"/>'
        + (f'<rect width="{width:.1f}" height="{_HEIGHT_PX}" fill="url(#s)"/>' if shine else "")
        + f'</g><g fill="#fff" text-anchor="middle" font-family="{_FONTS}" '
        f'font-size="{_FONT_PX}">{body}</g></svg>'
    )


def _legible(text: str) -> str:
    """Return a text without the characters that XML does not know."""
    return "".join(c if c.isprintable() or c == " " else "\ufffd" for c in text)


def _text(text: str, middle: float) -> str:
    if not text:
        return ""
    length, shown = f"{text_width(text):.1f}", escape(text)
    return (
        f'<text aria-hidden="true" x="{middle:.1f}" y="15" fill="#010101" fill-opacity=".3" '
        f'textLength="{length}">{shown}</text>'
        f'<text x="{middle:.1f}" y="14" textLength="{length}">{shown}</text>'
    )


async def show_badge(call: Call, backend: Backend) -> Response:
    """`GET /badge/{ns}/{key}.svg`: the value as a picture."""
    style = read_choice(call.query, "style", STYLES)
    label = _read_label(call.query)
    color = _read_color(call.query, "color", COLOR_DEFAULT)
    label_color = _read_color(call.query, "labelColor", LABEL_COLOR_DEFAULT)
    message = _read_message(call, backend)
    if isinstance(message, Response):
        return message
    picture = draw(Badge(label, message, color, label_color, style)).encode()
    return Response(200, picture, SVG_TYPE, _HEADERS, cache=NEVER_KEPT)


async def show_shield(call: Call, backend: Backend) -> Response:
    """`GET /shields/{ns}/{key}`: the value as an endpoint of shields.io has it."""
    label = _read_label(call.query)
    color = _read_color(call.query, "color", COLOR_DEFAULT)
    message = _read_message(call, backend)
    if isinstance(message, Response):
        return message
    said = {"schemaVersion": 1, "label": label, "message": message, "color": color}
    return Response(200, dump(said), headers=(EMBEDDABLE,), cache=NEVER_KEPT)


def _read_message(call: Call, backend: Backend) -> str | Response:
    abbreviated = read_choice(call.query, "abbreviated", ("false", "true")) == "true"
    key = read_name(call)
    unready = refuse_unready(backend, {})
    if unready is not None:
        return attrs.evolve(unready, cache=NEVER_KEPT)
    value = backend.value(key)
    return abbreviate(value) if abbreviated else f"{value:,}"


def _read_label(query: Query) -> str:
    label = read_text(query, "label", LABEL_DEFAULT)
    if len(label) > LABEL_CHARS_MAX:
        text = f"a label has at most {LABEL_CHARS_MAX} characters"
        raise ClientError(400, "bad_parameter", text)
    return label


def _read_color(query: Query, name: str, default: str) -> str:
    color = read_text(query, name, default)
    match = _HEX.fullmatch(color)
    if color not in COLORS and match is None:
        known = ", ".join(COLORS)
        raise ClientError(400, "bad_parameter", f"{name} is hexadecimal, as 4c1, or one of {known}")
    return match[1] if match else COLORS[color]
