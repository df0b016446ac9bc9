"""Microsoft Graph's front: from an HTTP request to the route that answers it, and the gate between.

Owns the order in which a request is refused: its token, its path, its method, its permissions, its query, its body.
Every write runs in one transaction that is committed before the answer leaves.
"""

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.tenant.directory import Answer, Context, Directory
from sandbox.tenant.documents import Document
from sandbox.tenant.errors import GraphError, bad_request, denied, malformed
from sandbox.tenant.odata import read
from sandbox.tenant.permissions import reach
from sandbox.tenant.routes import ROUTES, Route
from sandbox.tenant.tokens import Tokens

VERSIONS = ("v1.0", "beta")
_MAX_BATCH = 20
_KEYED = re.compile(r"(\w+)\((?:'([^']*)'|(\w+)='([^']*)')\)")
_JSON = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"


@dataclass(frozen=True)
class Call:
    """One HTTP request, whatever brought it."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Graph:
    """Microsoft Graph over one directory."""

    def __init__(self, directory: Directory, tokens: Tokens, url: str) -> None:
        self._directory = directory
        self._tokens = tokens
        self._url = url

    def answer(self, call: Call) -> Answer:
        """The answer to a request, a refusal in Graph's form included."""
        request_id = str(uuid.uuid4())
        client_id = call.headers.get("client-request-id", request_id)
        headers = {"request-id": request_id, "client-request-id": client_id if _printable(client_id) else request_id}
        try:
            answer = self._answered(call)
        except GraphError as error:
            if error.status == 401:  # noqa: PLR2004
                headers["WWW-Authenticate"] = (
                    f'Bearer realm="", authorization_uri="{self._url}/common/oauth2/v2.0/authorize"'
                )
            now = self._directory.clock.now()
            return Answer(
                error.status,
                error.body(now, request_id, headers["client-request-id"]),
                {**headers, "Content-Type": _JSON},
            )
        return Answer(
            answer.status, answer.body, {"Content-Type": _JSON, "OData-Version": "4.0", **headers, **answer.headers}
        )

    def _answered(self, call: Call) -> Answer:
        caller = self._tokens.caller(call.headers.get("authorization", ""))
        if self._directory.store.get(caller.object_id, "servicePrincipals") is None:
            raise GraphError(
                401,
                "Authorization_IdentityNotFound",
                "The identity of the calling application could not be established.",
            )
        version, _, rest = call.path.lstrip("/").partition("/")
        segments = _segments(rest)
        if segments == ["$batch"]:
            if call.method != "POST":
                raise GraphError(
                    405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target."
                )
            return self._batch(call, version)
        route, keys = _find(call.method, segments)
        how_far = reach(route.needs, caller.roles)
        if how_far is None:
            raise denied()
        query = read(call.query, call.headers.get("consistencylevel", ""))
        writes = call.method in ("POST", "PATCH")
        body = _body(call, required=route.body) if writes else {}
        context = Context(self._directory, caller, how_far, self._url, version, rest, query, body)
        if call.method == "GET":
            return route.handler(context, *keys)
        with self._directory.store.transaction():
            return route.handler(context, *keys)

    def _batch(self, call: Call, version: str) -> Answer:
        """POST /$batch: up to 20 requests, each answered as if it had come alone."""
        requests = _body(call, required=True).get("requests")
        if not isinstance(requests, list) or not all(isinstance(one, dict) for one in requests):
            raise malformed("Invalid batch payload format.")
        if not 0 < len(requests) <= _MAX_BATCH:
            raise malformed(f"Number of batch request steps exceeds the maximum value of {_MAX_BATCH}.")
        ids = [one.get("id") for one in requests]
        if not all(isinstance(one, str) and one for one in ids) or len(set(ids)) != len(ids):
            raise malformed("Invalid batch payload format: every request needs an id of its own.")
        responses: list[Document] = []
        statuses: dict[str, int] = {}
        for one in requests:
            answer = self._step(call, version, one, statuses)
            statuses[one["id"]] = answer.status
            step: Document = {"id": one["id"], "status": answer.status, "headers": answer.headers}
            if answer.body is not None:
                step["body"] = answer.body
            responses.append(step)
        return Answer(200, {"responses": responses})

    def _step(self, call: Call, version: str, one: Document, statuses: dict[str, int]) -> Answer:
        waits = one.get("dependsOn") or []
        waits = waits if isinstance(waits, list) else [waits]
        if any(not isinstance(key, str) or key not in statuses for key in waits):
            return self._refused(malformed("Invalid batch payload format: dependsOn names no earlier request."))
        if any(statuses[key] >= 400 for key in waits):  # noqa: PLR2004
            return self._refused(GraphError(424, "FailedDependency", "A request that this one depends on failed."))
        url, method, headers = one.get("url"), one.get("method"), one.get("headers") or {}
        if not isinstance(url, str) or not isinstance(method, str) or not isinstance(headers, dict):
            return self._refused(malformed("Invalid batch payload format."))
        if url.lstrip("/").startswith("$batch"):
            return self._refused(malformed("A batch cannot hold a batch."))
        path, _, query = url.partition("?")
        sent = {str(name).lower(): str(value) for name, value in headers.items()}
        body = one.get("body")
        step = Call(
            method.upper(),
            f"/{version}/{path.lstrip('/')}",
            query,
            {"content-type": "", **sent, "authorization": call.headers.get("authorization", "")},
            b"" if body is None else json.dumps(body).encode(),
        )
        return self.answer(step)

    def _refused(self, error: GraphError) -> Answer:
        return Answer(error.status, error.body(self._directory.clock.now(), "", ""), {"Content-Type": _JSON})


