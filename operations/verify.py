"""`verify`: whether what was declared really works.

Owns the checks: each live secret signs in, the token carries the declared permissions and no others, the directory can
be read, nothing is granted and no secret exists that the stack does not know. It changes nothing.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from operations import clock, directory, lifetime, registration, stack_file
from operations.errors import OperationError
from operations.report import Json, Report

_PAUSE_SECONDS = 5.0


@dataclass
class _Found:
    """What one round of checks found."""

    secrets: list[tuple[str, str, str]] = field(default_factory=list)
    permissions: list[tuple[str, str]] = field(default_factory=list)
    may_pass: list[str] = field(default_factory=list)
    stays: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    orphans: list[directory.PasswordCredential] = field(default_factory=list)
    organization: str | None = None


def verify(stack: str, wait_seconds: int, waiting: Callable[[float, str], None]) -> Report:
    """Check the registration from the outside, as its own application.

    Args:
        stack: The stack.
        wait_seconds: How long to wait for what replication may still bring.
        waiting: Called in each pause with the seconds left and what is waited for.

    Raises:
        OperationError: The stack has registered nothing, or the directory does not answer.
    """
    file = stack_file.read(stack)
    known = registration.load(file, unfinished=True)
    cloud = directory.Cloud.of(file)
    end = time.monotonic() + wait_seconds
    while True:
        found = _check(known, cloud)
        left = end - time.monotonic()
        if not found.may_pass or left <= 0:
            return _report(stack, known, found)
        waiting(left, found.may_pass[0])
        time.sleep(min(_PAUSE_SECONDS, left))


def _check(known: registration.Registration, cloud: directory.Cloud) -> _Found:
    found, today = _Found(), clock.today()
    token: str | None = None
    for secret in known.secrets:
        what = f"The secret of {secret.connection} until {secret.expires}"
        if lifetime.is_past(secret.expires, today):
            found.secrets.append((secret.connection, secret.expires.isoformat(), "expired"))
            found.stays.append(f"{what} has expired.")
            continue
        try:
            token = directory.sign_in(cloud, known.tenant_id, known.application_id, secret.value)
        except directory.SignInRefusedError as refused:
            found.secrets.append((secret.connection, secret.expires.isoformat(), "refused"))
            found.may_pass.append(f"{what} does not sign in: {refused}")
        else:
            found.secrets.append((secret.connection, secret.expires.isoformat(), "signs in"))
    for connection in known.agent_settings:
        if not any(one.connection == connection and one.handed_out for one in known.secrets):
            found.stays.append(f"{connection} is handed a secret that the stack does not know.")
    if known.secret_expires_on is None:
        found.stays.append("The registration is not finished: the last pulumi up was cut off.")
    if token is None:
        found.stays.append("Nothing signs in, so the directory could not be read as the application.")
        _check_as_deployer(known, cloud, found)
        return found
    _check_roles(known, directory.roles(token), found)
    with directory.Graph(cloud, token) as graph:
        _check_reads(graph, found)
        _check_grants(known, graph, found)
        _check_orphans(known, graph, found)
    return found


def _check_roles(known: registration.Registration, carried: frozenset[str], found: _Found) -> None:
    # The names of other APIs' permissions are written API/name; they are in tokens for those APIs.
    declared = {name for name in known.granted_permissions if "/" not in name}
    found.missing = sorted(declared - carried)
    found.extra = sorted(carried - declared)
    found.may_pass += [f"The token does not carry {name}." for name in found.missing]
    # A revoked permission stays in new tokens for a while, as a granted one is late.
    found.may_pass += [f"The token carries {name}, which is not declared." for name in found.extra]


def _check_reads(graph: directory.Graph, found: _Found) -> None:
    try:
        found.organization = graph.organization().display_name
    except directory.GraphRefusedError as refused:
        found.may_pass.append(f"The organization cannot be read: {refused}")
    try:
        if not graph.reads_users():
            found.may_pass.append("No user can be read.")
    except directory.GraphRefusedError as refused:
        found.may_pass.append(f"Users cannot be read: {refused}")


def _check_grants(known: registration.Registration, graph: directory.Graph, found: _Found) -> None:
    granted_for = f"Granted for {found.organization or 'this organization'}"
    try:
        granted = graph.app_role_assignments(known.service_principal_object_id)
        names = {api: {role.id: role.value for role in graph.app_roles(api)} for api in _apis(known, granted)}
    except directory.GraphRefusedError as refused:
        found.may_pass.append(f"The grants cannot be read: {refused}")
        return
    by_grant = {registration.Grant(one.resource_id, one.app_role_id): one for one in granted}
    for grant in sorted({*known.grants, *by_grant}, key=lambda one: (one.resource_object_id, one.app_role_id)):
        name = names[grant.resource_object_id].get(grant.app_role_id) or grant.app_role_id
        shown = by_grant.get(grant)
        of = f" of {shown.resource_display_name}" if shown is not None and shown.resource_display_name else ""
        if shown is None:
            found.permissions.append((name, "not granted"))
            found.may_pass.append(f"{name} is declared and not granted.")
        elif grant in known.grants:
            found.permissions.append((name, granted_for))
        else:
            found.permissions.append((name, f"{granted_for}, not declared"))
            found.stays.append(f"{name}{of} is granted and not declared: assignment {shown.id}.")


def _apis(known: registration.Registration, granted: list[directory.AppRoleAssignment]) -> set[str]:
    return {one.resource_object_id for one in known.grants} | {one.resource_id for one in granted}


def _check_orphans(known: registration.Registration, graph: directory.Graph, found: _Found) -> None:
    try:
        listed = graph.password_credentials(known.object_id)
    except directory.GraphRefusedError as refused:
        found.may_pass.append(f"The application's secrets cannot be read: {refused}")
        return
    found.orphans = [one for one in listed if one.key_id not in known.known_key_ids]
    found.stays += [
        f"The application has a secret that the stack does not know: {one.display_name or 'without a name'}, "
        f"secret ID {one.key_id}, until {one.end_date_time}."
        for one in found.orphans
    ]


def _check_as_deployer(known: registration.Registration, cloud: directory.Cloud, found: _Found) -> None:
    try:
        token = directory.deployer_token(cloud, known.tenant_id)
    except OperationError:
        # Verifying needs no identity but the application's own: without another one this remains unknown.
        found.stays.append("The application's secrets and grants could not be read either.")
        return
    with directory.Graph(cloud, token) as graph:
        if known.service_principal_object_id:
            _check_grants(known, graph, found)
        _check_orphans(known, graph, found)


def _report(stack: str, known: registration.Registration, found: _Found) -> Report:
    facts: dict[str, Json] = {
        "applicationId": known.application_id,
        "organization": found.organization,
        "secrets": [{"connection": one, "expires": two, "state": three} for one, two, three in found.secrets],
        "permissions": [{"name": name, "state": state} for name, state in found.permissions],
        "missing": found.missing,
        "extra": found.extra,
        "orphans": [{"keyId": one.key_id, "displayName": one.display_name} for one in found.orphans],
    }
    report = Report(
        facts,
        title=known.display_name,
        columns=("what", "state"),
        rows=[(f"{one}, until {two}", three) for one, two, three in found.secrets] + found.permissions,
        findings=[*found.may_pass, *found.stays],
    )
    if found.organization is not None:
        report.said.append(f"The directory of {found.organization} answers.")
    if found.orphans:
        report.next_steps.append(f"Remove them: python -m operations retire --stack {stack} --orphans")
    if any("not declared" in state for _, state in found.permissions):
        report.next_steps.append(
            "Revoke the grant in the portal, under Enterprise applications, Permissions; or declare it in "
            "identity-manager:additionalPermissions"
        )
    if any(state == "not granted" for _, state in found.permissions):
        report.next_steps.append(f"Grant it again: pulumi up --refresh --stack {stack}")
    return report
