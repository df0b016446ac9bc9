"""What a failed operation on Microsoft Entra ID means, and whether it is tried again.

Owns three tables: which failures are replication, which are objects that exist already, and which permissions each
operation needs. The engine asks the hook after an operation has failed, in a preview too. Replication is tried again,
after a growing pause and not for ever; everything else fails at once, with a text beside the plugin's own error where
there is more to say than the plugin says.

It leaves alone what the plugin tries again by itself (see `REPLICATION`) and every failure that may have had its effect
without an answer: to repeat that would make a second object.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import pulumi
from pulumi.runtime.settings import get_monitor

HOOK = "identity-manager:failed-operation"

PAUSES = (1, 2, 4, 8, 16, 30)
"""Seconds before each further try: a minute in all, within which replicas usually agree."""

ALREADY_MADE = "What was made so far is kept; the next pulumi up finishes the rest."
ALREADY_CHANGED = (
    "azuread takes a change that failed for done until it has looked again: pulumi up --refresh finishes it."
)
NOT_FOUND = "(?s:.*)unexpected status 404"
AT_ONCE = "(?s:.*)Directory_ConcurrencyViolation"


@dataclass(frozen=True)
class Replication:
    """A failure that ends by itself once Microsoft's replicas agree.

    Attributes:
        kind: The azuread type, such as `Application`.
        operations: What failed: create, update or delete. A creation that failed half way is tried again as an update,
            and still fails as a creation.
        said: Pattern of what the plugin says.
        awaited: What is waited for.
    """

    kind: str
    operations: Sequence[str]
    said: str
    awaited: str


def _seen(what: str) -> str:
    return f"every replica to show the new {what}"


_ONE_AT_A_TIME = "another change of the same application to end"

REPLICATION: Sequence[Replication] = (
    Replication(
        "ServicePrincipal",
        ("create",),
        "Timed out whilst waiting for new service principal to be replicated",
        _seen("service principal"),
    ),
    *(
        Replication("ServicePrincipal", ("create",), said + NOT_FOUND, _seen("service principal"))
        for said in (
            "Updating Service Principal",
            "Could not add owners to Service Principal",
            "Could not remove initial owner from Service Principal",
            "Could not retrieve owners for Service Principal",
            r"Retrieving Service Principal .*\(beta API\)",
        )
    ),
    *(
        Replication("Application", ("create",), said + NOT_FOUND, _seen("application"))
        for said in (
            "Could not update application with object ID",
            "Could not add owners to application",
            "Could not remove initial owner from application",
            "Could not retrieve owners for Application",
            "Retrieving additional properties for Application",
        )
    ),
    Replication(
        "ApplicationPassword", ("create",), r"Application \(Application: .*\) was not found", _seen("application")
    ),
    Replication("ApplicationPassword", ("create",), "Adding password for" + NOT_FOUND, _seen("application")),
    *(
        Replication("ApplicationFederatedIdentityCredential", ("create",), said + NOT_FOUND, _seen("application"))
        for said in ("retrieving Application", "Adding federated identity credential for")
    ),
    Replication(
        "AppRoleAssignment", ("create",), "Service principal not found for resource", _seen("service principal")
    ),
    *(
        Replication(kind, operations, AT_ONCE, _ONE_AT_A_TIME)
        for kind, operations in (
            ("Application", ("create", "update")),
            ("ServicePrincipal", ("create", "update")),
            ("ApplicationPassword", ("create", "delete")),
            ("ApplicationFederatedIdentityCredential", ("create", "update", "delete")),
            ("AppRoleAssignment", ("create", "delete")),
        )
    ),
)
"""What is tried again here, because the plugin gives up at once.

The plugin itself tries again, within its own time limit: 408, 424, 429 and every 5xx but 501; 404 and 409 when it
renames a new application; "does not reference a valid application object" when it makes a service principal; 404 and
"Not a valid reference update" when it makes a grant. Whatever of these arrives here has lasted for minutes.

A 404 when an object is first read after its creation is not here: the plugin forgets the object, and a second try would
make another."""


REFUSED = "Authorization_RequestDenied"
OWNED_BY = ("Application.ReadWrite.OwnedBy",)
REVOKE = ("AppRoleAssignment.ReadWrite.All",)
CONSENT = (*REVOKE, "Application.Read.All")

NEEDED: Mapping[tuple[str, str], Sequence[str]] = {
    ("Application", "create"): OWNED_BY,
    ("Application", "update"): OWNED_BY,
    ("Application", "delete"): OWNED_BY,
    ("ServicePrincipal", "create"): OWNED_BY,
    ("ServicePrincipal", "update"): OWNED_BY,
    ("ServicePrincipal", "delete"): OWNED_BY,
    ("ApplicationPassword", "create"): OWNED_BY,
    ("ApplicationPassword", "delete"): OWNED_BY,
    ("ApplicationFederatedIdentityCredential", "create"): OWNED_BY,
    ("ApplicationFederatedIdentityCredential", "update"): OWNED_BY,
    ("ApplicationFederatedIdentityCredential", "delete"): OWNED_BY,
    ("AppRoleAssignment", "create"): CONSENT,
    ("AppRoleAssignment", "delete"): REVOKE,
}
"""The least application permissions of Microsoft Graph, all of them needed, by azuread type and operation.

Source: the page of each request in https://learn.microsoft.com/graph/api."""


