"""What tests of secured links share: a cluster's authority, and secrets made with it in memory."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from gcounterd.node.messages import Hello, Refusal, Refused
from gcounterd.security.certificates import Authority, issue, make_authority
from gcounterd.security.peers import Contexts, load_pair, names_in

NOW = datetime.now(UTC)
YEAR, DAY = timedelta(days=365), timedelta(days=1)
CLUSTER = "local"  # as hellos in `link_ends` say
CA = make_authority(CLUSTER, NOW, YEAR)
STRANGE_CA = make_authority(CLUSTER, NOW, YEAR)


class Secrets:
    """Contexts, and the rule that a hello's name stands in the certificate."""

    def __init__(self, contexts: Contexts) -> None:
        self.contexts = contexts

    @property
    def server(self) -> ssl.SSLContext:
        return self.contexts.server

    @property
    def client(self) -> ssl.SSLContext:
        return self.contexts.client

    def judge(self, certificate: Mapping[str, Any], hello: Hello) -> Refusal | None:
        named = hello.name in names_in(certificate, hello.cluster)
        return None if named else Refusal(Refused.IDENTITY, "your certificate names another")


def secrets_of(
    name: str,
    *,
    ca: Authority = CA,
    trusts: tuple[Authority, ...] = (CA,),
    cluster: str = CLUSTER,
    ends: datetime = NOW + YEAR,
) -> Secrets:
    """Make secrets for a node of that name, also such as the node itself would not load."""
    pair = issue(ca, cluster, [name], NOW - 2 * DAY, ends)
    own = load_pair(pair, ca.certificate_pem().decode(), cluster, name)
    for context in (own.server, own.client):
        for each in trusts:
            context.load_verify_locations(cadata=each.certificate_pem().decode())
    return Secrets(own)


def only_trusting(name: str, ca: Authority, trusted: Authority) -> Secrets:
    """Make secrets signed by one authority that trust only another one."""
    pair = issue(ca, CLUSTER, [name], NOW - 2 * DAY, NOW + YEAR)
    own = load_pair(pair, ca.certificate_pem().decode(), CLUSTER, name)
    other = load_pair(
        issue(trusted, CLUSTER, [name], NOW - DAY, NOW + YEAR),
        trusted.certificate_pem().decode(),
        CLUSTER,
        name,
    )
    return Secrets(Contexts(other.server, own.client, own.begins, own.ends, own.names))
