"""What each route needs: the one table of scopes.

Theory. Who adds a route has to say here what it takes to ask it; a route without a row is no route
(a test walks through all, and the router refuses to be made). Keys are not looked at here: whoever
may touch some keys only is given a backend that has no others (`api.limited`), so no handler can
forget to look.

`None` needs nothing: what a balancer asks, and what of this program holds no counts.
"""

from __future__ import annotations

from gcounterd.api.routing import Route
from gcounterd.security.tokens import Scope

_READ, _COUNT, _ADMIN = Scope.READ, Scope.COUNT, Scope.ADMIN

SCOPES: dict[tuple[str, str], Scope | None] = {
    ("POST", "/v1/counters/{key}"): _COUNT,
    ("GET", "/v1/counters/{key}"): _READ,
    ("GET", "/v1/counters/{key}/share"): _READ,
    ("PUT", "/v1/counters/{key}/share"): _COUNT,
    ("POST", "/v1/counters"): _COUNT,
    ("GET", "/v1/counters"): _READ,
    ("GET", "/v1/top"): _READ,
    ("GET", "/v1/stream"): _READ,
    ("POST", "/v1/text"): _COUNT,
    ("GET", "/v1/text"): _READ,
    ("POST", "/keywords"): _COUNT,
    ("GET", "/keywords"): _READ,
    ("GET", "/hit/{ns}/{key}"): _COUNT,
    ("POST", "/hit/{ns}/{key}"): _COUNT,
    ("GET", "/hit/{ns}"): _COUNT,
    ("POST", "/hit/{ns}"): _COUNT,
    ("GET", "/get/{ns}/{key}"): _READ,
    ("GET", "/get/{ns}"): _READ,
    ("GET", "/info/{ns}/{key}"): _READ,
    ("GET", "/badge/{ns}/{key}.svg"): _READ,
    ("GET", "/shields/{ns}/{key}"): _READ,
    ("POST", "/counter/{name}"): _COUNT,
    ("GET", "/counter/{name}/value"): _READ,
    ("GET", "/counter/{name}/consistent_value"): _READ,
    ("POST", "/config"): _ADMIN,
    ("GET", "/ping"): None,
    ("POST", "/v1/imports"): _ADMIN,
    ("POST", "/v1/start-at/{key}"): _ADMIN,
    ("GET", "/v1/imports"): _READ,
    ("GET", "/v1/export"): _READ,
    ("GET", "/v1/cluster"): _READ,
    ("GET", "/v1/cluster/stream"): _READ,
    ("GET", "/v1/status"): _READ,
    ("GET", "/v1/events"): _READ,
    ("GET", "/v1/removals"): _READ,
    ("GET", "/livez"): None,
    ("GET", "/readyz"): None,
    ("GET", "/healthz"): _READ,
    ("GET", "/metrics"): _READ,
    ("GET", "/"): None,  # without counts to whoever may not read them
    ("GET", "/gcounter.js"): None,
    ("GET", "/page/{name}"): None,
    ("GET", "/openapi.json"): None,
    ("POST", "/v1/cluster/nodes"): _ADMIN,
    ("DELETE", "/v1/cluster/nodes/{names}"): _ADMIN,
    ("POST", "/v1/cluster/nodes/{name}/forget"): _ADMIN,
    ("POST", "/v1/drain"): _ADMIN,
    ("POST", "/v1/undrain"): _ADMIN,
    ("POST", "/v1/admin/verify"): _ADMIN,
    ("POST", "/v1/admin/backup"): _ADMIN,
}


# What each operator's action is called in logs and in the audit file; the names do not change.
ACTIONS: dict[tuple[str, str], str] = {
    ("POST", "/config"): "join",
    ("POST", "/v1/imports"): "import",
    ("POST", "/v1/start-at/{key}"): "start_at",
    ("POST", "/v1/cluster/nodes"): "add_node",
    ("DELETE", "/v1/cluster/nodes/{names}"): "remove_node",
    ("POST", "/v1/cluster/nodes/{name}/forget"): "forget",
    ("POST", "/v1/drain"): "drain",
    ("POST", "/v1/undrain"): "undrain",
    ("POST", "/v1/admin/verify"): "verify",
    ("POST", "/v1/admin/backup"): "backup",
}


def scope_of(route: Route) -> Scope | None:
    """Return what a route needs; `KeyError` where the table does not say."""
    return SCOPES[route.method, route.pattern]
