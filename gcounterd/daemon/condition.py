"""The condition of a node: why it should get no traffic now, and what to look at.

The life cycle writes what only it knows (starting, stopping, a damaged store); the node adds what
it waits for. Everyone who shows readiness reads it here, so that no two answers differ. This
module refuses to know who shows it.
"""

from __future__ import annotations

import attrs

from gcounterd.node.node import Node


@attrs.define(eq=False)
class Condition:
    """Sentences by a short name, so that whoever wrote one can take it back.

    not_ready  each keeps the node from being ready
    draining   likewise, and from counting; what it has is as good as before, so reads are answered
    warnings   each is for an operator to see, although the node is ready
    """

    not_ready: dict[str, str] = attrs.Factory(dict)
    draining: dict[str, str] = attrs.Factory(dict)
    warnings: dict[str, str] = attrs.Factory(dict)

    def reasons(self, node: Node) -> tuple[str, ...]:
        """Return every reason why `node` is not ready; empty if it is."""
        leaving = node.removing.reasons()
        return (*self.unreadable(node), *self.draining.values(), *leaving)

    def unreadable(self, node: Node) -> tuple[str, ...]:
        """Return those of them for which it should not even be read."""
        returning = node.removing.reasons_unread()
        return (
            *self.not_ready.values(),
            *node.twins.reasons(),
            *returning,
            *node.joining.reasons(),
        )
