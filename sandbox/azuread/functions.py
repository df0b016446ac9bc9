"""The covered functions: what each takes, what it asks of Microsoft Graph, and what it answers."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sandbox.azuread import checks, tables, wire
from sandbox.azuread.graph import BETA, Graph, GraphError
from sandbox.azuread.lifecycle import Failure, escaped
from sandbox.azuread.schema import Check, Kind, Property, sending_order
from sandbox.azuread.values import Object, Value, is_object, text, texts

_PUBLISHED = Path(__file__).with_name("published_apis.json")


@dataclass(frozen=True, slots=True)
class Function:
    """One function: the properties that it takes, and how it comes to its answer."""

    token: str
    inputs: tuple[Property, ...]
    run: Callable[[Graph, Object], Object]


# ---------------------------------------------------------------------------------------------------- no request


def _client_config(graph: Graph, _: Object) -> Object:
    who = graph.credentials
    return {
        "clientId": who.client_id,
        "id": f"{who.tenant_id}-{who.client_id}-{graph.caller_id}",
        "objectId": graph.caller_id,
        "tenantId": who.tenant_id,
    }


@cache
def _published_apis() -> Object:
    published: Value = json.loads(_PUBLISHED.read_text())
    return published if is_object(published) else {}


def _published(_: Graph, __: Object) -> Object:
    return {"id": "appIds", "result": _published_apis()}


# ---------------------------------------------------------------------------------------------------- service principal


def _block(path: str, rows: tuple[Property, ...], name: str) -> Callable[[Object], Value]:
    """A block of at most one object, which functions show as a list."""
    block = next(row.block for row in rows if row.name == name)

    def derived(found: Object) -> Value:
        inner = wire.at(found, path)
        return [wire.incoming(block, inner)] if is_object(inner) else []

    return derived


_SERVICE_PRINCIPAL = tuple(
    row
    for row in (
        *tables.SERVICE_PRINCIPAL.rows,
        Property(
            "samlSingleSignOns",
            derived=_block("samlSingleSignOnSettings", tables.SERVICE_PRINCIPAL.rows, "samlSingleSignOn"),
        ),
    )
    if row.name not in ("samlSingleSignOn", "useExisting", "owners")
)


def _service_principal(graph: Graph, args: Object) -> Object:
    found = _find_service_principal(graph, args)
    key = text(found.get("id"))
    try:
        beta = graph.get(f"/servicePrincipals/{key}", version=BETA, query={"$select": "samlMetadataUrl"}).fields
    except GraphError as error:
        raise Failure(f'Retrieving Service Principal (Service Principal: "{key}") (beta API)', error) from error
    shown = wire.incoming(_as_lists(_SERVICE_PRINCIPAL), found)
    return {**shown, "samlMetadataUrl": text(beta.get("samlMetadataUrl")), "id": f"/servicePrincipals/{key}"}


def _as_lists(rows: tuple[Property, ...]) -> tuple[Property, ...]:
    """The rows as functions show them: a set is a list in Graph's own order."""
    return tuple(
        Property(
            row.name,
            Kind.LIST if row.kind is Kind.SET else row.kind,
            block=_as_lists(row.block),
            single=row.single,
            default=row.default,
            graph=row.graph,
            joined=row.joined,
            derived=row.derived,
        )
        for row in rows
    )


def _find_service_principal(graph: Graph, args: Object) -> Object:
    if object_id := text(args.get("objectId")):
        described = f'Service Principal (Service Principal: "{object_id}")'
        try:
            return graph.get(f"/servicePrincipals/{object_id}").fields
        except GraphError as error:
            if error.is_not_found:
                raise Failure(f"{described} was not found", at="object_id") from error
            raise Failure(f"Retrieving {described}", error, at="object_id") from error
    if name := text(args.get("displayName")):
        condition = f"displayName eq '{escaped(name)}'"
        found = _list(graph, "/servicePrincipals", condition, f'Listing service principals for filter "{condition}"')
        if not found:
            raise Failure("Service principal not found", f'no service principals found matching filter: "{condition}"')
        if len(found) > 1:
            raise Failure(
                "Multiple service principals found", f'found multiple service principals matching filter: "{condition}"'
            )
        matching = [one for one in found if text(one.get("displayName")).lower() == name.lower()]
    else:
        client_id = text(args.get("clientId"))
        condition = f"appId eq '{escaped(client_id)}'"
        found = _list(graph, "/servicePrincipals", condition, f'Listing service principals for filter "{condition}"')
        matching = [one for one in found if text(one.get("appId")).lower() == client_id.lower()]
    if not matching:
        raise Failure("No service principal found", "no service principal found")
    return matching[0]


