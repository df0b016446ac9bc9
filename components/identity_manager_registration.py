"""The registration of Netwrix Identity Manager.

Owns what the product's guide "Register for Microsoft Entra ID" fixes: the names, the one directory permission, one
client secret per agent connection and expiry date, and the settings that the agent reads.

It leaves alone how an application is made in the directory (`EntraApplication`) and where its inputs come from.
"""

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

import pulumi
import pulumi_azuread as azuread

from components.entra_application import AdoptArgs, ClientSecretArgs, EntraApplication, EntraApplicationArgs

# The identifiers that the product's documentation uses.
EXPORT_CONNECTION = "MicrosoftEntraIDExport"
EXPORT_FULFILLMENT_CONNECTION = "MicrosoftEntraIDExportFulfillment"


class IdentityManagerRegistrationArgs(TypedDict):
    """What differs between one registration of Identity Manager and another."""

    organization: str
    """The organization, as in the display name `Identity Manager <organization>`."""
    secrets: Sequence[str]
    """Expiry dates as `YYYY-MM-DD`, at least one. Each gives every connection a client secret that ends at midnight
    UTC; the newest is the one that is handed out."""
    graph_api_url: str
    """Base URL of Microsoft Graph for the agent, with a trailing slash."""
    fulfillment: NotRequired[bool]
    """Grants Directory.ReadWrite.All instead of Directory.Read.All."""
    connections: NotRequired[Sequence[str]]
    """Identifiers of the agent's connections; the documented one by default."""
    owners: NotRequired[Sequence[pulumi.Input[str]]]
    """Object ids of the owners of application and service principal."""
    additional_permissions: NotRequired[Mapping[str, Sequence[str]]]
    """Application permissions by API, beyond the documented one."""
    response_uri: NotRequired[str]
    """Registered as redirect URI and written into the agent's settings."""
    notes: NotRequired[pulumi.Input[str]]
    """Notes on the application."""
    service_management_reference: NotRequired[pulumi.Input[str]]
    """Where the organization's service management knows the application."""
    protect: NotRequired[bool]
    """Whether application and service principal refuse to be deleted."""
    adopt: NotRequired[AdoptArgs]
    """A registration made by hand that is taken over instead of being made; while it is given, it is protected."""


class IdentityManagerRegistration(pulumi.ComponentResource):
    """Identity Manager as an application of the directory it reads.

    Produces the following resources:

    - *application*: `EntraApplication`, with one client secret per connection and expiry date, and the consent to
      Directory.Read.All, or only to Directory.ReadWrite.All with fulfillment
    """

    application_id: pulumi.Output[str]
    """The application (client) ID."""
    tenant_id: pulumi.Output[str]
    """The directory (tenant) ID."""
    client_secret: pulumi.Output[str]
    """The newest client secret of the first connection; secret."""
    secret_expires_on: pulumi.Output[str]
    """The expiry date of the newest client secret, as `YYYY-MM-DD`."""
    display_name: pulumi.Output[str]
    """The name in the directory."""
    service_principal_object_id: pulumi.Output[str]
    """The object id of the service principal."""
    granted_permissions: pulumi.Output[list[str]]
    """The application permissions that are granted."""
    agent_settings: pulumi.Output[dict[str, dict[str, dict[str, str]]]]
    """The object to merge into appsettings.agent.json, with all connections; secret."""
    agent_environment: pulumi.Output[dict[str, str]]
    """The same settings as environment variables, `Connections__<identifier>__<key>`; secret."""

    def __init__(
        self, name: str, args: IdentityManagerRegistrationArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        if not args["secrets"]:
            raise pulumi.RunError(
                f"secrets of {name} is empty, so nothing was changed: without a client secret Identity Manager cannot "
                "sign in. Name at least one expiry date, such as 2027-11-24."
            )
        super().__init__("identity-manager:index:IdentityManagerRegistration", name, {}, opts)
        fulfillment = args.get("fulfillment", False)
        connections = args.get("connections") or [EXPORT_FULFILLMENT_CONNECTION if fulfillment else EXPORT_CONNECTION]
        newest = max(args["secrets"])
        additional = args.get("additional_permissions", {})
        directory_permission = "Directory.ReadWrite.All" if fulfillment else "Directory.Read.All"
        response_uri = args.get("response_uri")

        application_args: EntraApplicationArgs = {
            "display_name": f"Identity Manager {args['organization']}",
            "permissions": {
                **additional,
                "MicrosoftGraph": [directory_permission, *additional.get("MicrosoftGraph", ())],
            },
            "secrets": {
                _secret_name(connection, date): _client_secret(args["organization"], connection, date, connections)
                for connection in connections
                for date in args["secrets"]
            },
            "owners": args.get("owners", ()),
            "redirect_uris": [response_uri] if response_uri else [],
            "protect": args.get("protect", False),
        }
        if "notes" in args:
            application_args["notes"] = args["notes"]
        if "service_management_reference" in args:
            application_args["service_management_reference"] = args["service_management_reference"]
        if "adopt" in args:
            application_args["adopt"] = args["adopt"]
        application = EntraApplication(name, application_args, opts=pulumi.ResourceOptions(parent=self))

        self.application_id = application.application_id
        self.tenant_id = azuread.get_client_config_output(pulumi.InvokeOutputOptions(parent=self)).tenant_id
        self.secret_expires_on = pulumi.Output.from_input(newest)
        self.display_name = application.display_name
        self.service_principal_object_id = application.service_principal_object_id
        self.granted_permissions = application.granted_permissions
        self.client_secret = pulumi.Output.secret(
            application.secret_values.apply(lambda values: values[_secret_name(connections[0], newest)])
        )
        self.agent_settings = pulumi.Output.secret(
            pulumi.Output.all(self.application_id, self.tenant_id, application.secret_values).apply(
                lambda known: {
                    "Connections": {
                        connection: {
                            "ApplicationId": known[0],
                            "ApplicationKey": known[2][_secret_name(connection, newest)],
                            "TenantId": known[1],
                            "MicrosoftGraphPathApi": args["graph_api_url"],
                            **({"ResponseUri": response_uri} if response_uri else {}),
                        }
                        for connection in connections
                    }
                }
            )
        )
        self.agent_environment = pulumi.Output.secret(
            self.agent_settings.apply(
                lambda settings: {
                    f"Connections__{connection}__{key}": value
                    for connection, keys in settings["Connections"].items()
                    for key, value in keys.items()
                }
            )
        )
        self.register_outputs(
            {
                "applicationId": self.application_id,
                "tenantId": self.tenant_id,
                "clientSecret": self.client_secret,
                "secretExpiresOn": self.secret_expires_on,
                "displayName": self.display_name,
                "servicePrincipalObjectId": self.service_principal_object_id,
                "grantedPermissions": self.granted_permissions,
                "agentSettings": self.agent_settings,
                "agentEnvironment": self.agent_environment,
            }
        )


def _secret_name(connection: str, date: str) -> str:
    return f"{connection}-{date}"


def _client_secret(organization: str, connection: str, date: str, connections: Sequence[str]) -> ClientSecretArgs:
    secret: ClientSecretArgs = {
        "display_name": f"Identity Manager {organization} Secret {date}",
        "end_date": f"{date}T00:00:00Z",
    }
    # Turning fulfillment on or off renames the documented connection; its secret lives on under the other name.
    documented = {EXPORT_CONNECTION, EXPORT_FULFILLMENT_CONNECTION}
    if connection in documented:
        secret["former_names"] = [_secret_name(other, date) for other in documented - {connection, *connections}]
    return secret
