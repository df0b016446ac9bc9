"""The stack: settings, one registration, its outputs."""

import pulumi

from components import IdentityManagerRegistration, IdentityManagerRegistrationArgs
from settings import StackSettings

settings = StackSettings.load()
if settings.deployer is None:
    pulumi.log.warn(
        "identity-manager:deployer is not set. An identity that holds only Application.ReadWrite.OwnedBy loses the "
        "application right after it has made it. Name it with: "
        "pulumi config set identity-manager:deployer <object id of the service principal that runs pulumi up>"
    )

args: IdentityManagerRegistrationArgs = {
    "organization": settings.organization,
    "fulfillment": settings.fulfillment,
    "connections": settings.connections,
    "secrets": settings.secrets,
    "owners": settings.all_owners,
    "additional_permissions": settings.additional_permissions,
    "graph_api_url": settings.graph_api_base,
    "protect": settings.protect,
}
if settings.response_uri:
    args["response_uri"] = settings.response_uri
if settings.notes:
    args["notes"] = settings.notes
if settings.service_management_reference:
    args["service_management_reference"] = settings.service_management_reference
if settings.adopt:
    args["adopt"] = settings.adopt.given

registration = IdentityManagerRegistration("identity-manager", args)
pulumi.export("ApplicationId", registration.application_id)
pulumi.export("TenantId", registration.tenant_id)
pulumi.export("ClientSecret", registration.client_secret)
pulumi.export("SecretExpiresOn", registration.secret_expires_on)
pulumi.export("DisplayName", registration.display_name)
pulumi.export("ServicePrincipalObjectId", registration.service_principal_object_id)
pulumi.export("GrantedPermissions", registration.granted_permissions)
pulumi.export("AgentSettings", registration.agent_settings)
pulumi.export("AgentEnvironment", registration.agent_environment)
