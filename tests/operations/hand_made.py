"""Registrations as people make them by hand: ten that differ, made through Microsoft Graph as the tenant's admin.

Owns what each is made of, what `operations adopt` says of it, and the properties that the next preview may update.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

GRAPH = "00000003-0000-0000-c000-000000000000"
READ = "7ab1d382-f21e-4acd-a863-ba3e13f7da61"
READ_WRITE = "19dbc75e-c2e2-444c-a770-ec69d8559fc7"
USER_READ = "e1fe6dd8-ba31-4d61-89e7-88639da4683d"
ADA = "44444444-4444-4444-8444-444444444444"
SINGLE = "AzureADMyOrg"
OWN = frozenset({"preventDuplicateNames", "useExisting"})
"""Properties that azuread keeps for itself; a change of them changes nothing in the directory."""


@dataclass(frozen=True)
class HandMade:
    """One registration.

    Attributes:
        body: What `POST /applications` gets beyond the display name.
        says: What differs, as `operations adopt` names it, beyond the secrets, and the deployer who is no owner.
        application: The application's properties that the preview updates, beyond `owners`.
        principal: The same of the service principal.
        name: The display name, where it is not the stack's.
        asks: The permissions that it asks for: delegated (Scope) and application (Role).
        consents: The application permissions that are granted.
        delegated: The delegated permissions that are granted.
        has_principal: Whether there is a service principal.
        principal_body: What its `POST` gets.
        secrets: Names and lives of the client secrets.
        owner: An owner of both.
        settings: What the stack declares beyond organization, secret and deployer.
    """

    body: Mapping[str, object] = field(default_factory=dict)
    says: Sequence[str] = ()
    application: Sequence[str] = ()
    principal: Sequence[str] = ()
    name: str | None = None
    asks: Sequence[tuple[str, str]] = ((READ, "Role"),)
    consents: Sequence[str] = (READ,)
    delegated: str = ""
    has_principal: bool = True
    principal_body: Mapping[str, object] = field(default_factory=dict)
    secrets: Sequence[tuple[str | None, timedelta]] = (("by hand", timedelta(days=200)),)
    owner: str | None = None
    settings: Mapping[str, object] = field(default_factory=dict)


YEAR = timedelta(days=365)
REGISTRATIONS: Mapping[str, HandMade] = {
    "portal": HandMade(
        asks=((USER_READ, "Scope"), (READ, "Role")),
        delegated="User.Read",
        principal_body={"tags": ["HideApp", "WindowsAzureActiveDirectoryIntegratedApp"]},
        secrets=((None, YEAR),),
        says=("delegated permission",),
        application=("requiredResourceAccesses",),
    ),
    "redirects": HandMade(
        body={
            "web": {
                "redirectUris": ["https://agent.contoso.example/signin", "http://localhost/"],
                "implicitGrantSettings": {"enableIdTokenIssuance": True},
                "homePageUrl": "https://agent.contoso.example",
            },
            "spa": {"redirectUris": ["https://agent.contoso.example/spa"]},
        },
        says=("redirect URI", "redirect URI", "implicit grant", "home page", "redirect URI, single-page"),
        application=("web", "singlePageApplication"),
    ),
    "both": HandMade(
        asks=((READ, "Role"), (READ_WRITE, "Role")),
        consents=(READ, READ_WRITE),
        says=("application permission", "consent"),
        application=("requiredResourceAccesses",),
    ),
    "secrets": HandMade(
        secrets=(("first", YEAR), (None, timedelta(days=90)), ("gone", timedelta(seconds=2))),
    ),
    "bare": HandMade(
        has_principal=False,
        consents=(),
        asks=(),
        says=("application permission", "consent", "service principal"),
        application=("requiredResourceAccesses",),
    ),
    "unconsented": HandMade(consents=(), says=("consent",)),
    "owned": HandMade(
        owner=ADA,
        says=("owner", "owner of the service principal"),
    ),
    "named": HandMade(
        name="Usercube test (old)",
        body={"notes": "do not touch", "tags": ["by-hand"], "serviceManagementReference": "CMDB-1", "description": "x"},
        says=("display name", "notes", "serviceManagementReference", "description"),
        application=("displayName", "notes", "serviceManagementReference", "description"),
    ),
    "multitenant": HandMade(
        body={"signInAudience": "AzureADMultipleOrgs", "isFallbackPublicClient": True},
        principal_body={"accountEnabled": False, "appRoleAssignmentRequired": True, "notes": "off"},
        says=(
            "sign-in audience",
            "public client flows",
            "sign-in",
            "assignment required",
            "notes of the service principal",
        ),
        application=("signInAudience", "fallbackPublicClientEnabled"),
        principal=("accountEnabled", "appRoleAssignmentRequired", "notes"),
    ),
    "rbac": HandMade(
        name="azure-cli-2026-01-07-10-11-12",
        asks=(),
        consents=(READ_WRITE,),
        settings={"fulfillment": True},
        secrets=(("rbac", YEAR),),
        says=("display name", "application permission"),
        application=("displayName", "requiredResourceAccesses"),
    ),
}


@dataclass(frozen=True)
class Made:
    """One of them in the directory."""

    application_id: str
    object_id: str
    secrets: Sequence[str]


def make(graph: httpx.Client, organization: str, kind: HandMade) -> Made:
    """Make one through Microsoft Graph, as the portal does."""

    def post(path: str, body: Mapping[str, object]) -> dict[str, Any]:
        answer = graph.post(path, json=body)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json() if answer.content else {}
        return found

    asked = [{"id": one, "type": type_} for one, type_ in kind.asks]
    body = {
        "displayName": kind.name or f"Identity Manager {organization}",
        "requiredResourceAccess": [{"resourceAppId": GRAPH, "resourceAccess": asked}] if asked else [],
        **kind.body,
    }
    application = post("/applications", body)
    kinds = [f"/applications/{application['id']}"]
    if kind.has_principal:
        principal = post("/servicePrincipals", {"appId": application["appId"], **kind.principal_body})
        kinds.append(f"/servicePrincipals/{principal['id']}")
        api = graph.get(f"/servicePrincipals(appId='{GRAPH}')?$select=id").json()["id"]
        for role in kind.consents:
            grant = {"principalId": principal["id"], "resourceId": api, "appRoleId": role}
            post(f"/servicePrincipals/{api}/appRoleAssignedTo", grant)
        if kind.delegated:
            consent = {"clientId": principal["id"], "resourceId": api, "consentType": "AllPrincipals"}
            post("/oauth2PermissionGrants", {**consent, "scope": kind.delegated})
    for path in kinds:
        # Who makes it is its owner; in the portal that is a person.
        for owner in graph.get(f"{path}/owners?$select=id").json()["value"]:
            graph.delete(f"{path}/owners/{owner['id']}/$ref").raise_for_status()
        if kind.owner:
            post(f"{path}/owners/$ref", {"@odata.id": f"{graph.base_url}directoryObjects/{kind.owner}"})
    secrets = []
    for name, life in kind.secrets:
        end = (datetime.now(UTC) + life).strftime("%Y-%m-%dT%H:%M:%SZ")
        credential = {"endDateTime": end, **({"displayName": name} if name else {})}
        added = post(f"/applications/{application['id']}/addPassword", {"passwordCredential": credential})
        secrets.append(added["secretText"])
    return Made(application["appId"], application["id"], secrets)
