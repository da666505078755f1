"""Where browsers reach other nodes: nothing that could end a directive of a page's policy."""

from __future__ import annotations

import pytest

from gcounterd.daemon.neighbours import HttpOf, read_http_of


@pytest.mark.parametrize("url", ["http://127.0.0.1:7782", "https://n2.example", "http://[::1]:80"])
def test_a_name_and_an_origin_are_read(url: str) -> None:
    found = read_http_of(f"n2={url}/")
    assert found == HttpOf("n2", url)
    assert read_http_of(str(found)) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "n2",
        "http://127.0.0.1:7782",
        "n2=127.0.0.1:7782",
        "n2=ftp://h",
        "n2=http://h/path",
        "n2=http://h; script-src *",
        "n2=http://a b",
        "n2=http://u@h",
        "-=http://h",
        "n2=http://" + "h" * 300,
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"NAME=URL|the URL is"):
        read_http_of(text)
