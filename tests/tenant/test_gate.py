"""Every route, asked by every seeded identity: who gets past the gate of permissions."""

import httpx
import pytest

from sandbox.tenant.routes import ROUTES
from tests.tenant.conftest import RunningTenant, application, grant, graph_principal, principal, secret

_UNKNOWN = "99999999-9999-4999-8999-999999999999"

# Route: whether deploy and preview pass; the administrator passes everywhere.
_OPEN = {
    "GET applications": "deploy preview",
    "GET applications/$count": "deploy preview",
    "POST applications": "deploy",
    "GET applications/{id}": "deploy preview",
    "PATCH applications/{id}": "deploy",
    "DELETE applications/{id}": "deploy",
    "POST applications/{id}/addPassword": "deploy",
    "POST applications/{id}/removePassword": "deploy",
    "GET applications/{id}/owners": "deploy preview",
    "GET applications/{id}/owners/$ref": "deploy preview",
    "POST applications/{id}/owners/$ref": "deploy",
    "DELETE applications/{id}/owners/{id}/$ref": "deploy",
    "GET applications/{id}/federatedIdentityCredentials": "deploy preview",
    "POST applications/{id}/federatedIdentityCredentials": "deploy",
    "GET applications/{id}/federatedIdentityCredentials/{id}": "deploy",
    "PATCH applications/{id}/federatedIdentityCredentials/{id}": "deploy",
    "DELETE applications/{id}/federatedIdentityCredentials/{id}": "deploy",
    "GET servicePrincipals": "deploy preview",
    "GET servicePrincipals/$count": "deploy preview",
    "POST servicePrincipals": "deploy",
    "GET servicePrincipals/{id}": "deploy preview",
    "PATCH servicePrincipals/{id}": "deploy",
    "DELETE servicePrincipals/{id}": "deploy",
    "POST servicePrincipals/{id}/addPassword": "deploy",
    "POST servicePrincipals/{id}/removePassword": "deploy",
    "GET servicePrincipals/{id}/owners": "deploy preview",
    "GET servicePrincipals/{id}/owners/$ref": "deploy preview",
    "POST servicePrincipals/{id}/owners/$ref": "deploy",
    "DELETE servicePrincipals/{id}/owners/{id}/$ref": "deploy",
    "GET servicePrincipals/{id}/appRoleAssignedTo": "deploy preview",
    "POST servicePrincipals/{id}/appRoleAssignedTo": "deploy",
    "GET servicePrincipals/{id}/appRoleAssignedTo/{id}": "deploy preview",
    "DELETE servicePrincipals/{id}/appRoleAssignedTo/{id}": "deploy",
    "GET servicePrincipals/{id}/appRoleAssignments": "deploy preview",
    "POST servicePrincipals/{id}/appRoleAssignments": "deploy",
    "GET servicePrincipals/{id}/appRoleAssignments/{id}": "deploy preview",
    "DELETE servicePrincipals/{id}/appRoleAssignments/{id}": "deploy",
    "GET servicePrincipals/{id}/oauth2PermissionGrants": "",
    "GET oauth2PermissionGrants": "",
    "POST oauth2PermissionGrants": "",
    "GET oauth2PermissionGrants/{id}": "",
    "PATCH oauth2PermissionGrants/{id}": "",
    "DELETE oauth2PermissionGrants/{id}": "",
    "GET directory/deletedItems": "deploy preview",
    "GET directory/deletedItems/{id}": "deploy preview",
    "POST directory/deletedItems/{id}/restore": "deploy",
    "DELETE directory/deletedItems/{id}": "deploy",
    "GET users": "",
    "GET users/$count": "",
    "GET users/{id}": "",
    "GET users/{id}/manager": "",
    "GET groups": "",
    "GET groups/$count": "",
    "GET groups/{id}": "",
    "GET groups/{id}/members": "",
    "GET groups/{id}/owners": "",
    "GET organization": "",
    "GET organization/{id}": "",
    "GET directoryObjects/{id}": "",
    "POST directoryObjects/getByIds": "",
    "GET directoryRoleTemplates": "",
    "GET directoryRoleTemplates/{id}": "",
    "GET directoryRoles": "",
    "POST directoryRoles": "",
    "GET directoryRoles/{id}": "",
    "GET directoryRoles/{id}/members": "",
    "GET roleManagement/directory/roleAssignments": "",
    "POST roleManagement/directory/roleAssignments": "",
    "GET roleManagement/directory/roleAssignments/{id}": "",
    "DELETE roleManagement/directory/roleAssignments/{id}": "",
    "GET roleManagement/directory/roleDefinitions": "",
    "GET roleManagement/directory/roleDefinitions/{id}": "",
    "GET me": "deploy preview",
}


