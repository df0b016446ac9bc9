"""What every route of the directory works with: the context of a request, its answer, and lists of objects.

Owns how objects are found, listed, expanded and paged, and the check that a caller owns what it changes. Rules of one
entity type stand with its routes.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from sandbox.tenant.clock import Clock
from sandbox.tenant.documents import Document
from sandbox.tenant.entities import ENTITIES, GUID
from sandbox.tenant.errors import bad_request, denied, malformed, not_found
from sandbox.tenant.odata import Filter, Query, next_token, shaped
from sandbox.tenant.permissions import READ_USERS, Reach, reach
from sandbox.tenant.replication import Replication, View
from sandbox.tenant.store import INDEXED, Store

Row = tuple[str, Document]
"""Kind and document."""

OWNABLE = ("users", "servicePrincipals")
_MAX_EXPANDED = 20


@dataclass(frozen=True)
class Caller:
    """Who asks: an application's service principal, with the roles in its token."""

    app_id: str
    object_id: str
    roles: frozenset[str]


@dataclass(frozen=True)
class Answer:
    """What goes back."""

    status: int
    body: Document | str | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Directory:
    """The tenant's directory as routes see it."""

    tenant_id: str
    store: Store
    clock: Clock
    replication: Replication


@dataclass(frozen=True)
class Context:
    """One request to Graph, past the gate."""

    directory: Directory
    caller: Caller
    reach: Reach
    url: str
    version: str
    path: str
    query: Query
    body: Document

    @property
    def store(self) -> Store:
        """The directory's storage."""
        return self.directory.store

    @property
    def root(self) -> str:
        """What addresses of this version begin with."""
        return f"{self.url}/{self.version}"

    def load(self, kind: str, key: str) -> Document:
        """The object that a path names, by id or by an alternate key.

        Raises:
            GraphError: there is none, or it is not visible yet.
        """
        name, sign, value = key.partition("=")
        if sign:
            found = self.store.find(kind, **{name: value}) if name in _ALTERNATE.get(kind, ()) else []
            body = found[0] if found else None
            key = value
        else:
            if not GUID.fullmatch(key):
                raise bad_request(f"Invalid object identifier '{key}'.")
            row = self.store.get(key, kind)
            body = row[1] if row else None
        if body is None or self.hides(body):
            raise not_found(key)
        return body

    def hides(self, body: Document) -> bool:
        """Whether replication lag hides an object from a read by id."""
        return self.directory.replication.hides(body["id"], View.GET)

    def refer(self, key: str, *kinds: str) -> Row:
        """The object that a body or a relation names.

        Raises:
            GraphError: there is none, or it is not visible yet.
        """
        row = self.store.get(key, *kinds)
        if row is None or self.directory.replication.hides(row[1]["id"], View.RELATIONS):
            raise not_found(key)
        return row

    def insert(self, kind: str, body: Document) -> None:
        """Keep a new object."""
        self.store.insert(kind, body)
        self.directory.replication.created(body["id"])

    def must_own(self, body: Document) -> None:
        """Refuse a caller whose permission reaches only what it owns, where it does not own this.

        Raises:
            GraphError: the caller does not own the object.
        """
        if self.reach is Reach.OWNED and not self.store.linked(body["id"], "owners", self.caller.object_id):
            raise denied()

    def sees_users(self) -> bool:
        """Whether the caller may read the properties of users."""
        return reach(READ_USERS, self.caller.roles) is not None


_ALTERNATE = {
    "applications": ("appId",),
    "servicePrincipals": ("appId",),
    "users": ("userPrincipalName",),
    "directoryRoles": ("roleTemplateId",),
}


def entity_answer(
    context: Context, kind: str, body: Document, status: int = 200, shown: Document | None = None
) -> Answer:
    """One object."""
    entity = ENTITIES[kind]
    select = context.query.select(entity)
    document = shown or shaped(kind, _without_fresh_secrets(context, body), select)
    fields = f"({','.join(select)})" if select else ""
    result = {"@odata.context": f"{context.root}/$metadata#{kind}{fields}/$entity", **document}
    result |= _expansion(context, kind, body)
    headers = {"Location": f"{context.root}/{kind}/{quote(body['id'])}"} if status == 201 else {}  # noqa: PLR2004
    return Answer(status, result, headers)


