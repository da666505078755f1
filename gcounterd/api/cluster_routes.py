"""The rows of the route table about the cluster: for those who watch it, and for its operators.

Theory. Watching changes nothing and is offered wherever counters are read. What changes who
belongs to the cluster, or what this node takes, is the operator's, as `api.scopes` says. `routes`
puts these rows beside those about counters.
"""

from __future__ import annotations

from gcounterd.api import admin, health, nodes
from gcounterd.api.limits import (
    EVENT_NUMBER_MAX,
    EVENTS_DEFAULT,
    EVENTS_MAX,
    TARGETS_MAX,
    TIMEOUT_MAX_S,
    TTL_MAX_S,
    TTL_MIN_S,
)
from gcounterd.api.routing import Parameter, Route, Schema
from gcounterd.api.schemas import (
    BOOLEAN,
    INTEGER,
    JSON,
    NUMBER,
    OBJECT,
    PLAIN,
    STRING,
    choice,
    exactly,
    listed,
    named,
    or_none,
    shape,
)

_EVENTS = shape(
    node=STRING,
    life=STRING,
    events=listed(shape(number=INTEGER, time=STRING, event=STRING)),
    next=INTEGER,
)
_ACCUSATION = shape(by=STRING, ago_s=NUMBER, why=STRING, path=STRING)
_MEMBER = named(
    "member",
    shape(
        id=STRING,
        name=STRING,
        roster=STRING,
        liveness=STRING,
        since_s=or_none(NUMBER),
        incarnation=INTEGER,
        accusations=listed(_ACCUSATION),
        address=STRING,
        epoch=STRING,
        columns=INTEGER,
    ),
)
_REMOVAL = named(
    "removal",
    shape(
        node=STRING,
        id=STRING,
        into=or_none(STRING),
        phase={"type": "string", "enum": ["draining", "saving", "closing", "done"]},
        since_s=or_none(NUMBER),
        live=BOOLEAN,
        forced=BOOLEAN,
        waiting_for=listed(shape(node=STRING, since_s=or_none(NUMBER), why=STRING)),
        columns=listed(
            shape(
                **{"column": STRING, "version": INTEGER, "final": BOOLEAN, "from": listed(STRING)}
            )
        ),
        not_asked=listed(STRING),
        last_heard_s=or_none(NUMBER),
        late=INTEGER,
        refused=INTEGER,
        cold=INTEGER,
        cold_why=STRING,
    ),
)
_VERSIONS = listed(shape(column=STRING, version=INTEGER))
_CONFLICT = named(
    "conflict",
    shape(
        node=STRING,
        id=STRING,
        peer=STRING,
        ours=_VERSIONS,
        ours_all=INTEGER,
        theirs=_VERSIONS,
        theirs_all=INTEGER,
    ),
)
_TARGET = shape(
    node=STRING,
    id=STRING,
    roster=STRING,
    liveness=STRING,
    columns=INTEGER,
    last_heard_s=or_none(NUMBER),
)
_REMOVAL_PLAN = named(
    "plan",
    shape(
        targets=listed(_TARGET),
        into=or_none(shape(node=STRING, id=STRING)),
        alive=INTEGER,
        of=INTEGER,
        warnings=listed(STRING),
    ),
)
_CLUSTER = shape(
    cluster=STRING,
    self=STRING,
    ready=BOOLEAN,
    nodes=listed(_MEMBER),
    approvals=listed(shape(name=STRING, expires=STRING)),
    removals=listed(_REMOVAL),
    health=INTEGER,
    alone=BOOLEAN,
    security={"type": "string", "enum": ["none", "certificates", "key"]},
    certificate_ends=or_none(STRING),
)
_READINESS = shape(ready=BOOLEAN, reasons=listed(STRING))

_INVITATION = shape(
    name=STRING,
    token=STRING,
    expires=STRING,
    admission={"type": "string", "enum": ["open", "approved"]},
    command=STRING,
    join=listed(STRING),
)
_DRAINING = shape(draining=BOOLEAN)
_MEANT = Parameter("node", "the node that is meant, by name: any other one refuses", STRING)
_REMOVALS = shape(removals=listed(_REMOVAL), conflicts=listed(_CONFLICT))

_TTL: Schema = {"type": "integer", "minimum": TTL_MIN_S, "maximum": TTL_MAX_S}