def _list(graph: Graph, path: str, condition: str, failure: str, select: str = "") -> list[Object]:
    query = {"$filter": condition} | ({"$select": select} if select else {})
    try:
        return graph.get(path, query=query).members
    except GraphError as error:
        raise Failure(failure, error) from error


# ---------------------------------------------------------------------------------------------------- application


def _grants(found: Object) -> Value:
    inner = wire.at(found, "web.implicitGrantSettings")
    web = next(row.block for row in tables.APPLICATION.rows if row.name == "web")
    return _block("implicitGrantSettings", web, "implicitGrant")({"implicitGrantSettings": inner})


def _webs(found: Object) -> Value:
    web = wire.at(found, "web")
    if not is_object(web):
        return []
    return [
        {
            "homepageUrl": text(web.get("homePageUrl")),
            "implicitGrants": _grants(found),
            "logoutUrl": text(web.get("logoutUrl")),
            "redirectUris": [*texts(web.get("redirectUris"))],
        }
    ]


_TAGS = Property("tags", Kind.SET, plain_hash=True)
_NOT_IN_THE_FUNCTION = {
    "api", "description", "logoImage", "optionalClaims", "owners", "password", "preventDuplicateNames",
    "publicClient", "singlePageApplication", "tags", "templateId", "web", "oauth2PostResponseRequired",
}  # fmt: skip

_LISTS = {
    "apis": ("api", "api"),
    "optionalClaims": ("optionalClaims", "optionalClaims"),
    "publicClients": ("publicClient", "publicClient"),
    "singlePageApplications": ("spa", "singlePageApplication"),
}

_APPLICATION = (
    *_as_lists(tuple(row for row in tables.APPLICATION.rows if row.name not in _NOT_IN_THE_FUNCTION)),
    *(
        Property(name, derived=_block(path, _as_lists(tables.APPLICATION.rows), block))
        for name, (path, block) in _LISTS.items()
    ),
    Property("webs", derived=_webs),
    Property("tags", derived=lambda found: sending_order(_TAGS, [*texts(found.get("tags"))])),
)


def _application(graph: Graph, args: Object) -> Object:
    found = _find_application(graph, args)
    key = text(found.get("id"))
    described = f'Application (Application: "{key}")'
    path = f"/applications/{key}"
    try:
        beta = graph.get(path, version=BETA, query={"$select": "oauth2RequirePostResponse"}).fields
    except GraphError as error:
        raise Failure(f"Retrieving additional properties for {described}", error) from error
    try:
        owners = graph.get(f"{path}/owners").members
    except GraphError as error:
        raise Failure(f"Could not retrieve owners for {described}", error, at="owners") from error
    given = {"identifierUri": args["identifierUri"]} if "identifierUri" in args else {}
    return {
        **given,
        **wire.incoming(_APPLICATION, found),
        "oauth2PostResponseRequired": beta.get("oauth2RequirePostResponse") is True,
        "owners": [text(owner.get("id")) for owner in owners],
        "id": path,
    }


def _find_application(graph: Graph, args: Object) -> Object:
    if object_id := text(args.get("objectId")):
        try:
            return graph.get(f"/applications/{object_id}").fields
        except GraphError as error:
            if error.is_not_found:
                raise Failure(f'Application with object ID "{object_id}" was not found', at="object_id") from error
            raise Failure(f'Retrieving Application with object ID "{object_id}"', error, at="object_id") from error
    if client_id := text(args.get("clientId")):
        condition = f"appId eq '{client_id}'"
    elif name := text(args.get("displayName")):
        condition = f"displayName eq '{name}'"
    else:
        condition = f"identifierUris/any(uri:uri eq '{text(args.get('identifierUri'))}')"
    found = _list(graph, "/applications", condition, f'Listing applications for filter "{condition}"')
    if not found:
        raise Failure("Application not found", f'no applications found matching filter: "{condition}"')
    if len(found) > 1:
        raise Failure("Multiple applications found", f'dound multiple applications matching filter: "{condition}"')
    return found[0]


# ---------------------------------------------------------------------------------------------------- users

