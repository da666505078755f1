"""Opening: from a request to what answers it, and to the answer of a handler.

Theory. Whatever a request asks for, it ends in a burst (`api.burst`): as an increment or a local
read that shares a commit with its neighbours, as an answer that is finished, or as one that a
handler has to make first. What goes wrong on the way is an answer too, and never anybody else's.

This module refuses to know sockets.
"""

from __future__ import annotations

import http

import attrs
import trio

from gcounterd.api.access import Access, refuse_key
from gcounterd.api.backend import Backend
from gcounterd.api.burst import Burst, Style
from gcounterd.api.limited import limit
from gcounterd.api.listeners import Listener
from gcounterd.api.requests import Request, Target, split_target
from gcounterd.api.responses import Response, blame, refuse
from gcounterd.api.routing import Call, Router
from gcounterd.api.scopes import ACTIONS, scope_of
from gcounterd.errors import ClientError
from gcounterd.security.audit import ASKED_CHARS_MAX, Deed
from gcounterd.security.tokens import NOTHING, Grant, Scope

# What a client is told to send with a 401.
_CHALLENGE = (b"WWW-Authenticate", b'Bearer realm="gcounterd"')


def open_call(
    request: Request,
    burst: Burst,
    router: Router,
    listener: Listener,
    access: Access,
    client: str = "",
) -> Call | None:
    """Find what answers a request; None if its answer is in the burst without a handler.

    `client` is where it comes from.
    """
    try:
        target = split_target(request.target)
        request.shared = b"origin" in request.headers and router.opens(request, target)
        grant = _identify(request, listener, access, client)
        if not grant.token:
            _guard(request, target, router, listener)
        call = router.find(request, target)
        if isinstance(call, Response):
            burst.place(request, call)
            return None
        call = attrs.evolve(call, grant=_permit(call, grant, access, client))
        plan = call.route.plan(call) if call.route.plan is not None else None
        if plan is None:
            return call
        if not call.grant.covers(plan.key):
            raise refuse_key(call.grant)
        style = Style.TEXT if plan.as_text else Style.NUMBER
        burst.take(request, plan.key, plan.amount, style, plan.level, plan.seconds)
    except Exception as error:
        burst.place(request, _refuse(request, router, blame(error)))
    return None


def _identify(request: Request, listener: Listener, access: Access, client: str) -> Grant:
    try:
        return access.read_header(request.headers.get(b"authorization"), listener)
    except ClientError:
        access.charge(NOTHING, client)
        raise


def _permit(call: Call, grant: Grant, access: Access, client: str) -> Grant:
    scope = scope_of(call.route)
    if scope is not None:
        access.charge(grant, client)
    try:
        return access.choose(grant, scope)
    except ClientError as error:
        if scope is Scope.ADMIN:
            who = grant.name if grant.token else client
            access.note(_write_down(call, who, error.status, error.code))
        raise


def _write_down(call: Call, who: str, status: int, code: str) -> Deed:
    """Return what an operator asked for, for the audit."""
    request, route = call.request, call.route
    asked = f"{route.method} {request.target.decode('ascii', 'backslashreplace')}"
    if request.body:
        asked += f" {request.body[:ASKED_CHARS_MAX].decode(errors='backslashreplace')}"
    action = ACTIONS[route.method, route.pattern]
    return Deed(who, action, asked[:ASKED_CHARS_MAX], status, code)


def _guard(request: Request, target: Target, router: Router, listener: Listener) -> None:
    """Let pages of any origin ask what is open to them; raise `ClientError` for the rest.

    A page of a stranger has no token, so whoever shows one is not asked where it comes from.
    """
    if listener.guard is not None:
        authority = target.authority or request.headers.get(b"host")
        try:
            listener.guard.check(authority, request.headers.get(b"origin"))
        except ClientError:
            if not (request.shared or router.opens(request, target)):
                raise


def _refuse(request: Request, router: Router, error: ClientError) -> Response:
    if error.status == http.HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = router.allowed(split_target(request.target))
        return refuse(error, headers=((b"Allow", allowed),))
    if error.status == http.HTTPStatus.UNAUTHORIZED:
        return refuse(error, headers=(_CHALLENGE,))
    return refuse(error)


async def handle(call: Call, backend: Backend, access: Access) -> Response:
    """Return the answer of a call's handler, or what went wrong as one; an operator's is noted.

    Raises `trio.ClosedResourceError` where the client is gone in the middle of its upload.
    """
    response = await _handle(call, backend)
    if scope_of(call.route) is Scope.ADMIN:
        access.note(_write_down(call, call.grant.name, response.status, response.code))
    return response


async def _handle(call: Call, backend: Backend) -> Response:
    assert call.route.handler is not None
    try:
        return await call.route.handler(call, limit(backend, call.grant))
    except trio.ClosedResourceError:
        raise  # nobody waits for an answer
    except Exception as error:
        return refuse(blame(error))


def too_late() -> ClientError:
    """Return what a client is told that takes too long to send."""
    return ClientError(408, "timeout", "the request did not arrive in time")
