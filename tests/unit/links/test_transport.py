"""Two transports over real sockets: greeting, sending, dropping, stopping."""

from __future__ import annotations

from collections import Counter

import trio
import trio.testing
from link_ends import PATIENCE_SECONDS, End, RawPeer, big_part

from gcounterd.links.limits import BYTES_PER_STEP, Limits
from gcounterd.node.grades import Grade
from gcounterd.node.messages import Ack, Channel, Message, Part, Refusal, Refused
from gcounterd.wire.codec import decode, encode

TWIN = Refusal(Refused.TWIN, "this id answers elsewhere", "10.0.0.9:7700")
CLUSTER = Refusal(Refused.CLUSTER, "this is another cluster")


async def test_a_dial_opens_a_link_at_both_ends(nursery: trio.Nursery) -> None:
    a, b = await End(1).start(nursery), await End(2).start(nursery)
    mine, its = await a.link_to(b, Channel.BULK)
    hello, dialled = a.opened_links[mine]
    assert (hello.name, hello.channel, dialled) == ("n2", Channel.BULK, b.address)
    hello, dialled = b.opened_links[its]
    assert (hello.name, hello.channel, dialled) == ("n1", Channel.BULK, None)
    assert not a.failed


async def test_dials_and_the_time_that_they_took_are_added_up(nursery: trio.Nursery) -> None:
    a, b = await End(1).start(nursery), await End(2).start(nursery)
    await a.link_to(b)
    assert (a.transport.dials, b.transport.dials) == (1, 0)
    before = a.transport.dial_seconds
    assert before > 0
    a.transport.dial("nowhere", Channel.CONTROL)
    await a.until(lambda: a.failed)
    assert a.transport.dials == 2
    assert a.transport.dial_seconds >= before


async def test_messages_arrive_in_order_in_both_directions(nursery: trio.Nursery) -> None:
    a, b = await End(1).start(nursery), await End(2).start(nursery)
    mine, its = await a.link_to(b)
    for number in range(500):
        a.transport.send([mine], Ack(number))
        b.transport.send([its], Ack(number))
    await b.until(lambda: len(b.heard(its)) == 500)
    await a.until(lambda: len(a.heard(mine)) == 500)
    assert b.heard(its) == [Ack(number) for number in range(500)]
    assert a.heard(mine) == [Ack(number) for number in range(500)]


async def test_others_get_a_turn_between_messages_that_are_large(nursery: trio.Nursery) -> None:
    a, b = await End(1).start(nursery), await End(2).start(nursery)
    mine, its = await a.link_to(b, Channel.BULK)
    part, turn, turns = big_part(0, 5000), 0, Counter[int]()

    async def count_turns() -> None:
        nonlocal turn
        while True:
            turn += 1
            await trio.lowlevel.checkpoint()

    def note(link: int, message: Message) -> None:
        turns[turn] += 1

    b.reacts = note
    for _ in range(100):
        a.transport.send([mine], part)
    nursery.start_soon(count_turns)
    await b.until(lambda: len(b.heard(its)) == 100)
    assert max(turns.values()) <= BYTES_PER_STEP // len(encode(part)) + 1


async def test_a_message_goes_to_each_link_that_is_named_and_open(nursery: trio.Nursery) -> None:
    a, b, c = [await End(number).start(nursery) for number in (1, 2, 3)]
    to_b, _ = await a.link_to(b)
    to_c, _ = await a.link_to(c)
    a.transport.send([to_b, 12345, to_c], Ack(7))
    await b.until(lambda: b.messages)
    await c.until(lambda: c.messages)
    assert b.messages[0][1] == c.messages[0][1] == Ack(7)


async def test_the_acceptor_refuses_with_words(nursery: trio.Nursery) -> None:
    a, b = await End(1).start(nursery), await End(2).start(nursery)
    b.judges = lambda hello: CLUSTER if hello.name == "n1" else None
    a.transport.dial(b.address, Channel.CONTROL)
    await a.until(lambda: a.failed)
    (failed,) = a.failed
    assert (failed.address, failed.grade, failed.refusal) == (b.address, Grade.REJECTED, CLUSTER)
    assert not a.opened_links
    assert not b.opened_links
    assert b.counts["hello_refused"] == 1


async def test_the_dialler_refuses_with_words(nursery: trio.Nursery) -> None:
    a, b = await End(1).start(nursery), await End(2).start(nursery)
    a.judges = lambda _: CLUSTER
    a.transport.dial(b.address, Channel.BULK)
    await a.until(lambda: a.failed)
    assert (a.failed[0].grade, a.failed[0].refusal) == (Grade.UNWANTED, CLUSTER)
    await b.until(lambda: b.closed_links)
    assert b.closed_links[0][1] == "refused_wrong_cluster"
    assert not a.opened_links


