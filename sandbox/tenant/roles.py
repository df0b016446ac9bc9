"""Directory roles: activating them from their templates, and assigning them.

Owns the directory's administrator roles as far as the azuread plugin manages them. What a role permits is not
enforced: callers here are applications, and their application permissions decide.
"""

import secrets
import uuid

from sandbox.tenant.directory import Answer, Context, Row, entity_answer, object_list
from sandbox.tenant.documents import Document
from sandbox.tenant.entities import GUID, accept, new
from sandbox.tenant.errors import bad_request, invalid_value, not_found

_ROLES = "directoryRoles"
_ASSIGNMENTS = "roleAssignments"
_PRINCIPALS = ("servicePrincipals", "users", "groups")
_CONFLICT = "A conflicting object with one or more of the specified property values is present in the directory."


def activate(context: Context) -> Answer:
    """POST /directoryRoles."""
    given = accept(_ROLES, context.body, creating=True)
    key = given.get("roleTemplateId")
    if not key:
        raise bad_request("A value is required for property 'roleTemplateId' of resource 'DirectoryRole'.")
    if not GUID.fullmatch(key):
        raise invalid_value("roleTemplateId", "DirectoryRole")
    _, template = context.refer(key, "directoryRoleTemplates")
    if context.store.find(_ROLES, roleTemplateId=template["id"]):
        raise bad_request(_CONFLICT)
    body = active(template)
    context.insert(_ROLES, body)
    return entity_answer(context, _ROLES, body, 201)


def active(template: Document) -> Document:
    """The role that a template becomes when it is activated."""
    shown = {name: template[name] for name in ("displayName", "description")}
    return new(_ROLES, {**shown, "roleTemplateId": template["id"], "id": str(uuid.uuid4())})


def list_members(context: Context, key: str) -> Answer:
    """GET /directoryRoles/{id}/members: whoever holds an assignment of the role."""
    role = context.load(_ROLES, key)
    rows: list[Row] = []
    for _, assignment in context.store.scan(_ASSIGNMENTS):
        principal = context.store.get(assignment["principalId"], *_PRINCIPALS)
        if principal and assignment["roleDefinitionId"] == role["roleTemplateId"]:
            rows.append(principal)
    return object_list(context, rows)


def _assignment(context: Context, key: str) -> Document:
    body = context.store.get_exact(key, _ASSIGNMENTS)
    if body is None or context.hides(body):
        raise not_found(key)
    return body


def get_assignment(context: Context, key: str) -> Answer:
    """GET /roleManagement/directory/roleAssignments/{id}."""
    return entity_answer(context, _ASSIGNMENTS, _assignment(context, key))


def assign(context: Context) -> Answer:
    """POST /roleManagement/directory/roleAssignments."""
    given = accept(_ASSIGNMENTS, context.body, creating=True)
    for name in ("principalId", "roleDefinitionId", "directoryScopeId"):
        if not given.get(name):
            raise bad_request(f"A value is required for property '{name}' of resource 'RoleAssignment'.")
    _, definition = context.refer(given["roleDefinitionId"], "directoryRoleTemplates")
    _, principal = context.refer(given["principalId"], *_PRINCIPALS)
    given |= {"roleDefinitionId": definition["id"], "principalId": principal["id"]}
    key = ("roleDefinitionId", "directoryScopeId")
    if any(
        [one[name] for name in key] == [given[name] for name in key]
        for one in context.store.find(_ASSIGNMENTS, principalId=principal["id"])
    ):
        raise bad_request(_CONFLICT)
    body = new(_ASSIGNMENTS, given) | {"id": secrets.token_urlsafe(32)}
    context.insert(_ASSIGNMENTS, body)
    return entity_answer(context, _ASSIGNMENTS, body, 201)


def unassign(context: Context, key: str) -> Answer:
    """DELETE /roleManagement/directory/roleAssignments/{id}."""
    context.store.remove(_assignment(context, key)["id"])
    return Answer(204)


def _definition(template: Document) -> Document:
    shown = {name: template[name] for name in ("id", "displayName", "description")}
    return new("roleDefinitions", {**shown, "templateId": template["id"], "version": "1", "resourceScopes": ["/"]})


def definitions(context: Context) -> list[tuple[int, Document]]:
    """Every built-in role as a role definition."""
    return [(number, _definition(one)) for number, one in context.store.scan("directoryRoleTemplates")]


def get_definition(context: Context, key: str) -> Answer:
    """GET /roleManagement/directory/roleDefinitions/{id}."""
    return entity_answer(context, "roleDefinitions", _definition(context.load("directoryRoleTemplates", key)))
