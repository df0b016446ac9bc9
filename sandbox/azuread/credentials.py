"""The two kinds of credentials of an application: client secrets and federated identity credentials."""

from __future__ import annotations

from datetime import datetime

from sandbox.azuread.graph import Graph, GraphError
from sandbox.azuread.lifecycle import Failure, GoneError, Identity, Operation, wait_until
from sandbox.azuread.values import Object, Value, is_list, is_object, text, without_unknowns

PASSWORD = Identity("{}/password/{}", "Application", ("Application", "Password"))
FEDERATED = Identity(
    "{}/federatedIdentityCredential/{}",
    "Application Id Federated Identity Credential",
    ("Application", "Federated Identity Credential"),
)
_PASSWORD_FIELDS = {"displayName": "displayName", "startDate": "startDateTime", "endDate": "endDateTime"}


def _application(operation: Operation) -> tuple[str, str]:
    """The application's object id and how failures name it."""
    object_id = text(operation.plan.get("applicationId")).removeprefix("/applications/")
    return object_id, f'Application (Application: "{object_id}")'


def add_password(operation: Operation) -> None:
    """Adds a client secret and waits until the application shows it."""
    application, described = _application(operation)
    path = f"/applications/{application}"
    _require_application(operation.graph, path, described)
    asked = {field: _sent(name, text(operation.plan.get(name))) for name, field in _PASSWORD_FIELDS.items()}
    credential: Object = {field: value for field, value in asked.items() if value}
    try:
        made = operation.graph.send("POST", f"{path}/addPassword", {"passwordCredential": credential}).fields
    except GraphError as error:
        raise Failure(f"Adding password for {described}", error) from error
    key = text(made.get("keyId"))
    if not key or not text(made.get("secretText")):
        raise Failure(f"API error adding password for {described}", "nil or empty password received")
    wait_until(
        operation,
        lambda: _password(operation.graph, path, key) is not None,
        f"Waiting for password credential for {described}",
    )
    operation.keys = (application, key)
    operation.read["value"] = made["secretText"]


def _sent(name: str, value: str) -> str:
    """A moment as the real plugin sends it: without fractions of a second, and with Z for UTC."""
    if not value or name == "displayName":
        return value
    return datetime.fromisoformat(value).isoformat(timespec="seconds").replace("+00:00", "Z")


def _require_application(graph: Graph, path: str, described: str) -> None:
    try:
        graph.get(path)
    except GraphError as error:
        if error.is_not_found:
            raise Failure(f"{described} was not found", at="application_id") from error
        raise Failure(f"Retrieving {described}", error, at="application_id") from error


def read_password(operation: Operation) -> None:
    """Looks for the secret in its application; its value is known from its creation only."""
    application, key = operation.keys
    described = f'Application (Application: "{application}")'
    try:
        found = _password(operation.graph, f"/applications/{application}", key)
    except GraphError as error:
        if error.is_not_found:
            raise GoneError from error
        raise Failure(f"Retrieving {described}", error, at="application_id") from error
    if found is None:
        raise GoneError
    kept: Object = {"value": without_unknowns(operation.plan.get("value"))} | operation.read
    shown: dict[str, Value] = {name: text(found.get(field)) for name, field in _PASSWORD_FIELDS.items()}
    operation.read = {**kept, **shown, "applicationId": f"/applications/{application}", "keyId": key}


def remove_password(operation: Operation) -> None:
    """Removes the secret and waits until the application does not show it any more."""
    application, key = operation.keys
    path = f"/applications/{application}"
    described = f'Application (Application: "{application}")'
    try:
        operation.graph.send("POST", f"{path}/removePassword", {"keyId": key})
    except GraphError as error:
        raise Failure(f'Removing password credential "{key}" from {described}', error) from error
    wait_until(
        operation,
        lambda: _password(operation.graph, path, key) is None,
        f'Waiting for deletion of password credential "{key}" from {described}',
    )


def _password(graph: Graph, path: str, key: str) -> Object | None:
    found = graph.get(path).fields.get("passwordCredentials")
    credentials = [member for member in found if is_object(member)] if is_list(found) else []
    return next((one for one in credentials if text(one.get("keyId")).lower() == key.lower()), None)


def add_federated(operation: Operation) -> None:
    """Adds a federated identity credential and waits until it can be read."""
    application, described = _application(operation)
    try:
        operation.graph.get(f"/applications/{application}")
    except GraphError as error:
        raise Failure(f"retrieving {described}: {error}", error) from error
    try:
        made = operation.graph.send(
            "POST", f"/applications/{application}/federatedIdentityCredentials", operation.body()
        ).fields
    except GraphError as error:
        raise Failure(f"Adding federated identity credential for {described}", error) from error
    key = text(made.get("id"))
    path = operation.resource.path.format(application, key)

    def there() -> bool:
        try:
            operation.graph.get(path)
        except GraphError as error:
            if error.is_not_found:
                return False
            raise
        return True

    wait_until(operation, there, f"Waiting for {FEDERATED.described(application, key)}")
    operation.keys = (application, key)


def keep_application(operation: Operation) -> None:
    """Tells the application from the id, since a credential does not name it."""
    operation.read["applicationId"] = f"/applications/{operation.keys[0]}"
