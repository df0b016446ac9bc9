"""The owners of applications and service principals: as a property of these, and each as a resource of its own."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from sandbox.azuread.graph import Graph, GraphError, RetryWhen
from sandbox.azuread.lifecycle import Failure, GoneError, Identity, Operation, Step, filled
from sandbox.azuread.values import Object, Value, text, texts

OWNER = Identity("/applications/{}/owners/{}", "Application Id Owner", ("Application", "Directory Object"))

_FIRST = 20
"""How many owners Graph takes with the creation of an object."""


def post_with_owners(
    path: str, failure: str, adjust: Callable[[Operation, Object], None], again_when: RetryWhen | None
) -> Step:
    """Creates an object owned by the caller and as many of the planned owners as fit."""

    def step(operation: Operation) -> None:
        body = operation.body()
        adjust(operation, body)
        owners = [operation.graph.caller_id, *_others(operation)][:_FIRST]
        references: list[Value] = [operation.graph.reference(owner) for owner in owners]
        body["owners@odata.bind"] = references
        try:
            answer = operation.graph.send("POST", path, body, again_when=again_when)
        except GraphError as error:
            raise Failure(failure, error) from error
        operation.keys = (text(answer.fields.get("id")),)

    return step


def _others(operation: Operation) -> list[str]:
    caller = operation.graph.caller_id.lower()
    return [owner for owner in operation.sent("owners") if owner.lower() != caller]


def add_others(failure: str) -> Step:
    """Adds the owners that did not fit into the creation."""

    def step(operation: Operation) -> None:
        for owner in _others(operation)[_FIRST - 1 :]:
            _add(operation, owner, failure)

    return step


def drop_caller(failure: str) -> Step:
    """Removes the caller from the owners, unless it is one of those planned."""

    def step(operation: Operation) -> None:
        caller = operation.graph.caller_id
        if caller.lower() not in {owner.lower() for owner in texts(operation.plan.get("owners"))}:
            _remove(operation, caller, failure)

    return step


def change(unreadable: str, failure: str) -> Step:
    """Makes the owners those planned."""

    def step(operation: Operation) -> None:
        if not operation.changed("owners"):
            return
        try:
            there = _ids(operation.graph, operation.path)
        except GraphError as error:
            raise Failure(filled(unreadable, operation), error) from error
        wanted = operation.sent("owners")
        for owner in wanted:
            if owner not in there:
                _add(operation, owner, failure)
        for owner in there:
            if owner not in wanted:
                _remove(operation, owner, failure)

    return step


def read(operation: Operation) -> None:
    """Reads the owners."""
    try:
        there = _ids(operation.graph, operation.path)
    except GraphError as error:
        raise Failure(f"Could not retrieve owners for {operation.described}", error, at="owners") from error
    operation.read["owners"] = [*sorted(set(there))]


def _ids(graph: Graph, path: str) -> list[str]:
    return [text(member.get("id")) for member in graph.get(f"{path}/owners").members]


def _add(operation: Operation, owner: str, failure: str) -> None:
    try:
        reference: Object = {"@odata.id": operation.graph.reference(owner)}
        operation.graph.send("POST", f"{operation.path}/owners/$ref", reference)
    except GraphError as error:
        raise Failure(filled(failure, operation), error) from error


def _remove(operation: Operation, owner: str, failure: str) -> None:
    try:
        operation.graph.send("DELETE", f"{operation.path}/owners/{owner}/$ref")
    except GraphError as error:
        raise Failure(filled(failure, operation), error) from error


# ---------------------------------------------------------------------------------------------------- as a resource


def add_single(operation: Operation) -> None:
    """Makes a principal an owner, if it is none yet."""
    application = text(operation.plan.get("applicationId")).removeprefix("/applications/")
    owner = text(operation.plan.get("ownerObjectId"))
    described = OWNER.described(application, owner)
    if _is_owner(operation.graph, application, owner, f"checking for presence of existing {described}"):
        raise Failure(
            f'a resource with the ID "{OWNER.of(application, owner)}" already exists - to be managed via Terraform '
            "this resource needs to be imported into the State. Please see the resource documentation for "
            f'"{operation.resource.terraform}" for more information'
        )
    try:
        reference: Object = {"@odata.id": operation.graph.reference(owner)}
        operation.graph.send(
            "POST",
            f"/applications/{application}/owners/$ref",
            reference,
            again_when=lambda answer: answer.status == HTTPStatus.NOT_FOUND,
        )
    except GraphError as error:
        raise Failure(f"adding {described}: {error}") from error
    operation.keys = (application, owner)


def read_single(operation: Operation) -> None:
    """Looks whether the principal is still an owner."""
    application, owner = operation.keys
    if not _is_owner(operation.graph, application, owner, f"retrieving {operation.described}"):
        raise GoneError
    operation.read |= {"applicationId": f"/applications/{application}", "ownerObjectId": owner}


def remove_single(operation: Operation) -> None:
    """Takes the ownership away."""
    application, owner = operation.keys
    try:
        operation.graph.send("DELETE", f"/applications/{application}/owners/{owner}/$ref")
    except GraphError as error:
        raise Failure(f"removing {operation.described}: {error}") from error


def _is_owner(graph: Graph, application: str, owner: str, failure: str) -> bool:
    condition = f"id eq '{owner}'"
    try:
        members = graph.get(f"/applications/{application}/owners", query={"$filter": condition}).members
    except GraphError as error:
        if error.is_not_found:
            return False
        raise Failure(f'{failure}: unable to list Owners with filter "{condition}": {error}') from error
    return any(text(member.get("id")).lower() == owner.lower() for member in members)