def _printable(text: str) -> bool:
    return len(text) <= 200 and text.isascii() and text.isprintable()  # noqa: PLR2004


def _segments(path: str) -> list[str]:
    """The path's segments, with keys in parentheses as segments of their own."""
    result = []
    for segment in path.split("/") if path else []:
        keyed = _KEYED.fullmatch(segment)
        if keyed is None:
            result.append(segment)
        elif keyed.group(3):
            result += [keyed.group(1), f"{keyed.group(3)}={keyed.group(4)}"]
        else:
            result += [keyed.group(1), keyed.group(2)]
    return result


def _tabulated() -> dict[int, list[tuple[list[str], Route]]]:
    table: dict[int, list[tuple[list[str], Route]]] = {}
    for route in ROUTES:
        parts = route.path.lower().split("/")
        table.setdefault(len(parts), []).append((parts, route))
    return table


_TABLE = _tabulated()


def _find(method: str, segments: list[str]) -> tuple[Route, list[str]]:
    allowed = False
    lowered = [segment.lower() for segment in segments]
    for parts, route in _TABLE.get(len(segments), []):
        keys = _matched(parts, segments, lowered)
        if keys is None:
            continue
        if route.method == method:
            return route, keys
        allowed = True
    if allowed:
        raise GraphError(405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.")
    raise malformed(f"Resource not found for the segment '{_stranger(lowered)[:200]}'.")


def _matched(parts: list[str], segments: list[str], lowered: list[str]) -> list[str] | None:
    keys = []
    for part, segment, low in zip(parts, segments, lowered, strict=True):
        if part == "{id}":
            if not segment or segment.startswith("$") or segment in (".", ".."):
                return None
            keys.append(segment)
        elif part != low:
            return None
    return keys


def _stranger(lowered: list[str]) -> str:
    """The first segment that no route goes through."""
    for length in range(1, len(lowered) + 1):
        if not any(
            all(part in ("{id}", low) for part, low in zip(parts, lowered[:length], strict=False))
            for size, rows in _TABLE.items()
            if size >= length
            for parts, _ in rows
        ):
            return lowered[length - 1]
    return lowered[-1] if lowered else ""


def _body(call: Call, *, required: bool) -> Document:
    if not call.body.strip():
        if required:
            raise malformed("Empty Payload. JSON content expected.")
        return {}
    unreadable = malformed(
        "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON "
        "format."
    )
    if "json" not in call.headers.get("content-type", "").lower():
        raise unreadable
    try:
        body = json.loads(call.body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise unreadable from error
    if not isinstance(body, dict):
        raise bad_request("A JSON object was expected in the request payload.")
    return body


def _no_constant(name: str) -> object:
    raise ValueError(name)
