"""All scenarios, in the order of the research that they come from."""

from __future__ import annotations

from tests.soak import splits
from tests.soak.scenario import Scenario

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario for module in (splits,) for scenario in module.SCENARIOS
}
