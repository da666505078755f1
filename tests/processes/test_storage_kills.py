"""A writer killed with -9 in the midst of its commits loses nothing that it was told it has."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from gcounterd.storage.store import Store

KILLS = 10
SEED = 11

WRITER = """
import random
import sys
from pathlib import Path
import trio
from gcounterd.counters.images import Image, Kind
from gcounterd.storage.store import Store

def body_of(seq):
    # Every ninth group is large enough for several rows.
    return b"%012d" % seq * (400_000 if seq % 9 == 0 else 40)

async def main():
    store = Store.open(Path(sys.argv[1]))
    recovered = store.recover()
    list(recovered.images), list(recovered.groups)
    assert not recovered.damage, recovered.damage
    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        seq = store.last_seq
        while True:
            seq += 1
            await store.append(seq, body_of(seq))
            print("acked", seq, flush=True)
            if seq % 25 == 0:
                image = Image(Kind.SEGMENT, b"c" * 32, 0, b"%012d" % seq)
                await store.finish_checkpoint([image], seq - 5)
                print("trimmed", seq - 5, flush=True)

trio.run(main)
"""


def run_and_kill(directory: Path, lines: int) -> list[tuple[str, int]]:
    """Let a writer report `lines` times, kill it, and return all that it had reported."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(directory)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout is not None
        head = [writer.stdout.readline() for _ in range(lines)]
        writer.kill()
        rest, errors = writer.communicate()
    assert head[-1], errors
    reports = [line.split() for line in [*head, *rest.splitlines()]]
    return [(report[0], int(report[1])) for report in reports if len(report) == 2]


@pytest.mark.slow
def test_every_acknowledged_group_outlives_kills(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    acked: set[int] = set()
    trimmed = 0
    for _ in range(KILLS):
        for word, seq in run_and_kill(tmp_path, chance.randrange(5, 60)):
            if word == "acked":
                acked.add(seq)
            else:
                trimmed = seq
        store = Store.open(tmp_path)
        recovered = store.recover()
        images = list(recovered.images)
        groups = dict(recovered.groups)
        store.close()
        assert recovered.damage == []
        first = min(groups, default=0)
        # A checkpoint may have happened without being reported; then an image vouches for it.
        covered = first - 1 if groups else trimmed
        assert covered >= trimmed
        assert covered == 0 or int(images[0].body) >= covered
        assert {seq for seq in acked if seq > covered} <= groups.keys()
        assert list(groups) == list(range(first, max(groups, default=-1) + 1))
        for seq, body in groups.items():
            assert body == b"%012d" % seq * (400_000 if seq % 9 == 0 else 40)
    assert len(acked) > 100
