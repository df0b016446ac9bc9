"""One tenant: its directory, sign-in service and Graph put together over one folder, and its HTTP front.

Owns which part of the tenant an address belongs to, the limit on bodies, the log of calls, and where faults strike.
"""

import asyncio
import json
import re
from pathlib import Path
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sandbox.tenant.calls import CallLog
from sandbox.tenant.clock import Clock
from sandbox.tenant.directory import Answer, Directory
from sandbox.tenant.documents import Document
from sandbox.tenant.errors import GraphError, SignInError
from sandbox.tenant.faults import Fault, Faults
from sandbox.tenant.graph import VERSIONS, Call, Graph
from sandbox.tenant.keys import SigningKey
from sandbox.tenant.portal import Portal
from sandbox.tenant.replication import Replication
from sandbox.tenant.seed import IDENTITIES, TENANT_ID, plant, secrets_of
from sandbox.tenant.sign_in import SignIn
from sandbox.tenant.store import Store
from sandbox.tenant.tokens import Tokens

_MAX_BODY = 1 << 20
_MAX_DRAINED = 64 << 20
_TOKEN_PATH = re.compile(r"/([^/]+)/oauth2/v2\.0/token")
_CONFIGURATION_PATH = re.compile(r"/([^/]+)/(?:v2\.0/)?\.well-known/openid-configuration")
_KEYS_PATH = re.compile(r"/([^/]+)/discovery/(?:v2\.0/)?keys")
_JSON = "application/json; charset=utf-8"
CUT = "sandbox.cut"
"""Where the server leaves the way to cut a connection."""


class Tenant:
    """An ASGI application that answers as Microsoft's cloud does."""

    def __init__(self, home: Path, url: str) -> None:
        self.folder = home / "tenant"
        self.url = url
        self.clock = Clock()
        self.store = Store(self.folder / "directory.db")
        self.replication = Replication(self.clock)
        self.faults = Faults()
        self.calls = CallLog(home / "calls.jsonl")
        key = SigningKey(self.folder / "signing-key.pem")
        self.issuer_key = SigningKey(self.folder / "issuer-key.pem")
        self.directory = Directory(TENANT_ID, self.store, self.clock, self.replication)
        self._tokens = Tokens(key, self.clock, TENANT_ID, url)
        self._graph = Graph(self.directory, self._tokens, url)
        self._sign_in = SignIn(self.directory, self._tokens, key, self.issuer_key)
        self._portal = Portal(self.directory)
        self._secrets = secrets_of(self.folder / "identities.json")
        self._names = {one.client_id: one.name for one in IDENTITIES}
        if self.store.count("organization") == 0:
            with self.store.transaction():
                plant(self.store, self._secrets)

    def reset(self) -> None:
        """Back to the seed: directory, clock, faults and replication."""
        with self.store.transaction():
            self.store.clear()
            plant(self.store, self._secrets)
        self.clock.shift *= 0
        self.faults.all.clear()
        self.replication.lags.clear()
        self.replication.catch_up()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        try:
            body = await _read(request)
        except ClientDisconnect:
            return
        call = Call(
            request.method, scope["path"], scope["query_string"].decode("latin-1"), request.headers, body or b""
        )
        fault = self.faults.next(call.method, call.path)
        if fault and fault.delay:
            await asyncio.sleep(fault.delay)
        if fault and fault.cut == "before":
            scope[CUT]()
            return
        answer, client_id = self._answer(call, fault, too_large=body is None)
        self._log(call, answer, client_id)
        if fault and fault.cut == "after":
            scope[CUT]()
            return
        await _response(answer, bare=call.method == "HEAD")(scope, receive, send)

    def _answer(self, call: Call, fault: Fault | None, *, too_large: bool) -> tuple[Answer, str | None]:
        if fault and fault.status is not None:
            headers = {"Content-Type": _JSON, **fault.headers}
            body = fault.body if fault.body is not None else self._fault_body(fault.status)
            return Answer(fault.status, body, headers), self._caller(call)
        if too_large:
            return self._refuse(
                413, "RequestEntityTooLarge", "The request body exceeds the limit of 1 MiB."
            ), self._caller(call)
        if call.path.split("/", 2)[1:2] and call.path.split("/", 2)[1] in VERSIONS:
            return self._graph.answer(call), self._caller(call)
        return self._aside(call)

    def _aside(self, call: Call) -> tuple[Answer, str | None]:
        """What is not Graph: sign-in, metadata, portal."""
        token = _TOKEN_PATH.fullmatch(call.path)
        if token and call.method == "POST":
            content_type, authorization = call.headers.get("content-type", ""), call.headers.get("authorization", "")
            return self._sign_in.token(token.group(1), content_type, authorization, call.body)
        if call.method not in ("GET", "HEAD") or token:
            known = token or self._page(call.path, call.query) is not None
            if known:
                return self._refuse(
                    405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target."
                ), None
            return self._refuse(404, "NotFound", "There is nothing at this address."), None
        try:
            answer = self._page(call.path, call.query)
        except SignInError as error:
            answer = Answer(error.status, error.body(self.clock.now()))
        return answer or self._refuse(404, "NotFound", "There is nothing at this address."), None

    def _page(self, path: str, query: str) -> Answer | None:
        if path == "/metadata/endpoints":
            return self._sign_in.metadata()
        if path == "/common/discovery/instance":
            return self._sign_in.instance_discovery()
        if match := _CONFIGURATION_PATH.fullmatch(path):
            return self._sign_in.openid_configuration(match.group(1))
        if match := _KEYS_PATH.fullmatch(path):
            return self._sign_in.keys(match.group(1))
        return self._portal.page(path, query)

    def _refuse(self, status: int, code: str, message: str) -> Answer:
        return Answer(status, GraphError(status, code, message).body(self.clock.now(), "", ""))

    def _fault_body(self, status: int) -> Document:
        code, message = _FAULTS.get(status, ("UnknownError", "An error was asked for."))
        return GraphError(status, code, message).body(self.clock.now(), "", "")

    def _caller(self, call: Call) -> str | None:
        try:
            return self._tokens.caller(call.headers.get("authorization", "")).app_id
        except GraphError:
            return None

    def _log(self, call: Call, answer: Answer, client_id: str | None) -> None:
        path = f"{call.path}?{call.query}" if call.query else call.path
        self.calls.add(self._identity(client_id), call.method, path, answer.status, _sent(call))

    def _identity(self, client_id: str | None) -> str | None:
        if client_id is None or client_id in self._names:
            return self._names.get(client_id or "")
        found = self.store.find("applications", appId=client_id)
        return str(found[0]["displayName"]) if found else client_id


