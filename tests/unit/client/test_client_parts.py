"""The small parts of the client: addresses, what was seen, what is gathered, what is refused."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from scripted import refusal

from gcounterd.client import limits
from gcounterd.client.answers import read_refusal
from gcounterd.client.errors import DefiniteError, IndefiniteError
from gcounterd.client.gathering import Gathering
from gcounterd.client.nodes import Address, Nodes, read_address, read_addresses
from gcounterd.client.requests import (
    check_ack,
    check_amount,
    check_key,
    check_timeout,
    count_request,
    read_request,
)
from gcounterd.client.seen import Seen


def test_the_client_for_threads_needs_the_standard_library_only() -> None:
    code = (
        "import sys; before = set(sys.modules); import gcounterd.client; "
        "new = {m.split('.')[0] for m in set(sys.modules) - before}; "
        "print(sorted(new - set(sys.stdlib_module_names)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "['gcounterd']"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://n1", Address("n1", 7777)),
        ("http://n1:80/", Address("n1", 80)),
        ("http://[::1]:80", Address("::1", 80)),
    ],
)
def test_an_address_is_a_url(url: str, address: Address) -> None:
    assert read_address(url) == address
    assert read_address(f"http://{address}") == address


@pytest.mark.parametrize(
    "url",
    ["n1:80", "https://n1", "http://", "http://n1/v1", "http://n1?a", "http://u@n1", "http://n1:x"],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_address(url)


def test_addresses_are_bounded_and_each_counts_once() -> None:
    assert read_addresses("http://a") == (Address("a", 7777),)
    assert read_addresses(["http://a", "http://a:7777"]) == (Address("a", 7777),)
    for wrong in ([], [f"http://n{number}" for number in range(limits.ADDRESSES_MAX + 1)]):
        with pytest.raises(ValueError, match="1 to 64"):
            read_addresses(wrong)


def test_a_client_stays_with_an_address_and_never_gives_one_up() -> None:
    a, b, c = read_addresses(["http://a", "http://b", "http://c"])
    nodes = Nodes((a, b, c), start=4)
    assert nodes.order(0.0) == [b, c, a]
    nodes.failed(b, 0.0)
    assert nodes.order(0.0) == [c, a, b]
    nodes.well(c)
    assert nodes.order(0.0) == [c, a, b]
    for _ in range(40):
        nodes.failed(c, 1.0)
    assert nodes.order(1.0) == [a, b, c]
    assert nodes.order(1.0 + limits.AVOIDED_S_MAX) == [c, a, b]


def test_what_was_seen_only_rises_and_is_bounded_by_use() -> None:
    seen = Seen(keys_max=2)
    seen.take({"a": 5, "b": 1})
    seen.take({"a": 3})
    assert (seen.least("a"), seen.least("b"), seen.least("c")) == (5, 1, 0)
    seen.take({"c": 1})
    assert (seen.least("a"), seen.least("b"), seen.least("c")) == (5, 0, 1)


def test_bad_keys_amounts_and_settings_are_refused_before_anything_is_sent() -> None:
    assert check_key("ä" * 512) == "ä" * 512
    for key in ("", "ä" * 513, "\ud800"):
        with pytest.raises(ValueError, match="a key is"):
            check_key(key)
    assert check_amount(limits.AMOUNT_MAX) == limits.AMOUNT_MAX
    for amount in (0, -1, limits.AMOUNT_MAX + 1, True, 1.0):
        with pytest.raises(ValueError, match="an amount is"):
            check_amount(amount)  # type: ignore[arg-type]
    assert check_ack("all") == "all"
    with pytest.raises(ValueError, match="ack is one of"):
        check_ack("most")
    for seconds in (0, -1, 61, float("nan")):
        with pytest.raises(ValueError, match="a timeout is"):
            check_timeout(seconds)


def test_requests_are_written_as_the_api_reads_them() -> None:
    request = count_request({"a+b/c d": 3}, "t", "all", 2.5)
    assert request.target == "/v1/counters/a%2Bb%2Fc%20d?ack=all&timeout=2.500"
    assert read_request("k", 0, consistent=False, timeout_s=1.0).target == "/v1/counters/k"
    short = read_request("k", 1, consistent=False, timeout_s=1e-9).target
    assert short == "/v1/counters/k?min=1&timeout=0.001"


def test_a_refusal_is_read_with_what_stands_beside_it() -> None:
    found = read_refusal(refusal(503, "not_exact", node="n2", missing=["n3", 4], best=8))
    assert (found.missing, found.best, found.node) == (("n3",), 8, "n2")
    assert (found.definite, found.elsewhere) == (True, True)


def test_what_is_gathered_is_due_by_number_or_by_age() -> None:
    gathering = Gathering(size=3, age_s=0.5)
    assert gathering.wait(10.0) is None
    gathering.add("a", 1, 10.0)
    gathering.add("a", 1, 10.4)
    assert gathering.wait(10.4) == pytest.approx(0.1)
    gathering.add("b", 1, 10.4)
    assert gathering.wait(10.4) == 0
    assert gathering.cut(10.4) == {"a": 2, "b": 1}
    assert gathering.wait(10.4) is None
    assert gathering.cut_off == gathering.taken == 3
    gathering.hurry(11.0)
    assert gathering.wait(11.0) is None  # nothing waits


def test_a_batch_keeps_to_the_limits_of_a_request_and_the_rest_is_due_at_once() -> None:
    gathering = Gathering(size=10, age_s=5.0)
    gathering.add("big", limits.AMOUNT_MAX, 0.0)
    gathering.add("big", 5, 0.0)
    assert gathering.cut(0.0) == {"big": limits.AMOUNT_MAX}
    assert gathering.wait(0.0) == 0
    assert gathering.cut(0.0) == {"big": 5}

    keys = [f"{number:06}" + '"' * 1000 for number in range(2000)]
    for key in keys:
        gathering.add(key, 1, 0.0)
    taken: dict[str, int] = {}
    batches = 0
    while gathering.wait(0.0) == 0:
        batch = gathering.cut(0.0)
        assert len(count_request(batch, "t", "local", 1.0).body) <= 1024 * 1024
        taken |= batch
        batches += 1
    assert batches > 1
    assert list(taken) == keys

    for number in range(limits.BATCH_KEYS_MAX + 1):
        gathering.add(str(number), 1, 0.0)
    assert len(gathering.cut(0.0)) == limits.BATCH_KEYS_MAX
    assert len(gathering.cut(0.0)) == 1


def test_too_much_that_waits_or_has_failed_is_refused_definitely() -> None:
    gathering = Gathering(size=1, age_s=0.0)
    counts = {str(number): 1 for number in range(limits.GATHERED_KEYS_MAX)}
    for key in counts:
        gathering.add(key, 1, 0.0)
    gathering.add("7", 1, 0.0)  # no new key
    with pytest.raises(DefiniteError, match="full"):
        gathering.add("more", 1, 0.0)
    while gathering.cut(0.0):
        pass
    gathering.failed(DefiniteError("busy", "later", counts=counts))
    with pytest.raises(DefiniteError, match="full"):
        gathering.add("more", 1, 0.0)
    assert gathering.take_failure() is not None
    gathering.add("more", 1, 0.0)


def test_failures_are_told_once_added_up_and_by_kind() -> None:
    gathering = Gathering(size=1, age_s=0.0)
    assert gathering.take_failure() is None
    gathering.failed(DefiniteError("busy", "later", counts={"a": 1}))
    gathering.failed(IndefiniteError("lost", "gone", node="n1", counts={"a": 2, "b": 1}))
    gathering.failed(DefiniteError("draining", "later", counts={"a": 4}))
    gathering.failed(IndefiniteError("timeout", "silent", node="n2", counts={"b": 1}))
    error = gathering.take_failure()
    assert isinstance(error, IndefiniteError)
    assert (error.code, error.counts, error.refused) == ("timeout", {"a": 2, "b": 2}, {"a": 5})
    assert gathering.take_failure() is None
    gathering.failed(DefiniteError("busy", "later", counts={"a": 1}))
    error = gathering.take_failure()
    assert isinstance(error, DefiniteError)
    assert error.counts == {"a": 1}


def test_json_that_is_sent_is_utf_8() -> None:
    body = count_request({"ä": 1, "b": 2}, "t", "local", 1.0).body
    assert json.loads(body.decode()) == {"counts": {"ä": 1, "b": 2}}
    assert "ä".encode() in body
