"""Debian's Chromium, started by Playwright, which brings none of its own here."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

PROGRAM = shutil.which("chromium")
# As root there is no sandbox; in a container /dev/shm is small.
_OPTIONS = ("--disable-dev-shm-usage", "--disable-gpu")
_AS_ROOT = ("--no-sandbox",)


@contextmanager
def open_chromium() -> Iterator[Browser]:
    """Start it, and end it with the block."""
    options = _OPTIONS + (_AS_ROOT if os.geteuid() == 0 else ())
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=PROGRAM, args=options)
        yield browser
        browser.close()
