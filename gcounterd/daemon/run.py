"""Running: what starts in which order, and what stops in which.

Theory. Up: the directory is locked and read, peers' port bound (the node must know its address),
then the API, and only then is the node announced as listening. Down, on TERM or INT: it turns not
ready, goes on for as long as it was told to, takes no more increments, finishes the answers in
flight, commits what waits, lets the peer links say what is queued, and closes the store last. A
second signal stops at once; what was acknowledged is on disk all the same. USR2 only drains: the
node takes no more increments and stays. HUP reads anew what operators change in files.
"""

from __future__ import annotations

import gc
import os
import resource
import signal
from collections.abc import Callable

import trio

from gcounterd import __version__
from gcounterd.api.encrypted import FILES_EACH
from gcounterd.api.limits import Limits
from gcounterd.daemon.addresses import Address
from gcounterd.daemon.auditing import Auditing
from gcounterd.daemon.boot import Booted, Wishes, boot
from gcounterd.daemon.clients import Clients
from gcounterd.daemon.condition import Condition
from gcounterd.daemon.draining import Draining
from gcounterd.daemon.driver import Driver
from gcounterd.daemon.entry import (
    Safeguards,
    keep_fresh,
    open_access,
    open_encryption,
    warn_of_clear_tokens,
)
from gcounterd.daemon.identity import Identity, is_caught_up
from gcounterd.daemon.join_token import read_join_token
from gcounterd.daemon.logs import get_logger
from gcounterd.daemon.metrics import Metrics
from gcounterd.daemon.option_values import OFF
from gcounterd.daemon.overview import Overview
from gcounterd.daemon.peer_links import open_securing, secure
from gcounterd.daemon.reloading import Reloading
from gcounterd.daemon.removals import Removals
from gcounterd.daemon.service import Service
from gcounterd.daemon.settings import Settings
from gcounterd.daemon.views import Views
from gcounterd.daemon.watching import Watching
from gcounterd.errors import StorageError
from gcounterd.links.sockets import listen_peers
from gcounterd.node.node import Node
from gcounterd.storage.schema import Durability

log = get_logger("gcounterd.run")

# Files kept for the store, peers, logs and the like when connections take all the rest.
_FILES_RESERVED = 256
# A commit at the end that takes longer than this is a disk that hangs; the journal has the rest.
_FLUSH_S = 10.0
# Increments that wait for other members do so no longer when the process stops: members that are
# there answer in a fraction of this, and the others might never.
_HELD_S = 1.0
_CAUGHT_UP_POLL_S = 0.5
# A node that was removed answers for so long that it was; operators ask several times a second.
_SEEN_S = 1.0


def main(settings: Settings, read_again: Callable[[], Settings]) -> int:
    """Run a node until it is told to stop; return 0. Errors of the tree are raised.

    `read_again` returns the settings as they are given at that moment; raises `ConfigError`.
    """
    auditing = Auditing(settings.data_dir)
    access, securing = open_access(settings, auditing.note), open_securing(settings)
    encryption = open_encryption(settings)
    wishes = Wishes(
        data_dir=settings.data_dir,
        name=settings.name,
        cluster=settings.cluster,
        max_counters=settings.max_counters,
        durability=Durability(settings.durability),
        salvage=settings.salvage,
        joins=bool(settings.join),
        profile=settings.profile,
        approved_only=settings.admission == "approved",
        join_token=read_join_token(settings),
        take_over=settings.take_over,
        new_identity=settings.new_identity,
        archive_budget=settings.archive_budget,
        secured=securing is not None,
        growth_limit=settings.growth_limit,
    )
    booted = _boot_uncollected(wishes)
    trio.run(_run, settings, booted, Safeguards(access, auditing, encryption, securing, read_again))
    return 0


def _boot_uncollected(wishes: Wishes) -> Booted:
    """Boot without garbage collections, and keep later ones away from what booting made.

    The list of a million names is one object to the collector, but it looks at each of its items:
    6 ms of the loop per million, where nothing of it can be garbage.
    """
    gc.disable()
    try:
        return boot(wishes)
    finally:
        gc.freeze()
        gc.enable()


def _room_for_clients(settings: Settings) -> int:
    return _raise_file_limit() // (FILES_EACH if settings.http_tls_cert else 1)


