"""What service principals are granted: app roles and delegated permissions.

Owns consent. A grant of an app role is in the tokens of its principal from the next sign-in on.
"""

import secrets
import uuid

from sandbox.tenant.directory import Answer, Context, entity_answer, list_answer
from sandbox.tenant.documents import Document
from sandbox.tenant.entities import ENTITIES, GUID, accept, merged, new
from sandbox.tenant.errors import bad_request, conflict, invalid_value, not_found

_ROLES = "appRoleAssignments"
_SCOPES = "oauth2PermissionGrants"
_PRINCIPALS = ("servicePrincipals", "users", "groups")
DEFAULT_ROLE = str(uuid.UUID(int=0))
"""The role that stands for access without one of the resource's roles."""


def _new_id() -> str:
    """An id in the form that Entra gives to grants: 32 bytes, not a GUID."""
    return secrets.token_urlsafe(32)


def _end(side: str) -> str:
    """The property of an assignment that holds the end a path goes out from."""
    return "resourceId" if side == "appRoleAssignedTo" else "principalId"


def list_app_roles(context: Context, side: str, key: str) -> Answer:
    """GET …/appRoleAssignedTo and …/appRoleAssignments."""
    principal = context.load("servicePrincipals", key)
    found = context.store.find(_ROLES, **{_end(side): principal["id"]})
    return list_answer(context, _ROLES, list(enumerate(found, 1)))


def _app_role(context: Context, side: str, key: str, one: str) -> Document:
    principal = context.load("servicePrincipals", key)
    row = context.store.get_exact(one, _ROLES)
    if row is None or row[_end(side)] != principal["id"] or context.hides(row):
        raise not_found(one)
    return row


def get_app_role(context: Context, side: str, key: str, one: str) -> Answer:
    """GET one grant of an app role."""
    return entity_answer(context, _ROLES, _app_role(context, side, key, one))


def grant_app_role(context: Context, side: str, key: str) -> Answer:
    """POST …/appRoleAssignedTo and …/appRoleAssignments: consent."""
    anchor = context.load("servicePrincipals", key)
    given = accept(_ROLES, context.body, creating=True)
    for name in ("principalId", "resourceId", "appRoleId"):
        if not given.get(name):
            raise bad_request(f"A value is required for property '{name}' of resource 'AppRoleAssignment'.")
    if given[_end(side)] != anchor["id"]:
        raise bad_request(f"The value of '{_end(side)}' does not match the object in the request's address.")
    _, resource = context.refer(given["resourceId"], "servicePrincipals")
    kind, principal = context.refer(given["principalId"], *_PRINCIPALS)
    member_type = "Application" if kind == "servicePrincipals" else "User"
    roles = [role for role in resource["appRoles"] if role["id"] == given["appRoleId"] and role["isEnabled"]]
    assignable = [role for role in roles if member_type in role["allowedMemberTypes"]]
    if not assignable and given["appRoleId"] != DEFAULT_ROLE:
        raise bad_request(f"Permission being assigned was not found on application '{resource['appId']}'.")
    if any(
        (one["resourceId"], one["appRoleId"]) == (resource["id"], given["appRoleId"])
        for one in context.store.find(_ROLES, principalId=principal["id"])
    ):
        raise bad_request("Permission being assigned already exists on the object")
    body = new(_ROLES, given) | {
        "id": _new_id(),
        "createdDateTime": context.directory.clock.stamp(),
        "principalDisplayName": principal["displayName"],
        "principalType": ENTITIES[kind].label,
        "resourceDisplayName": resource["displayName"],
    }
    context.insert(_ROLES, body)
    return entity_answer(context, _ROLES, body, 201)


def revoke_app_role(context: Context, side: str, key: str, one: str) -> Answer:
    """DELETE one grant of an app role."""
    context.store.remove(_app_role(context, side, key, one)["id"])
    return Answer(204)


def list_delegated_of(context: Context, key: str) -> Answer:
    """GET /servicePrincipals/{id}/oauth2PermissionGrants."""
    found = context.store.find(_SCOPES, clientId=context.load("servicePrincipals", key)["id"])
    return list_answer(context, _SCOPES, list(enumerate(found, 1)))


def _delegated(context: Context, key: str) -> Document:
    body = context.store.get_exact(key, _SCOPES)
    if body is None or context.hides(body):
        raise not_found(key)
    return body


def get_delegated(context: Context, key: str) -> Answer:
    """GET /oauth2PermissionGrants/{id}."""
    return entity_answer(context, _SCOPES, _delegated(context, key))


def grant_delegated(context: Context) -> Answer:
    """POST /oauth2PermissionGrants."""
    given = accept(_SCOPES, context.body, creating=True)
    for name in ("clientId", "consentType", "resourceId"):
        if not given.get(name):
            raise bad_request(f"A value is required for property '{name}' of resource 'OAuth2PermissionGrant'.")
    for name in ("clientId", "resourceId", "principalId"):
        if given.get(name) is not None and not GUID.fullmatch(given[name]):
            raise invalid_value(name, "OAuth2PermissionGrant")
        if given.get(name):
            given[name] = given[name].lower()
    one_user = given["consentType"] == "Principal"
    if one_user != bool(given.get("principalId")):
        raise invalid_value("principalId", "OAuth2PermissionGrant")
    context.refer(given["clientId"], "servicePrincipals")
    context.refer(given["resourceId"], "servicePrincipals")
    if one_user:
        context.refer(given["principalId"], "users")
    key = ("resourceId", "consentType", "principalId")
    if any(
        [one[name] for name in key] == [given.get(name) for name in key]
        for one in context.store.find(_SCOPES, clientId=given["clientId"])
    ):
        raise conflict("Permission entry already exists.")
    body = new(_SCOPES, given) | {"id": _new_id()}
    context.insert(_SCOPES, body)
    return entity_answer(context, _SCOPES, body, 201)


def update_delegated(context: Context, key: str) -> Answer:
    """PATCH /oauth2PermissionGrants/{id}: its scopes."""
    before = _delegated(context, key)
    context.store.replace(merged(before, accept(_SCOPES, context.body, creating=False)))
    return Answer(204)


def revoke_delegated(context: Context, key: str) -> Answer:
    """DELETE /oauth2PermissionGrants/{id}."""
    context.store.remove(_delegated(context, key)["id"])
    return Answer(204)
