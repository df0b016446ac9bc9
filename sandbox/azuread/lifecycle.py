"""The steps from which the tables put together how a resource is created, read, updated and deleted.

A step is a function of an `Operation`; where resources differ only in an address or a word, a function here makes the
step from these. The order of the requests, their bodies, and the texts of failures are those of the real plugin. Its
waits are not: it lets seconds pass until Microsoft's replicas agree, a step here asks once, and again only if it must.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from sandbox.azuread import wire
from sandbox.azuread.graph import BETA, Answer, CancelledError, Graph, GraphError, RetryWhen
from sandbox.azuread.plan import equivalent
from sandbox.azuread.schema import Property, find, sending_order
from sandbox.azuread.values import (
    UNKNOWN,
    Object,
    Value,
    is_list,
    is_object,
    is_zero,
    objects,
    text,
    texts,
    without_unknowns,
)

_POLLS = (0.0, 1.0, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0)


class Failure(Exception):  # noqa: N818 - it is the real plugin's diagnostic, told to the user as it stands
    """What went wrong, in the real plugin's words."""

    def __init__(self, summary: str, cause: Exception | str | None = None, *, at: str = "") -> None:
        where = f"[{at}] " if at else ""
        super().__init__(where + (summary if cause is None else f"{summary}: {cause}"))


class GoneError(Exception):
    """The object does not exist any more."""


@dataclass(frozen=True, slots=True)
class Identity:
    """How a resource's id is formed and spoken of."""

    form: str
    kind: str
    parts: tuple[str, ...]

    def of(self, *keys: str) -> str:
        """The id of the object with these keys."""
        return self.form.format(*keys)

    def keys(self, resource_id: str) -> tuple[str, ...]:
        """The keys in an id."""
        pattern = re.escape(self.form).replace(re.escape("{}"), "([^/]+)")
        match = re.fullmatch(pattern, resource_id)
        if match is None:
            expected = self.form.format(*(f"<{part}>" for part in self.parts))
            raise Failure(f'parsing "{resource_id}": expected an ID of the form {expected}')
        return match.groups()

    def described(self, *keys: str) -> str:
        """The object with these keys, as failures name it."""
        lines = "\n".join(f'{part}: "{key}"' for part, key in zip(self.parts, keys, strict=True))
        return f"{self.kind} ({lines})"


@dataclass(slots=True)
class Operation:
    """One creation, reading, update or deletion under way."""

    resource: Resource
    graph: Graph
    plan: Object
    prior: Object = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    read: Object = field(default_factory=dict)
    """What has been read, or is known from an answer, about the resource."""

    @property
    def key(self) -> str:
        """The key of the object itself."""
        return self.keys[-1]

    @property
    def id(self) -> str:
        """The resource's id."""
        return self.resource.identity.of(*self.keys)

    @property
    def path(self) -> str:
        """The object's own address."""
        return self.resource.path.format(*self.keys)

    @property
    def described(self) -> str:
        """The object as failures name it."""
        return self.resource.identity.described(*self.keys)

    def changed(self, name: str) -> bool:
        """Whether a property changes."""
        row = find(self.resource.rows, name)
        return row is not None and not equivalent(row, self.prior.get(name), self.plan.get(name))

    def sent(self, name: str) -> list[str]:
        """The members of a planned set of texts, in the order in which they are sent."""
        row = find(self.resource.rows, name)
        value = self.plan.get(name)
        return texts(sending_order(row, value)) if row is not None and is_list(value) else []

    def body(self, *, update: bool = False) -> Object:
        """The request that the table makes of the plan."""
        plan = without_unknowns(self.plan)
        known = plan if is_object(plan) else {}
        fields = wire.outgoing(self.resource.rows, known, prior=self.prior if update else None)
        return {"@odata.type": f"#microsoft.graph.{self.resource.graph_type}", **fields}


