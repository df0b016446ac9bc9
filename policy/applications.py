"""What a plan's applications and service principals must be like."""

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from pulumi_policy import (
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
)

from policy.plan import (
    APPLICATION,
    APPLICATION_REDIRECT_URIS,
    SERVICE_PRINCIPAL,
    behind,
    known,
    resource_policy,
    stack_policy,
)
from policy.stack import Stack, StackError

_READ_IT = (
    "If it is Microsoft's, pulumi destroy would delete it for the whole tenant. Read it instead, with "
    "azuread.get_service_principal(client_id=...)."
)
PLATFORMS = ("web", "singlePageApplication", "publicClient")


def _single_tenant(args: ResourceValidationArgs, report: ReportViolation) -> None:
    if args.resource_type != APPLICATION:
        return
    # Where none is declared, azuread makes a single-tenant application.
    audience = args.props.get("signInAudience") or "AzureADMyOrg"
    if audience != "AzureADMyOrg":
        report(
            f"{args.name} lets other tenants sign in (signInAudience {audience}). Declare AzureADMyOrg.",
            None,
        )


def _declared_redirect_uri(args: ResourceValidationArgs, report: ReportViolation) -> None:
    uris = list(_redirect_uris(args.resource_type, args.props))
    if not uris:
        return
    try:
        declared = Stack.of(args.urn).setting("responseUri")
    except StackError as error:
        report(f"The stack's settings could not be read, so no redirect URI can be accepted. {error}", None)
        return
    for uri in uris:
        if declared is None or uri != _with_path(declared):
            report(
                f"{args.name} registers the redirect URI {uri}, to which tokens would be sent, but the stack declares "
                f"{declared or 'none'}. Take it out, or declare it:\n"
                f"  pulumi config set identity-manager:responseUri {uri}",
                None,
            )


def _with_path(uri: str) -> str:
    # azuread takes a URI without a path only with the slash at its end, so the settings add it.
    parts = urlsplit(uri)
    return uri if parts.path else parts._replace(path="/").geturl()


def _redirect_uris(resource_type: str, values: Mapping[str, object]) -> Iterator[str]:
    if resource_type == APPLICATION_REDIRECT_URIS:
        yield from values["redirectUris"]  # type: ignore[misc]
    if resource_type == APPLICATION:
        for platform in PLATFORMS:
            yield from (values.get(platform) or {}).get("redirectUris") or ()  # type: ignore[attr-defined]


def _owned(args: ResourceValidationArgs, report: ReportViolation) -> None:
    if args.resource_type in (APPLICATION, SERVICE_PRINCIPAL) and not args.props.get("owners"):
        report(
            f"{args.name} has no owner: the identity that makes it could not change it again, and nobody is asked "
            "when its secret ends. Name the identity that deploys, and people if you like:\n"
            "  pulumi config set identity-manager:deployer <object id of the service principal that runs pulumi up>\n"
            "  pulumi config set --path 'identity-manager:owners[0]' <object id of a person>",
            None,
        )


def _no_takeover(args: ResourceValidationArgs, report: ReportViolation) -> None:
    if args.resource_type == SERVICE_PRINCIPAL and args.props.get("useExisting"):
        report(f"{args.name} takes over a service principal that is there already. {_READ_IT}", None)


def _own_service_principals(
    declared: Sequence[PolicyResource], _config: Mapping[str, object], report: ReportViolation
) -> None:
    applications = {one.urn: known(one.props, "clientId") for one in declared if one.resource_type == APPLICATION}
    for resource in declared:
        if resource.resource_type != SERVICE_PRINCIPAL:
            continue
        client_id = known(resource.props, "clientId")
        # A value that is not known yet says at least which resource it comes from.
        own = client_id in applications.values() if client_id else behind(resource, "clientId") & applications.keys()
        if not own:
            report(
                f"{resource.name} is the service principal of an application that this stack does not declare "
                f"({client_id or 'not known yet'}). {_READ_IT}",
                resource.urn,
            )


POLICIES = [
    resource_policy("single-tenant", "Applications are for this tenant alone.", _single_tenant),
    resource_policy(
        "declared-redirect-uri",
        "The only redirect URI is the one that the stack declares.",
        _declared_redirect_uri,
    ),
    resource_policy("owned", "Applications and service principals have owners.", _owned),
    resource_policy(
        "no-takeover", "No service principal that is there already, such as Microsoft's, is taken over.", _no_takeover
    ),
    stack_policy(
        "own-service-principals",
        "Only service principals of the stack's own applications are managed.",
        _own_service_principals,
    ),
]