EXISTS: Mapping[tuple[str, str], tuple[str, str]] = {
    ("Application", "create"): (
        r'An existing "azuread_application" with name "(?P<name>.*)" \(ID: "(?P<id>[^"]+)"\) was found',
        (
            "An application named {name} exists, and this stack does not know it: it was made by hand, or by a pulumi "
            "up that was cut off before it heard the answer. It was not touched, and no second one was made.\n"
            "If Identity Manager uses it, let the stack take it over, then run pulumi up:\n"
            "  python -m operations adopt --stack {stack} --application-id {id}\n"
            "If not, give this stack another identity-manager:organization."
        ),
    ),
    ("Application", "update"): (
        r'An existing "azuread_application" with name "(?P<name>.*)" \(ID: "(?P<id>[^"]+)"\) was found',
        (
            "Another application, {id}, is named {name} already, so the name was not changed.\n"
            "Give this stack another one:\n"
            "  pulumi config set --stack {stack} identity-manager:organization <organization>"
        ),
    ),
    ("ServicePrincipal", "create"): (
        r'A resource with the ID "(?P<id>[^"]+)" already exists',
        (
            "The application has its service principal already, and this stack does not know it: it was made by hand, "
            "or by a pulumi up that was cut off before it heard the answer. It was not touched.\n"
            "Let the stack take it over, then run pulumi up:\n"
            "  python -m operations adopt --stack {stack}"
        ),
    ),
    ("AppRoleAssignment", "create"): (
        "Permission being assigned already exists on the object",
        (
            "The permission is granted already, and this stack does not know the grant: it was made by hand, or by a "
            "pulumi up that was cut off before it heard the answer. It was not touched.\n"
            "Let the stack take it over, then run pulumi up:\n"
            "  python -m operations adopt --stack {stack}"
        ),
    ),
}
"""What is there already, by azuread type and operation: pattern of what the plugin says, and what to do."""


def awaited(kind: str, operation: str, error: str) -> str | None:
    """Say what replication a failed operation waits for.

    Args:
        kind: The azuread type, such as `Application`.
        operation: What failed: create, update or delete.
        error: What the plugin said.

    Returns:
        What is waited for; None where the failure is no replication.
    """
    fitting = (
        row.awaited
        for row in REPLICATION
        if row.kind == kind and operation in row.operations and re.search(row.said, error)
    )
    return next(fitting, None)


def explanation(kind: str, name: str, operation: str, error: str, stack: str) -> str | None:
    """Say what a failure means that no further try would mend.

    Args:
        kind: The azuread type, such as `Application`.
        name: The resource's name in the program.
        operation: What failed: create, update or delete.
        error: What the plugin said.
        stack: The stack, for the commands that mend it.

    Returns:
        What is missing or in the way, and what to do; None where the plugin's error has to speak for itself.
    """
    if (kind, operation) in EXISTS:
        said, told = EXISTS[kind, operation]
        if found := re.search(said, error):
            return told.format(stack=stack, **found.groupdict())
    if (kind, operation) in NEEDED and REFUSED in error:
        return _missing_permission(kind, name, operation)
    if operation == "update":
        return f"The {kind} {name} could not be changed.\n{ALREADY_CHANGED}"
    return None


def _what_next(operation: str) -> str:
    return ALREADY_CHANGED if operation == "update" else ALREADY_MADE


def _missing_permission(kind: str, name: str, operation: str) -> str:
    needed = NEEDED[kind, operation]
    permissions = f"permission {needed[0]}" if len(needed) == 1 else f"permissions {' and '.join(needed)}"
    makes_its_own = (kind, operation) == ("Application", "create")
    owner = ", which reaches only applications that it owns" if needed == OWNED_BY and not makes_its_own else ""
    return (
        f"Microsoft Graph refused to {operation} the {kind} {name}. The identity that runs Pulumi needs Microsoft "
        f"Graph's application {permissions}{owner}.\n"
        "A Privileged Role Administrator grants it: by the project in bootstrap/, which makes such an identity, or in "
        "the portal under API permissions. A person who runs Pulumi needs that role.\n" + _what_next(operation)
    )


async def _tried_again(failed: pulumi.ErrorHookArgs) -> bool:
    # Messages name no resource: those are sent at once, and the engine ends the program as soon as this gives up.
    kind, operation, error = failed.type.rpartition(":")[2], failed.failed_operation, failed.errors[0]
    waits_for = awaited(kind, operation, error)
    if waits_for is None:
        text = explanation(kind, failed.name, operation, error, pulumi.get_stack())
        if text is not None:
            pulumi.log.error(text)
        return False
    tried, allowed = len(failed.errors), len(PAUSES) + 1
    if tried >= allowed:
        pulumi.log.error(
            f"Could not {operation} the {kind} {failed.name}: {allowed} tries in {sum(PAUSES)} seconds were not enough "
            f"for {waits_for}.\n{_what_next(operation)}"
        )
        return False
    pause = PAUSES[tried - 1]
    pulumi.log.warn(
        f"{kind} {failed.name}: waiting {pause} s for {waits_for}, then try {tried + 1} of {allowed} to {operation} it."
    )
    # On the program's own event loop: other resources go on meanwhile.
    await asyncio.sleep(pause)
    return True


_hooks: WeakKeyDictionary[object, pulumi.ErrorHook] = WeakKeyDictionary()


def on_failure() -> pulumi.ResourceHookBinding:
    """The hook for resources of azuread; one of the run's, since the engine takes each name once."""
    monitor = get_monitor()
    if monitor not in _hooks:
        _hooks[monitor] = pulumi.ErrorHook(HOOK, _tried_again)
    return pulumi.ResourceHookBinding(on_error=[_hooks[monitor]])