Step = Callable[[Operation], None]
PlanStep = Callable[[Graph, Object, Object], None]
"""Completes or refuses a plan, given what was and what is planned."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource: its properties and its life."""

    token: str
    terraform: str
    graph_type: str
    identity: Identity
    path: str
    rows: tuple[Property, ...]
    create: tuple[Step, ...]
    reading: tuple[Step, ...]
    update: tuple[Step, ...]
    delete: tuple[Step, ...]
    planning: tuple[PlanStep, ...] = ()
    importable: bool = True

    def run(self, steps: Sequence[Step], operation: Operation) -> None:
        """Does the steps in their order."""
        for step in steps:
            step(operation)


# ---------------------------------------------------------------------------------------------------- creating


def post(path: str, failure: str, *, again_when: RetryWhen | None = None) -> Step:
    """Creates the object from the table's body; its key is the id in the answer."""

    def step(operation: Operation) -> None:
        try:
            answer = operation.graph.send("POST", path, operation.body(), again_when=again_when)
        except GraphError as error:
            raise Failure(filled(failure, operation), error) from error
        operation.keys = (text(answer.fields.get("id")),)

    return step


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


def describe_until_visible(operation: Operation) -> None:
    """Replaces a new service principal's provisional description by its own."""
    description = text(operation.plan.get("description")) or None
    body: Object = {"@odata.type": "#microsoft.graph.servicePrincipal", "description": description}
    try:
        operation.graph.send("PATCH", operation.path, body)
    except GraphError as error:
        if error.is_not_found:
            raise Failure(
                "Timed out whilst waiting for new service principal to be replicated in Azure AD", error
            ) from error
        raise Failure("Failed to patch service principal after creating", error) from error


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


def provisional_description(operation: Operation, body: Object) -> None:
    """Gives a new service principal a description that the next request replaces."""
    body["tags"] = tags_at_creation(operation)
    body["description"] = f"TERRAFORM_UPDATE_{uuid.uuid4()}"


def tags_at_creation(operation: Operation) -> list[Value]:
    """The tags of a new object: those of its features where it states any."""
    for name in ("featureTags", "features"):
        if not is_zero(without_unknowns(operation.plan.get(name))):
            return wire.tags_of_features(operation.plan[name])
    return [*operation.sent("tags")]


def _tags_at_update(operation: Operation) -> list[Value]:
    for name in ("featureTags", "features"):
        if not is_zero(operation.plan.get(name)) and operation.changed(name):
            return wire.tags_of_features(operation.plan[name])
    return [*operation.sent("tags")]


def adopt_existing(operation: Operation) -> None:
    """Looks for the application's service principal, which can be only one, and takes it over if that was asked for."""
    client_id = text(operation.plan.get("clientId"))
    try:
        found = operation.graph.get("/servicePrincipals", query={"$filter": f"appId eq '{escaped(client_id)}'"}).members
    except GraphError as error:
        raise Failure("Could not list existing service principals", error) from error
    if not found:
        return
    key = text(found[0].get("id"))
    if operation.plan.get("useExisting") is not True:
        raise already_exists(operation.resource.terraform, key)
    operation.keys = (key,)
    operation.resource.run(operation.resource.update, operation)


def unless_adopted(*steps: Step) -> Step:
    """Does the steps of a creation, unless something that was there has been taken over."""

    def step(operation: Operation) -> None:
        if not operation.keys:
            operation.resource.run(steps, operation)

    return step


def already_exists(terraform: str, key: str) -> Failure:
    """What is said of an object that is there and not managed."""
    return Failure(
        f'A resource with the ID "{key}" already exists',
        "To be managed via Terraform, this resource needs to be imported into the State. Please see the resource "
        f'documentation for "{terraform}" for more information.',
        at="id",
    )


# ---------------------------------------------------------------------------------------------------- duplicates


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


# ---------------------------------------------------------------------------------------------------- updating


