"""What a refusal of Microsoft Graph means: the permission that is missing, and who grants it.

Graph refuses with 403 and names nothing. Owns the table of what each operation needs, and the hook that says it when,
and only when, Graph has refused. The engine calls it after an operation has failed: it changes no plan, tries nothing
again, makes no request, and its text stands beside the plugin's own error.
"""

from collections.abc import Mapping, Sequence
from weakref import WeakKeyDictionary

import pulumi
from pulumi.runtime.settings import get_monitor

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


def explanation(kind: str, name: str, operation: str, error: str) -> str | None:
    """Say what a failed operation lacked.

    Args:
        kind: The azuread type, such as `Application`.
        name: The resource's name in the program.
        operation: What failed: create, update or delete.
        error: What the plugin said.

    Returns:
        What is missing and who grants it; None where the failure is no refusal.
    """
    needed = NEEDED.get((kind, operation))
    if needed is None or REFUSED not in error:
        return None
    permissions = f"permission {needed[0]}" if len(needed) == 1 else f"permissions {' and '.join(needed)}"
    makes_its_own = (kind, operation) == ("Application", "create")
    owner = ", which reaches only applications that it owns" if needed == OWNED_BY and not makes_its_own else ""
    return (
        f"Microsoft Graph refused to {operation} the {kind} {name}. The identity that runs Pulumi needs Microsoft "
        f"Graph's application {permissions}{owner}.\n"
        "A Privileged Role Administrator grants it: by the project in bootstrap/, which makes such an identity, or in "
        "the portal under API permissions. A person who runs Pulumi needs that role.\n"
        "What was made so far is kept; the next pulumi up finishes the rest."
    )


def _tell(failed: pulumi.ErrorHookArgs) -> bool:
    text = explanation(failed.type.rpartition(":")[2], failed.name, failed.failed_operation, failed.errors[0])
    if text is not None:
        # Without a resource the text is sent at once: the engine ends the program as soon as this returns.
        pulumi.log.error(text)
    return False


_hooks: WeakKeyDictionary[object, pulumi.ErrorHook] = WeakKeyDictionary()


def names_missing_permission() -> pulumi.ResourceHookBinding:
    """The hook for resources of azuread; one of the run's, since the engine takes each name once."""
    if pulumi.runtime.is_dry_run():
        # A preview performs no operation that could fail, and need not wait for the hook to be registered.
        return pulumi.ResourceHookBinding()
    monitor = get_monitor()
    if monitor not in _hooks:
        _hooks[monitor] = pulumi.ErrorHook("identity-manager:missing-permission", _tell)
    return pulumi.ResourceHookBinding(on_error=[_hooks[monitor]])