async def test_one_dial_per_address_and_channel_is_under_way(nursery: trio.Nursery) -> None:
    a, b = await End(1).start(nursery), await End(2).start(nursery)
    for _ in range(3):
        a.transport.dial(b.address, Channel.CONTROL)
        a.transport.dial(b.address, Channel.BULK)
    await b.until(lambda: len(b.opened_links) == 2)
    await a.until(lambda: len(a.opened_links) == 2)
    a.transport.dial(b.address, Channel.CONTROL)
    await a.until(lambda: len(a.opened_links) == 3)
    channels = sorted(hello.channel for hello, _ in b.opened_links.values())
    assert channels == [Channel.CONTROL, Channel.CONTROL, Channel.BULK]


async def test_a_dropped_link_is_reported_once_at_both_ends(nursery: trio.Nursery) -> None:
    a, b = await End(1).start(nursery), await End(2).start(nursery)
    mine, its = await a.link_to(b)
    a.transport.drop(mine, "replaced")
    a.transport.drop(mine, "again")
    assert not a.closed_links, "closing is reported later, not from inside drop"
    await a.until(lambda: a.closed_links)
    await b.until(lambda: b.closed_links)
    assert a.closed_links == [(mine, "replaced")]
    assert b.closed_links == [(its, "closed_by_peer")]
    a.transport.drop(mine, "gone")
    a.transport.send([mine], Ack(1))
    assert a.transport.queued(mine) == 0


async def test_a_link_that_is_dropped_with_a_refusal_says_it(nursery: trio.Nursery) -> None:
    a, b = await End(1).start(nursery), await End(2).start(nursery)
    mine, its = await a.link_to(b, Channel.BULK)
    for number in range(10):
        b.transport.send([its], big_part(number))
    a.transport.drop(mine, "twin", TWIN)
    await b.until(lambda: b.closed_links)
    assert b.closed_links == [(its, "refused_twin")]
    await a.until(lambda: a.closed_links)
    assert a.closed_links == [(mine, "twin")]


async def test_nothing_is_handed_over_once_a_link_is_dropped(nursery: trio.Nursery) -> None:
    a, b = await End(1).start(nursery), await End(2).start(nursery)
    mine, its = await a.link_to(b)
    b.reacts = lambda link, _: b.transport.drop(link, "enough")
    for number in range(50):
        a.transport.send([mine], Ack(number))
    await b.until(lambda: b.closed_links)
    assert b.heard(its) == [Ack(0)]


async def test_a_handler_may_drop_a_link_while_it_is_opened(nursery: trio.Nursery) -> None:
    a, b = await End(1).start(nursery), await End(2).start(nursery)
    a.welcomes = lambda link: a.transport.drop(link, "replaced")
    a.transport.dial(b.address, Channel.CONTROL)
    await a.until(lambda: a.closed_links)
    assert a.closed_links[0][1] == "replaced"


async def test_a_full_outbox_drops_the_newest_and_counts(nursery: trio.Nursery) -> None:
    limits = Limits(control_bytes=80)
    a, b = await End(1, limits).start(nursery), await End(2).start(nursery)
    mine, its = await a.link_to(b)
    for number in range(15):
        a.transport.send([mine], Ack(number))
    assert a.transport.queued(mine) == 80
    assert a.counts["control_dropped"] == 5
    await b.until(lambda: len(b.heard(its)) == 10)
    a.transport.send([mine], Ack(100))
    await b.until(lambda: len(b.heard(its)) == 11)
    assert b.heard(its) == [Ack(number) for number in (*range(10), 100)]


async def test_a_message_that_no_peer_would_take_is_counted_and_not_sent(
    nursery: trio.Nursery,
) -> None:
    a, b = await End(1).start(nursery), await End(2).start(nursery)
    mine, its = await a.link_to(b, Channel.BULK)
    a.transport.send([mine], big_part(1, 300 * 1024))
    a.transport.send([mine], Ack(1))
    await b.until(lambda: b.messages)
    assert b.heard(its) == [Ack(1)]
    assert a.counts["message_too_large"] == 1


async def test_a_handler_without_room_is_not_handed_more(nursery: trio.Nursery) -> None:
    a, b = await End(1).start(nursery), await End(2).start(nursery)
    mine, its = await a.link_to(b, Channel.BULK)

    def fill_up(link: int, message: Message) -> None:
        if not b.messages[1:]:
            b.gate = trio.Event()

    b.reacts = fill_up
    for number in range(20):
        a.transport.send([mine], big_part(number))
    await b.until(lambda: b.messages)
    await trio.testing.wait_all_tasks_blocked(0.05)
    assert len(b.heard(its)) == 1
    assert not b.closed_links
    b.gate.set()
    await b.until(lambda: len(b.heard(its)) == 20)
    assert [encode(message) for message in b.heard(its)] == [
        encode(big_part(number)) for number in range(20)
    ]


