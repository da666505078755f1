"""Handlers of the operator's verbs about one node: check and copy its store, drain it.

They are offered on the admin socket, whose file mode is the permission, and on loopback behind
the guard; nowhere else. This module refuses to know the store.
"""

from __future__ import annotations

import os

from gcounterd.api.backend import Backend
from gcounterd.api.bodies import read_object
from gcounterd.api.limits import PATH_BYTES_MAX
from gcounterd.api.requests import read_text
from gcounterd.api.responses import Response, answer
from gcounterd.api.routing import Call
from gcounterd.errors import ClientError


async def verify(call: Call, backend: Backend) -> Response:
    """`POST /v1/admin/verify`: check the store while it runs."""
    return answer(await backend.verify())


async def back_up(call: Call, backend: Backend) -> Response:
    """`POST /v1/admin/backup {"path"}`: write a consistent copy to a new file."""
    path = read_object(call.request.body, ["path"])["path"]
    if not isinstance(path, str) or not _is_usable(path):
        # The daemon's own folder means nothing to the client, so a relative path is a mistake.
        raise ClientError(400, "bad_path", f"an absolute path, at most {PATH_BYTES_MAX} bytes")
    return answer(await backend.backup(path))


async def drain(call: Call, backend: Backend) -> Response:
    """`POST /v1/drain`: take no increments until told otherwise, or until the process ends."""
    check_meant(call, backend)
    return answer(backend.drain())


async def undrain(call: Call, backend: Backend) -> Response:
    """`POST /v1/undrain`: take increments again; a node that stops goes on stopping."""
    check_meant(call, backend)
    return answer(backend.undrain())


def check_meant(call: Call, backend: Backend) -> None:
    """Refuse what another node is to do, which a balancer sent here; 409 `other_node`."""
    meant = read_text(call.query, "node", backend.name)
    if meant != backend.name:
        raise ClientError(409, "other_node", f"this is {backend.name}, and not {meant}")


def _is_usable(path: str) -> bool:
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        return False
    return os.path.isabs(path) and "\0" not in path and size <= PATH_BYTES_MAX
