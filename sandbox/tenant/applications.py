"""Applications: create, change, delete, and their federated identity credentials.

Owns the rules of applications. Their service principals follow them through `service_principals.follow`.
"""

import re
import uuid
from urllib.parse import urlsplit

from sandbox.tenant.credentials import digest, new_password, new_secret, patched_keys, patched_passwords
from sandbox.tenant.deletion import delete_softly
from sandbox.tenant.directory import Answer, Context, entity_answer, list_answer
from sandbox.tenant.documents import Document
from sandbox.tenant.entities import accept, merged, new
from sandbox.tenant.errors import GraphError, bad_request, conflict, invalid_value, not_found
from sandbox.tenant.odata import shaped
from sandbox.tenant.owners import link_owners, owners_given
from sandbox.tenant.service_principals import follow

_KIND = "applications"
_FEDERATED = "federatedIdentityCredentials"
_MAX_FEDERATED = 20
_FEDERATED_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,119}")


def create(context: Context) -> Answer:
    """POST /applications."""
    annotation = "owners@odata.bind"
    owners = owners_given(context, context.body.get(annotation))
    given = accept(_KIND, context.body, creating=True)
    if not given.get("displayName"):
        if "displayName" in given:
            raise invalid_value("displayName", "Application")
        raise bad_request("A value is required for property 'displayName' of resource 'Application'.")
    passwords, keys = given.pop("passwordCredentials", []), given.pop("keyCredentials", [])
    now = context.directory.clock.now()
    body = new(_KIND, given) | {
        "appId": str(uuid.uuid4()),
        "createdDateTime": context.directory.clock.stamp(),
        "publisherDomain": context.store.setting("domain"),
    }
    _check_manifest(context, {}, body)
    body["keyCredentials"] = patched_keys([], keys, now, _KIND)
    shown = []
    for one in passwords:
        secret = new_secret()
        credential = new_password(one, now, secret)
        body["passwordCredentials"].append(credential)
        context.store.add_secret(credential["keyId"], body["id"], digest(secret))
        shown.append({**credential, "secretText": secret})
    context.insert(_KIND, body)
    _keep_uris(context, {}, body)
    link_owners(context, body, owners)
    return entity_answer(context, _KIND, body, 201, shaped(_KIND, body, None) | {"passwordCredentials": shown})


def update(context: Context, key: str) -> Answer:
    """PATCH /applications/{id}."""
    before = context.load(_KIND, key)
    context.must_own(before)
    given = accept(_KIND, context.body, creating=False)
    if "displayName" in given and not given["displayName"]:
        raise invalid_value("displayName", "Application")
    if "passwordCredentials" in given:
        given["passwordCredentials"] = patched_passwords(
            context, before["passwordCredentials"], given["passwordCredentials"]
        )
    if "keyCredentials" in given:
        now = context.directory.clock.now()
        given["keyCredentials"] = patched_keys(before["keyCredentials"], given["keyCredentials"], now, _KIND)
    after = merged(before, given)
    _check_manifest(context, before, after)
    context.store.replace(after)
    _keep_uris(context, before, after)
    for principal in context.store.find("servicePrincipals", appId=after["appId"]):
        # A service principal keeps the name it was made with; only appDisplayName follows.
        context.store.replace(merged(principal, follow(after) | {"displayName": principal["displayName"]}))
    return Answer(204)


def delete(context: Context, key: str) -> Answer:
    """DELETE /applications/{id}."""
    body = context.load(_KIND, key)
    context.must_own(body)
    delete_softly(context.directory, _KIND, body)
    return Answer(204)


def _check_manifest(context: Context, before: Document, after: Document) -> None:
    """The rules that span several values of an application."""
    _check_entitlements(before.get("appRoles") or [], after["appRoles"])
    api_before = before.get("api") or {}
    _check_entitlements(
        api_before.get("oauth2PermissionScopes") or [], (after["api"] or {}).get("oauth2PermissionScopes") or []
    )
    for name in ("web", "spa", "publicClient"):
        for uri in (after.get(name) or {}).get("redirectUris") or []:
            if not _scheme(uri):
                raise invalid_value("redirectUris", "Application")
    for uri in after["identifierUris"]:
        if uri not in (before.get("identifierUris") or []):
            _check_identifier_uri(context, uri, after)


def _check_entitlements(before: list[Document], after: list[Document]) -> None:
    for name in ("id", "value"):
        values = [one[name] for one in after if one.get(name)]
        if len(set(values)) != len(values):
            raise bad_request("Request contains a property with duplicate values.")
    if any(not one.get("id") for one in after):
        raise bad_request("A value is required for property 'id' of resource 'AppRole'.")
    kept = {one["id"]: one for one in after}
    for one in before:
        now = kept.get(one["id"])
        if one.get("isEnabled") and (now is None or now.get("value") != one.get("value")):
            raise GraphError(
                400,
                "CannotDeleteOrUpdateEnabledEntitlement",
                "Permission (scope or role) cannot be deleted or updated unless disabled first.",
            )


