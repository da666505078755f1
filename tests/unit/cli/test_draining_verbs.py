"""`drain` and `undrain`: what is asked, and what is said of the answer."""

from __future__ import annotations

import json

import pytest
from stand_in import StandIn, error


@pytest.mark.parametrize(
    ("name", "draining", "told"),
    [("drain", True, "draining\n"), ("undrain", False, "takes increments\n")],
)
def test_a_node_is_drained_and_undrained(name: str, draining: bool, told: str) -> None:
    with StandIn({f"POST /v1/{name}": (200, {"draining": draining})}) as daemon:
        result = daemon.run(name)
        as_json = daemon.run(name, "--json")
    assert (result.exit_code, result.stdout) == (0, told)
    assert json.loads(as_json.stdout) == {"draining": draining}


def test_a_node_that_stops_is_not_undrained() -> None:
    with StandIn({"POST /v1/undrain": (200, {"draining": True})}) as daemon:
        result = daemon.run("undrain")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "it is stopping [still_draining]" in result.stderr


def test_an_older_daemon_is_a_failure() -> None:
    missing = error("no_such_route", "there is nothing here", definite=True)
    with StandIn({"POST /v1/drain": (404, missing)}) as daemon:
        assert daemon.run("drain").exit_code == 1
