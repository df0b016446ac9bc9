"""Service principals: create, change, delete, and how they follow their application.

Owns the rules of service principals. What they are granted stands in `grants`.
"""

from sandbox.tenant.credentials import patched_keys, patched_passwords
from sandbox.tenant.deletion import delete_softly
from sandbox.tenant.directory import Answer, Context, entity_answer
from sandbox.tenant.documents import Document
from sandbox.tenant.entities import accept, merged, new
from sandbox.tenant.errors import GraphError, bad_request, conflict
from sandbox.tenant.owners import link_owners, owners_given
from sandbox.tenant.permissions import Reach
from sandbox.tenant.replication import View

_KIND = "servicePrincipals"


def follow(application: Document) -> Document:
    """What a service principal takes from its application."""
    web, api, info = application["web"] or {}, application["api"] or {}, application["info"]
    redirects = [
        uri for name in ("web", "spa", "publicClient") for uri in (application[name] or {}).get("redirectUris") or []
    ]
    return {
        "displayName": application["displayName"],
        "appDisplayName": application["displayName"],
        "appDescription": application["description"],
        "homepage": web.get("homePageUrl"),
        "logoutUrl": web.get("logoutUrl"),
        "replyUrls": list(dict.fromkeys(redirects)),
        "servicePrincipalNames": [application["appId"], *application["identifierUris"]],
        "signInAudience": application["signInAudience"],
        "appRoles": application["appRoles"],
        "oauth2PermissionScopes": api.get("oauth2PermissionScopes") or [],
        "info": info,
        "verifiedPublisher": application["verifiedPublisher"],
    }


def create(context: Context) -> Answer:
    """POST /servicePrincipals."""
    owners = owners_given(context, context.body.get("owners@odata.bind"))
    given = accept(_KIND, context.body, creating=True)
    app_id = given.get("appId")
    if not app_id:
        raise bad_request("A value is required for property 'appId' of resource 'ServicePrincipal'.")
    found = context.store.find("applications", appId=app_id)
    if context.store.find(_KIND, appId=app_id):
        raise conflict(
            "The service principal cannot be created, updated, or restored because the service principal name "
            f"{app_id} is already in use."
        )
    if not found or context.directory.replication.hides(found[0]["id"], View.RELATIONS):
        if context.reach is Reach.OWNED:
            raise GraphError(
                403,
                "Authorization_RequestDenied",
                "When using this permission, the backing application of the service principal being created must in "
                "the local tenant",
            )
        raise bad_request(
            f"The appId '{app_id}' of the service principal does not reference a valid application object."
        )
    application = found[0]
    context.must_own(application)
    keys = given.pop("keyCredentials", [])
    if given.pop("passwordCredentials", []):
        raise bad_request("New password credentials must be generated with service actions.")
    body = new(_KIND, follow(application) | given) | {
        "appId": application["appId"],
        "appOwnerOrganizationId": context.directory.tenant_id,
        "createdDateTime": context.directory.clock.stamp(),
    }
    body["keyCredentials"] = patched_keys([], keys, context.directory.clock.now(), _KIND)
    context.insert(_KIND, body)
    link_owners(context, body, owners)
    return entity_answer(context, _KIND, body, 201)


def update(context: Context, key: str) -> Answer:
    """PATCH /servicePrincipals/{id}."""
    before = context.load(_KIND, key)
    context.must_own(before)
    given = accept(_KIND, context.body, creating=False)
    if "passwordCredentials" in given:
        given["passwordCredentials"] = patched_passwords(
            context, before["passwordCredentials"], given["passwordCredentials"]
        )
    if "keyCredentials" in given:
        now = context.directory.clock.now()
        given["keyCredentials"] = patched_keys(before["keyCredentials"], given["keyCredentials"], now, _KIND)
    context.store.replace(merged(before, given))
    return Answer(204)


def delete(context: Context, key: str) -> Answer:
    """DELETE /servicePrincipals/{id}."""
    body = context.load(_KIND, key)
    context.must_own(body)
    delete_softly(context.directory, _KIND, body)
    return Answer(204)
