"""Which application permissions a plan may declare and grant.

Owns the list of the dangerous ones and the rules on permissions. A permission is judged by its app role id, which
is the same in every tenant: the name of a resource is whatever the plan calls it. Names stand beside the ids in the
pack's configuration, where whoever allows a permission writes both.
"""

from collections.abc import Iterator, Mapping, Sequence

from pulumi_policy import (
    PolicyConfigSchema,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
)

from policy.plan import APP_ROLE_ASSIGNMENT, APPLICATION, behind, known, resource_policy, stack_policy

DANGEROUS: Mapping[str, str] = {
    "06b708a9-e830-4db3-a914-8e69da51d44f": "AppRoleAssignment.ReadWrite.All",
    "18a4783c-866b-4cc7-a460-3d5e5662c884": "Application.ReadWrite.OwnedBy",
    "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9": "Application.ReadWrite.All",
    "8e8e4742-1d95-4f68-9d56-6ee75648c72a": "DelegatedPermissionGrant.ReadWrite.All",
    "7e05723c-0bb0-42da-be95-ae9f08a6e53c": "Domain.ReadWrite.All",
    "9acd699f-1e81-4958-b001-93b1d2506e19": "EntitlementManagement.ReadWrite.All",
    "292d869f-3427-49a8-9dab-8c70152b74e9": "Organization.ReadWrite.All",
    "29c18626-4985-4dcd-85c0-193eef327366": "Policy.ReadWrite.AuthenticationMethod",
    "fb221be6-99f2-473f-bd32-01c6a0e9ca3b": "Policy.ReadWrite.Authorization",
    "01c0a623-fc9b-48e9-b794-0756f8e8f067": "Policy.ReadWrite.ConditionalAccess",
    "a402ca1c-2696-4531-972d-6e5ee4aa11ea": "Policy.ReadWrite.PermissionGrant",
    "854d9ab1-6657-4ec8-be45-823027bcd009": "PrivilegedAccess.ReadWrite.AzureAD",
    "2f6817f8-7b12-4f0f-bc18-eeaf60705a9e": "PrivilegedAccess.ReadWrite.AzureADGroup",
    "41202f2c-f7ab-45be-b001-85c9728b9d69": "PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup",
    "618b6020-bca8-4de6-99f6-ef445fa4d857": "PrivilegedEligibilitySchedule.ReadWrite.AzureADGroup",
    "dd199f4a-f148-40a4-a2ec-f0069cc799ec": "RoleAssignmentSchedule.ReadWrite.Directory",
    "fee28b28-e1f3-4841-818e-2704dc62245f": "RoleEligibilitySchedule.ReadWrite.Directory",
    "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8": "RoleManagement.ReadWrite.Directory",
    "b38dcc4d-a239-4ed6-aa84-6c65b284f97c": "RoleManagementPolicy.ReadWrite.AzureADGroup",
    "31e08e0a-d3f7-4ca2-ac39-7343fb83e8ad": "RoleManagementPolicy.ReadWrite.Directory",
    "50483e42-d915-4231-9639-7fdb7fd190e5": "UserAuthenticationMethod.ReadWrite.All",
}
"""Microsoft Graph's application permissions with which an application can give itself, or another, any other right, or
take over an administrator, by the ids of their app roles.

Source: https://learn.microsoft.com/graph/permissions-reference. A permission that is missing here is still refused
unless it is allowed by name and id."""

DIRECTORY_READ = "7ab1d382-f21e-4acd-a863-ba3e13f7da61"
DIRECTORY_READ_WRITE = "19dbc75e-c2e2-444c-a770-ec69d8559fc7"


