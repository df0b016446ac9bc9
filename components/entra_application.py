"""A daemon application in Microsoft Entra ID.

Owns the application, its service principal, its client secrets and federated credentials, the application permissions
it declares and the consent to each of them. Any product or pipeline that signs in as itself registers this way.

It leaves alone the service principals of the APIs (Microsoft's own) and the caller: owners are what was declared, never
who runs the program, so that a preview by one identity and the deployment by another agree.
"""

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

import pulumi
import pulumi_azuread as azuread

from components.api_permissions import ApiPermission, catalogue_for
from components.failed_operations import on_failure

TOKEN_EXCHANGE = "api://AzureADTokenExchange"  # noqa: S105 - an audience, no secret
"""The audience of tokens that are made for Microsoft Entra ID to trust."""


class ClientSecretArgs(TypedDict):
    """One client secret of an application."""

    display_name: str
    """What the portal shows as the secret's description. A later change leaves a live secret as it is."""
    end_date: str
    """The moment the secret expires, in UTC, as `2027-11-24T00:00:00Z`. Another moment is another secret."""
    former_names: NotRequired[Sequence[str]]
    """Names under which the same secret was declared before."""


class FederatedCredentialArgs(TypedDict):
    """One outside identity that signs in as the application, with no secret."""

    issuer: str
    """Who signs the outside tokens: exactly their `iss`."""
    subject: str
    """Whose tokens they are: exactly their `sub`. Issuer and subject together occur once per application."""
    audience: NotRequired[str]
    """The tokens' `aud`; `api://AzureADTokenExchange` by default."""
    description: NotRequired[str]
    """What the portal shows beside it."""


class AdoptArgs(TypedDict):
    """What is in the directory already and is taken over as it is, instead of being made."""

    application: NotRequired[str]
    """Object id of the application."""
    service_principal: NotRequired[str]
    """Object id of the application's service principal."""
    grants: NotRequired[Mapping[str, str]]
    """Ids of the app role assignments by permission: `{"MicrosoftGraph/Directory.Read.All": ...}`."""


class EntraApplicationArgs(TypedDict):
    """What an application is made of."""

    display_name: pulumi.Input[str]
    """The name in the directory. A second application of the same name is refused."""
    permissions: NotRequired[Mapping[str, Sequence[str]]]
    """Application permissions by API, each consented: `{"MicrosoftGraph": ["Directory.Read.All"]}`."""
    secrets: NotRequired[Mapping[str, ClientSecretArgs]]
    """Client secrets by a name that never changes."""
    federated_credentials: NotRequired[Mapping[str, FederatedCredentialArgs]]
    """Federated credentials by a name that never changes: letters, digits, - and _, at most 120."""
    owners: NotRequired[Sequence[pulumi.Input[str]]]
    """Object ids of the owners of application and service principal. The identity that deploys must be one of them
    where it holds only Application.ReadWrite.OwnedBy."""
    redirect_uris: NotRequired[Sequence[pulumi.Input[str]]]
    """Redirect URIs of the web platform."""
    notes: NotRequired[pulumi.Input[str]]
    """Notes on the application, at most 1,024 characters."""
    service_management_reference: NotRequired[pulumi.Input[str]]
    """Where the organization's service management knows the application."""
    protect: NotRequired[bool]
    """Whether application and service principal refuse to be deleted."""
    adopt: NotRequired[AdoptArgs]
    """What is taken over instead of being made; while it is given, all of it is protected."""


