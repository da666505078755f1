"""The guard remembers little."""

from __future__ import annotations

from gcounterd.api.guard import REMEMBERED_MAX, Guard, is_loopback


def test_any_port_of_a_loopback_host_is_accepted_and_few_are_remembered() -> None:
    guard = Guard()
    for port in range(10 * REMEMBERED_MAX):
        guard.check(b"localhost:%d" % port, None)
    assert len(guard.hosts) == REMEMBERED_MAX


def test_what_follows_a_loopback_host_makes_it_another() -> None:
    for suffix in (".example.com", "@example.com", ":80:80", "/", "#", "?", " ", "\n", ":80\n"):
        assert not is_loopback("localhost" + suffix), suffix
        assert not is_loopback("127.0.0.1" + suffix), suffix