def _expansion(context: Context, kind: str, body: Document) -> Document:
    """The relation that $expand asks for."""
    wanted = context.query.expand(EXPANSIONS.get(kind, {}))
    return {wanted.relation: wanted.shown(EXPANSIONS[kind][wanted.relation](context, body))} if wanted else {}


def _without_fresh_secrets(context: Context, body: Document) -> Document:
    """An object without the secrets that replication lag still hides."""
    secrets = body.get("passwordCredentials")
    if not secrets or not context.directory.replication.lags:
        return body
    hides = context.directory.replication.hides
    return {**body, "passwordCredentials": [one for one in secrets if not hides(one["keyId"], View.GET)]}


def list_answer(
    context: Context, kind: str, rows: Iterable[tuple[int, Document]] | None = None, where: str | None = None
) -> Answer:
    """A page of the objects of one kind: all of them, or the given ones with their positions."""
    entity, query = ENTITIES[kind], context.query
    wanted, select, order, search = query.filter(entity), query.select(entity), query.order(entity), query.search()
    query.expand(EXPANSIONS.get(kind, {}))  # an unknown relation is refused even where there is nothing to expand
    equal = tuple((name, value) for name, value in (wanted.equal if wanted else ()) if name in INDEXED)
    whole = order is not None or query.wants_count

    def matches(after: int) -> Iterator[tuple[int, Document]]:
        source = context.store.scan(kind, after, equal) if rows is None else (row for row in rows if row[0] > after)
        for number, body in source:
            if wanted and not wanted.test(body):
                continue
            if search and not search(body):
                continue
            if not context.directory.replication.hides(body["id"], View.FILTERS):
                yield number, body

    if whole:
        found = list(matches(0))
        total = len(found)
        if order:
            name, descending = order
            found.sort(key=lambda row: str(row[1].get(name) or "").casefold(), reverse=descending)
            found = [(position, body) for position, (_, body) in enumerate(found, 1)]
        found = [row for row in found if row[0] > query.after]
        page, more = found[: query.page], len(found) > query.page
    else:
        page, more = _taken(matches(query.after), query.page)
        total = 0
    fields = f"({','.join(select)})" if select else ""
    result: Document = {"@odata.context": f"{context.root}/$metadata#{where or kind}{fields}"}
    if query.wants_count:
        result["@odata.count"] = total
    if more:
        options = {**query.raw, "$skiptoken": next_token(page[-1][0])}
        result["@odata.nextLink"] = f"{context.root}/{context.path}?{urlencode(options, safe='$')}"
    result["value"] = [shaped(kind, body, select) | _expansion(context, kind, body) for _, body in page]
    return Answer(200, result)


def _taken(rows: Iterator[tuple[int, Document]], limit: int) -> tuple[list[tuple[int, Document]], bool]:
    page: list[tuple[int, Document]] = []
    for row in rows:
        if len(page) == limit:
            return page, True
        page.append(row)
    return page, False


def count_answer(context: Context, kind: str) -> Answer:
    """The number of objects, as plain text."""
    if not context.query.eventual:
        raise bad_request("$count is not currently supported.")
    raw = {**context.query.raw, "$count": "true"}
    wanted: Filter | None = Query(raw, eventual=True).filter(ENTITIES[kind])
    number = (
        sum(1 for _, body in context.store.scan(kind) if wanted.test(body)) if wanted else context.store.count(kind)
    )
    return Answer(200, str(number), {"Content-Type": "text/plain"})


