"""The table of Graph's routes: method, path, the permissions that open it, and who answers."""

from collections.abc import Callable
from dataclasses import dataclass

from sandbox.tenant import applications, credentials, deletion, grants, owners, people, roles, service_principals
from sandbox.tenant import permissions as may
from sandbox.tenant.directory import Answer, Context, count_answer, entity_answer, list_answer
from sandbox.tenant.permissions import Needs

Handler = Callable[..., Answer]


@dataclass(frozen=True)
class Route:
    """One line of the table; the handler gets the context and the path's keys in their order."""

    method: str
    path: str
    needs: Needs
    handler: Handler
    body: bool = True
    """Whether a POST or PATCH must bring one."""


def _list(kind: str) -> Handler:
    return lambda context: list_answer(context, kind)


def _get(kind: str) -> Handler:
    return lambda context, key: entity_answer(context, kind, context.load(kind, key))


def _count(kind: str) -> Handler:
    return lambda context: count_answer(context, kind)


def _of(kind: str, handler: Handler) -> Handler:
    """A handler that serves several kinds, for one of them."""
    return lambda context, *keys: handler(context, kind, *keys)


def _definitions(context: Context) -> Answer:
    return list_answer(context, "roleDefinitions", roles.definitions(context))


def _owned(kind: str) -> tuple[Route, ...]:
    """What applications and service principals have in common."""
    return (
        Route(
            "POST", f"{kind}/{{id}}/addPassword", may.WRITE_CREDENTIALS, _of(kind, credentials.add_password), body=False
        ),
        Route("POST", f"{kind}/{{id}}/removePassword", may.WRITE_CREDENTIALS, _of(kind, credentials.remove_password)),
        Route("GET", f"{kind}/{{id}}/owners", may.READ_APPLICATIONS, _of(kind, owners.list_owners)),
        Route("GET", f"{kind}/{{id}}/owners/$ref", may.READ_APPLICATIONS, _of(kind, owners.list_references)),
        Route("POST", f"{kind}/{{id}}/owners/$ref", may.WRITE_OWNERS, _of(kind, owners.add_owner)),
        Route("DELETE", f"{kind}/{{id}}/owners/{{id}}/$ref", may.WRITE_OWNERS, _of(kind, owners.remove_owner)),
    )


def _assignments(side: str) -> tuple[Route, ...]:
    """Grants of app roles, seen from the resource or from the principal."""
    path = f"servicePrincipals/{{id}}/{side}"
    return (
        Route("GET", path, may.READ_APPLICATIONS, _of(side, grants.list_app_roles)),
        Route("POST", path, may.GRANT_APP_ROLE, _of(side, grants.grant_app_role)),
        Route("GET", f"{path}/{{id}}", may.READ_APPLICATIONS, _of(side, grants.get_app_role)),
        Route("DELETE", f"{path}/{{id}}", may.REVOKE_APP_ROLE, _of(side, grants.revoke_app_role)),
    )


_FEDERATED = "applications/{id}/federatedIdentityCredentials"
_ASSIGNMENTS = "roleManagement/directory/roleAssignments"
_DEFINITIONS = "roleManagement/directory/roleDefinitions"

