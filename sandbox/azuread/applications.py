"""Steps in the life of an application: names that must not repeat, roles that must be disabled before they go."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from http import HTTPStatus

from sandbox.azuread import wire
from sandbox.azuread.graph import BETA, Answer, Graph, GraphError
from sandbox.azuread.lifecycle import Failure, Operation, Step, tags_at_creation
from sandbox.azuread.plan import equivalent
from sandbox.azuread.schema import Property, find
from sandbox.azuread.values import UNKNOWN, Object, Value, is_object, objects, text


def rename_until_visible(operation: Operation) -> None:
    """Gives a new application another name and then its own: once that succeeds, it has arrived everywhere."""
    for name in (f"TERRAFORM_UPDATE_{uuid.uuid4()}", operation.plan["displayName"]):
        body: Object = {"@odata.type": "#microsoft.graph.application", "displayName": name}
        try:
            operation.graph.send("PATCH", operation.path, body, again_when=_not_settled)
        except GraphError as error:
            if error.is_not_found:
                raise Failure(
                    "Timed out whilst waiting for new application to be replicated in Azure AD", error
                ) from error
            raise Failure(
                f'Failed to patch application with object ID "{operation.key}" after creating', error
            ) from error


def _not_settled(answer: Answer) -> bool:
    """Whether Graph will think differently of a new application in a moment."""
    return answer.status in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT) or (
        answer.status == HTTPStatus.BAD_REQUEST
        and "Permission (scope or role) cannot be deleted or updated unless disabled first" in answer.message
    )


def set_post_response(*, creating: bool) -> Step:
    """Sets the flag that only Graph's beta version knows."""

    def step(operation: Operation) -> None:
        name = "oauth2PostResponseRequired"
        if (creating and operation.plan.get(name) is None) or (not creating and not operation.changed(name)):
            return
        body: Object = {
            "@odata.type": "#microsoft.graph.application",
            "oauth2RequirePostResponse": operation.plan.get(name) is True,
        }
        again_when = _not_settled if creating else None
        try:
            operation.graph.send("PATCH", operation.path, body, version=BETA, again_when=again_when)
        except GraphError as error:
            raise Failure(f"Failed to set `oauth2_post_response_required` for {operation.described}", error) from error

    return step


def withhold_mapped_claims(operation: Operation, body: Object) -> None:
    """Leaves out of a creation what an identity with only Application.ReadWrite.OwnedBy may not set in it."""
    body["tags"] = tags_at_creation(operation)
    api = body.get("api")
    if is_object(api) and api.get("acceptMappedClaims") is True:
        del api["acceptMappedClaims"]


def set_mapped_claims(operation: Operation) -> None:
    """Sets what was withheld from the creation."""
    api = operation.body().get("api")
    if not is_object(api) or api.get("acceptMappedClaims") is not True:
        return
    body: Object = {"@odata.type": "#microsoft.graph.application", "api": api}
    try:
        operation.graph.send("PATCH", operation.path, body, again_when=_not_settled)
    except GraphError as error:
        raise Failure(
            "Failed to patch application after creating to set `api.0.mapped_claims_enabled` property", error
        ) from error


def duplicate_at_plan(graph: Graph, prior: Object, plan: Object) -> None:
    """Refuses to plan a new application with a name that exists."""
    name, old = plan.get("displayName"), text(prior.get("displayName"))
    if plan.get("preventDuplicateNames") is not True or not isinstance(name, str) or not name or old == name:
        return
    found = same_name(graph, name, "could not check for existing application(s)")
    if found and not prior:
        raise Failure(f"{_duplicate(found[0], name)}. {_IMPORT_APPLICATION}")


def duplicate_at_creation(operation: Operation) -> None:
    """Refuses to create an application with a name that exists by now."""
    name = text(operation.plan.get("displayName"))
    if operation.plan.get("preventDuplicateNames") is True:
        found = same_name(operation.graph, name, "Could not check for existing application(s)")
        if found:
            raise Failure(_duplicate(found[0], name), _IMPORT_APPLICATION, at="id")


def duplicate_at_update(operation: Operation) -> None:
    """Refuses to give an application the name of another."""
    name = text(operation.plan.get("displayName"))
    if operation.plan.get("preventDuplicateNames") is True:
        found = same_name(operation.graph, name, "Could not check for existing application(s)")
        others = [key for key in found if key != operation.key]
        if others:
            raise Failure(_duplicate(others[0], name), _IMPORT_APPLICATION, at="id")


def same_name(graph: Graph, name: str, failure: str) -> list[str]:
    """The applications of exactly that name. The name stands unescaped in the filter, as the real plugin sends it."""
    condition = f"displayName eq '{name}'"
    try:
        found = graph.get("/applications", query={"$filter": condition}).members
    except GraphError as error:
        raise Failure(failure, f'unable to list Applications with filter "{condition}": {error}') from error
    return [text(one.get("id")) for one in found if one.get("displayName") == name]


_IMPORT_APPLICATION = (
    "To be managed via Terraform, this resource needs to be imported into the State. Please see the resource "
    'documentation for "azuread_application" for more information.'
)