WATCHING = (
    Route(
        "GET",
        "/v1/cluster",
        "The members, as this node sees them",
        handler=health.cluster,
        answers={200: ("roster and liveness", JSON, _CLUSTER)},
        tag="cluster",
    ),
    Route(
        "GET",
        "/v1/status",
        "This node in figures",
        handler=health.status,
        answers={200: ("figures", JSON, OBJECT)},
        tag="cluster",
    ),
    Route(
        "GET",
        "/v1/events",
        "What this node saw happen to the membership",
        handler=health.events,
        parameters=(
            Parameter(
                "after",
                "events after this number: the `next` of the last answer",
                {"type": "integer", "minimum": 0, "maximum": EVENT_NUMBER_MAX, "default": 0},
            ),
            Parameter(
                "life",
                "the `life` of the last answer: in another one `after` counts as 0",
                STRING,
            ),
            Parameter(
                "limit",
                "how many events",
                {"type": "integer", "minimum": 1, "maximum": EVENTS_MAX, "default": EVENTS_DEFAULT},
            ),
            Parameter(
                "timeout",
                "seconds, decimal, to wait where nothing follows yet; 0 by default",
                {"type": "number", "minimum": 0, "maximum": TIMEOUT_MAX_S},
            ),
        ),
        answers={
            200: ("events, oldest first; `lost` if some are not kept any more", JSON, _EVENTS)
        },
        tag="cluster",
    ),
    Route(
        "GET",
        "/v1/removals",
        "Removals of nodes, unfinished and past: what was saved from whom, who is waited for",
        handler=health.removals,
        answers={200: ("removals", JSON, _REMOVALS)},
        tag="cluster",
    ),
    Route(
        "GET",
        "/livez",
        "Whether the loop runs",
        handler=health.live,
        answers={200: ("it does", JSON, shape(live=BOOLEAN))},
        tag="health",
    ),
    Route(
        "GET",
        "/readyz",
        "Whether traffic should come here",
        handler=health.ready,
        answers={200: ("it should", JSON, _READINESS)},
        tag="health",
    ),
    Route(
        "GET",
        "/healthz",
        "The same, with what an operator should look at",
        handler=health.healthy,
        answers={200: ("ready", JSON, _READINESS)},
        tag="health",
    ),
    Route(
        "GET",
        "/metrics",
        "Prometheus text",
        handler=health.metrics,
        answers={200: ("metrics of this node; no counter names", PLAIN, STRING)},
        tag="health",
    ),
)

ADMIN = (
    Route(
        "POST",
        "/v1/cluster/nodes",
        "Approve a newcomer of this name: a one-time token, and the line to run on its host",
        handler=nodes.add_node,
        body={JSON: {**exactly(name=STRING, address=STRING, ttl_s=_TTL), "required": ["name"]}},
        answers={200: ("the line to run, and what it is made of", JSON, _INVITATION)},
        tag="admin",
    ),
    Route(
        "DELETE",
        "/v1/cluster/nodes/{names}",
        "Remove nodes for good; may be repeated",
        handler=nodes.remove_nodes,
        parameters=(
            Parameter(
                "names",
                f"names or ids, at most {TARGETS_MAX}, with commas between",
                STRING,
                "path",
            ),
            Parameter(
                "into", "the member whose share they are shown in; chosen if not given", STRING
            ),
            choice("dead", "they do not answer and will not come back", "false", "true"),
            choice("dry_run", "only say what would be done", "false", "true"),
            choice(
                "without_majority",
                "also where no majority can agree to it; may cost counts that are cut off",
                "false",
                "true",
            ),
        ),
        answers={
            200: (
                "the plan, and the removals as they stand (none with `dry_run`)",
                JSON,
                shape(plan=_REMOVAL_PLAN, removals=listed(_REMOVAL)),
            )
        },
        tag="admin",
    ),
    Route(
        "POST",
        "/v1/cluster/nodes/{name}/forget",
        "Release the columns of a removed node: what of them comes later is refused",
        handler=nodes.forget_node,
        parameters=(Parameter("name", "its name or id", STRING, "path"),),
        answers={
            200: (
                "how many columns were released, and the removals of that node",
                JSON,
                shape(released=INTEGER, removals=listed(_REMOVAL)),
            )
        },
        tag="admin",
    ),
    Route(
        "POST",
        "/v1/drain",
        "Take no increments from now on, and stay a member",
        handler=admin.drain,
        parameters=(_MEANT,),
        answers={200: ("it drains", JSON, _DRAINING)},
        tag="admin",
    ),
    Route(
        "POST",
        "/v1/undrain",
        "Take increments again",
        handler=admin.undrain,
        parameters=(_MEANT,),
        answers={200: ("whether it still drains, because it stops", JSON, _DRAINING)},
        tag="admin",
    ),
    Route(
        "POST",
        "/v1/admin/verify",
        "Check the store",
        handler=admin.verify,
        answers={200: ("what was checked and found", JSON, OBJECT)},
        tag="admin",
    ),
    Route(
        "POST",
        "/v1/admin/backup",
        "Copy the store to a new file",
        handler=admin.back_up,
        body={JSON: exactly(path=STRING)},
        answers={200: ("the file", JSON, shape(path=STRING, bytes=INTEGER))},
        tag="admin",
    ),
)
