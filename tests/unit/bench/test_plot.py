"""The plot of what counting costs: all points are in it, in the order of their values."""

from __future__ import annotations

import json
from xml.etree import ElementTree

from tests.bench.plot import REAL, SIMULATED, draw, read_real, read_simulated
from tests.bench.spread import RATE

REAL_JSON = json.dumps(
    {
        "rows": [
            {"what": f"{n} nodes, {RATE} increments a second in total: each sends, {what}"} | more
            for n in (3, 30)
            for what, more in (("frames", {"value": 50.0 + n}), ("bytes", {"value": 4000.0}))
        ]
    }
)
SIMULATED_JSON = json.dumps(
    [
        {"setting": {"nodes": n}, "findings": [{"frames": 90.0 + n / 100, "size": 6000.0 + n}]}
        for n in (3, 30, 1000)
    ]
)


def test_every_point_is_drawn_where_its_value_belongs() -> None:
    picture = draw(read_real(REAL_JSON), read_simulated(SIMULATED_JSON))
    dots = [e for e in ElementTree.fromstring(picture).iter() if e.tag.endswith("circle")]
    simulated = [dot for dot in dots if dot.get("fill") == SIMULATED]
    frames, sizes = simulated[:3], simulated[3:]
    assert len([dot for dot in dots if dot.get("fill") == REAL]) == 4
    for points in (frames, sizes):
        across = [float(dot.get("cx", "")) for dot in points]
        down = [float(dot.get("cy", "")) for dot in points]
        assert across == sorted(across)
        assert down == sorted(down, reverse=True)
