"""All scenarios, in the order of the research that they come from."""

from __future__ import annotations

from tests.soak import leaving, restarts, routes, slowness, splits, suspecting
from tests.soak.scenario import Scenario

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for module in (splits, restarts, leaving, slowness, suspecting, routes)
    for scenario in module.SCENARIOS
}
