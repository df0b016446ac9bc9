"""Soft deletion: what goes along with an object, the deleted items, restoring and purging them.

Owns the cascade: an application takes its service principal along, a service principal its grants in both directions
and its directory roles. Restoring brings back exactly what went.
"""

from sandbox.tenant.directory import Answer, Context, Directory, list_answer, member, object_list
from sandbox.tenant.documents import Document
from sandbox.tenant.entities import ENTITIES, GUID
from sandbox.tenant.errors import bad_request, conflict, denied, malformed, not_found
from sandbox.tenant.permissions import READ_DELETED, reach

_TYPES = {f"microsoft.graph.{ENTITIES[kind].type}".lower(): kind for kind in READ_DELETED}


def delete_softly(directory: Directory, kind: str, body: Document) -> None:
    """Delete an object with all that depends on it."""
    store = directory.store
    principals = [body] if kind == "servicePrincipals" else store.find("servicePrincipals", appId=body["appId"])
    for one in [body, *principals]:
        store.replace(one | {"deletedDateTime": directory.clock.stamp()})
    keys = [body["id"], *(one["id"] for one in principals)]
    for one in principals:
        for granted in (
            store.find("appRoleAssignments", principalId=one["id"]),
            store.find("appRoleAssignments", resourceId=one["id"]),
            store.find("oauth2PermissionGrants", clientId=one["id"]),
            store.find("oauth2PermissionGrants", resourceId=one["id"]),
            store.find("roleAssignments", principalId=one["id"]),
        ):
            keys.extend(grant["id"] for grant in granted)
    store.hide(keys, body["id"])


def _kind(name: str) -> str:
    kind = _TYPES.get(name.lower())
    if kind is None:
        raise malformed(f"Resource not found for the segment '{name}'.")
    return kind


def list_deleted(context: Context, type_name: str) -> Answer:
    """GET /directory/deletedItems/{type}."""
    kind = _kind(type_name)
    _may_read(context, kind)
    return list_answer(context, kind, list(enumerate(context.store.hidden(kind), 1)), "directoryObjects")


def list_all_deleted(context: Context) -> Answer:
    """GET /directory/deletedItems: the types that the caller may read."""
    kinds = [kind for kind, needs in READ_DELETED.items() if reach(needs, context.caller.roles)]
    return object_list(context, [(kind, body) for kind in kinds for body in context.store.hidden(kind)])


def _may_read(context: Context, kind: str) -> None:
    if reach(READ_DELETED[kind], context.caller.roles) is None:
        raise denied()


def _deleted(context: Context, key: str) -> tuple[str, Document]:
    if not GUID.fullmatch(key):
        raise bad_request(f"Invalid object identifier '{key}'.")
    row = context.store.get(key, *READ_DELETED, deleted=True)
    if row is None:
        raise not_found(key)
    return row


def get_deleted(context: Context, key: str) -> Answer:
    """GET /directory/deletedItems/{id}, or the list of a type."""
    if key.lower().startswith("microsoft.graph."):
        return list_deleted(context, key)
    kind, body = _deleted(context, key)
    _may_read(context, kind)
    return Answer(
        200, {"@odata.context": f"{context.root}/$metadata#directoryObjects/$entity", **member(context, kind, body)}
    )


def restore(context: Context, key: str) -> Answer:
    """POST /directory/deletedItems/{id}/restore."""
    kind, body = _deleted(context, key)
    context.must_own(body)
    store = context.store
    root = store.deleted_by(body["id"])
    if root != body["id"]:
        raise bad_request("The service principal was deleted with its application; restore the application.")
    if kind == "servicePrincipals":
        if not store.find("applications", appId=body["appId"]):
            raise bad_request("The backing application of the service principal is deleted; restore the application.")
        if store.find(kind, appId=body["appId"]):
            raise conflict(
                "The service principal cannot be created, updated, or restored because the service principal name "
                f"{body['appId']} is already in use."
            )
    for one_kind, one in store.hidden_by(body["id"]):
        if one_kind in READ_DELETED:
            store.replace(one | {"deletedDateTime": None})
    store.show(body["id"])
    body["deletedDateTime"] = None
    return Answer(
        200, {"@odata.context": f"{context.root}/$metadata#directoryObjects/$entity", **member(context, kind, body)}
    )


def purge(context: Context, key: str) -> Answer:
    """DELETE /directory/deletedItems/{id}: for good."""
    kind, body = _deleted(context, key)
    context.must_own(body)
    if kind == "applications":
        for credential in context.store.find("federatedIdentityCredentials", applicationId=body["id"]):
            context.store.remove(credential["id"])
    root = context.store.deleted_by(body["id"]) or body["id"]
    for _, one in context.store.hidden_by(root):
        if root == body["id"] or body["id"] in (one.get(name) for name in ("principalId", "resourceId", "clientId")):
            context.store.remove(one["id"])
    context.store.remove(body["id"])
    return Answer(204)
