"""Users, groups and directory objects: read only, as far as owners and lookups need them."""

from sandbox.tenant.directory import Answer, Context, Row, entity_answer, member, object_list
from sandbox.tenant.documents import Document
from sandbox.tenant.entities import ENTITIES, GUID
from sandbox.tenant.errors import bad_request, malformed, not_found
from sandbox.tenant.odata import shaped

_KINDS = ("users", "groups", "servicePrincipals", "applications", "organization", "directoryRoles")
_MAX_IDS = 1000


def _user(context: Context, key: str) -> Document:
    if GUID.fullmatch(key) or key.startswith("userPrincipalName="):
        return context.load("users", key)
    found = context.store.find("users", userPrincipalName=key)
    if not found:
        raise not_found(key)
    return found[0]


def get_user(context: Context, key: str) -> Answer:
    """GET /users/{id or user principal name}."""
    return entity_answer(context, "users", _user(context, key))


def get_manager(context: Context, key: str) -> Answer:
    """GET /users/{id}/manager."""
    rows = context.store.targets(_user(context, key)["id"], "manager")
    if not rows:
        raise not_found("manager")
    kind, body = rows[0]
    select = context.query.select(ENTITIES[kind])
    head = {
        "@odata.context": f"{context.root}/$metadata#directoryObjects/$entity",
        "@odata.type": ENTITIES[kind].odata_type,
    }
    return Answer(200, head | shaped(kind, body, select))


def list_related(context: Context, kind: str, relation: str, key: str) -> Answer:
    """GET the objects that an object relates to."""
    return object_list(context, context.store.targets(context.load(kind, key)["id"], relation))


def me(context: Context, *_: str) -> Answer:
    """GET /me: there is no signed-in user."""
    del context
    raise malformed("/me request is only valid with delegated authentication flow.")


def get_object(context: Context, key: str) -> Answer:
    """GET /directoryObjects/{id}."""
    if not GUID.fullmatch(key):
        raise bad_request(f"Invalid object identifier '{key}'.")
    kind, body = context.refer(key, *_KINDS)
    context_line = {"@odata.context": f"{context.root}/$metadata#directoryObjects/$entity"}
    return Answer(200, context_line | member(context, kind, body))


def get_by_ids(context: Context) -> Answer:
    """POST /directoryObjects/getByIds: those of the ids that exist, of the types asked for."""
    ids, types = context.body.get("ids"), context.body.get("types")
    unknown = [name for name in context.body if name not in ("ids", "types") and "@" not in name]
    if unknown:
        raise malformed(
            f"The parameter '{unknown[0]}' in the request payload is not a valid parameter for the operation "
            "'getByIds'."
        )
    if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids) or not ids:
        raise bad_request("The parameter 'ids' must be a collection of ids.")
    if types is not None and (not isinstance(types, list) or not all(isinstance(one, str) for one in types)):
        raise bad_request("The parameter 'types' must be a collection of type names.")
    if len(ids) > _MAX_IDS:
        raise bad_request("Too many object ids are included in the request.")
    for one in ids:
        if not GUID.fullmatch(one):
            raise bad_request(f"Invalid GUID:{one}")
    wanted = {one.lower() for one in types or []}
    rows: list[Row] = []
    for one in dict.fromkeys(one.lower() for one in ids):
        row = context.store.get(one, *_KINDS)
        if row and (not wanted or "directoryobject" in wanted or ENTITIES[row[0]].type.lower() in wanted):
            rows.append(row)
    return object_list(context, rows)
