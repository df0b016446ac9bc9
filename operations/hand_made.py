"""A registration made by hand, as the directory shows it, held against what the stack's settings declare.

Owns the reading, in one place so that a refusal comes before anything is said, and the table of differences: for each,
what the next `pulumi up` does about it. What stays comes with the command that removes it. It decides nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import pulumi

from operations import clock, directory
from operations.clock import parsed
from settings import DIRECTORY_PERMISSIONS, MICROSOFT_GRAPH, StackSettings

SINGLE_TENANT = "AzureADMyOrg"


@dataclass(frozen=True)
class Consent:
    """One granted application permission, with its names.

    Attributes:
        assignment_id: The id of the assignment.
        resource_object_id: The object id of the API's service principal.
        app_role_id: The id of the permission.
        api_client_id: The API's client id.
        api_name: The API's name in the directory.
        permission: The permission's name.
    """

    assignment_id: str
    resource_object_id: str
    app_role_id: str
    api_client_id: str
    api_name: str
    permission: str


@dataclass(frozen=True)
class Requested:
    """One permission on the application's list: `Role`, or `Scope` where it is delegated."""

    api_client_id: str
    permission: str
    type: str


@dataclass(frozen=True)
class Found:
    """All that the directory holds of one registration; no secret among it, since Graph shows none."""

    application: directory.Application
    owners: Sequence[directory.Owner]
    federated: Sequence[directory.FederatedCredential]
    requested: Sequence[Requested]
    principal: directory.ServicePrincipal | None
    principal_owners: Sequence[directory.Owner] = ()
    consents: Sequence[Consent] = ()
    delegated: Sequence[directory.DelegatedGrant] | None = ()
    """None where the identity that looks may not read them."""
    own_secrets: frozenset[str] | None = None
    """The ids of the secrets that the stack has made; None before it has an application."""


@dataclass(frozen=True)
class Difference:
    """One line of the table.

    Attributes:
        what: What differs.
        now: What the directory has.
        next_up: What the next `pulumi up` does about it.
        command: What keeps it, where it is removed, and what removes it, where it stays.
    """

    what: str
    now: str
    next_up: str
    command: str = ""


@dataclass
class _Apis:
    """The service principals of APIs, each read once."""

    graph: directory.Graph
    known: dict[str, directory.ServicePrincipal | None] = field(default_factory=dict)

    def get(self, reference: str) -> directory.ServicePrincipal | None:
        if reference not in self.known:
            self.known[reference] = self.graph.service_principal(reference)
        return self.known[reference]


def look(
    graph: directory.Graph, application: directory.Application, own_secrets: frozenset[str] | None = None
) -> Found:
    """Read the whole registration.

    Args:
        graph: The directory.
        application: The application.
        own_secrets: The ids of the secrets that the stack has made; None before it has an application.

    Raises:
        directory.GraphRefusedError: The identity that looks lacks Application.Read.All.
    """
    apis = _Apis(graph)
    principal = graph.service_principal(application.app_id)
    requested = [
        Requested(one.resource_app_id, _name(apis.get(one.resource_app_id), access.id), access.type)
        for one in application.required_resource_access
        for access in one.resource_access
    ]
    owners = graph.owners("applications", application.id)
    federated = graph.federated_credentials(application.id)
    if principal is None:
        return Found(application, owners, federated, requested, None, own_secrets=own_secrets)
    try:
        delegated: list[directory.DelegatedGrant] | None = graph.delegated_grants(principal.id)
    except directory.GraphRefusedError:
        delegated = None
    return Found(
        application,
        owners,
        federated,
        requested,
        principal,
        graph.owners("servicePrincipals", principal.id),
        [_consent(one, apis.get(one.resource_id)) for one in graph.app_role_assignments(principal.id)],
        delegated,
        own_secrets,
    )


def _name(api: directory.ServicePrincipal | None, permission_id: str) -> str:
    offered = [*api.app_roles, *api.oauth2_permission_scopes] if api is not None else []
    return next((one.value for one in offered if one.id == permission_id and one.value), permission_id)


def _consent(one: directory.AppRoleAssignment, api: directory.ServicePrincipal | None) -> Consent:
    return Consent(
        one.id,
        one.resource_id,
        one.app_role_id,
        api.app_id if api is not None else "",
        api.display_name if api is not None else one.resource_display_name or one.resource_id,
        _name(api, one.app_role_id),
    )


# --------------------------------------------------------------------------------------------------- what is declared


def declared_name(settings: StackSettings) -> str:
    """The display name that the stack gives."""
    return f"Identity Manager {settings.organization}"


def declared_permissions(settings: StackSettings) -> list[tuple[str, str]]:
    """The application permissions that the stack declares, by API and name."""
    directory_permission = DIRECTORY_PERMISSIONS[1] if settings.fulfillment else DIRECTORY_PERMISSIONS[0]
    return [
        (MICROSOFT_GRAPH[0], directory_permission),
        *((api, name) for api, names in settings.additional_permissions.items() for name in names),
    ]