_PHONES_AND_MAILS = ("businessPhones", "imAddresses", "otherMails", "proxyAddresses")
_USER_FLAGS = ("accountEnabled", "onPremisesSyncEnabled", "showInAddressList")
_USER_FIELDS = (
    "accountEnabled", "ageGroup", "businessPhones", "city", "companyName", "consentProvidedForMinor", "country",
    "creationType", "department", "displayName", "employeeHireDate", "employeeId", "employeeOrgData", "employeeType",
    "externalUserState", "faxNumber", "givenName", "id", "imAddresses", "jobTitle", "mail", "mailNickname",
    "mobilePhone", "officeLocation", "onPremisesDistinguishedName", "onPremisesDomainName", "onPremisesImmutableId",
    "onPremisesSamAccountName", "onPremisesSecurityIdentifier", "onPremisesSyncEnabled", "onPremisesUserPrincipalName",
    "otherMails", "postalCode", "preferredLanguage", "proxyAddresses", "showInAddressList", "state", "streetAddress",
    "surname", "usageLocation", "userPrincipalName", "userType",
)  # fmt: skip
_USERS_FIELDS = (
    "accountEnabled", "displayName", "employeeId", "id", "mail", "mailNickname", "onPremisesImmutableId",
    "onPremisesSamAccountName", "onPremisesUserPrincipalName", "usageLocation", "userPrincipalName", "userType",
)  # fmt: skip


def _user_row(field: str) -> Property:
    kind = Kind.LIST if field in _PHONES_AND_MAILS else Kind.FLAG if field in _USER_FLAGS else Kind.TEXT
    name = "objectId" if field == "id" else field.replace("onPremises", "onpremises")
    return Property(name, kind, graph=field)


_USER = tuple(_user_row(field) for field in _USER_FIELDS if field != "employeeOrgData")
_LISTED_USER = tuple(_user_row(field) for field in _USERS_FIELDS if field != "userType")


@dataclass(frozen=True, slots=True)
class _Search:
    """A way to look for a user: the argument, Graph's field, and what is said where none is found."""

    argument: str
    attribute: str
    field: str
    missing: str
    looking: str
    several: str


_SEARCHES = (
    _Search(
        "userPrincipalName",
        "user_principal_name",
        "userPrincipalName",
        'User with UPN "{}" was not found',
        'Finding user with UPN: "{}"',
        'More than one user found with UPN: "{}"',
    ),
    _Search(
        "objectId", "object_id", "", 'User not found with object ID: "{}"', 'Retrieving user with object ID: "{}"', ""
    ),
    _Search(
        "mail",
        "mail",
        "mail",
        'User not found with mail: "{}"',
        'Finding user with mail: "{}"',
        'More than one user found with mail: "{}"',
    ),
    _Search(
        "mailNickname",
        "mail_nickname",
        "mailNickname",
        'User not found with email alias: "{}"',
        'Finding user with email alias: "{}"',
        'More than one user found with email alias: "{}"',
    ),
    _Search(
        "employeeId",
        "employee_id",
        "employeeId",
        'User not found with employee ID: "{}"',
        'Finding user with employee ID: "{}"',
        'More than one user found with employee ID: "{}"',
    ),
)

_LISTED_SEARCHES = (
    _Search(
        "userPrincipalNames",
        "user_principal_names",
        "userPrincipalName",
        'User with UPN "{}" was not found',
        'Finding user with UPN: "{}"',
        'More than one user found with UPN: "{}"',
    ),
    _Search(
        "objectIds", "object_id", "", 'User not found with object ID: "{}"', 'Retrieving user with object ID: "{}"', ""
    ),
    _Search(
        "mailNicknames",
        "mail_nicknames",
        "mailNickname",
        'no user(s) found with email alias: "{}"',
        'Finding user with email alias: "{}"',
        "",
    ),
    _Search(
        "mails",
        "mails",
        "mail",
        'User not found with mail address: "{}"',
        'Finding user with mail address: "{}"',
        'More than one user found with mail address: "{}"',
    ),
    _Search(
        "employeeIds",
        "employee_ids",
        "employeeId",
        'User not found with employee ID: "{}"',
        'Finding user with employee ID: "{}"',
        'More than one user found with employee ID: "{}"',
    ),
)


def _look(graph: Graph, search: _Search, value: str, select: str = "") -> list[Object]:
    """The users that a search finds; none is not yet an error."""
    looking = search.looking.format(value)
    if not search.field:
        try:
            return [graph.get(f"/users/{value}", query={"$select": select} if select else None).fields]
        except GraphError as error:
            if error.is_not_found:
                return []
            raise Failure(looking, error) from error
    found = _list(graph, "/users", f"{search.field} eq '{escaped(value)}'", looking, select)
    if len(found) > 1 and search.several:
        raise Failure(search.several.format(value), at=search.attribute)
    return found


