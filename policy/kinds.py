"""Which kinds of resources a plan may declare in Microsoft Entra ID at all.

Owns the list of what a registration is made of. Any other kind of the azuread provider is refused without a look at
its values, since the other rules would not see what it brings: a role, a right, a way to sign in, or an application of
another form. What other providers declare is not judged.
"""

from collections.abc import Mapping

from pulumi_policy import PolicyConfigSchema, ReportViolation, ResourceValidationArgs

from policy.plan import (
    APP_ROLE_ASSIGNMENT,
    APPLICATION,
    APPLICATION_PASSWORD,
    APPLICATION_REDIRECT_URIS,
    SERVICE_PRINCIPAL,
    resource_policy,
)

_PROVIDER = "azuread:"
_OF_A_REGISTRATION = {
    APPLICATION,
    APPLICATION_PASSWORD,
    APPLICATION_REDIRECT_URIS,
    APP_ROLE_ASSIGNMENT,
    SERVICE_PRINCIPAL,
}

_ROLE = "it gives roles in the directory, and one role can be worth more than any application permission"
_DELEGATED = "it lets applications act in the name of people, which no consent in this stack covers"
_CREDENTIAL = "it is one more way to sign in, which verify, retire and the rule on lifetimes do not see"
WHY: Mapping[str, str] = {
    "AdministrativeUnitRoleMember": _ROLE,
    "ApplicationCertificate": _CREDENTIAL,
    "ApplicationFederatedIdentityCredential": _CREDENTIAL,
    "ApplicationFlexibleFederatedIdentityCredential": _CREDENTIAL,
    "ApplicationPreAuthorized": _DELEGATED,
    "CustomDirectoryRole": _ROLE,
    "DirectoryRole": _ROLE,
    "DirectoryRoleAssignment": _ROLE,
    "DirectoryRoleEligibilityScheduleRequest": _ROLE,
    "DirectoryRoleMember": _ROLE,
    "PrivilegedAccessGroupAssignmentSchedule": _ROLE,
    "PrivilegedAccessGroupEligibilitySchedule": _ROLE,
    "ServicePrincipalCertificate": _CREDENTIAL,
    "ServicePrincipalDelegatedPermissionGrant": _DELEGATED,
    "ServicePrincipalPassword": _CREDENTIAL,
    "ServicePrincipalTokenSigningCertificate": _CREDENTIAL,
    "SynchronizationSecret": _CREDENTIAL,
}
"""What makes a kind dangerous, where it is."""
_UNJUDGED = "no other rule looks at what it brings"


def _of_a_registration(args: ResourceValidationArgs, report: ReportViolation) -> None:
    if not args.resource_type.startswith(_PROVIDER) or args.resource_type in _OF_A_REGISTRATION:
        return
    kind = args.resource_type.rpartition(":")[2]
    if kind not in args.get_config()["exceptions"]:
        report(
            f"{args.name} is a {kind}, of which a registration is not made: {WHY.get(kind, _UNJUDGED)}. Take it out "
            f'or, where it must be, add "{kind}" to the exceptions of only-a-registration in the pack\'s config.json, '
            "with the review that such a change needs.",
            None,
        )


POLICIES = [
    resource_policy(
        "only-a-registration",
        "Nothing is declared in Microsoft Entra ID but what a registration is made of.",
        _of_a_registration,
        schema=PolicyConfigSchema(
            {
                "exceptions": {
                    "type": "array",
                    "description": "Names of azuread's other kinds of resources that are declared all the same.",
                    "items": {"type": "string"},
                }
            },
            ["exceptions"],
        ),
    ),
]
