"""Schemas: the words in which the route tables say what is asked and answered.

They are JSON Schema as OpenAPI 3.1 takes it, built by functions so that a row of a table stays
readable. This module refuses to know any route.
"""

from __future__ import annotations

from gcounterd.api.limits import LISTING_DEFAULT, LISTING_MAX
from gcounterd.api.routing import Parameter, Schema
from gcounterd.counters.batches import KEY_BYTES_MAX

JSON = "application/json"
PLAIN = "text/plain"

STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
BOOLEAN: Schema = {"type": "boolean"}
OBJECT: Schema = {"type": "object"}
KEY: Schema = {"type": "string", "minLength": 1, "maxLength": KEY_BYTES_MAX}


def shape(**properties: Schema) -> Schema:
    """Return an object that has at least these."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def exactly(**properties: Schema) -> Schema:
    """Return an object that has these and nothing else."""
    return {**shape(**properties), "additionalProperties": False}


def listed(items: Schema) -> Schema:
    """Return a list of such items."""
    return {"type": "array", "items": items}


def or_none(schema: Schema) -> Schema:
    """Return what may also be null."""
    return {**schema, "type": [schema["type"], "null"]}


def named(title: str, schema: Schema) -> Schema:
    """Return a schema under a name, which the reference shows in its place."""
    return {**schema, "title": title}


def choice(name: str, summary: str, *values: str) -> Parameter:
    """Return a query parameter that is one of `values`."""
    return Parameter(name, summary, {"type": "string", "enum": list(values)})


def limit(what: str) -> Parameter:
    """Return the query parameter that bounds a listing."""
    bounds = {"minimum": 1, "maximum": LISTING_MAX, "default": LISTING_DEFAULT}
    return Parameter("limit", f"how many {what}", {**INTEGER, **bounds})
