"""Opening: from a request to what answers it, and to the answer of a handler.

Theory. Whatever a request asks for, it ends in a burst (`api.burst`): as an increment or a local
read that shares a commit with its neighbours, as an answer that is finished, or as one that a
handler has to make first. What goes wrong on the way is an answer too, and never anybody else's.

This module refuses to know sockets.
"""

from __future__ import annotations

import http

import trio

from gcounterd.api.backend import Backend
from gcounterd.api.burst import Burst, Style
from gcounterd.api.listeners import Listener
from gcounterd.api.requests import Request, Target, split_target
from gcounterd.api.responses import Response, blame, refuse
from gcounterd.api.routing import Call, Router
from gcounterd.errors import ClientError


def open_call(request: Request, burst: Burst, router: Router, listener: Listener) -> Call | None:
    """Find what answers a request; None if its answer is in the burst without a handler."""
    try:
        target = split_target(request.target)
        _admit(request, target, router, listener)
        call = router.find(request, target)
        if isinstance(call, Response):
            burst.place(request, call)
            return None
        if call.route.local and not listener.local:
            raise ClientError(
                403, "forbidden", "only on the admin socket and on loopback listeners"
            )
        plan = call.route.plan(call) if call.route.plan is not None else None
        if plan is None:
            return call
        style = Style.TEXT if plan.as_text else Style.NUMBER
        burst.take(request, plan.key, plan.amount, style, plan.level, plan.seconds)
    except Exception as error:
        burst.place(request, _refuse(request, router, blame(error)))
    return None


def _admit(request: Request, target: Target, router: Router, listener: Listener) -> None:
    """Let pages of any origin ask what is open to them; raise `ClientError` for the rest."""
    origin = request.headers.get(b"origin")
    if origin is not None:
        request.shared = router.opens(request, target)
    if listener.guard is not None:
        try:
            listener.guard.check(target.authority or request.headers.get(b"host"), origin)
        except ClientError:
            if not (request.shared or router.opens(request, target)):
                raise


def _refuse(request: Request, router: Router, error: ClientError) -> Response:
    if error.status == http.HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = router.allowed(split_target(request.target))
        return refuse(error, headers=((b"Allow", allowed),))
    return refuse(error)


async def handle(call: Call, backend: Backend) -> Response:
    """Return the answer of a call's handler, or what went wrong as one.

    Raises `trio.ClosedResourceError` where the client is gone in the middle of its upload.
    """
    assert call.route.handler is not None
    try:
        return await call.route.handler(call, backend)
    except trio.ClosedResourceError:
        raise  # nobody waits for an answer
    except Exception as error:
        return refuse(blame(error))


def too_late() -> ClientError:
    """Return what a client is told that takes too long to send."""
    return ClientError(408, "timeout", "the request did not arrive in time")
