"""What a fresh tenant holds: Contoso with its domain, people, groups, Microsoft's APIs and three identities.

Owns the fixed ids that recordings and tests name, and the secrets of the identities, which are made anew for each
tenant and kept in one file that only its owner reads.
"""

import json
import secrets
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sandbox.tenant.clock import written
from sandbox.tenant.credentials import digest, new_password, new_secret
from sandbox.tenant.documents import Document
from sandbox.tenant.entities import new
from sandbox.tenant.keys import write_private
from sandbox.tenant.roles import active
from sandbox.tenant.service_principals import follow
from sandbox.tenant.store import Store
from sandbox.tenant.tokens import GRAPH

TENANT_ID = "11111111-1111-4111-8111-111111111111"
TENANT_NAME = "Contoso"
DOMAIN = "contoso.example"
_MICROSOFT = "f8cdef31-a31e-4b4a-93e4-5f571e91255a"
"""The tenant that Microsoft's own applications belong to."""
_CATALOGUE = Path(__file__).with_name("catalogue.json")
_GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"


@dataclass(frozen=True)
class Identity:
    """One of the applications that work on the tenant from outside."""

    name: str
    title: str
    client_id: str
    object_id: str
    roles: tuple[str, ...]


IDENTITIES = (
    Identity(
        "deploy",
        "Pipeline deploy",
        "22222222-2222-4222-8222-222222222222",
        "33333333-3333-4333-8333-333333333333",
        ("Application.ReadWrite.OwnedBy", "Application.Read.All", "AppRoleAssignment.ReadWrite.All"),
    ),
    Identity(
        "preview",
        "Pipeline preview",
        "22222222-2222-4222-8222-333333333333",
        "33333333-3333-4333-8333-444444444444",
        ("Application.Read.All",),
    ),
    Identity(
        "admin",
        "Administrator",
        "22222222-2222-4222-8222-444444444444",
        "33333333-3333-4333-8333-555555555555",
        (
            "Application.ReadWrite.All",
            "AppRoleAssignment.ReadWrite.All",
            "AuditLog.Read.All",
            "DelegatedPermissionGrant.ReadWrite.All",
            "Directory.ReadWrite.All",
            "Group.ReadWrite.All",
            "Organization.ReadWrite.All",
            "Policy.Read.All",
            "RoleManagement.ReadWrite.Directory",
            "User.ReadWrite.All",
        ),
    ),
)

_USERS = (
    ("44444444-4444-4444-8444-444444444444", "ada", "Ada", "Example", "Platform engineer", None),
    ("44444444-4444-4444-8444-555555555555", "grace", "Grace", "Sample", "Head of identity", None),
    ("44444444-4444-4444-8444-666666666666", "linus", "Linus", "Specimen", "Service desk", "grace"),
    ("44444444-4444-4444-8444-777777777777", "margaret", "Margaret", "Instance", "Auditor", "grace"),
)
_GROUPS = (
    ("55555555-5555-4555-8555-555555555555", "All Employees", ("ada", "grace", "linus", "margaret")),
    ("55555555-5555-4555-8555-666666666666", "Identity Team", ("ada", "grace")),
)


def secrets_of(path: Path) -> dict[str, str]:
    """The identities' secrets by their names, made and written down if there are none yet."""
    if path.exists():
        return {name: one["secret"] for name, one in json.loads(path.read_text()).items()}
    made = {
        one.name: {"clientId": one.client_id, "objectId": one.object_id, "secret": new_secret()} for one in IDENTITIES
    }
    write_private(path, json.dumps(made, indent=1).encode() + b"\n")
    return {name: one["secret"] for name, one in made.items()}


def plant(store: Store, passwords: dict[str, str]) -> None:
    """Fill an empty directory."""
    now = datetime.now(UTC).replace(microsecond=0)
    catalogue = json.loads(_CATALOGUE.read_text())
    store.set("domain", DOMAIN)
    store.set("name", TENANT_NAME)
    _plant_organization(store, now)
    _plant_people(store, now)
    _plant_roles(store, catalogue["directoryRoles"])
    for api in catalogue["apis"]:
        _plant_api(store, api, now)
    graph = store.find("servicePrincipals", appId=GRAPH)[0]
    for identity in IDENTITIES:
        _plant_identity(store, identity, graph, passwords[identity.name], now)


def _plant_organization(store: Store, now: datetime) -> None:
    domain = {
        "capabilities": "Email, OfficeCommunicationsOnline",
        "isDefault": True,
        "isInitial": True,
        "name": DOMAIN,
        "type": "Managed",
    }
    contoso = {
        "id": TENANT_ID,
        "displayName": TENANT_NAME,
        "countryLetterCode": "FR",
        "preferredLanguage": "en",
        "createdDateTime": written(now),
        "technicalNotificationMails": [f"grace@{DOMAIN}"],
        "verifiedDomains": [domain],
    }
    store.insert("organization", new("organization", contoso))


