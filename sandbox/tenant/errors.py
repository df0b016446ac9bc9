"""What the tenant refuses with: Graph's error form, and the sign-in service's.

Owns status, code and wording of refusals that several rooms share. A rule with a wording of its own raises
`GraphError` where the rule stands.
"""

import uuid
from datetime import datetime

from sandbox.tenant.documents import Document


class GraphError(Exception):
    """A refusal in the form of Microsoft Graph."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def body(self, now: datetime, request_id: str, client_request_id: str) -> Document:
        """The answer's body."""
        inner = {"date": f"{now:%Y-%m-%dT%H:%M:%S}", "request-id": request_id, "client-request-id": client_request_id}
        return {"error": {"code": self.code, "message": self.message, "innerError": inner}}


class SignInError(Exception):
    """A refusal in the form of the token endpoint: an OAuth 2.0 error with an AADSTS code."""

    def __init__(self, status: int, error: str, number: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.error = error
        self.number = number
        self.text = text

    def body(self, now: datetime) -> Document:
        """The answer's body."""
        trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
        stamp = f"{now:%Y-%m-%d %H:%M:%SZ}"
        return {
            "error": self.error,
            "error_description": f"AADSTS{self.number}: {self.text} Trace ID: {trace} Correlation ID: {correlation} "
            f"Timestamp: {stamp}",
            "error_codes": [self.number],
            "timestamp": stamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"https://login.microsoftonline.com/error?code={self.number}",
        }


def bad_request(message: str) -> GraphError:
    """The directory refuses what was asked."""
    return GraphError(400, "Request_BadRequest", message)


def malformed(message: str) -> GraphError:
    """The request cannot be read: the refusal comes from Graph's front, before the directory."""
    return GraphError(400, "BadRequest", message)


def unsupported(message: str) -> GraphError:
    """The query is well formed and the directory does not answer it."""
    return GraphError(400, "Request_UnsupportedQuery", message)


def not_found(key: str) -> GraphError:
    """There is no such object, or it is not visible yet."""
    return GraphError(
        404,
        "Request_ResourceNotFound",
        f"Resource '{key}' does not exist or one of its queried reference-property objects are not present.",
    )


def denied() -> GraphError:
    """The caller's permissions do not reach."""
    return GraphError(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")


def invalid_value(property_name: str, label: str) -> GraphError:
    """A property's value breaks a rule of the directory."""
    return bad_request(f"Invalid value specified for property '{property_name}' of resource '{label}'.")


def conflict(message: str) -> GraphError:
    """An object with the same key is there already."""
    return GraphError(409, "Request_MultipleObjectsWithSameKeyValue", message)
