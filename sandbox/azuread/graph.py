"""Requests to Microsoft Graph, as the real plugin makes them.

Owns: the token, the addresses, which answers are tried again and when, and the words in which a failed request is told.
Leaves alone: what is asked; the life cycles decide that.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlencode

from sandbox.azuread.connections import FAILURES, Connections, Response
from sandbox.azuread.values import Object, Value, is_list, is_object, text

_TRANSIENT = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.FAILED_DEPENDENCY, HTTPStatus.TOO_MANY_REQUESTS}
_WAITS = (1, 2, 4, 8, 16, 32, 61, 61, 61)
_FIRST_SERVER_ERROR = 500
_SUCCESSES = range(200, 300)

_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

V1 = "v1.0"
BETA = "beta"

RetryWhen = Callable[["Answer"], bool]


class CancelledError(Exception):
    """The engine asked for the end while a request was waiting to be tried again."""


class GraphError(Exception):
    """A request that failed for good."""

    def __init__(self, answer: Answer) -> None:
        phrase = HTTPStatus(answer.status).phrase if answer.status in set(HTTPStatus) else ""
        super().__init__(f"unexpected status {answer.status} ({answer.status} {phrase}) {answer.complaint}")
        self.status = answer.status

    @property
    def is_not_found(self) -> bool:
        """Whether the object does not exist."""
        return self.status == HTTPStatus.NOT_FOUND


class UnansweredError(GraphError):
    """A request that was cut off: it may have had its effect."""

    def __init__(self, method: str, address: str, cause: Exception) -> None:
        Exception.__init__(self, f'{method} "{address}": {cause or type(cause).__name__}')
        self.status = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: Value
    raw: str = ""

    @property
    def message(self) -> str:
        """The message of an error in Graph's form."""
        error = self.body.get("error") if is_object(self.body) else None
        return text(error.get("message")) if is_object(error) else ""

    @property
    def complaint(self) -> str:
        """The error as the real plugin tells it."""
        error = self.body.get("error") if is_object(self.body) else None
        if is_object(error):
            return f"with error: {_told(error)}"
        return f"with response: {self.raw}" if self.raw else "received with no body"

    @property
    def fields(self) -> Object:
        """The object in the body."""
        return self.body if is_object(self.body) else {}

    @property
    def members(self) -> list[Object]:
        """The objects of a list in the body."""
        value = self.fields.get("value")
        return [member for member in value if is_object(member)] if is_list(value) else []


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who asks: with a client secret, or with the token of an outside issuer that the application trusts."""

    tenant_id: str
    client_id: str
    client_secret: str
    oidc_token: str = ""

    @property
    def proof(self) -> dict[str, str]:
        """What the token endpoint is shown; a secret comes before a token."""
        if self.client_secret:
            return {"client_secret": self.client_secret}
        return {"client_assertion": self.oidc_token, "client_assertion_type": _ASSERTION}


class Graph:
    """Microsoft Graph of one tenant, for one identity."""

    def __init__(self, http: Connections, login: str, resource: str, credentials: Credentials) -> None:
        self._http = http
        self._resource = resource.rstrip("/")
        self.credentials = credentials
        self.cancelled = threading.Event()
        self._token = self._sign_in(login)
        self.caller_id = text(_claims(self._token).get("oid"))

    def reference(self, object_id: str) -> str:
        """The address by which one object names another in a request."""
        return f"{self._resource}/{V1}/directoryObjects/{object_id}"

    def get(self, path: str, *, version: str = V1, query: Mapping[str, str] | None = None) -> Answer:
        """Reads one object or a list, following the list to its last page."""
        address = f"{self._resource}/{version}{path}" + (f"?{urlencode(query)}" if query else "")
        answer = self._checked("GET", address)
        members = list(answer.members)
        page = answer
        while next_page := text(page.fields.get("@odata.nextLink")):
            page = self._checked("GET", next_page)
            members += page.members
        if page is not answer:
            collected: list[Value] = [*members]
            return Answer(answer.status, {"value": collected})
        return answer

    def send(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        *,
        version: str = V1,
        again_when: RetryWhen | None = None,
    ) -> Answer:
        """Changes something."""
        return self._checked(method, f"{self._resource}/{version}{path}", body, again_when)

    def _checked(
        self, method: str, address: str, body: Object | None = None, again_when: RetryWhen | None = None
    ) -> Answer:
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        if content is not None:
            headers["Content-Type"] = "application/json; charset=utf-8"
        try:
            answer = self._patiently(lambda: self._http.request(method, address, content, headers), again_when)
        except FAILURES as failure:
            raise UnansweredError(method, address, failure) from failure
        if answer.status not in _SUCCESSES:
            raise GraphError(answer)
        return answer

    def _sign_in(self, login: str) -> str:
        form = {
            "client_id": self.credentials.client_id,
            **self.credentials.proof,
            "grant_type": "client_credentials",
            "scope": f"{self._resource}/.default",
        }
        address = f"{login}/{self.credentials.tenant_id}/oauth2/v2.0/token"
        answer = self._patiently(lambda: self._http.request("POST", address, urlencode(form).encode(), _FORM))
        if answer.status not in _SUCCESSES:
            raise PermissionError(
                f"clientCredentialsToken: received HTTP status {answer.status} with response: {answer.raw}"
            )
        return text(answer.fields.get("access_token"))

    def _patiently(self, request: Callable[[], Response], again_when: RetryWhen | None = None) -> Answer:
        for wait in (*_WAITS, None):
            response = request()
            answer = _answer(response)
            server_fault = answer.status >= _FIRST_SERVER_ERROR and answer.status != HTTPStatus.NOT_IMPLEMENTED
            again = answer.status in _TRANSIENT or server_fault or (again_when is not None and again_when(answer))
            if not again or wait is None:
                return answer
            if self.cancelled.wait(_seconds(response.headers.get("Retry-After"), wait)):
                raise CancelledError("cancelled while waiting to try a request again")
        raise AssertionError("the last try has no wait")


def _told(error: Object) -> str:
    """An error's code and message, and those of the error within it."""
    parts = [text(error.get("code")), text(error.get("message"))]
    inner = error.get("innerError")
    if is_object(inner):
        parts.append(_told(inner))
    return ": ".join(part for part in parts if part)


def _seconds(header: str | None, otherwise: float) -> float:
    return float(header) if header is not None and header.isdigit() else otherwise


def _answer(response: Response) -> Answer:
    try:
        body: Value = json.loads(response.content) if response.content else None
    except ValueError:
        body = None
    return Answer(response.status, body, response.content.decode(errors="replace"))


def _claims(token: str) -> Object:
    """The claims of a token, unverified: it is only asked whom the tenant took us for."""
    _, _, rest = token.partition(".")
    payload = rest.partition(".")[0]
    try:
        claims: Value = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError:
        return {}
    return claims if is_object(claims) else {}
