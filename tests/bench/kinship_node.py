"""One member of a kinship cluster, which prints its events: run by kinship's own interpreter.

    python -I kinship_node.py NAME HOST:PORT KEY [SEED]

Everything is at the defaults of `Config.lan`, which asks for a key. A line is `up`, or `alive` or
`dead` and a member's name.
"""

from __future__ import annotations

import asyncio
import sys

import kinship

WORDS = {"MemberJoined": "alive", "MemberDead": "dead"}


async def main(name: str, address: str, key: str, *seeds: str) -> None:
    """Run until killed."""
    config = kinship.Config.lan(name=name, bind=address, keys=[key], seeds=list(seeds))
    async with kinship.Cluster(config) as cluster:
        events = cluster.events()
        print("up", flush=True)
        for member in cluster.members():
            print("alive", member.name, flush=True)
        async for event in events:
            word = WORDS.get(type(event).__name__)
            if word is not None:
                print(word, event.member.name, flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
