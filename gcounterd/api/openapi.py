"""OpenAPI 3.1, generated from the route table, so that it cannot say something else.

This module knows the format and nothing about counters.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gcounterd import __version__
from gcounterd.api.routing import Parameter, Route
from gcounterd.api.scopes import scope_of

_ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "definite": {
                    "type": "boolean",
                    "description": "true: nothing was counted; false: it may have been",
                },
            },
            "required": ["code", "message", "definite"],
        }
    },
    "required": ["error"],
}
_NODE_HEADER = {"description": "the name of the node that answered", "schema": {"type": "string"}}


def describe(routes: Sequence[Route]) -> dict[str, object]:
    """Return the OpenAPI document of these routes."""
    paths: dict[str, dict[str, object]] = {}
    for route in routes:
        paths.setdefault(route.pattern, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "gcounterd",
            "version": __version__,
            "description": "Named grow-only counters on every node of a cluster.",
        },
        "paths": paths,
        "components": {
            "schemas": {"Error": _ERROR},
            "headers": {"Gcounter-Node": _NODE_HEADER},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route) -> dict[str, object]:
    operation: dict[str, object] = {
        "operationId": _operation_id(route),
        "summary": route.summary,
        "tags": [route.tag],
        "responses": _responses(route),
    }
    if route.parameters:
        operation["parameters"] = [_parameter(parameter) for parameter in route.parameters]
    if route.body is not None:
        operation["requestBody"] = {
            "required": route.body_required,
            "content": {kind: {"schema": schema} for kind, schema in route.body.items()},
        }
    scope = scope_of(route)
    if scope is not None:
        operation["security"] = [{"token": [scope]}]
    return operation


def _operation_id(route: Route) -> str:
    return "_".join([route.method.lower(), *re.findall(r"[a-z0-9_]+", route.pattern)])


def _parameter(parameter: Parameter) -> dict[str, object]:
    return {
        "name": parameter.name,
        "in": parameter.where,
        "description": parameter.summary,
        "required": parameter.where == "path",
        "schema": parameter.schema,
    }


def _responses(route: Route) -> dict[str, object]:
    headers = {"Gcounter-Node": {"$ref": "#/components/headers/Gcounter-Node"}}
    responses: dict[str, object] = {
        str(status): {
            "description": text,
            "headers": headers,
            "content": {kind: {"schema": schema}},
        }
        for status, (text, kind, schema) in route.answers.items()
    }
    responses["default"] = {
        "description": "an error, and whether the operation took effect",
        "headers": headers,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    return responses