def matches(declared: tuple[str, str], api_client_id: str, permission: str) -> bool:
    """Whether a declared permission is this one.

    An API other than Microsoft Graph may be declared by the name that azuread publishes; only its permission's name can
    be compared then.
    """
    api, name = declared
    if name != permission:
        return False
    if api in MICROSOFT_GRAPH:
        return api_client_id == MICROSOFT_GRAPH[1]
    return api_client_id == api.lower() if "-" in api else api_client_id != MICROSOFT_GRAPH[1]


def consent_for(declared: tuple[str, str], found: Found) -> Consent | None:
    """The consent that a declared permission has already; None where it has none, or it is not certain which."""
    fitting = [one for one in found.consents if matches(declared, one.api_client_id, one.permission)]
    return fitting[0] if len(fitting) == 1 else None


# ------------------------------------------------------------------------------------------------------ the differences


def differences(found: Found, settings: StackSettings, stack: str, graph: str) -> list[Difference]:
    """Everything in which the registration is not what the settings declare.

    Args:
        found: The registration.
        settings: What is declared.
        stack: The stack, for commands.
        graph: Microsoft Graph's address, for commands.
    """
    kinds = (_of_application, _of_permissions, _of_owners, _of_principal, _of_credentials)
    return [one for kind in kinds for one in kind(found, settings, _Commands(stack, graph))]


@dataclass(frozen=True)
class _Commands:
    """The commands that keep or remove something."""

    stack: str
    graph: str

    def keep(self, path: str, value: str) -> str:
        """What declares a value, so that the next `pulumi up` leaves it."""
        key = f"--path 'identity-manager:{path}'" if "[" in path else f"identity-manager:{path}"
        quoted = "'" + value.replace("'", "'\\''") + "'"
        return f"pulumi config set --stack {self.stack} {key} {quoted}"

    def revoke(self, path: str) -> str:
        """What revokes a consent."""
        return f"az rest --method DELETE --uri {self.graph}/v1.0/{path}"


def _of_application(found: Found, settings: StackSettings, commands: _Commands) -> Iterator[Difference]:
    application = found.application
    name = declared_name(settings)
    if application.display_name != name:
        yield Difference("display name", application.display_name, f"renamed to {name}")
    if application.sign_in_audience != SINGLE_TENANT:
        yield Difference(
            "sign-in audience",
            application.sign_in_audience,
            "becomes AzureADMyOrg: nobody of another tenant or with a personal account signs in any more",
        )
    for key, now, declared in (
        ("notes", application.notes, settings.notes),
        ("serviceManagementReference", application.service_management_reference, settings.service_management_reference),
    ):
        yield from _of_text(key, now, declared, commands)
    yield from _of_web(application.web, settings, commands)
    yield from _removed("redirect URI, single-page", application.spa.redirect_uris)
    yield from _removed("redirect URI, mobile and desktop", application.public_client.redirect_uris)
    yield from _removed("identifier URI", application.identifier_uris)
    yield from _removed("description", [application.description])
    yield from _removed("group claims", [application.group_membership_claims])
    yield from _removed("app role", [one.value or one.id for one in application.app_roles])
    yield from _removed("exposed scope", [one.value or one.id for one in application.api.oauth2_permission_scopes])
    if (application.api.requested_access_token_version or 1) > 1:
        yield Difference(
            "access token version", "2", "becomes 1; it rules tokens for the application's own API, not its sign-in"
        )
    if application.is_fallback_public_client:
        yield Difference("public client flows", "allowed", "switched off")
    if application.is_device_only_auth_supported:
        yield Difference("device-only authentication", "allowed", "switched off")


def _of_web(web: directory.Platform, settings: StackSettings, commands: _Commands) -> Iterator[Difference]:
    declared_uris = [settings.response_uri] if settings.response_uri else []
    gone = [uri for uri in web.redirect_uris if uri not in declared_uris]
    new = [uri for uri in declared_uris if uri not in web.redirect_uris]
    for uri in gone:
        keep = "" if declared_uris else commands.keep("responseUri", uri)
        yield Difference("redirect URI", uri, "removed", keep)
    for uri in new:
        yield Difference("redirect URI", "not there", f"{uri} is added")
    implicit = web.implicit_grant_settings
    issued = [
        what
        for what, on in (("access", implicit.enable_access_token_issuance), ("ID", implicit.enable_id_token_issuance))
        if on
    ]
    if issued:
        yield Difference("implicit grant", f"{' and '.join(issued)} tokens", "switched off")
    if gone or new or issued:
        # The plugin leaves these two where nothing else of the web platform changes.
        yield from _removed("home page", [web.home_page_url])
        yield from _removed("logout address", [web.logout_url])


def _of_text(
    key: str, now: str | None, declared: str | pulumi.Output[str] | None, commands: _Commands
) -> Iterator[Difference]:
    if isinstance(declared, pulumi.Output):
        yield Difference(key, now or "none", "set to the encrypted value in the stack file")
    elif now and not declared:
        yield Difference(key, now, "removed", commands.keep(key, now))
    elif declared and declared != now:
        yield Difference(key, now or "none", f"becomes: {declared}")


