"""How grants and directory roles are made: each looks first at what it refers to."""

from __future__ import annotations

from http import HTTPStatus

from sandbox.azuread.graph import Answer, Graph, GraphError
from sandbox.azuread.lifecycle import Failure, Operation, escaped, wait_until
from sandbox.azuread.values import Object, text


def assign_app_role(operation: Operation) -> None:
    """Assigns an app role of an API to a principal, which is admin consent if the principal is an application."""
    resource = text(operation.plan.get("resourceObjectId"))
    try:
        operation.graph.get(f"/servicePrincipals/{resource}")
    except GraphError as error:
        if error.is_not_found:
            raise Failure(
                f'Service principal not found for resource (Object ID: "{resource}")', error, at="principal_object_id"
            ) from error
        raise Failure(f'Could not retrieve service principal for resource (Object ID: "{resource}")', error) from error
    try:
        made = operation.graph.send(
            "POST", f"/servicePrincipals/{resource}/appRoleAssignedTo", operation.body(), again_when=_principal_not_seen
        ).fields
    except GraphError as error:
        raise Failure("Could not create app role assignment", error) from error
    operation.keys = (text(made.get("resourceId")), text(made.get("id")))


def _principal_not_seen(answer: Answer) -> bool:
    return answer.status == HTTPStatus.NOT_FOUND or (
        answer.status == HTTPStatus.BAD_REQUEST and "Not a valid reference update" in answer.message
    )


def grant_delegated_permissions(operation: Operation) -> None:
    """Consents to delegated permissions, for one user or for all."""
    client = text(operation.plan.get("servicePrincipalObjectId"))
    resource = text(operation.plan.get("resourceServicePrincipalObjectId"))
    _require_service_principal(operation.graph, client, " was not found)", "")
    _require_service_principal(operation.graph, resource, " not found for resource", " for resource")
    body = operation.body()
    body["consentType"] = "Principal" if "principalId" in body else "AllPrincipals"
    try:
        made = operation.graph.send("POST", "/oauth2PermissionGrants", body, again_when=_parties_not_seen).fields
    except GraphError as error:
        raise Failure("Could not create delegated permission grant", error) from error
    operation.keys = (text(made.get("id")),)


def _require_service_principal(graph: Graph, key: str, missing: str, use: str) -> None:
    described = f'Service Principal (Service Principal: "{key}")'
    try:
        graph.get(f"/servicePrincipals/{key}")
    except GraphError as error:
        if error.is_not_found:
            raise Failure(f"{described}{missing}", error, at="principal_object_id") from error
        raise Failure(f"Could not retrieve {described}{use}", error) from error


def _parties_not_seen(answer: Answer) -> bool:
    return answer.status == HTTPStatus.NOT_FOUND or (
        answer.status == HTTPStatus.BAD_REQUEST
        and "does not exist or one of its queried reference-property objects are not present" in answer.message
    )


def activate_role(operation: Operation) -> None:
    """Finds a directory role by its template, and activates it if nobody has."""
    template = _template_id(operation)
    condition = f"roleTemplateId eq '{escaped(template)}'"
    try:
        roles = operation.graph.get("/directoryRoles", query={"$filter": condition}).members
    except GraphError as error:
        if not error.is_not_found:
            raise Failure(f'retrieving directory role with template ID "{template}": {error}') from error
        roles = []
    if not roles:
        body: Object = {"@odata.type": "#microsoft.graph.directoryRole", "roleTemplateId": template}
        try:
            roles = [operation.graph.send("POST", "/directoryRoles", body).fields]
        except GraphError as error:
            raise Failure(f'activating directory role for template ID "{template}": {error}') from error
    operation.keys = (text(roles[0].get("id")),)


def _template_id(operation: Operation) -> str:
    name, template = text(operation.plan.get("displayName")), text(operation.plan.get("templateId"))
    if name:
        try:
            templates = operation.graph.get("/directoryRoleTemplates").members
        except GraphError as error:
            raise Failure(f"listing directory role templates: {error}") from error
        for one in templates:
            if text(one.get("displayName")).lower() == name.lower():
                return text(one.get("id"))
        raise Failure("no directory role template found")
    try:
        return text(operation.graph.get(f"/directoryRoleTemplates/{template}").fields.get("id"))
    except GraphError as error:
        if error.is_not_found:
            raise Failure(f'no directory role template with object ID "{template}" was found') from error
        raise Failure(f'retrieving directory role template with object ID "{template}": {error}') from error


def assign_directory_role(operation: Operation) -> None:
    """Assigns a directory role to a principal and waits until the assignment can be read."""
    role, principal = text(operation.plan.get("roleId")), text(operation.plan.get("principalObjectId"))
    body = operation.body()
    if "appScopeId" not in body:
        body.setdefault("directoryScopeId", "/")
    try:
        made = operation.graph.send("POST", "/roleManagement/directory/roleAssignments", body).fields
    except GraphError as error:
        raise Failure(
            f'Assigning directory role "{role}" to directory principal "{principal}": {error}', error
        ) from error
    operation.keys = (text(made.get("id")),)

    def there() -> bool:
        try:
            operation.graph.get(operation.path)
        except GraphError as error:
            if error.is_not_found:
                return False
            raise
        return True

    wait_until(operation, there, f'Waiting for role assignment for "{principal}" to reflect in directory role "{role}"')