class EntraApplication(pulumi.ComponentResource):
    """A single-tenant application that signs in as itself.

    Produces the following resources:

    - *application*: `azuread.Application`
    - *service_principal*: `azuread.ServicePrincipal`
    - *secrets*: one `azuread.ApplicationPassword` per client secret
    - *federated credentials*: one `azuread.ApplicationFederatedIdentityCredential` each
    - *grants*: one `azuread.AppRoleAssignment` per application permission: the admin consent
    """

    application_id: pulumi.Output[str]
    """The application (client) ID."""
    service_principal_object_id: pulumi.Output[str]
    """The object id of the service principal."""
    display_name: pulumi.Output[str]
    """The name in the directory."""
    secret_values: pulumi.Output[dict[str, str]]
    """The values of the client secrets by name; secret."""
    granted_permissions: pulumi.Output[list[str]]
    """The permissions that are granted: Microsoft Graph's by their plain names, others as `API/name`."""

    def __init__(self, name: str, args: EntraApplicationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("identity-manager:index:EntraApplication", name, {}, opts)
        # Asked for first: the engine takes the hook while the permissions are looked up.
        child = pulumi.ResourceOptions(parent=self, hooks=on_failure())
        permissions = catalogue_for(self).resolve(args.get("permissions", {}))
        adopt = args.get("adopt", {})
        adopted_grants = adopt.get("grants", {})
        # What people made by hand is never deleted or replaced by the run that takes it over.
        protect = args.get("protect", False) or bool(adopt)
        owners = args.get("owners") or None
        redirect_uris = args.get("redirect_uris")

        application = azuread.Application(
            name,
            display_name=args["display_name"],
            sign_in_audience="AzureADMyOrg",
            prevent_duplicate_names=True,
            owners=owners,
            notes=args.get("notes"),
            service_management_reference=args.get("service_management_reference"),
            web=azuread.ApplicationWebArgs(redirect_uris=redirect_uris) if redirect_uris else None,
            required_resource_accesses=_required_resource_accesses(permissions),
            opts=pulumi.ResourceOptions.merge(
                child,
                pulumi.ResourceOptions(
                    protect=protect, import_=_import_id("/applications/{}", adopt.get("application"))
                ),
            ),
        )
        # The directory deletes all of these with the application: one call and one wait instead of one each.
        gone_with_application = pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(deleted_with=application))
        service_principal = azuread.ServicePrincipal(
            name,
            client_id=application.client_id,
            owners=owners,
            opts=pulumi.ResourceOptions.merge(
                gone_with_application,
                pulumi.ResourceOptions(
                    protect=protect, import_=_import_id("/servicePrincipals/{}", adopt.get("service_principal"))
                ),
            ),
        )
        passwords = {
            secret_name: azuread.ApplicationPassword(
                f"{name}-{secret_name}",
                application_id=application.id,
                display_name=secret["display_name"],
                end_date=secret["end_date"],
                opts=pulumi.ResourceOptions.merge(
                    gone_with_application,
                    pulumi.ResourceOptions(
                        # Every input of a secret replaces it, and a new name is no reason to replace a live secret.
                        ignore_changes=["displayName"],
                        additional_secret_outputs=["value"],
                        aliases=[pulumi.Alias(name=f"{name}-{former}") for former in secret.get("former_names", ())],
                    ),
                ),
            )
            for secret_name, secret in args.get("secrets", {}).items()
        }
        for credential_name, credential in args.get("federated_credentials", {}).items():
            azuread.ApplicationFederatedIdentityCredential(
                f"{name}-{credential_name}",
                application_id=application.id,
                display_name=credential_name,
                issuer=credential["issuer"],
                subject=credential["subject"],
                audiences=[credential.get("audience", TOKEN_EXCHANGE)],
                description=credential.get("description"),
                opts=pulumi.ResourceOptions.merge(
                    gone_with_application,
                    # The directory takes a pair of issuer and subject once: the old one has to go first.
                    pulumi.ResourceOptions(delete_before_replace=True),
                ),
            )
        grants = [
            azuread.AppRoleAssignment(
                f"{name}-{permission.api}-{permission.name}",
                app_role_id=permission.app_role_id,
                principal_object_id=service_principal.object_id,
                resource_object_id=permission.api_object_id,
                opts=pulumi.ResourceOptions.merge(
                    gone_with_application, _adopted_grant(permission, adopted_grants.get(_grant_key(permission)))
                ),
            )
            for permission in permissions
        ]
        for key in sorted(adopted_grants.keys() - {_grant_key(permission) for permission in permissions}):
            pulumi.log.warn(
                f"{name} is to adopt the grant of {key}, which it does not declare, so nothing takes it over. "
                "Declare the permission, or take the grant out of adopt.",
                self,
            )

        self.application_id = application.client_id
        self.service_principal_object_id = service_principal.object_id
        self.display_name = application.display_name
        self.secret_values = pulumi.Output.secret(
            pulumi.Output.all(**{secret_name: password.value for secret_name, password in passwords.items()})
        )
        granted = sorted(_shown(permission) for permission in permissions)
        self.granted_permissions = pulumi.Output.all(*(grant.app_role_id for grant in grants)).apply(lambda _: granted)
        self.register_outputs(
            {
                "applicationId": self.application_id,
                "servicePrincipalObjectId": self.service_principal_object_id,
                "displayName": self.display_name,
                "secretValues": self.secret_values,
                "grantedPermissions": self.granted_permissions,
            }
        )


def _import_id(form: str, object_id: str | None) -> str | None:
    """The id under which azuread takes over what exists; none where it is to be made."""
    return form.format(object_id) if object_id else None


def _grant_key(permission: ApiPermission) -> str:
    return f"{permission.api}/{permission.name}"


def _adopted_grant(permission: ApiPermission, assignment_id: str | None) -> pulumi.ResourceOptions:
    if assignment_id is None:
        return pulumi.ResourceOptions()
    form = f"/servicePrincipals/{permission.api_object_id}/appRoleAssignedTo/{{}}"
    return pulumi.ResourceOptions(protect=True, import_=_import_id(form, assignment_id))


def _shown(permission: ApiPermission) -> str:
    return permission.name if permission.api == "MicrosoftGraph" else f"{permission.api}/{permission.name}"


def _required_resource_accesses(
    permissions: Sequence[ApiPermission],
) -> list[azuread.ApplicationRequiredResourceAccessArgs]:
    by_api: dict[str, list[azuread.ApplicationRequiredResourceAccessResourceAccessArgs]] = {}
    for permission in permissions:
        by_api.setdefault(permission.api_client_id, []).append(
            azuread.ApplicationRequiredResourceAccessResourceAccessArgs(id=permission.app_role_id, type="Role")
        )
    return [
        azuread.ApplicationRequiredResourceAccessArgs(resource_app_id=api, resource_accesses=accesses)
        for api, accesses in by_api.items()
    ]
