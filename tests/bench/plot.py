"""A plot of what counting costs against the number of nodes, as SVG.

    python -m tests.bench.plot spread.json e11.json docs/counting.svg

The first file is what `scripts/bench --only spread --json` found with real nodes, the second what
`scripts/experiment E11 --json` found with simulated ones. Two panels, frames and bytes per node and
second, over a logarithmic axis of nodes; the bounds are dashed.
"""

from __future__ import annotations

import json
import math
import re
import sys
from pathlib import Path

import attrs

from tests.bench.rows import show_number
from tests.bench.spread import BYTES_PER_BATCH, RATE

Points = list[tuple[float, float]]
TICKS = (3, 10, 30, 100, 300, 1000)
# From here on frames may grow with the logarithm of the nodes.
FROM = 30
WIDTH, HEIGHT, GAP = 330, 230, 90
LEFT, TOP = 60, 40
SIZE = re.compile(r"(\d+) nodes, .*: each sends, (frames|bytes)")
REAL, SIMULATED = "#b3541e", "#1f5f8b"


@attrs.frozen
class Panel:
    """One diagram: its title, real and simulated points, and the bound."""

    title: str
    real: Points
    simulated: Points
    bound: Points

    def draw(self, left: float) -> list[str]:
        """Return its elements, with the left end of its axis at `left`."""
        top = 1.15 * max(y for _, y in [*self.real, *self.simulated, *self.bound])

        def place(x: float, y: float) -> tuple[float, float]:
            along = math.log(x / TICKS[0]) / math.log(TICKS[-1] / TICKS[0])
            return left + along * WIDTH, TOP + HEIGHT * (1 - y / top)

        bottom = TOP + HEIGHT
        found = [_text(left, TOP - 16, self.title, "start", "bold")]
        for tick in TICKS:
            x, _ = place(tick, 0)
            found += [_line([(x, bottom), (x, bottom + 4)]), _text(x, bottom + 18, f"{tick:,}")]
        for value in _round_values(top):
            _, y = place(TICKS[0], value)
            found.append(_line([(left, y), (left + WIDTH, y)], color="#ddd"))
            found.append(_text(left - 6, y + 4, show_number(value), "end"))
        found.append(_line([(left, bottom), (left + WIDTH, bottom)]))
        found.append(_text(left + WIDTH / 2, bottom + 36, "nodes"))
        found.append(_line([place(*at) for at in self.bound], color="#777", dashed=True))
        for points, color in ((self.simulated, SIMULATED), (self.real, REAL)):
            found.append(_line([place(*at) for at in points], color=color))
            found += [_dot(*place(*at), color) for at in points]
        return found


def _round_values(top: float) -> list[float]:
    """Return some round values from 0 up to `top`."""
    step = 10 ** math.floor(math.log10(top))
    step = next(size for size in (step / 5, step / 2, step, 2 * step) if top / size <= 6)
    return [number * step for number in range(int(top / step) + 1)]


def _text(x: float, y: float, text: str, anchor: str = "middle", weight: str = "normal") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}"'
    return f"<text {place}>{text}</text>"


def _line(points: Points, *, color: str = "#444", dashed: bool = False) -> str:
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.5"{dash}/>'


def _dot(x: float, y: float, color: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>'


def draw(real: dict[str, Points], simulated: dict[str, Points]) -> str:
    """Return the picture; both have points for `frames` and for `bytes`."""
    at_30 = dict(simulated["frames"])[FROM]
    logarithmic: Points = [(n, at_30 * math.log(n) / math.log(FROM)) for n in TICKS if n >= FROM]
    flat: Points = [(n, float(RATE * BYTES_PER_BATCH)) for n in TICKS]
    panels = [
        Panel("frames per node and second", real["frames"], simulated["frames"], logarithmic),
        Panel("bytes per node and second", real["bytes"], simulated["bytes"], flat),
    ]
    width, height = LEFT + 2 * WIDTH + GAP + 20, TOP + HEIGHT + 70
    parts = [
        each for n, panel in enumerate(panels) for each in panel.draw(LEFT + n * (WIDTH + GAP))
    ]
    x, y = LEFT, height - 12
    for label, color in (("real processes", REAL), ("simulated", SIMULATED), ("bound", "#777")):
        parts += [_line([(x, y - 4), (x + 24, y - 4)], color=color, dashed=label == "bound")]
        parts += [_text(x + 30, y, label, "start")]
        x += 150
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
    style = 'font-family="sans-serif" font-size="12" fill="#222"'
    back = f'<rect width="{width}" height="{height}" fill="white"/>'
    return "\n".join([f"{head} {style}>", back, *parts, "</svg>", ""])


def read_real(text: str) -> dict[str, Points]:
    """Return the points of real nodes, from the JSON of `scripts/bench`."""
    points: dict[str, Points] = {"frames": [], "bytes": []}
    for row in json.loads(text)["rows"]:
        found = SIZE.match(row["what"])
        if found:
            points[found[2]].append((float(found[1]), row["value"]))
    return points


def read_simulated(text: str) -> dict[str, Points]:
    """Return the points of simulated nodes, from the JSON of `scripts/experiment`."""
    points: dict[str, Points] = {"frames": [], "bytes": []}
    for each in json.loads(text):
        (first, *_), size = each["findings"], float(each["setting"]["nodes"])
        points["frames"].append((size, first["frames"]))
        points["bytes"].append((size, first["size"]))
    return points


def main() -> None:
    """Draw what the two files hold into the third."""
    real, simulated, picture = map(Path, sys.argv[1:])
    picture.write_text(draw(read_real(real.read_text()), read_simulated(simulated.read_text())))


if __name__ == "__main__":
    main()
