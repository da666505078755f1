"""Chromium for all tests of this folder, and the cluster of each file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.chromium import PROGRAM, open_chromium
from tests.browser.stage import PATIENCE_S, Stage, open_stage


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Return the browser; each test has contexts of its own."""
    if PROGRAM is None:
        pytest.skip("chromium is not installed")
    expect.set_options(timeout=PATIENCE_S * 1000)
    with open_chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def stage(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Return a cluster of three nodes, which the tests of one file share."""
    with open_stage(tmp_path_factory.mktemp("stage")) as found:
        yield found