_FAULTS = {
    400: ("Request_BadRequest", "Bad request."),
    403: ("Authorization_RequestDenied", "Insufficient privileges to complete the operation."),
    404: (
        "Request_ResourceNotFound",
        "Resource does not exist or one of its queried reference-property objects are not present.",
    ),
    409: ("Directory_ConcurrencyViolation", "A concurrency violation has occurred."),
    429: ("TooManyRequests", "Too many requests"),
    500: ("InternalServerError", "Internal server error."),
    503: ("ServiceUnavailable", "Service is temporarily unavailable."),
    504: ("GatewayTimeout", "The gateway timed out."),
}
"""What Graph says with a status, for faults that bring no body."""


async def _read(request: Request) -> bytes | None:
    """The body; None if it is too large. It is read to its end either way, so that the client hears the refusal."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size <= _MAX_BODY:
            parts.append(part)
        elif size > _MAX_DRAINED:
            break
    return b"".join(parts) if size <= _MAX_BODY else None


def _response(answer: Answer, *, bare: bool) -> Response:
    headers = {"Content-Type": _JSON, **answer.headers}
    if answer.body is None:
        headers.pop("Content-Type")
        return Response(status_code=answer.status, headers=headers)
    content = answer.body if isinstance(answer.body, str) else json.dumps(answer.body, separators=(",", ":"))
    return Response("" if bare else content, answer.status, headers)


def _sent(call: Call) -> object:
    """The body as the log shows it."""
    if not call.body:
        return None
    if call.path.endswith("/token"):
        return dict(parse_qsl(call.body.decode("utf-8", "replace")))
    try:
        return json.loads(call.body)
    except (ValueError, RecursionError):
        return None