def _allowed_only(args: ResourceValidationArgs, report: ReportViolation) -> None:
    names = {str(role).lower(): name for name, role in args.get_config()["allowed"].items()}
    for role in _app_roles(args.resource_type, args.props):
        if role not in names:
            called = DANGEROUS.get(role, role)
            report(
                f"{args.name} asks for the application permission {called}, which is not on the list. Take it out of "
                "identity-manager:additionalPermissions, or have it allowed: add its name and the id of its app role "
                "to allowed-permissions in the pack's config.json. The name of an id, at Microsoft Graph:\n"
                "  az ad sp show --id 00000003-0000-0000-c000-000000000000 "
                f"--query \"appRoles[?id=='{role}'].value\" --output tsv",
                None,
            )


def _no_dangerous(args: ResourceValidationArgs, report: ReportViolation) -> None:
    exceptions = args.get_config()["exceptions"]
    for role in _app_roles(args.resource_type, args.props):
        name = DANGEROUS.get(role)
        if name and name not in exceptions:
            report(
                f"{args.name} asks for {name}. Who holds it can reach every right in the tenant. Take it out or, where "
                f'it must be, add "{name}" to the exceptions of dangerous-permissions in the pack\'s config.json, with '
                "the review that such a change needs.",
                None,
            )


def _one_directory_permission(
    declared: Sequence[PolicyResource], _config: Mapping[str, object], report: ReportViolation
) -> None:
    # The resource that asks for each app role, by who would hold it.
    held: dict[str, dict[str, str]] = {}
    for resource in declared:
        if resource.resource_type == APPLICATION:
            roles = _app_roles(APPLICATION, resource.props)
            held.setdefault(resource.urn, {}).update(dict.fromkeys(roles, resource.urn))
        if resource.resource_type == APP_ROLE_ASSIGNMENT:
            role = str(known(resource.props, "appRoleId")).lower()
            held.setdefault(_principal(resource), {})[role] = resource.urn
    for askers in held.values():
        if {DIRECTORY_READ, DIRECTORY_READ_WRITE} <= askers.keys():
            report(
                "Directory.Read.All and Directory.ReadWrite.All are both declared for one application; the second "
                "contains the first. Keep Directory.ReadWrite.All only with identity-manager:fulfillment true, "
                "otherwise Directory.Read.All only.",
                askers[DIRECTORY_READ_WRITE],
            )


def _principal(grant: PolicyResource) -> str:
    """To whom an app role is granted: the object id, or the resource it will come from."""
    object_id = known(grant.props, "principalObjectId")
    return str(object_id) if object_id else " ".join(sorted(behind(grant, "principalObjectId")))


def _app_roles(resource_type: str, values: Mapping[str, object]) -> Iterator[str]:
    """The ids of the app roles that a resource asks for, in lower case."""
    if resource_type == APP_ROLE_ASSIGNMENT:
        yield str(values["appRoleId"]).lower()
    if resource_type == APPLICATION:
        for api in values.get("requiredResourceAccesses") or ():  # type: ignore[attr-defined]
            for access in api["resourceAccesses"]:
                if access["type"] == "Role":
                    yield str(access["id"]).lower()


POLICIES = [
    resource_policy(
        "allowed-permissions",
        "Only allowed application permissions are declared and granted.",
        _allowed_only,
        schema=PolicyConfigSchema(
            {
                "allowed": {
                    "type": "object",
                    "description": "The ids of app roles by the names of their permissions.",
                    "additionalProperties": {"type": "string"},
                }
            },
            ["allowed"],
        ),
    ),
    resource_policy(
        "dangerous-permissions",
        "Permissions that lead to every other right are granted by explicit exception only.",
        _no_dangerous,
        schema=PolicyConfigSchema(
            {
                "exceptions": {
                    "type": "array",
                    "description": "Names of dangerous permissions that are granted all the same.",
                    "items": {"type": "string", "enum": sorted(DANGEROUS.values())},
                }
            },
            ["exceptions"],
        ),
    ),
    stack_policy(
        "one-directory-permission",
        "An application holds one of Directory.Read.All and Directory.ReadWrite.All, never both.",
        _one_directory_permission,
    ),
]
