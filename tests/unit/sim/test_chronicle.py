"""What the chronicle keeps, and how it is asked."""

from __future__ import annotations

from gcounterd.node.effects import Notice
from gcounterd.sim.chronicle import Chronicle, Seen


def test_only_events_of_the_membership_are_kept_with_their_moment_and_place() -> None:
    chronicle = Chronicle()
    chronicle.note(1.0, "n1", Notice("link", {"peer": "n2"}))
    chronicle.note(2.0, "n1", Notice("dead", {"member": "n2", "by": "n3", "why": "silent"}))
    chronicle.note(3.0, "n3", Notice("alone", {}))
    assert chronicle.find() == [
        Seen(2.0, "n1", "dead", "n2", "n3", "silent"),
        Seen(3.0, "n3", "alone"),
    ]


def test_what_is_asked_for_is_found_by_event_member_host_and_time() -> None:
    chronicle = Chronicle()
    for at, host, event, member in (
        (1.0, "n1", "suspect", "n2"),
        (2.0, "n1", "dead", "n2"),
        (2.5, "n3", "dead", "n4"),
        (3.0, "n3", "dead", "n2"),
    ):
        chronicle.note(at, host, Notice(event, {"member": member}))
    assert [seen.at for seen in chronicle.find("dead", member="n2")] == [2.0, 3.0]
    assert [seen.at for seen in chronicle.find(host="n1")] == [1.0, 2.0]
    assert [seen.at for seen in chronicle.find("dead", "suspect", since=2.5)] == [2.5, 3.0]