async def test_20_mib_of_bulk_pass_while_control_answers(nursery: trio.Nursery) -> None:
    parts, filled = 105, 3 * 1024 * 1024
    a, b = await End(1).start(nursery), await End(2).start(nursery)
    control, control_there = await a.link_to(b)
    bulk, bulk_there = await a.link_to(b, Channel.BULK)
    waiting: list[int] = []
    todo = iter([big_part(number) for number in range(parts)])

    def answer(link: int, message: Message) -> None:
        if isinstance(message, Ack):
            b.transport.send([link], Ack(message.number))

    def go_on(link: int, message: Message) -> None:
        assert message == Ack(len(waiting))
        waiting.append(a.transport.queued(bulk))
        fill()
        a.transport.send([control], Ack(len(waiting)))

    def fill() -> None:
        while a.transport.queued(bulk) < filled:
            part = next(todo, None)
            if part is None:
                return
            a.transport.send([bulk], part)

    b.reacts, a.reacts = answer, go_on
    fill()
    a.transport.send([control], Ack(0))
    await b.until(lambda: len(b.heard(bulk_there)) == parts)
    received = b.heard(bulk_there)
    assert [message.number for message in received if isinstance(message, Part)] == list(
        range(parts)
    )
    assert b.counts["bytes_received"] > 20 * 1024 * 1024
    assert not a.counts["bulk_dropped"]
    # Answers came while megabytes were waiting on the other connection.
    assert sum(size > 1024 * 1024 for size in waiting) >= 5
    assert len(b.heard(control_there)) >= len(waiting)
    assert not a.closed_links
    assert not b.closed_links


async def test_a_slow_reader_is_dropped_while_others_go_on(nursery: trio.Nursery) -> None:
    limits = Limits(bulk_seconds=1.0)
    a, b = await End(1, limits).start(nursery), await End(2).start(nursery)
    to_b, from_a = await a.link_to(b, Channel.BULK)
    _, to_slow = await RawPeer.accepted(a, 3, Channel.BULK)
    for number in range(60):
        await a.until(lambda: a.transport.queued(to_b) == 0)
        a.transport.send([to_b, to_slow], big_part(number))
    await a.until(lambda: a.closed_links)
    ((link, reason),) = a.closed_links
    assert link == to_slow
    # The write's own deadline or the kernel's, whichever looks first.
    assert reason in ("slow_reader", "unanswered")
    assert a.counts[reason] == 1
    assert a.counts["bulk_dropped"] > 0
    a.transport.send([to_b], Ack(1))
    await b.until(lambda: len(b.heard(from_a)) == 61)


async def test_stopping_sends_what_waits_on_control_and_closes_every_link() -> None:
    a = End(1)
    async with trio.open_nursery() as nursery:
        b = await End(2).start(nursery)
        async with trio.open_nursery() as stopping:
            await a.start(stopping)
            control, control_there = await a.link_to(b)
            bulk, bulk_there = await a.link_to(b, Channel.BULK)
            for number in range(100):
                a.transport.send([control], Ack(number))
            stopping.cancel_scope.cancel()
        assert sorted(a.closed_links) == [(control, "stopped"), (bulk, "stopped")]
        await b.until(lambda: len(b.closed_links) == 2)
        assert sorted(link for link, _ in b.closed_links) == [control_there, bulk_there]
        assert b.heard(control_there) == [Ack(number) for number in range(100)]
        nursery.cancel_scope.cancel()


async def test_stopping_does_not_wait_for_a_peer_that_does_not_read() -> None:
    a = End(1, Limits(parting_seconds=0.05, control_seconds=1000))
    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            await a.start(nursery)
            _peer, link = await RawPeer.accepted(a, 3, Channel.CONTROL)
            a.transport.send([link], Ack(1))
            nursery.cancel_scope.cancel()
    assert a.closed_links == [(link, "stopped")]


async def test_before_and_after_running_a_dial_does_nothing() -> None:
    a = End(1)
    a.transport.dial("127.0.0.1:1", Channel.CONTROL)
    async with trio.open_nursery() as nursery:
        await a.start(nursery)
        nursery.cancel_scope.cancel()
    a.transport.dial("127.0.0.1:1", Channel.CONTROL)
    assert not a.failed


async def test_it_listens_on_ipv6_as_well(nursery: trio.Nursery) -> None:
    a, b = await End(1).start(nursery), End(2)
    host, port = await nursery.start(b.transport.run, "::1", 0)
    b.address = f"[{host}]:{port}"
    mine, _ = await a.link_to(b)
    assert a.opened_links[mine][1] == b.address


async def test_frames_are_read_back_by_a_plain_socket(nursery: trio.Nursery) -> None:
    a = await End(1).start(nursery)
    peer, link = await RawPeer.accepted(a, 3, Channel.CONTROL)
    a.transport.send([link], Ack(9))
    assert decode(await peer.frame()) == Ack(9)
    await peer.send(encode(Ack(9))[:3])
    await peer.send(encode(Ack(9))[3:])
    await a.until(lambda: a.messages)
    assert a.heard(link) == [Ack(9)]
