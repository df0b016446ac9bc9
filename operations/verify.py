"""`verify`: whether what was declared really works.

Owns the checks: each live secret signs in, the token carries the declared permissions and no others, the directory can
be read, nothing is granted and no secret exists that the stack does not know. While the stack's file names what it
adopts, what was made by hand is expected: it is listed with what removes it, and is no finding. It changes nothing.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from operations import clock, directory, lifetime, registration, retire, stack_file
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
    orphans: list[directory.Credential] = field(default_factory=list)
    made_by_hand: list[directory.Credential] = field(default_factory=list)
    undeclared: list[str] = field(default_factory=list)
    organization: str | None = None
    said: list[str] = field(default_factory=list)

    def settle(self, *, adopting: bool) -> None:
        """Decide what the undeclared is: expected while the stack adopts, else a finding."""
        self.may_pass += (
            [] if adopting else [f"The token carries {name}, which is not declared." for name in self.extra]
        )
        (self.said if adopting else self.stays).extend(self.undeclared)


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
        found.settle(adopting=file.adopts)
        left = end - time.monotonic()
        if not found.may_pass or left <= 0:
            return _report(file, known, found)
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
            found.undeclared.append(f"{name}{of} is granted and not declared: assignment {shown.id}.")


def _apis(known: registration.Registration, granted: list[directory.AppRoleAssignment]) -> set[str]:
    return {one.resource_object_id for one in known.grants} | {one.resource_id for one in granted}


def _check_orphans(known: registration.Registration, graph: directory.Graph, found: _Found) -> None:
    try:
        listed = graph.password_credentials(known.object_id)
    except directory.GraphRefusedError as refused:
        found.may_pass.append(f"The application's secrets cannot be read: {refused}")
        return
    for one in listed:
        if one.key_id in known.known_key_ids:
            continue
        what = f"{one.display_name or '(no name)'}, secret ID {one.key_id}, until {one.end_date_time}"
        if retire.is_of_a_stack(one):
            found.orphans.append(one)
            found.stays.append(f"An interrupted pulumi up left a secret that the stack does not know: {what}.")
        else:
            found.made_by_hand.append(one)
            found.undeclared.append(f"A secret that was made by hand works until it ends or is removed: {what}.")


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


def _report(file: stack_file.StackFile, known: registration.Registration, found: _Found) -> Report:
    stack = file.stack
    facts: dict[str, Json] = {
        "applicationId": known.application_id,
        "organization": found.organization,
        "secrets": [{"connection": one, "expires": two, "state": three} for one, two, three in found.secrets],
        "permissions": [{"name": name, "state": state} for name, state in found.permissions],
        "missing": found.missing,
        "extra": found.extra,
        "orphans": _facts(found.orphans),
        "madeByHand": _facts(found.made_by_hand),
    }
    report = Report(
        facts,
        title=known.display_name,
        columns=("what", "state"),
        rows=[(f"{one}, until {two}", three) for one, two, three in found.secrets] + found.permissions,
        findings=[*found.may_pass, *found.stays],
    )
    report.said += found.said
    if found.organization is not None:
        report.said.append(f"The directory of {found.organization} answers.")
    if found.orphans:
        report.next_steps.append(f"Remove them: python -m operations retire --stack {stack} --orphans")
    if found.made_by_hand:
        report.next_steps.append(
            f"When every agent holds the new secret: python -m operations retire --stack {stack} --made-by-hand"
        )
    if file.adopts and not found.made_by_hand and not found.undeclared:
        report.next_steps.append(f"Adoption is done: pulumi config rm --stack {stack} {stack_file.ADOPT}")
    if any("not declared" in state for _, state in found.permissions):
        report.next_steps.append(
            "Revoke the grant in the portal, under Enterprise applications, Permissions; or declare it in "
            "identity-manager:additionalPermissions"
        )
    if any(state == "not granted" for _, state in found.permissions):
        report.next_steps.append(f"Grant it again: pulumi up --refresh --stack {stack}")
    return report


def _facts(secrets: list[directory.Credential]) -> list[Json]:
    return [{"keyId": one.key_id, "displayName": one.display_name, "endDateTime": one.end_date_time} for one in secrets]