def _user(graph: Graph, args: Object) -> Object:
    search = next(one for one in _SEARCHES if text(args.get(one.argument)))
    value = text(args.get(search.argument))
    found = _look(graph, search, value)
    if not found:
        raise Failure(search.missing.format(value), at=search.attribute)
    key = text(found[0].get("id"))
    described = f'User (User: "{key}")'
    try:
        user = graph.get(f"/users/{key}", query={"$select": ",".join(_USER_FIELDS)}).fields
    except GraphError as error:
        raise Failure(f"Retrieving {described}", error) from error
    try:
        manager = text(graph.get(f"/users/{key}/manager").fields.get("id"))
    except GraphError as error:
        if not error.is_not_found:
            raise Failure(f"Could not retrieve manager for {described}", error) from error
        manager = ""
    work = user.get("employeeOrgData")
    place: Object = (
        {"costCenter": text(work.get("costCenter")), "division": text(work.get("division"))} if is_object(work) else {}
    )
    return {**wire.incoming(_USER, user), **place, "managerId": manager, "id": f"/users/{key}"}


def _users(graph: Graph, args: Object) -> Object:
    everybody, lenient = args.get("returnAll") is True, args.get("ignoreMissing") is True
    select = ",".join(_USERS_FIELDS)
    found: list[Object] = []
    if everybody:
        try:
            found = graph.get("/users", query={"$select": select}).members
        except GraphError as error:
            raise Failure("Could not retrieve users", error) from error
        if not found:
            raise Failure("No users found", at="return_all")
    else:
        for search in _LISTED_SEARCHES:
            for value in texts(args.get(search.argument)):
                members = _look(graph, search, value, select)
                if not members and not lenient:
                    raise Failure(search.missing.format(value), at=search.attribute)
                found += members
    names = [text(user.get("userPrincipalName")) for user in found]
    digest = hashlib.sha1("/".join(names).encode(), usedforsecurity=False).digest()
    return {
        "employeeIds": _present(found, "employeeId"),
        "id": "users#" + base64.urlsafe_b64encode(digest).decode(),
        "ignoreMissing": lenient,
        "mailNicknames": _present(found, "mailNickname"),
        "mails": _present(found, "mail"),
        "objectIds": _present(found, "id"),
        "returnAll": everybody,
        "userPrincipalNames": [*names],
        "users": [wire.incoming(_LISTED_USER, user) for user in found],
    }


def _present(users: list[Object], field: str) -> Value:
    """A field of all users that have it, be it null."""
    return [text(user[field]) for user in users if field in user]


def _one_of(*names: str, check: Mapping[str, Check]) -> tuple[Property, ...]:
    return tuple(
        Property(name, optional=True, exactly_one_of=names, check=check.get(name, checks.not_empty)) for name in names
    )


_USER_KEYS = ("employeeId", "mail", "mailNickname", "objectId", "userPrincipalName")
_USERS_KEYS = ("employeeIds", "mailNicknames", "mails", "objectIds", "returnAll", "userPrincipalNames")

FUNCTIONS = {
    function.token: function
    for function in (
        Function("azuread:index/getClientConfig:getClientConfig", (), _client_config),
        Function("azuread:index/getApplicationPublishedAppIds:getApplicationPublishedAppIds", (), _published),
        Function(
            "azuread:index/getServicePrincipal:getServicePrincipal",
            _one_of("clientId", "displayName", "objectId", check={"clientId": checks.uuid, "objectId": checks.uuid}),
            _service_principal,
        ),
        Function(
            "azuread:index/getApplication:getApplication",
            _one_of(
                "clientId",
                "displayName",
                "identifierUri",
                "objectId",
                check={"clientId": checks.uuid, "objectId": checks.uuid},
            ),
            _application,
        ),
        Function("azuread:index/getUser:getUser", _one_of(*_USER_KEYS, check={"objectId": checks.uuid}), _user),
        Function(
            "azuread:index/getUsers:getUsers",
            (
                *(
                    Property(
                        name,
                        Kind.FLAG if name == "returnAll" else Kind.LIST,
                        optional=True,
                        exactly_one_of=_USERS_KEYS,
                        check=None if name == "returnAll" else checks.each(checks.not_empty),
                    )
                    for name in _USERS_KEYS
                ),
                Property("ignoreMissing", Kind.FLAG, optional=True, conflicts=("returnAll",)),
            ),
            _users,
        ),
    )
}