def _duplicate(key: str, name: str) -> str:
    return (
        f'An existing "azuread_application" with name "{name}" (ID: "{key}") was found and '
        "`prevent_duplicate_names` was specified"
    )


def forget_ids_of_changed_roles(graph: Graph, prior: Object, plan: Object) -> None:  # noqa: ARG001 - a PlanStep
    """Makes unknown what follows from roles, scopes or the logo, where these change."""
    prior_api, api = prior.get("api"), plan.get("api")
    old_scopes = prior_api.get("oauth2PermissionScopes") if is_object(prior_api) else None
    new_scopes = api.get("oauth2PermissionScopes") if is_object(api) else None
    if not _same_members(prior.get("appRoles"), plan.get("appRoles")):
        plan["appRoleIds"] = UNKNOWN
    if not _same_members(old_scopes, new_scopes):
        plan["oauth2PermissionScopeIds"] = UNKNOWN


_PERSONAL = ("AzureADandPersonalMicrosoftAccount", "PersonalMicrosoftAccount")


def refuse_old_tokens_for_personal_accounts(graph: Graph, prior: Object, plan: Object) -> None:  # noqa: ARG001
    """Refuses what Graph refuses for applications that personal accounts can use."""
    api = plan.get("api")
    version = api.get("requestedAccessTokenVersion") if is_object(api) else None
    if plan.get("signInAudience") in _PERSONAL and version in (None, 0, 1):
        audiences = " or ".join(f'"{audience}"' for audience in _PERSONAL)
        raise Failure(f"`requested_access_token_version` must be 2 when `sign_in_audience` is {audiences}")


def refuse_contradictory_roles(graph: Graph, prior: Object, plan: Object) -> None:  # noqa: ARG001 - a PlanStep
    """Refuses roles and scopes of which two share an id or a value, but not both."""
    api = plan.get("api")
    scopes = objects(api.get("oauth2PermissionScopes")) if is_object(api) else []
    named = [(one.get("id"), one.get("value")) for one in (*objects(plan.get("appRoles")), *scopes)]
    pairs = [(key, value) for key, value in named if text(key) and text(value)]
    for index, (key, value) in enumerate(pairs):
        for other_key, other_value in pairs[:index]:
            wrong = ""
            if key == other_key and value != other_value:
                wrong = f'duplicate ID found: "{key}"'
            elif value == other_value and key != other_key:
                wrong = f'duplicate value found: "{value}"'
            if wrong:
                told = "checking for duplicate app roles / OAuth2.0 permission scopes: validation failed: "
                raise Failure(told + wrong)


def _same_members(old: Value, new: Value) -> bool:
    return (old or []) == (new or [])


def disable_before_change(path: str, attribute: str, spoken: str) -> Step:
    """Disables the roles or scopes that are to be changed or removed, without which Graph does neither."""

    def step(operation: Operation) -> None:
        row, old, new = _nested(operation, path)
        if row is None or equivalent(row, old, new):
            return
        failure = f'Could not disable {spoken} for application with object ID "{operation.key}"'
        try:
            existing = objects(wire.at(operation.graph.get(operation.path).fields, path))
            disabled = _disabled(existing, objects(wire.written(row, new)), whole=path != "appRoles")
            if disabled is not None:
                body: Object = {"@odata.type": "#microsoft.graph.application"}
                if path == "appRoles":
                    body["id"] = operation.key
                wire.put(body, path, disabled)
                operation.graph.send("PATCH", operation.path, body)
                operation.graph.get(operation.path)
        except GraphError as error:
            raise Failure(failure, error, at=attribute) from error

    return step


def _nested(operation: Operation, path: str) -> tuple[Property | None, Value, Value]:
    rows: Sequence[Property] = operation.resource.rows
    old: Value = operation.prior
    new: Value = operation.plan
    row: Property | None = None
    for name in path.split("."):
        row = find(rows, name)
        rows = row.block if row is not None else ()
        old = old.get(name) if is_object(old) else None
        new = new.get(name) if is_object(new) else None
    return row, old, new


_COMPARED_IN_ROLES = ("allowedMemberTypes", "description", "displayName", "value")


def _disabled(existing: list[Object], wanted: list[Object], *, whole: bool) -> list[Value] | None:
    """The existing roles or scopes with those disabled that will change or go; nothing if there are none such.

    A scope counts as changed if anything of it differs, be it only null for the empty text; a role does not.
    """
    kept = {text(member.get("id")): member for member in wanted}
    result: list[Value] = []
    some = False
    for member in existing:
        fields = {name: value for name, value in member.items() if name != "origin"}
        new = kept.get(text(member.get("id")))
        if new is None or (member.get("isEnabled") is True and _differs(fields, new, whole=whole)):
            fields["isEnabled"] = False
            some = True
        result.append(fields)
    return result if some else None


def _differs(old: Object, new: Object, *, whole: bool) -> bool:
    if whole:
        return old != new
    return any((old.get(name) or None) != (new.get(name) or None) for name in _COMPARED_IN_ROLES)