def _plant_people(store: Store, now: datetime) -> None:
    ids = {nickname: key for key, nickname, *_ in _USERS}
    for key, nickname, given, family, title, manager in _USERS:
        address = f"{nickname}@{DOMAIN}"
        person = {
            "id": key,
            "displayName": f"{given} {family}",
            "givenName": given,
            "surname": family,
            "jobTitle": title,
            "mail": address,
            "mailNickname": nickname,
            "userPrincipalName": address,
            "userType": "Member",
            "createdDateTime": written(now),
        }
        store.insert("users", new("users", person))
        if manager:
            store.link(key, "manager", ids[manager])
    for key, name, members in _GROUPS:
        group = {"id": key, "displayName": name, "mailNickname": name.replace(" ", ""), "createdDateTime": written(now)}
        store.insert("groups", new("groups", group))
        store.link(key, "owners", ids["grace"])
        for member in members:
            store.link(key, "members", ids[member])


def _plant_roles(store: Store, roles: list[list[str]]) -> None:
    for name, key in roles:
        template = new("directoryRoleTemplates", {"id": key, "displayName": name, "description": name})
        store.insert("directoryRoleTemplates", template)
        if key == _GLOBAL_ADMINISTRATOR:
            store.insert("directoryRoles", active(template))
            held = {"principalId": _USERS[1][0], "roleDefinitionId": key, "directoryScopeId": "/"}
            store.insert("roleAssignments", new("roleAssignments", {**held, "id": secrets.token_urlsafe(32)}))


def _plant_api(store: Store, api: Document, now: datetime) -> None:
    roles = [
        {
            "allowedMemberTypes": ["Application"],
            "description": title,
            "displayName": title,
            "id": key,
            "isEnabled": True,
            "origin": "Application",
            "value": value,
        }
        for value, key, title in api["roles"]
    ]
    scopes = [
        {
            "adminConsentDescription": title,
            "adminConsentDisplayName": title,
            "id": key,
            "isEnabled": True,
            "type": kind,
            "userConsentDescription": title,
            "userConsentDisplayName": title,
            "value": value,
        }
        for value, key, kind, title in api["scopes"]
    ]
    principal = {
        "id": str(uuid.uuid5(uuid.UUID(TENANT_ID), api["appId"])),
        "appId": api["appId"],
        "displayName": api["displayName"],
        "appDisplayName": api["displayName"],
        "appOwnerOrganizationId": _MICROSOFT,
        "createdDateTime": written(now),
        "servicePrincipalNames": [api["appId"], *api["names"]],
        "signInAudience": "AzureADMultipleOrgs",
        "appRoles": roles,
        "oauth2PermissionScopes": scopes,
    }
    store.insert("servicePrincipals", new("servicePrincipals", principal))
    for name in api["names"]:
        store.link(principal["id"], "identifierUri", name.lower())


def _plant_identity(store: Store, identity: Identity, graph: Document, secret: str, now: datetime) -> None:
    roles = {role["value"]: role["id"] for role in graph["appRoles"]}
    access = [{"id": roles[name], "type": "Role"} for name in identity.roles]
    application = new(
        "applications",
        {
            "id": str(uuid.uuid5(uuid.UUID(TENANT_ID), identity.client_id)),
            "displayName": identity.title,
            "requiredResourceAccess": [{"resourceAppId": GRAPH, "resourceAccess": access}],
        },
    )
    credential = new_password({"displayName": "sandbox"}, now, secret)
    application |= {
        "appId": identity.client_id,
        "createdDateTime": written(now),
        "publisherDomain": DOMAIN,
        "passwordCredentials": [credential],
    }
    principal = new("servicePrincipals", {"id": identity.object_id}) | follow(application)
    principal |= {
        "appId": identity.client_id,
        "appOwnerOrganizationId": TENANT_ID,
        "createdDateTime": written(now),
    }
    store.insert("applications", application)
    store.insert("servicePrincipals", principal)
    store.add_secret(credential["keyId"], application["id"], digest(secret))
    for name in identity.roles:
        grant = {
            "id": uuid.uuid5(uuid.UUID(identity.object_id), name).hex,
            "appRoleId": roles[name],
            "createdDateTime": written(now),
            "principalDisplayName": identity.title,
            "principalId": identity.object_id,
            "principalType": "ServicePrincipal",
            "resourceDisplayName": graph["displayName"],
            "resourceId": graph["id"],
        }
        store.insert("appRoleAssignments", new("appRoleAssignments", grant))
