"""The routes of imports and of the export: a part of the route table.

Each row is a `Route`, as in `api.routes`, which puts the parts together. What they take and write
are lines of text, which no schema describes; the formats are those of `api.formats`.
"""

from __future__ import annotations

from gcounterd.api import imports
from gcounterd.api.formats import Format
from gcounterd.api.routing import Parameter, Route
from gcounterd.api.schemas import (
    BOOLEAN,
    INTEGER,
    JSON,
    KEY,
    STRING,
    choice,
    exactly,
    limit,
    listed,
    named,
    or_none,
    shape,
)
from gcounterd.counters.batches import COUNT_MAX
from gcounterd.counters.imports import SOURCE_BYTES_MAX

LINES = "application/jsonl"
CSV = "text/csv"
_FORMAT = choice("format", "JSON lines, or on import one object; or CSV", *Format)
_AGAIN = choice(
    "again", "count it although other content of this source is counted already", "false", "true"
)
_SOURCE = Parameter(
    "source",
    "where the counts come from: the same counts of the same source count once",
    {"type": "string", "minLength": 1, "maxLength": SOURCE_BYTES_MAX},
)
_IN_PATH = Parameter("key", "percent-encoded, `/` as `%2F`", KEY, "path")
_LIMIT = limit("sources")
_BROUGHT = named(
    "Import",
    shape(source=STRING, id=STRING, keys=INTEGER, total=INTEGER, repeated=BOOLEAN),
)
_KNOWN = named(
    "Source",
    shape(
        source=STRING,
        shown_as=STRING,
        keys=INTEGER,
        total=INTEGER,
        contents=listed(shape(id=STRING, held=BOOLEAN)),
    ),
)

IMPORTS: tuple[Route, ...] = (
    Route(
        "POST",
        "/v1/imports",
        "Count counts from elsewhere, once in the whole cluster",
        handler=imports.bring,
        parameters=(_SOURCE, _FORMAT, _AGAIN),
        body={LINES: STRING, CSV: STRING},
        answers={200: ("counted, durably; or it was before", JSON, _BROUGHT)},
        uploads=True,
        tag="imports",
    ),
    Route(
        "POST",
        "/v1/start-at/{key}",
        "Let a counter start at a value, once in the whole cluster",
        handler=imports.start_at,
        parameters=(_IN_PATH, _AGAIN),
        body={JSON: exactly(value={"type": "integer", "minimum": 1, "maximum": COUNT_MAX})},
        answers={200: ("counted, durably; or it was before", JSON, _BROUGHT)},
        tag="imports",
    ),
    Route(
        "GET",
        "/v1/imports",
        "Read which sources are known here, by name",
        handler=imports.show_imports,
        parameters=(
            Parameter("after", "sources that sort after this one: the `next` before", STRING),
            _LIMIT,
        ),
        answers={
            200: (
                "sources, and the one to continue after",
                JSON,
                shape(imports=listed(_KNOWN), next=or_none(STRING)),
            )
        },
        tag="imports",
    ),
    Route(
        "GET",
        "/v1/export",
        "Write all counters out, by key; what it writes can be imported",
        handler=imports.export,
        parameters=(
            Parameter("prefix", "keys that begin so", STRING),
            choice("format", "JSON lines, or CSV", *Format),
            choice("stale", "read a node that is not ready", "ok"),
        ),
        answers={200: ("a line for each counter, while it is made", LINES, STRING)},
        tag="imports",
    ),
)