def object_list(context: Context, rows: Iterable[Row], where: str = "directoryObjects") -> Answer:
    """Objects of several kinds, each named by its type."""
    rows = list(rows)
    if "$filter" in context.query.raw:
        tests = {
            kind: context.query.filter(ENTITIES[kind]) for kind in {kind for kind, _ in rows} or {"servicePrincipals"}
        }
        rows = [(kind, body) for kind, body in rows if (wanted := tests[kind]) and wanted.test(body)]
    page, rest = rows[context.query.after :][: context.query.page], rows[context.query.after + context.query.page :]
    result: Document = {"@odata.context": f"{context.root}/$metadata#{where}"}
    if context.query.wants_count:
        result["@odata.count"] = len(rows)
    if rest:
        options = {**context.query.raw, "$skiptoken": next_token(context.query.after + len(page))}
        result["@odata.nextLink"] = f"{context.root}/{context.path}?{urlencode(options, safe='$')}"
    result["value"] = [member(context, kind, body) for kind, body in page]
    return Answer(200, result)


def member(context: Context, kind: str, body: Document) -> Document:
    """An object as a member of a collection of several kinds."""
    entity = ENTITIES[kind]
    head = {"@odata.type": entity.odata_type}
    names = context.query.raw.get("$select")
    if kind == "users" and not context.sees_users():
        # Graph shows that the object is there, and nothing of it, to who may not read its type.
        return {**head, "id": body["id"]}
    if names is None:
        return head | shaped(kind, body, None)
    wanted = [name.strip() for name in names.split(",")]
    # Selected properties belong to one of several types; those that another type has are left out.
    return head | {"id": body["id"]} | shaped(kind, body, [name for name in wanted if name in entity.properties])


def reference(body: Document) -> str:
    """The id in a body of `{"@odata.id": address}`.

    Raises:
        GraphError: the body names no object.
    """
    address = body.get("@odata.id")
    if not isinstance(address, str):
        raise bad_request("The request body must contain the property '@odata.id'.")
    return bound(address)


def bound(address: object) -> str:
    """The id in the address of an object, as `@odata.id` and `@odata.bind` give it.

    Raises:
        GraphError: the address names no object.
    """
    if not isinstance(address, str):
        raise malformed("The value of an @odata.bind annotation is not a string.")
    key = address.rstrip("/").rpartition("/")[2]
    key = key.removeprefix("directoryObjects('").removesuffix("')")
    if not GUID.fullmatch(key):
        raise bad_request("A resource identifier in the request body is not valid.")
    return key.lower()


def owners_of(context: Context, body: Document) -> list[Document]:
    """The owners as $expand shows them."""
    rows = context.store.targets(body["id"], "owners")[:_MAX_EXPANDED]
    return [_expanded(context, kind, one) for kind, one in rows]


def _expanded(context: Context, kind: str, body: Document) -> Document:
    head = {"@odata.type": ENTITIES[kind].odata_type}
    if kind == "users" and not context.sees_users():
        return {**head, "id": body["id"]}
    return head | shaped(kind, body, None)


def _related(kind: str, name: str) -> Callable[[Context, Document], list[Document]]:
    def expansion(context: Context, body: Document) -> list[Document]:
        return [shaped(kind, one, None) for one in context.store.find(kind, **{name: body["id"]})[:_MAX_EXPANDED]]

    return expansion


def _manager(context: Context, body: Document) -> Document | None:
    rows = context.store.targets(body["id"], "manager")
    return _expanded(context, *rows[0]) if rows else None


def _members(context: Context, body: Document) -> list[Document]:
    return [_expanded(context, kind, one) for kind, one in context.store.targets(body["id"], "members")[:_MAX_EXPANDED]]


EXPANSIONS: dict[str, dict[str, Callable[[Context, Document], object]]] = {
    "applications": {"owners": owners_of},
    "servicePrincipals": {
        "owners": owners_of,
        "appRoleAssignments": _related("appRoleAssignments", "principalId"),
        "appRoleAssignedTo": _related("appRoleAssignments", "resourceId"),
        "oauth2PermissionGrants": _related("oauth2PermissionGrants", "clientId"),
    },
    "users": {"manager": _manager},
    "groups": {"members": _members, "owners": owners_of},
}
"""What $expand brings, by kind and relation."""
