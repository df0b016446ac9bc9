"""Test control: faults, replication lag, clock, log of calls, snapshots and reset.

Owns the second port, which listens on loopback with a key of its own; nothing of it is on the tenant's own routes, so
a client of the tenant can never meet it by accident.
"""

import hmac
import re
import time
from collections.abc import Callable
from datetime import timedelta

import jwt
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.tenant.documents import Document
from sandbox.tenant.replication import Lag, View
from sandbox.tenant.tenant import Tenant

_FAULT_TYPES: dict[str, tuple[type, ...]] = {
    "method": (str,),
    "path": (str,),
    "times": (int,),
    "status": (int, type(None)),
    "body": (dict, str, type(None)),
    "headers": (dict,),
    "delay": (int, float),
    "cut": (str, type(None)),
    "retryAfter": (int, str),
}


class ControlError(Exception):
    """The control was asked for something that it does not do."""


def control(tenant: Tenant, key: str) -> Starlette:
    """The control's application."""
    commands: tuple[tuple[str, str, Callable[[Tenant, Document, str], object]], ...] = (
        ("GET", "/faults", _list_faults),
        ("POST", "/faults", _add_fault),
        ("DELETE", "/faults", _clear_faults),
        ("GET", "/replication", _show_replication),
        ("PUT", "/replication", _set_replication),
        ("GET", "/clock", _show_clock),
        ("PUT", "/clock", _set_clock),
        ("GET", "/calls", _calls),
        ("POST", "/snapshots/{name}", _take_snapshot),
        ("POST", "/snapshots/{name}/restore", _restore_snapshot),
        ("POST", "/reset", _reset),
        ("POST", "/federated-tokens", _federated_token),
    )

    def route(method: str, path: str, command: Callable[[Tenant, Document, str], object]) -> Route:
        async def endpoint(request: Request) -> Response:
            sent = request.headers.get("authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(sent.encode(), key.encode()):
                return JSONResponse({"error": "the control key is missing or wrong"}, 401)
            try:
                body = await request.json() if await request.body() else {}
                return JSONResponse(command(tenant, _object(body), str(request.path_params.get("name", ""))))
            except (ControlError, ValueError, TypeError) as error:
                return JSONResponse({"error": str(error)}, 400)

        return Route(path, endpoint, methods=[method])

    return Starlette(routes=[route(*command) for command in commands])


def _object(body: object) -> Document:
    if not isinstance(body, dict):
        raise ControlError("the body is not an object")
    return body


def _list_faults(tenant: Tenant, body: Document, name: str) -> object:
    del body, name
    return [vars(fault) for fault in tenant.faults.all]


def _add_fault(tenant: Tenant, body: Document, name: str) -> object:
    del name
    for field, value in body.items():
        if field not in _FAULT_TYPES or not isinstance(value, _FAULT_TYPES[field]):
            raise ControlError(f"a fault has no {field!r} of this type; it has {', '.join(_FAULT_TYPES)}")
    if body.get("cut") not in (None, "before", "after"):
        raise ControlError("cut is 'before' or 'after'")
    given = dict(body)
    retry_after = given.pop("retryAfter", None)
    if retry_after is not None:
        given["headers"] = {**given.get("headers", {}), "Retry-After": str(retry_after)}
    return vars(tenant.faults.add(given))


def _clear_faults(tenant: Tenant, body: Document, name: str) -> object:
    del body, name
    tenant.faults.all.clear()
    return []


def _show_replication(tenant: Tenant, body: Document, name: str) -> object:
    del body, name
    return {view.value: vars(lag) for view, lag in tenant.replication.lags.items()}


def _set_replication(tenant: Tenant, body: Document, name: str) -> object:
    """Set the lag of each view named; a view not named has none."""
    lags = {}
    for view, lag in body.items():
        if view not in list(View) or not isinstance(lag, dict) or not set(lag) <= {"reads", "seconds"}:
            raise ControlError(f"replication has the views {', '.join(View)}, each with reads or seconds")
        lags[View(view)] = Lag(int(lag.get("reads", 0)), float(lag.get("seconds", 0)))
    tenant.replication.lags = lags
    tenant.replication.catch_up()
    return _show_replication(tenant, body, name)


def _show_clock(tenant: Tenant, body: Document, name: str) -> object:
    del body, name
    return {"shiftSeconds": tenant.clock.shift.total_seconds(), "now": tenant.clock.stamp()}


def _set_clock(tenant: Tenant, body: Document, name: str) -> object:
    try:
        tenant.clock.shift = timedelta(seconds=float(body["shiftSeconds"]))
        tenant.clock.now()
    except (KeyError, OverflowError) as error:
        tenant.clock.shift = timedelta()
        raise ControlError("the clock needs shiftSeconds within the calendar") from error
    return _show_clock(tenant, body, name)


def _calls(tenant: Tenant, body: Document, name: str) -> object:
    del body, name
    return tenant.calls.read()


def _snapshot_path(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,60}", name):
        raise ControlError("a snapshot's name has letters, digits, - and _")
    return f"snapshot-{name}.db"


def _take_snapshot(tenant: Tenant, body: Document, name: str) -> object:
    del body
    tenant.store.copy_to(tenant.folder / _snapshot_path(name))
    return {"name": name}


def _restore_snapshot(tenant: Tenant, body: Document, name: str) -> object:
    del body
    path = tenant.folder / _snapshot_path(name)
    if not path.exists():
        raise ControlError(f"there is no snapshot {name!r}")
    tenant.store.copy_from(path)
    tenant.replication.catch_up()
    return {"name": name}


def _reset(tenant: Tenant, body: Document, name: str) -> object:
    del body, name
    tenant.reset()
    return {}


def _federated_token(tenant: Tenant, body: Document, name: str) -> object:
    """A token as an outside issuer would sign it, for any issuer, subject and audience."""
    del name
    lifetime = int(body.pop("lifetimeSeconds", 300))
    now = int(tenant.clock.now().timestamp())
    claims = {"iat": now, "nbf": now, "exp": now + lifetime, "jti": str(time.monotonic_ns()), **body}
    key = tenant.issuer_key
    return {"token": jwt.encode(claims, key.private, algorithm="RS256", headers={"kid": key.id})}
