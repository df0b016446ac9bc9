"""Between the rows of a table and the JSON of Microsoft Graph.

Owns: how each kind of property is written in a request and read from an answer.
Leaves alone: which properties there are and when they are sent.
"""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.azuread.plan import equivalent
from sandbox.azuread.schema import Blank, Kind, Patch, Property, sending_order, state_order
from sandbox.azuread.values import Object, Value, is_list, is_object, is_zero, text, texts


def outgoing(rows: Sequence[Property], plan: Object, *, prior: Object | None = None) -> Object:
    """The part of a request that the rows account for; with a prior state, that of an update."""
    body: Object = {}
    for row in rows:
        if not row.graph or not row.is_input:
            continue
        if prior is not None:
            changed = not equivalent(row, prior.get(row.name), plan.get(row.name))
            if row.patch is Patch.NEVER or (row.patch is Patch.CHANGED and not changed):
                continue
        old = prior.get(row.name) if prior is not None else None
        value = written(row, plan.get(row.name), (old if is_object(old) else {}) if prior is not None else None)
        if value is not None or row.blank is not Blank.LEFT_OUT:
            put(body, row.graph, value)
    return body


def written(row: Property, value: Value, prior: Object | None = None) -> Value:
    """One value as Graph wants it."""
    if row.single:
        if not is_object(value) and row.blank is Blank.LEFT_OUT:
            return {}
        return outgoing(row.block, value if is_object(value) else _absent(row.block), prior=prior)
    if row.kind in (Kind.LIST, Kind.SET):
        return _written_members(row, value)
    if row.kind is Kind.FLAG:
        return value is True
    if row.kind is Kind.NUMBER:
        return value if isinstance(value, int) else 0
    return text(value) or ("" if row.blank is Blank.KEPT else None)


def _written_members(row: Property, value: Value) -> Value:
    members: list[Value] = [member for member in value if member is not None] if is_list(value) else []
    ordered = sending_order(row, members) if row.kind is Kind.SET else members
    if row.joined:
        return row.joined.join(text(member) for member in ordered) or None
    return [outgoing(row.block, member) if row.block and is_object(member) else member for member in ordered]


def _absent(rows: Sequence[Property]) -> Object:
    return {row.name: row.default for row in rows}


def incoming(rows: Sequence[Property], found: Object) -> Object:
    """What an answer says about the rows, in the form of a state; rows without a place in Graph are left out."""
    return {
        row.name: row.derived(found) if row.derived is not None else read(row, at(found, row.graph))
        for row in rows
        if row.derived is not None or row.graph
    }


def read(row: Property, value: Value) -> Value:
    """One value of Graph as a state shows it."""
    if row.single:
        return incoming(row.block, value) if is_object(value) else None
    if row.kind in (Kind.LIST, Kind.SET):
        if row.joined:
            value = [part.strip() for part in text(value).split(row.joined)] if value else []
        members: list[Value] = [
            incoming(row.block, member) if row.block and is_object(member) else member
            for member in (value if is_list(value) else [])
        ]
        return state_order(row, members) if row.kind is Kind.SET else members
    if row.kind is Kind.FLAG:
        return value is True
    if row.kind is Kind.NUMBER:
        return value if isinstance(value, int) else row.default
    return text(value)


def put(body: Object, path: str, value: Value) -> None:
    """Sets what stands at a dotted path."""
    *parents, last = path.split(".")
    for parent in parents:
        inner = body.setdefault(parent, {})
        body = inner if is_object(inner) else {}
    body[last] = value


def at(found: Object, path: str) -> Value:
    """What stands at a dotted path."""
    value: Value = found
    for part in path.split("."):
        value = value.get(part) if is_object(value) else None
    return value


# ---------------------------------------------------------------------------------------------------- tags

_FEATURE_TAGS = {
    ("customSingleSignOn", "customSingleSignOnApp"): "WindowsAzureActiveDirectoryCustomSingleSignOnApplication",
    ("enterprise", "enterpriseApplication"): "WindowsAzureActiveDirectoryIntegratedApp",
    ("gallery", "galleryApplication"): "WindowsAzureActiveDirectoryGalleryApplicationNonPrimaryV1",
}
_HIDDEN = "HideApp"


def tags_of_features(features: Value) -> list[Value]:
    """The tags that stand for a block of features, in either of its spellings."""
    block = features[0] if is_list(features) and features else {}
    chosen = block if is_object(block) else {}
    tags: list[Value] = [tag for names, tag in _FEATURE_TAGS.items() if any(chosen.get(name) is True for name in names)]
    visible = chosen.get("visibleToUsers")
    if chosen.get("hide") is True or ("visibleToUsers" in chosen and visible is not True):
        tags.append(_HIDDEN)
    return tags


def feature_tags(found: Object) -> Value:
    """The block of features that an object's tags stand for."""
    tags = {tag.lower() for tag in texts(found.get("tags"))}
    flags: Object = {names[0]: tag.lower() in tags for names, tag in _FEATURE_TAGS.items()}
    return [{**flags, "hide": _HIDDEN.lower() in tags}]


def features(found: Object) -> Value:
    """The same in the older spelling."""
    tags = {tag.lower() for tag in texts(found.get("tags"))}
    flags: Object = {names[1]: tag.lower() in tags for names, tag in _FEATURE_TAGS.items()}
    return [{**flags, "visibleToUsers": _HIDDEN.lower() not in tags}]


# ---------------------------------------------------------------------------------------------------- derived maps


def ids_by_value(members: Value) -> Value:
    """The ids of roles or scopes by their value."""
    found = [member for member in members if is_object(member)] if is_list(members) else []
    return {text(member["value"]): member.get("id") for member in found if not is_zero(member.get("value"))}


def app_role_ids(found: Object) -> Value:
    """The ids of an object's app roles by value."""
    return ids_by_value(found.get("appRoles"))


def scope_ids(found: Object) -> Value:
    """The ids of a service principal's permission scopes by value."""
    return ids_by_value(found.get("oauth2PermissionScopes"))


def application_scope_ids(found: Object) -> Value:
    """The ids of an application's permission scopes by value."""
    return ids_by_value(at(found, "api.oauth2PermissionScopes"))


def names_without_app_id(found: Object) -> Value:
    """A service principal's names, less its client id."""
    own = text(found.get("appId")).lower()
    return [name for name in texts(found.get("servicePrincipalNames")) if name.lower() != own]