ROUTES: tuple[Route, ...] = (
    Route("GET", "applications", may.READ_APPLICATIONS, _list("applications")),
    Route("GET", "applications/$count", may.READ_APPLICATIONS, _count("applications")),
    Route("POST", "applications", may.CREATE_APPLICATION, applications.create),
    Route("GET", "applications/{id}", may.READ_APPLICATIONS, _get("applications")),
    Route("PATCH", "applications/{id}", may.WRITE_APPLICATION, applications.update),
    Route("DELETE", "applications/{id}", may.WRITE_APPLICATION, applications.delete),
    *_owned("applications"),
    Route("GET", _FEDERATED, may.LIST_FEDERATED, applications.list_federated),
    Route("POST", _FEDERATED, may.WRITE_APPLICATION, applications.create_federated),
    Route("GET", f"{_FEDERATED}/{{id}}", may.READ_FEDERATED, applications.get_federated),
    Route("PATCH", f"{_FEDERATED}/{{id}}", may.WRITE_APPLICATION, applications.update_federated),
    Route("DELETE", f"{_FEDERATED}/{{id}}", may.WRITE_APPLICATION, applications.delete_federated),
    Route("GET", "servicePrincipals", may.READ_APPLICATIONS, _list("servicePrincipals")),
    Route("GET", "servicePrincipals/$count", may.READ_APPLICATIONS, _count("servicePrincipals")),
    Route("POST", "servicePrincipals", may.WRITE_SERVICE_PRINCIPAL, service_principals.create),
    Route("GET", "servicePrincipals/{id}", may.READ_APPLICATIONS, _get("servicePrincipals")),
    Route("PATCH", "servicePrincipals/{id}", may.WRITE_SERVICE_PRINCIPAL, service_principals.update),
    Route("DELETE", "servicePrincipals/{id}", may.WRITE_SERVICE_PRINCIPAL, service_principals.delete),
    *_owned("servicePrincipals"),
    *_assignments("appRoleAssignedTo"),
    *_assignments("appRoleAssignments"),
    Route("GET", "servicePrincipals/{id}/oauth2PermissionGrants", may.READ_DELEGATED, grants.list_delegated_of),
    Route("GET", "oauth2PermissionGrants", may.READ_DELEGATED, _list("oauth2PermissionGrants")),
    Route("POST", "oauth2PermissionGrants", may.WRITE_DELEGATED, grants.grant_delegated),
    Route("GET", "oauth2PermissionGrants/{id}", may.READ_DELEGATED, grants.get_delegated),
    Route("PATCH", "oauth2PermissionGrants/{id}", may.WRITE_DELEGATED, grants.update_delegated),
    Route("DELETE", "oauth2PermissionGrants/{id}", may.WRITE_DELEGATED, grants.revoke_delegated),
    Route("GET", "directory/deletedItems", may.READ_ANY_DELETED, deletion.list_all_deleted),
    Route("GET", "directory/deletedItems/{id}", may.READ_ANY_DELETED, deletion.get_deleted),
    Route("POST", "directory/deletedItems/{id}/restore", may.WRITE_APPLICATION, deletion.restore, body=False),
    Route("DELETE", "directory/deletedItems/{id}", may.WRITE_APPLICATION, deletion.purge),
    Route("GET", "users", may.READ_USERS, _list("users")),
    Route("GET", "users/$count", may.READ_USERS, _count("users")),
    Route("GET", "users/{id}", may.READ_USERS, people.get_user),
    Route("GET", "users/{id}/manager", may.READ_MANAGER, people.get_manager),
    Route("GET", "groups", may.READ_GROUPS, _list("groups")),
    Route("GET", "groups/$count", may.READ_GROUPS, _count("groups")),
    Route("GET", "groups/{id}", may.READ_GROUPS, _get("groups")),
    Route(
        "GET",
        "groups/{id}/members",
        may.READ_GROUPS,
        lambda context, key: people.list_related(context, "groups", "members", key),
    ),
    Route(
        "GET",
        "groups/{id}/owners",
        may.READ_GROUPS,
        lambda context, key: people.list_related(context, "groups", "owners", key),
    ),
    Route("GET", "organization", may.READ_ORGANIZATION, _list("organization")),
    Route("GET", "organization/{id}", may.READ_ORGANIZATION, _get("organization")),
    Route("GET", "directoryObjects/{id}", may.READ_OBJECTS, people.get_object),
    Route("POST", "directoryObjects/getByIds", may.READ_OBJECTS, people.get_by_ids),
    Route("GET", "directoryRoleTemplates", may.READ_ROLES, _list("directoryRoleTemplates")),
    Route("GET", "directoryRoleTemplates/{id}", may.READ_ROLES, _get("directoryRoleTemplates")),
    Route("GET", "directoryRoles", may.READ_ROLES, _list("directoryRoles")),
    Route("POST", "directoryRoles", may.WRITE_ROLES, roles.activate),
    Route("GET", "directoryRoles/{id}", may.READ_ROLES, _get("directoryRoles")),
    Route("GET", "directoryRoles/{id}/members", may.READ_ROLES, roles.list_members),
    Route("GET", _ASSIGNMENTS, may.READ_ROLES, _list("roleAssignments")),
    Route("POST", _ASSIGNMENTS, may.WRITE_ROLES, roles.assign),
    Route("GET", f"{_ASSIGNMENTS}/{{id}}", may.READ_ROLES, roles.get_assignment),
    Route("DELETE", f"{_ASSIGNMENTS}/{{id}}", may.WRITE_ROLES, roles.unassign),
    Route("GET", _DEFINITIONS, may.READ_ROLES, _definitions),
    Route("GET", f"{_DEFINITIONS}/{{id}}", may.READ_ROLES, roles.get_definition),
    Route("GET", "me", may.EVERYONE, people.me),
)
