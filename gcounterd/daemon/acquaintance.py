"""Acquaintance: joining nodes at somebody's word, and waiting until all of them know each other.

Theory. Whoever names all nodes of a cluster to one of them will next count and read at any. A
consistent read asks the members that its node knows, so before that everyone has to know everyone:
each address has been answered from by a node, which is on the roster, and in one round of questions
every member answered that it knows the same members.

Who is not heard from in time is still tried afterwards. This module refuses to know who asks.
"""

from __future__ import annotations

from collections.abc import Sequence

import trio

from gcounterd.daemon.driver import Driver

# Between two looks. Entries that have just been merged are committed and told within it.
LOOK_S = 0.02


async def join_all(driver: Driver, addresses: Sequence[str], seconds: float) -> tuple[str, ...]:
    """Join nodes, and wait for them; return who is still waited for: addresses, or names."""
    driver.join(addresses)
    deadline = trio.current_time() + seconds
    while True:
        waiting = await _find_strangers(driver, addresses, deadline)
        if not waiting or trio.current_time() >= deadline:
            return waiting
        await trio.sleep(LOOK_S)


async def _find_strangers(
    driver: Driver, addresses: Sequence[str], deadline: float
) -> tuple[str, ...]:
    node = driver.node
    unmet = tuple(address for address in node.dialler.unmet if address in addresses)
    if unmet:
        return unmet
    strange = [link.hello for link in node.peers.all() if link.peer not in node.roster]
    if strange:
        return tuple(sorted({hello.address for hello in strange}))
    missing = await driver.read(max(deadline - trio.current_time(), 0.0))
    if missing or node.reading.agreed():
        return missing
    return tuple(sorted(node.roster.label(entry.node) for entry in node.roster.belonging()))