@pytest.fixture(scope="module")
def clients(_tenant_process: RunningTenant) -> dict[str, httpx.Client]:
    _tenant_process.reset()
    return {name: _tenant_process.as_(name) for name in ("deploy", "preview", "admin")}


def test_the_table_names_every_route() -> None:
    assert set(_OPEN) == {f"{route.method} {route.path}" for route in ROUTES}


@pytest.mark.parametrize("route", _OPEN)
def test_the_gate_opens_for_whom_microsoft_documents(clients: dict[str, httpx.Client], route: str) -> None:
    method, _, path = route.partition(" ")
    address = "/" + path.replace("{id}", _UNKNOWN)
    for identity, client in clients.items():
        # A body that no route accepts: past the gate it is refused for another reason, and nothing changes.
        body = {"noSuchProperty": 1} if method in ("POST", "PATCH") else None
        answer = client.request(method, address, json=body)
        code = answer.json()["error"]["code"] if answer.status_code >= 400 else ""
        passed = code != "Authorization_RequestDenied"
        assert passed == (identity == "admin" or identity in _OPEN[route].split()), (identity, answer.text)


_GRANT = "POST servicePrincipals/{id}/appRoleAssignedTo"
_ROWS = (
    ({"Application.Read.All"}, "GET applications", True),
    ({"Directory.Read.All"}, "GET applications", True),
    ({"User.Read.All"}, "GET applications", False),
    ({"Application.Read.All"}, "GET applications/{id}/federatedIdentityCredentials", True),
    ({"Directory.Read.All"}, "GET applications/{id}/federatedIdentityCredentials", False),
    ({"Application.Read.All"}, "GET applications/{id}/federatedIdentityCredentials/{id}", False),
    ({"Application.ReadWrite.OwnedBy"}, "GET applications/{id}/federatedIdentityCredentials/{id}", True),
    ({"Application.Read.All"}, "GET oauth2PermissionGrants", False),
    ({"Directory.Read.All"}, "GET oauth2PermissionGrants", True),
    ({"DelegatedPermissionGrant.ReadWrite.All"}, "GET oauth2PermissionGrants/{id}", True),
    ({"Directory.Read.All"}, "POST oauth2PermissionGrants", False),
    ({"Directory.ReadWrite.All"}, "POST oauth2PermissionGrants", True),
    ({"AppRoleAssignment.ReadWrite.All"}, _GRANT, False),
    ({"Application.ReadWrite.All"}, _GRANT, False),
    ({"Directory.ReadWrite.All"}, _GRANT, False),
    ({"AppRoleAssignment.ReadWrite.All", "Application.Read.All"}, _GRANT, True),
    ({"AppRoleAssignment.ReadWrite.All", "Directory.Read.All"}, _GRANT, True),
    ({"Directory.ReadWrite.All"}, "PATCH applications/{id}", False),
    ({"Directory.ReadWrite.All"}, "POST applications/{id}/addPassword", True),
    ({"Directory.ReadWrite.All"}, "DELETE servicePrincipals/{id}", True),
    ({"Application.Read.All"}, "GET users", False),
    ({"User.ReadBasic.All"}, "GET users", True),
    ({"User.ReadBasic.All"}, "GET users/{id}/manager", False),
    ({"RoleManagement.Read.Directory"}, "GET directoryRoles", True),
    ({"RoleManagement.Read.Directory"}, "POST directoryRoles", False),
    ({"Organization.Read.All"}, "GET organization", True),
    ({"GroupMember.Read.All"}, "GET groups/{id}/members", True),
)


@pytest.mark.parametrize(("held", "route", "opens"), _ROWS)
def test_a_permission_opens_what_microsofts_table_says(
    tenant: RunningTenant, admin: httpx.Client, held: set[str], route: str, opens: bool
) -> None:
    app = application(admin, "With some permissions")
    holder, roles = principal(admin, app), graph_principal(admin)["appRoles"]
    for one in held:
        grant(admin, holder, next(role["id"] for role in roles if role["value"] == one))
    answer = tenant.sign_in(client_id=app["appId"], client_secret=secret(admin, app)["secretText"])
    method, _, path = route.partition(" ")
    body = {"noSuchProperty": 1} if method in ("POST", "PATCH") else None
    client = tenant.with_token(answer.json()["access_token"])
    asked = client.request(method, "/" + path.replace("{id}", _UNKNOWN), json=body)
    assert (asked.status_code != 403) == opens, asked.text


@pytest.mark.parametrize("version", ["v1.0", "beta"])
@pytest.mark.parametrize("route", _OPEN)
def test_nobody_passes_without_a_token(tenant: RunningTenant, route: str, version: str) -> None:
    method, _, path = route.partition(" ")
    answer = tenant.http.request(method, f"/{version}/{path.replace('{id}', _UNKNOWN)}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "InvalidAuthenticationToken")