def _removed(what: str, values: Iterable[str | None]) -> Iterator[Difference]:
    yield from (Difference(what, value, "removed") for value in values if value)


def _of_permissions(found: Found, settings: StackSettings, commands: _Commands) -> Iterator[Difference]:
    declared = declared_permissions(settings)
    for one in found.requested:
        is_declared = one.type == "Role" and any(matches(two, one.api_client_id, one.permission) for two in declared)
        if not is_declared:
            kind = "delegated permission" if one.type == "Scope" else "application permission"
            yield Difference(kind, f"asks for {one.permission}", "no longer asked for")
    for two in declared:
        name = "/".join(two) if two[0] != MICROSOFT_GRAPH[0] else two[1]
        if not any(one.type == "Role" and matches(two, one.api_client_id, one.permission) for one in found.requested):
            yield Difference("application permission", f"does not ask for {name}", "asked for")
        if consent_for(two, found) is None:
            yield Difference("consent", f"none to {name}", "granted")
    for consent in found.consents:
        if not any(matches(two, consent.api_client_id, consent.permission) for two in declared):
            path = f"servicePrincipals/{consent.resource_object_id}/appRoleAssignedTo/{consent.assignment_id}"
            yield Difference(
                "consent",
                f"{consent.permission} of {consent.api_name}, not declared",
                "stays until it is revoked",
                commands.revoke(path),
            )
    if found.delegated is None:
        yield Difference(
            "delegated consent", "not shown: reading it takes Directory.Read.All", "stays until it is revoked"
        )
    for grant in found.delegated or ():
        yield Difference(
            "delegated consent",
            (grant.scope or "").strip(),
            "stays until it is revoked",
            commands.revoke(f"oauth2PermissionGrants/{grant.id}"),
        )


def _of_owners(found: Found, settings: StackSettings, commands: _Commands) -> Iterator[Difference]:
    of_both = [("owner", found.owners)]
    if found.principal is not None:
        of_both.append(("owner of the service principal", found.principal_owners))
    free = len(settings.owners)
    for what, owners in of_both:
        for owner in owners:
            if owner.id not in settings.all_owners:
                keep = commands.keep(f"owners[{free}]", owner.id)
                yield Difference(what, f"{owner.display_name or ''} {owner.id}".strip(), "removed", keep)
        for declared in settings.all_owners:
            if declared not in {owner.id for owner in owners}:
                who = "deployer" if declared == settings.deployer else "declared owner"
                yield Difference(what, f"not the {who} {declared}", "added")


def _of_principal(found: Found, settings: StackSettings, _: _Commands) -> Iterator[Difference]:
    principal = found.principal
    if principal is None:
        owners = f" with the {len(settings.all_owners)} declared owners" if settings.all_owners else ""
        yield Difference("service principal", "none: the application cannot sign in", f"made{owners}")
        return
    if principal.account_enabled is False:
        yield Difference("sign-in", "disabled", "enabled")
    if principal.app_role_assignment_required:
        yield Difference("assignment required", "yes", "switched off; it rules users' sign-in only")
    for what, value in (
        ("description", principal.description),
        ("notes", principal.notes),
        ("login address", principal.login_url),
        ("single sign-on mode", principal.preferred_single_sign_on_mode),
    ):
        yield from _removed(f"{what} of the service principal", [value])
    yield from _removed("notification address", principal.notification_email_addresses)
    yield from _removed("alternative name", principal.alternative_names)


def _of_credentials(found: Found, settings: StackSettings, _: _Commands) -> Iterator[Difference]:
    application, today = found.application, clock.today()
    for secret in application.password_credentials:
        if secret.key_id in (found.own_secrets or ()):
            continue
        delete = f"az ad app credential delete --id {application.app_id} --key-id {secret.key_id}"
        yield Difference("client secret", said_of(secret, today), "goes on working until it is removed", delete)
    for key in application.key_credentials:
        delete = f"az ad app credential delete --id {application.app_id} --key-id {key.key_id} --cert"
        yield Difference("certificate", said_of(key, today), "goes on working until it is removed", delete)
    for one in found.federated:
        yield Difference("federated credential", f"{one.name}, {one.subject or 'any subject'}", "stays")
    if found.own_secrets is not None:
        return
    connections = settings.connections or ["the agent's connection"]
    for day in settings.secrets:
        yield from (Difference("client secret", f"none until {day} for {one}", "made") for one in connections)


def said_of(credential: directory.Credential, today: date) -> str:
    """A secret or certificate in words: its name, its id and when it ends."""
    ends = parsed(credential.end_date_time[:10])
    when = f"expired on {ends}" if ends is not None and ends <= today else f"until {credential.end_date_time}"
    return f"{credential.display_name or '(no name)'}, {credential.key_id}, {when}"


def as_facts(listed: Sequence[Difference]) -> list[Mapping[str, str]]:
    """The differences for programs."""
    return [{"what": one.what, "now": one.now, "nextUp": one.next_up, "command": one.command} for one in listed]
