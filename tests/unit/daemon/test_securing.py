"""What a node's links are secured with: who may say which hello, and what is said of dates."""

from __future__ import annotations

from datetime import UTC, datetime

import attrs
import pytest

from gcounterd.daemon.mistrusts import PLACES_MAX, SHOWN_S, TOLD_EVERY_S, Mistrusts
from gcounterd.daemon.securing import Securing
from gcounterd.errors import ConfigError
from gcounterd.ids import Epoch, NodeId
from gcounterd.links.mistrust import Mistrust, Reason
from gcounterd.node.messages import Channel, Hello, Refused
from gcounterd.security.certificates import ALWAYS, issue, make_authority
from gcounterd.security.peers import Contexts, load_pair

BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
DAY_S = 86_400
ENDS = BEGAN.timestamp() + 100 * DAY_S
CA = make_authority("demo", BEGAN, datetime(2036, 1, 1, tzinfo=UTC) - BEGAN)
NODE = NodeId(b"n" * 16)
HELLO = Hello(1, "demo", NODE, "n1", Epoch(b"e" * 16), b"nonce678", Channel.BULK, "h:1", False)


def contexts_until(ends: float) -> Contexts:
    until = ALWAYS[1] if ends == 0 else datetime.fromtimestamp(ends, UTC)
    pair = issue(CA, "demo", ["n1"], BEGAN, until)
    made = load_pair(pair, CA.certificate_pem().decode(), "demo", "n1")
    return attrs.evolve(made, ends=ALWAYS[1].timestamp()) if ends == 0 else made


CONTEXTS = contexts_until(ENDS)


def securing(way: str = "certificates", now: float = ENDS) -> Securing:
    return Securing(way, lambda: CONTEXTS, "h:2", wall=lambda: now)


def showing(*names: str) -> dict[str, object]:
    return {"subjectAltName": tuple(("URI", f"gcounterd://demo/{name}") for name in names)}


def test_a_hello_says_a_name_of_its_certificate() -> None:
    secured = securing()
    assert secured.judge(showing("n1"), HELLO) is None
    refusal = secured.judge(showing("n2"), HELLO)
    assert refusal is not None
    assert refusal.reason is Refused.IDENTITY
    assert "gcounterd://demo/n1" in refusal.text
    # Another cluster's certificate is no better for a hello of that cluster than none.
    assert secured.judge(showing("n1"), attrs.evolve(HELLO, cluster="x")) is not None


def test_a_node_id_belongs_to_the_name_that_the_roster_knows_it_by() -> None:
    secured = securing()
    secured.name_of = {NODE: "n9"}.get
    refusal = secured.judge(showing("n1"), HELLO)
    assert refusal is not None
    assert "is 'n9'" in refusal.text
    # A node that is being renamed shows both.
    assert secured.judge(showing("n1", "n9"), HELLO) is None
    # Who has the shared key could have any name, so may as well be renamed.
    keyed = securing("key")
    keyed.name_of = {NODE: "n9"}.get
    assert keyed.judge(showing("n1"), HELLO) is None


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (-101.0, "is not good before 2026-11-01"),
        (-31.0, None),
        (-29.5, "ends in 30 days, on 2027-02-09 00:00:00 UTC"),
        (-0.5, "ends in 1 days"),
        (0.0, "has expired on 2027-02-09"),
    ],
)
def test_the_end_of_a_certificate_is_said_ahead_of_time(days: float, words: str | None) -> None:
    warnings = securing(now=ENDS + days * DAY_S).warnings()
    assert len(warnings) == (words is not None)
    assert words is None or words in warnings[0]


def test_of_a_short_certificate_it_is_said_in_the_last_third() -> None:
    short = contexts_until(BEGAN.timestamp() + 3 * DAY_S)
    for day, said in ((1.9, False), (2.1, True)):
        now = BEGAN.timestamp() + day * DAY_S
        secured = Securing("certificates", lambda: short, "h:2", wall=lambda now=now: now)
        assert bool(secured.warnings()) is said


def test_a_certificate_without_an_end_is_shown_as_such() -> None:
    never = contexts_until(0)
    secured = Securing("key", lambda: never, "h:2", wall=lambda: ENDS)
    assert secured.warnings() == []
    assert secured.status() == {"security": "key", "certificate_ends": None}
    assert securing().status()["certificate_ends"] == "2027-02-09 00:00:00 UTC"


def test_what_is_read_again_is_used_when_it_was_good() -> None:
    loads = [CONTEXTS, contexts_until(ENDS + DAY_S)]

    def load() -> Contexts:
        if not loads:
            raise ConfigError("gone")
        return loads.pop(0)

    secured = Securing("certificates", load, "h:2", wall=lambda: 0.0)
    old = secured.server
    use = secured.read()
    assert secured.server is old
    use()
    assert secured.server is not old
    assert secured.ends == ENDS + DAY_S
    with pytest.raises(ConfigError):
        secured.read()
    assert secured.ends == ENDS + DAY_S


def test_failed_handshakes_are_counted_told_seldom_and_shown_for_a_while() -> None:
    now = 0.0
    mistrusts = Mistrusts(lambda: now)
    for port in range(100):
        mistrusts.note(f"h:{port}", Mistrust(Reason.DATES, "its certificate is old"))
    assert mistrusts.tally[Reason.DATES] == 100
    assert len(mistrusts.warnings()) == PLACES_MAX
    assert mistrusts.warnings()[-1] == "no handshake with h:99: its certificate is old"
    assert mistrusts.untold == 99
    now = TOLD_EVERY_S
    mistrusts.note("h:1", Mistrust(Reason.DATES, "its certificate is old"))
    assert mistrusts.untold == 0
    now += SHOWN_S
    assert mistrusts.warnings() == []
