"""Owners of applications and service principals.

Owns who becomes an owner at creation and how owners change afterwards. Under Application.ReadWrite.OwnedBy this is
what decides over every later write: an identity that takes itself off the owners has locked itself out.
"""

from sandbox.tenant.directory import OWNABLE, Answer, Context, bound, object_list, reference
from sandbox.tenant.documents import Document
from sandbox.tenant.entities import GUID
from sandbox.tenant.errors import GraphError, bad_request, malformed, not_found
from sandbox.tenant.permissions import Reach

_MAX_OWNERS_AT_ONCE = 20
_MAX_OWNERS = 100


def owners_given(context: Context, addresses: object) -> list[str]:
    """The owners that a body binds; the caller where it binds none."""
    if addresses is None:
        return [context.caller.object_id]
    if not isinstance(addresses, list):
        raise malformed("The value of an @odata.bind annotation is not an array.")
    if len(addresses) > _MAX_OWNERS_AT_ONCE:
        raise bad_request("The number of owners that can be bound at once is limited to 20.")
    keys = [bound(address) for address in addresses]
    if len(set(keys)) != len(keys):
        raise bad_request("Request contains a property with duplicate values.")
    for key in keys:
        context.refer(key, *OWNABLE)
    if context.reach is Reach.OWNED and context.caller.object_id not in keys:
        # Whoever may manage only what it owns owns what it creates.
        keys.insert(0, context.caller.object_id)
    return keys


def link_owners(context: Context, body: Document, owners: list[str]) -> None:
    """Make these the owners of a new object."""
    for key in owners:
        context.store.link(body["id"], "owners", key)


def list_owners(context: Context, kind: str, key: str) -> Answer:
    """GET …/owners."""
    return object_list(context, context.store.targets(context.load(kind, key)["id"], "owners"))


def add_owner(context: Context, kind: str, key: str) -> Answer:
    """POST …/owners/$ref."""
    body = context.load(kind, key)
    context.must_own(body)
    target = reference(context.body)
    context.refer(target, *OWNABLE)
    if context.store.linked(body["id"], "owners", target):
        raise bad_request(
            "One or more added object references already exist for the following modified properties: 'owners'."
        )
    if len(context.store.targets(body["id"], "owners")) >= _MAX_OWNERS:
        raise GraphError(403, "Directory_QuotaExceeded", "The object has reached the limit of 100 owners.")
    context.store.link(body["id"], "owners", target)
    return Answer(204)


def remove_owner(context: Context, kind: str, key: str, target: str) -> Answer:
    """DELETE …/owners/{id}/$ref."""
    body = context.load(kind, key)
    context.must_own(body)
    if not GUID.fullmatch(target):
        raise bad_request(f"Invalid object identifier '{target}'.")
    if not context.store.linked(body["id"], "owners", target.lower()):
        raise not_found(target)
    context.store.unlink(body["id"], "owners", target.lower())
    return Answer(204)


def list_references(context: Context, kind: str, key: str) -> Answer:
    """GET …/owners/$ref."""
    body = context.load(kind, key)
    rows = context.store.targets(body["id"], "owners")
    addresses = [{"@odata.id": f"{context.root}/directoryObjects/{one['id']}"} for _, one in rows]
    return Answer(200, {"@odata.context": f"{context.root}/$metadata#Collection($ref)", "value": addresses})