def _scheme(uri: str) -> str | None:
    """The scheme of an address that has one."""
    try:
        return urlsplit(uri).scheme or None
    except ValueError:
        return None


def _check_identifier_uri(context: Context, uri: str, body: Document) -> None:
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise invalid_value("identifierUris", "Application") from error
    if not parts.scheme or not (parts.netloc or parts.path) or re.search(r"\s", uri):
        raise invalid_value("identifierUris", "Application")
    domain = str(context.store.setting("domain"))
    host = parts.hostname or ""
    if parts.scheme in ("http", "https") and host != domain and not host.endswith(f".{domain}"):
        raise GraphError(
            400,
            "HostNameNotOnVerifiedDomain",
            "Values of identifierUris property must use a verified domain of the organization or its subdomain: "
            f"'{uri}'",
        )
    if any(one["id"] != body["id"] for _, one in context.store.sources(uri.lower(), "identifierUri")):
        raise bad_request("Another object with the same value for property identifierUris already exists.")


def _keep_uris(context: Context, before: Document, after: Document) -> None:
    for uri in before.get("identifierUris") or []:
        context.store.unlink(after["id"], "identifierUri", uri.lower())
    for uri in after["identifierUris"]:
        context.store.link(after["id"], "identifierUri", uri.lower())


def _federated(context: Context, key: str, one: str) -> tuple[Document, Document]:
    """The application and its federated credential, by id or by name."""
    application = context.load(_KIND, key)
    for body in context.store.find(_FEDERATED, applicationId=application["id"]):
        if body["name"] == one.removeprefix("name=") or body["id"] == one.lower():
            return application, context.load(_FEDERATED, body["id"])
    raise not_found(one)


def list_federated(context: Context, key: str) -> Answer:
    """GET …/federatedIdentityCredentials."""
    application = context.load(_KIND, key)
    rows = enumerate(context.store.find(_FEDERATED, applicationId=application["id"]), 1)
    return list_answer(context, _FEDERATED, list(rows), f"applications('{application['id']}')/{_FEDERATED}")


def get_federated(context: Context, key: str, one: str) -> Answer:
    """GET …/federatedIdentityCredentials/{id}."""
    return entity_answer(context, _FEDERATED, _federated(context, key, one)[1])


def create_federated(context: Context, key: str) -> Answer:
    """POST …/federatedIdentityCredentials."""
    application = context.load(_KIND, key)
    context.must_own(application)
    given = accept(_FEDERATED, context.body, creating=True)
    for name in ("name", "issuer", "subject", "audiences"):
        if not given.get(name):
            raise bad_request(f"A value is required for property '{name}' of resource 'FederatedIdentityCredential'.")
    if not _FEDERATED_NAME.fullmatch(given["name"]):
        raise invalid_value("name", "FederatedIdentityCredential")
    others = context.store.find(_FEDERATED, applicationId=application["id"])
    if len(others) >= _MAX_FEDERATED:
        raise bad_request(
            f"The application already has the maximum of {_MAX_FEDERATED} federated identity credentials."
        )
    if any(one["name"].lower() == given["name"].lower() for one in others):
        raise conflict(f"FederatedIdentityCredential with name {given['name']} already exists.")
    body = new(_FEDERATED, given) | {"applicationId": application["id"]}
    _check_federated(body, others)
    context.insert(_FEDERATED, body)
    return entity_answer(context, _FEDERATED, body, 201)


def update_federated(context: Context, key: str, one: str) -> Answer:
    """PATCH …/federatedIdentityCredentials/{id}."""
    application, before = _federated(context, key, one)
    context.must_own(application)
    if context.body.get("name") == before["name"]:
        context.body.pop("name")
    body = merged(before, accept(_FEDERATED, context.body, creating=False))
    others = context.store.find(_FEDERATED, applicationId=application["id"])
    _check_federated(body, [other for other in others if other["id"] != body["id"]])
    context.store.replace(body)
    return Answer(204)


def delete_federated(context: Context, key: str, one: str) -> Answer:
    """DELETE …/federatedIdentityCredentials/{id}."""
    application, body = _federated(context, key, one)
    context.must_own(application)
    context.store.remove(body["id"])
    return Answer(204)


def _check_federated(body: Document, others: list[Document]) -> None:
    if len(body["audiences"]) != 1 or not body["audiences"][0]:
        raise invalid_value("audiences", "FederatedIdentityCredential")
    if not body["subject"]:
        raise invalid_value("subject", "FederatedIdentityCredential")
    if _scheme(body["issuer"] or "") not in ("https", "http"):
        raise invalid_value("issuer", "FederatedIdentityCredential")
    if any((one["issuer"], one["subject"]) == (body["issuer"], body["subject"]) for one in others):
        raise conflict(
            "FederatedIdentityCredential with the same issuer and subject already exists on the application."
        )
