"""Laws of settings: which source wins, and that what is printed can be read back."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gcounterd.daemon.options import (
    ADMISSIONS,
    DURABILITIES,
    LOG_FORMATS,
    LOG_LEVELS,
    OPTIONS,
    PROFILES,
    Option,
    Shape,
)
from gcounterd.daemon.settings import load_settings, print_settings, sanitise_name

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
LOOPBACK = st.builds("127.0.0.{}:{}".format, st.integers(1, 254), st.integers(0, 65535))
SEEDS = st.builds("{}:{}".format, NAMES.map(lambda name: f"h{name}h"), st.integers(1, 65535))
PATHS = st.text(
    st.characters(categories=("L", "N", "P", "S"), exclude_characters="~"), min_size=1, max_size=15
)
VALUES: dict[str, st.SearchStrategy[object]] = {
    "name": NAMES,
    "cluster": NAMES,
    "data-dir": PATHS,
    "peer": LOOPBACK,
    "advertise": SEEDS,
    "http": LOOPBACK,
    "http-of": st.lists(
        st.builds("{}=http://{}".format, NAMES, LOOPBACK), min_size=1, max_size=3, unique=True
    ),
    "resp": LOOPBACK,
    "http-tls-cert": PATHS,
    "http-tls-key": PATHS,
    "resp-tls": st.booleans(),
    "token-file": PATHS,
    "public": st.sampled_from(["read", "count", "read,count"]),
    "join": st.lists(SEEDS, min_size=1, max_size=3, unique=True),
    "join-token-file": PATHS,
    "admission": st.sampled_from(ADMISSIONS),
    "cluster-key-file": PATHS,
    "tls-cert": PATHS,
    "tls-key": PATHS,
    "tls-ca": PATHS,
    "take-over": st.booleans(),
    "new-identity": st.booleans(),
    "profile": st.sampled_from(PROFILES),
    "durability": st.sampled_from(DURABILITIES),
    "max-counters": st.integers(1, 10**9),
    "growth-limit": st.integers(1, 2**53),
    "archive-budget": st.integers(0, 2**60),
    "drain-delay": st.integers(0, 3600),
    "max-connections": st.integers(16, 10**6),
    "rate-limit": st.integers(1, 10**6),
    "fronts": st.integers(0, 64),
    "salvage": st.booleans(),
    "log-format": st.sampled_from(LOG_FORMATS),
    "log-level": st.sampled_from(LOG_LEVELS),
}
KEY, TLS = ("cluster-key-file",), ("tls-cert", "tls-key", "tls-ca")
HTTPS = ("http-tls-cert", "http-tls-key", "resp-tls")
PATH_OPTIONS = ("data-dir", "join-token-file", "token-file", *KEY, *TLS, *HTTPS[:2])
SOURCES = ("flag", "environment", "file")


@st.composite
def given_values(draw: st.DrawFn) -> dict[str, dict[str, object]]:
    """Draw, per source, values for some of the options; of two ways to secure links at most one.

    Where clients come in TLS there are no fronts.
    """
    way = draw(st.sampled_from([(), KEY, TLS]))
    clients = draw(st.sampled_from([("fronts",), HTTPS]))
    bound = ("fronts", *KEY, *TLS, *HTTPS)
    free = [option.name for option in OPTIONS if option.name not in bound]
    drawn = {
        source: {
            name: draw(VALUES[name]) for name in (*free, *way, *clients) if draw(st.booleans())
        }
        for source in SOURCES
    }
    for name in (*way, *(clients[:2] if clients == HTTPS else ())):
        drawn["file"].setdefault(name, draw(VALUES[name]))
    return drawn


def as_text(value: object) -> str:
    if isinstance(value, list):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def as_flag(option: Option, value: object) -> object:
    if option.shape is Shape.LIST:
        return tuple(value) if isinstance(value, list) else ()
    return value if option.shape is Shape.SWITCH else str(value)


def load(sources: dict[str, dict[str, object]], folder: Path) -> tuple[dict[str, object], object]:
    """Feed each source in its own manner; return the settings as text, and the origins."""
    by_name = {option.name: option for option in OPTIONS}
    config = folder / "g.toml"
    config.write_text(
        # An escape within Unicode's first plane means the same in JSON and TOML; others stay.
        "".join(f"{k} = {json.dumps(v, ensure_ascii=False)}\n" for k, v in sources["file"].items())
    )
    flags = {by_name[k].field: as_flag(by_name[k], v) for k, v in sources["flag"].items()} | {
        "config": str(config)
    }
    environ = {by_name[k].variable: as_text(v) for k, v in sources["environment"].items()}
    loaded, origins = load_settings(flags, environ | {"HOME": "/h"}, host_name="h", terminal=False)
    shown = {option.name: getattr(loaded, option.field) for option in OPTIONS}
    reprinted = folder / "again.toml"
    reprinted.write_text(print_settings(loaded, origins))
    again, _ = load_settings({"config": str(reprinted)}, {}, host_name="other", terminal=True)
    assert again == loaded
    return {k: list(map(str, v)) if isinstance(v, tuple) else v for k, v in shown.items()}, origins


# A loaded machine draws slowly, and the first draw is the slowest.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(given_values())
def test_the_first_source_that_gives_a_value_wins_and_is_named(
    sources: dict[str, dict[str, object]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shown, origins = load(sources, Path(folder))
    assert isinstance(origins, dict)
    for option in OPTIONS:
        winner = next((s for s in SOURCES if option.name in sources[s]), None)
        assert origins[option.name].startswith(winner or "default")
        if winner is not None:
            value = sources[winner][option.name]
            found = shown[option.name]
            # A path loses a trailing or doubled slash; everything else comes out as it went in.
            expected: object = Path(str(value)) if option.name in PATH_OPTIONS else value
            assert (found if isinstance(found, type(expected)) else str(found)) == expected


@given(st.text())
def test_every_host_name_gives_a_name_that_settings_accept(host_name: str) -> None:
    found, _ = load_settings(
        {"name": sanitise_name(host_name)}, {"HOME": "/h"}, host_name="h", terminal=False
    )
    assert found.name == sanitise_name(host_name)
