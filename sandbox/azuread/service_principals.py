"""Steps in the life of a service principal: one that is there already, and one that Graph does not show yet."""

from __future__ import annotations

import uuid

from sandbox.azuread.graph import GraphError
from sandbox.azuread.lifecycle import Failure, Operation, Step, delete, escaped, tags_at_creation, until_gone
from sandbox.azuread.values import Object, text


def describe_until_visible(operation: Operation) -> None:
    """Replaces a new service principal's provisional description by its own."""
    description = text(operation.plan.get("description")) or None
    body: Object = {"@odata.type": "#microsoft.graph.servicePrincipal", "description": description}
    try:
        operation.graph.send("PATCH", operation.path, body)
    except GraphError as error:
        if error.is_not_found:
            raise Failure(
                "Timed out whilst waiting for new service principal to be replicated in Azure AD", error
            ) from error
        raise Failure("Failed to patch service principal after creating", error) from error


def provisional_description(operation: Operation, body: Object) -> None:
    """Gives a new service principal a description that the next request replaces."""
    body["tags"] = tags_at_creation(operation)
    body["description"] = f"TERRAFORM_UPDATE_{uuid.uuid4()}"


def adopt_existing(operation: Operation) -> None:
    """Looks for the application's service principal, which can be only one, and takes it over if that was asked for."""
    client_id = text(operation.plan.get("clientId"))
    try:
        found = operation.graph.get("/servicePrincipals", query={"$filter": f"appId eq '{escaped(client_id)}'"}).members
    except GraphError as error:
        raise Failure("Could not list existing service principals", error) from error
    if not found:
        return
    key = text(found[0].get("id"))
    if operation.plan.get("useExisting") is not True:
        raise already_exists(operation.resource.terraform, key)
    operation.keys = (key,)
    operation.resource.run(operation.resource.update, operation)


def unless_adopted(*steps: Step) -> Step:
    """Does the steps of a creation, unless something that was there has been taken over."""

    def step(operation: Operation) -> None:
        if not operation.keys:
            operation.resource.run(steps, operation)

    return step


def already_exists(terraform: str, key: str) -> Failure:
    """What is said of an object that is there and not managed."""
    return Failure(
        f'A resource with the ID "{key}" already exists',
        "To be managed via Terraform, this resource needs to be imported into the State. Please see the resource "
        f'documentation for "{terraform}" for more information.',
        at="id",
    )


def delete_unless_adopted(failure: str, waiting: str, *, at: str) -> Step:
    """Deletes a service principal; one that was taken over is deleted too, but without insisting."""

    def step(operation: Operation) -> None:
        if operation.plan.get("useExisting") is True:
            try:
                operation.graph.send("DELETE", operation.path)
            except GraphError:
                return
            return
        delete(failure, at=at)(operation)
        until_gone(waiting)(operation)

    return step
