"""Looking: all keys at all nodes, until they show the same, and once more for the record.

Each look is recorded as reads, so that what nodes show on the way to rest is judged as well. This
module refuses to know who counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import trio

from tests.cluster.client import Client, Lost, NotSent
from tests.histories.history import Outcome
from tests.histories.recorder import Recorder

# Between two looks at all nodes.
LOOK_EVERY_S = 0.2


async def look_until_agreed(
    recorder: Recorder, ports: Mapping[str, int], keys: Sequence[str]
) -> None:
    """Look at all nodes until they show the same twice; nobody else may record meanwhile."""
    before: list[tuple[int | None, ...]] = []
    while True:
        await look(recorder, ports, keys)
        last = recorder.history.operations[-len(keys) * len(ports) :]
        shown = {(each.place, each.key): each.value for each in last}
        values = [tuple(shown[place, key] for key in keys) for place in ports]
        if values == before and len(dict.fromkeys(values)) == 1:
            return
        before = values
        await trio.sleep(LOOK_EVERY_S)


async def look(
    recorder: Recorder, ports: Mapping[str, int], keys: Sequence[str], *, final: int = 0
) -> list[str]:
    """Read all keys at all nodes; return who could not be read."""
    failed: list[str] = []
    async with trio.open_nursery() as nursery:
        for place, port in ports.items():
            nursery.start_soon(_look_at, recorder, place, port, keys, final, failed)
    return [f"{place} could not be read at the end of a round" for place in sorted(failed)]


async def _look_at(
    recorder: Recorder, place: str, port: int, keys: Sequence[str], final: int, failed: list[str]
) -> None:
    client = Client("127.0.0.1", port)
    looks = [recorder.begin(f"look {place} {key}", place, key, final=final) for key in keys]
    shown: dict[str, int] = {}
    try:
        answer = await client.request("GET", "/v1/counters?" + "&".join(f"key={k}" for k in keys))
        if answer.status == 200:
            shown = {item["key"]: item["value"] for item in answer.json()["counters"]}
    except (NotSent, Lost):
        pass
    finally:
        client.drop()
    if not shown:
        failed.append(place)
    for each in looks:
        recorder.end(each, Outcome.OK if shown else Outcome.REFUSED, shown.get(each.key))
