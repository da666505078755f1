"""`scripts/screenshots`: the pictures of the dashboard in docs/, of a real cluster under load.

They show what the page is like, on a phone and on a desk, and are taken anew when it has changed.
"""

from __future__ import annotations

import json
import struct
import tempfile
from pathlib import Path

import click
from playwright.sync_api import Browser

from tests.browser.chromium import PROGRAM, open_chromium
from tests.browser.dashboards import dashboard, expect_live
from tests.browser.stage import Stage, open_stage

DOCS = Path(__file__).resolve().parents[2] / "docs"
# Width and height of the window, and the scheme of colours, by picture.
PICTURES = {
    "dashboard-1440.png": (1440, 900, "light"),
    "dashboard-320.png": (320, 640, "dark"),
}
COUNTED = {"blog/front-page": 41_730, "blog/about": 9_120, "downloads": 12_044}
# What is counted before the picture is taken, so that lines have something to show.
VIEWS = 6000


def size_of(picture: Path) -> tuple[int, int]:
    """Return width and height of a PNG."""
    data = picture.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def take(stage: Stage, browser: Browser, folder: Path) -> None:
    """Take all pictures."""
    for number, name in enumerate(stage.cluster.nodes, 1):
        counts = {key: count // number for key, count in COUNTED.items()}
        stage.ask(name, "POST", "/v1/counters", json.dumps({"counts": counts}).encode())
    with dashboard(browser, stage.url("n1")) as loading:
        expect_live(loading)
        loading.get_by_role("spinbutton", name="Views per second").fill("300")
        loading.get_by_role("spinbutton", name="For seconds").fill("600")
        loading.get_by_role("button", name="Start…").click()
        loading.locator("#dialog-yes").click()
        for name, (width, height, scheme) in PICTURES.items():
            size = {"width": width, "height": height}
            with dashboard(browser, stage.url("n1"), viewport=size, color_scheme=scheme) as page:
                expect_live(page)
                _until_counted(stage, VIEWS)
                page.screenshot(path=folder / name, full_page=True, animations="disabled")


def _until_counted(stage: Stage, views: int) -> None:
    """Wait until so many more views of the load have come."""

    def loaded(said: dict[str, list[dict[str, int]]]) -> int:
        return sum(item["value"] for item in said["counters"])

    target = "/v1/counters?prefix=load/&limit=1000"
    began = loaded(stage.ask("n1", "GET", target))
    stage.until("n1", target, lambda said: loaded(said) >= began + views)


@click.command()
def main() -> None:
    """Take the pictures of the dashboard in docs/ anew."""
    if PROGRAM is None:
        raise click.ClickException("chromium is not installed")
    with (
        tempfile.TemporaryDirectory() as folder,
        open_stage(Path(folder)) as stage,
        open_chromium() as browser,
    ):
        take(stage, browser, DOCS)
    for name in PICTURES:
        width, height = size_of(DOCS / name)
        click.echo(f"docs/{name}: {width} by {height}, {(DOCS / name).stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