def _raise_file_limit() -> int:
    """Raise the soft limit of open files to the hard one; return how many connections fit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(16, min(hard, 1_000_000) - _FILES_RESERVED)


async def _run(settings: Settings, booted: Booted, guards: Safeguards) -> None:
    store = booted.store
    async with trio.open_nursery() as outer:
        await outer.start(store.run)
        try:
            reloading = Reloading()
            keep_fresh(guards, settings, reloading)
            outer.start_soon(reloading.run)
            outer.start_soon(guards.auditing.run)
            await _run_node(settings, booted, guards, reloading)
        finally:
            outer.cancel_scope.cancel()
    log.info("stopped", node=settings.name)


async def _run_node(
    settings: Settings, booted: Booted, guards: Safeguards, reloading: Reloading
) -> None:
    condition = Condition(not_ready={"starting": "starting: not all listeners are bound"})
    seeds = tuple(str(address) for address in settings.join)
    durability = Durability(settings.durability)
    peers = await listen_peers(settings.peer.host, settings.peer.port)
    address = _advertised(settings, peers)
    node = booted.node(str(address), seeds, trio.current_time())
    identity = Identity(booted.identity, booted.store)
    names_on_disk = booted.restored.names_on_disk
    driver = Driver(node, booted.store, durability, names_on_disk, identity)
    removals = Removals(driver, booted.removals)
    views = Views(driver, condition, durability, removals)
    exposition = Metrics(driver, views).exposition
    draining = Draining(node, condition, settings.drain_delay)
    seen = (views.cluster, views.status, views.warnings)
    if booted.mended:
        condition.warnings["damaged"] = "the store was damaged; see the log of this start"
    limits = Limits(connections_max=settings.max_connections or _room_for_clients(settings))
    watching = _watch(driver, views, limits)
    overview = _oversee(driver, views, removals, watching, settings)
    service = Service(driver, condition, draining, removals, *seen, exposition, watching, overview)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(driver.watchdog.run)
        if guards.securing is not None:
            secure(guards.securing, driver, views, reloading)
            nursery.start_soon(guards.securing.run)
        await nursery.start(driver.transport.serve, peers)
        await nursery.start(driver.commits.run)
        if booted.mended:
            await driver.commits.checkpoints.write()
        nursery.start_soon(driver.commits.checkpoints.run)
        nursery.start_soon(driver.cold.run, driver.loaded)
        nursery.start_soon(driver.turning.run)
        nursery.start_soon(removals.run)
        nursery.start_soon(watching.run)
        encrypted = guards.encryption, guards.encryption if settings.resp_tls else None
        clients = await Clients.open(service, watching, settings, limits, guards.access, encrypted)
        await nursery.start(clients.run)
        await nursery.start(_watch_signals, nursery, draining, driver, clients, reloading)
        driver.commits.request()
        nursery.start_soon(_drive, nursery.cancel_scope, draining, driver, clients)
        _announce(settings, node.config.address, clients)
        condition.not_ready.pop("starting")
        if not is_caught_up(booted.identity):
            nursery.start_soon(_note_caught_up, identity, node)


def _watch(driver: Driver, views: Views, limits: Limits) -> Watching:
    """Return what keeps streams up to date; at least half of the connections are for others."""
    node = driver.node
    cluster, most = node.config.cluster, limits.connections_max // 2
    watching = Watching(
        node.counters, node.roster, cluster, views.reasons, driver.count, streams_max=most
    )
    driver.rise.append(watching.note)
    return watching


def _oversee(
    driver: Driver, views: Views, removals: Removals, watching: Watching, settings: Settings
) -> Overview:
    """Return what sees the cluster for the pages of operators, and let their streams tell it."""
    pages = {each.name: each.url for each in settings.http_of}
    overview = Overview(driver, views, removals, pages)
    watching.overview = overview.tidings
    driver.heeds.append(lambda notice: watching.happened())
    return overview


async def _note_caught_up(identity: Identity, node: Node) -> None:
    """Write down that this identity was ready once, when it is."""
    while node.joining.reasons():  # noqa: ASYNC110 - worked out when asked, so it has no event
        await trio.sleep(_CAUGHT_UP_POLL_S)
    while True:
        try:
            return await identity.note_caught_up()
        except StorageError as error:
            if not error.full:
                raise
            await trio.sleep(_CAUGHT_UP_POLL_S)


def _advertised(settings: Settings, peers: list[trio.SocketListener]) -> Address:
    """Return the address that peers are told; port 0 stands for the one that was bound."""
    advertise = settings.advertise
    if advertise.port:
        return advertise
    return Address(advertise.host, peers[0].socket.getsockname()[1])


def _announce(settings: Settings, address: str, clients: Clients) -> None:
    warn_of_clear_tokens(settings)
    log.info(
        "listening",
        version=__version__,
        pid=os.getpid(),
        node=settings.name,
        cluster=settings.cluster,
        http=f"{'https' if settings.http_tls_cert else 'http'}://{clients.http[0].address}",
        resp=clients.resp[0].address if clients.resp else OFF,
        peer=address,
        data_dir=str(settings.data_dir),
    )


async def _watch_signals(
    nursery: trio.Nursery,
    draining: Draining,
    driver: Driver,
    clients: Clients,
    reloading: Reloading,
    *,
    task_status: trio.TaskStatus[None],
) -> None:
    wanted = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2, signal.SIGHUP)
    with trio.open_signal_receiver(*wanted) as signals:
        task_status.started()
        async for number in signals:
            name = signal.Signals(number).name
            if number == signal.SIGUSR2:
                draining.begin(name)
                continue
            if number == signal.SIGHUP:
                reloading.request()
                continue
            if draining.stopping:
                log.warning("stopping_at_once", signal=name)
                nursery.cancel_scope.cancel()
                return
            log.info("stopping", signal=name)
            draining.stop()
            nursery.start_soon(_stop_later, nursery.cancel_scope, draining, driver, clients)


async def _drive(
    everything: trio.CancelScope, draining: Draining, driver: Driver, clients: Clients
) -> None:
    """Run the node; stop where it was removed, after those who asked for it have seen that."""
    await driver.run()
    draining.stop()
    await trio.sleep(_SEEN_S)
    await _stop(everything, driver, clients)


async def _stop_later(
    everything: trio.CancelScope, draining: Draining, driver: Driver, clients: Clients
) -> None:
    """Stop when whoever sends clients here has had the time to see that it should not."""
    await trio.sleep(draining.left())
    await _stop(everything, driver, clients)


async def _stop(everything: trio.CancelScope, driver: Driver, clients: Clients) -> None:
    driver.history.end()
    driver.waiting.end()
    clients.watching.end()
    clients.stopping.set()
    with trio.move_on_after(_HELD_S):
        await clients.done.wait()
    driver.carry_out(driver.node.acknowledging.give_up())
    await clients.done.wait()
    await clients.service.texts.splitting.close()
    with trio.move_on_after(_FLUSH_S):
        await driver.commits.flush()
        if driver.node.counters.writer.idle:
            driver.node.settlement.closings.finish()
            await driver.commits.flush()
    driver.carry_out(driver.node.leave())
    everything.cancel()
