import { IdentityManagerRegistration } from "@pulumi/identity-manager";
import * as pulumi from "@pulumi/pulumi";

// Object id of the identity that runs Pulumi.
const deployer = new pulumi.Config().require("deployer");

const registration = new IdentityManagerRegistration("registration", {
    organization: "Litware",
    secrets: ["2027-11-24"],
    graphApiUrl: "https://graph.microsoft.com/v1.0/",
    owners: [deployer],
});

export const ApplicationId = registration.applicationId;
export const TenantId = registration.tenantId;
export const ClientSecret = registration.clientSecret;
export const SecretExpiresOn = registration.secretExpiresOn;
export const AgentSettings = registration.agentSettings;