def patch(
    failure: str,
    *,
    with_tags: bool = False,
    with_key: bool = False,
) -> Step:
    """Sends what the table says an update sends."""

    def step(operation: Operation) -> None:
        body = operation.body(update=True)
        if with_tags:
            body["tags"] = _tags_at_update(operation)
        if with_key:
            body["id"] = operation.key
        try:
            operation.graph.send("PATCH", operation.path, body)
        except GraphError as error:
            raise Failure(filled(failure, operation), error) from error

    return step


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


# ---------------------------------------------------------------------------------------------------- reading


def get(failure: str, *, at: str = "") -> Step:
    """Reads the object."""

    def step(operation: Operation) -> None:
        try:
            found = operation.graph.get(operation.path).fields
        except GraphError as error:
            if error.is_not_found:
                raise GoneError from error
            raise Failure(filled(failure, operation), error, at=at) from error
        operation.read |= wire.incoming(operation.resource.rows, found)

    return step


def get_beta(field_name: str, name: str, failure: str) -> Step:
    """Reads the one property that only Graph's beta version tells."""

    def step(operation: Operation) -> None:
        try:
            found = operation.graph.get(operation.path, version=BETA, query={"$select": field_name}).fields
        except GraphError as error:
            raise Failure(filled(failure, operation), error) from error
        row = find(operation.resource.rows, name)
        if row is not None:
            operation.read[name] = wire.read(row, found.get(field_name))

    return step


def keep(**defaults: Value) -> Step:
    """Keeps what Graph does not know as the plan or the state had it, or else as stated here."""

    def step(operation: Operation) -> None:
        for name, default in defaults.items():
            value = without_unknowns(operation.plan.get(name))
            operation.read[name] = default if value is None else value

    return step


# ---------------------------------------------------------------------------------------------------- deleting


def delete(failure: str, *, at: str = "") -> Step:
    """Deletes the object."""

    def step(operation: Operation) -> None:
        try:
            operation.graph.send("DELETE", operation.path)
        except GraphError as error:
            raise Failure(filled(failure, operation, error), error, at=at) from error

    return step


def delete_unless_adopted(failure: str, waiting: str, *, at: str) -> Step:
    """Deletes a service principal; one that was taken over is deleted too, but without insisting."""

    def step(operation: Operation) -> None:
        if operation.plan.get("useExisting") is True:
            try:
                operation.graph.send("DELETE", operation.path)
            except GraphError:
                return
            return
        delete(failure, at=at)(operation)
        until_gone(waiting)(operation)

    return step


def until_gone(failure: str) -> Step:
    """Waits until the object is not found any more."""

    def step(operation: Operation) -> None:
        def gone() -> bool:
            try:
                operation.graph.get(operation.path)
            except GraphError as error:
                if error.is_not_found:
                    return True
                raise
            return False

        wait_until(operation, gone, failure)

    return step


def wait_until(operation: Operation, condition: Callable[[], bool], failure: str) -> None:
    """Asks until the answer is yes."""
    try:
        for pause in _POLLS:
            if operation.graph.cancelled.wait(pause):
                raise CancelledError("cancelled while waiting for a change to show")
            if condition():
                return
    except GraphError as error:
        raise Failure(filled(failure, operation), f"retrieving resource: {error}") from error
    raise Failure(filled(failure, operation), "timeout while waiting for state")


# ---------------------------------------------------------------------------------------------------- helpers


def escaped(value: str) -> str:
    """A text for use between the quotes of a filter."""
    return value.replace("'", "''")


def filled(failure: str, operation: Operation, error: Exception | None = None) -> str:
    """A failure's text with the object and the plan's values in it."""
    if not operation.keys:
        return failure.format(plan=operation.plan, error=error)
    return failure.format(
        described=operation.described,
        key=operation.key,
        keys=operation.keys,
        id=operation.id,
        plan=operation.plan,
        error=error,
    )
