"""gcounterd: named grow-only counters on every host of a cluster.

The rooms, in reading order: `counters` and `members` (pure), `node` (composes them, pure),
`wire` (bytes, pure), then the shells `storage`, `links`, `api`, `daemon`, `cli`, and `sim`,
which runs whole clusters in one process. `docs/architecture.md` is the map.
"""

__version__ = "0.1.0"
