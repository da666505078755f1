"""All scenarios, in the order of the research that they come from.

P7, two live processes with one node id, is told in tests/scenarios/test_twins.py.
"""

from __future__ import annotations

from tests.soak import (
    floods,
    leaving,
    restarts,
    routes,
    slowness,
    splits,
    starts,
    suspecting,
)
from tests.soak.scenario import Scenario

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for module in (splits, restarts, leaving, slowness, suspecting, routes, starts, floods)
    for scenario in module.SCENARIOS
}
