"""The covered resources, one table each: their properties, where these are kept in Microsoft Graph, and their life.

What a table does not have, the stand-in refuses by name, so that nothing in a program is ever left out in silence.
The behaviour of the rows is in `plan` and `wire`, that of the steps in `lifecycle`.
"""

from __future__ import annotations

from http import HTTPStatus

from sandbox.azuread import applications, checks, credentials, directory, lifecycle, owners, service_principals, wire
from sandbox.azuread.graph import Answer
from sandbox.azuread.lifecycle import Identity, Resource
from sandbox.azuread.schema import Blank, Kind, Patch, Property

TEXT, FLAG, NUMBER, LIST, SET, MAP = Kind.TEXT, Kind.FLAG, Kind.NUMBER, Kind.LIST, Kind.SET, Kind.MAP


def _input(name: str, kind: Kind = TEXT, graph: str = "", **more: object) -> Property:
    return Property(name, kind, graph=graph, optional=True, **more)  # type: ignore[arg-type]


def _required(name: str, kind: Kind = TEXT, graph: str = "", **more: object) -> Property:
    return Property(name, kind, graph=graph, required=True, **more)  # type: ignore[arg-type]


def _output(name: str, kind: Kind = TEXT, graph: str = "", **more: object) -> Property:
    return Property(name, kind, graph=graph, computed=True, **more)  # type: ignore[arg-type]


def _either(name: str, kind: Kind = TEXT, graph: str = "", **more: object) -> Property:
    """A property that the program can set and Graph fills in otherwise."""
    return Property(name, kind, graph=graph, optional=True, computed=True, **more)  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------------- application

_PERMISSION_SCOPE = (
    _input("adminConsentDescription", TEXT, "adminConsentDescription", blank=Blank.KEPT, check=checks.not_empty),
    _input("adminConsentDisplayName", TEXT, "adminConsentDisplayName", blank=Blank.KEPT, check=checks.not_empty),
    _input("enabled", FLAG, "isEnabled", default=True),
    _required("id", TEXT, "id", check=checks.uuid),
    _input("type", TEXT, "type", default="User", blank=Blank.KEPT, check=checks.one_of("Admin", "User")),
    _input("userConsentDescription", TEXT, "userConsentDescription", blank=Blank.KEPT, check=checks.not_empty),
    _input("userConsentDisplayName", TEXT, "userConsentDisplayName", blank=Blank.KEPT, check=checks.not_empty),
    _input("value", TEXT, "value", blank=Blank.KEPT, check=checks.claim_value),
)

_APP_ROLE = (
    _required(
        "allowedMemberTypes",
        SET,
        "allowedMemberTypes",
        least=1,
        check=checks.each(checks.one_of("Application", "User")),
    ),
    _required("description", TEXT, "description", blank=Blank.KEPT, check=checks.not_empty),
    _required("displayName", TEXT, "displayName", blank=Blank.KEPT, check=checks.not_empty),
    _input("enabled", FLAG, "isEnabled", default=True),
    _required("id", TEXT, "id", check=checks.uuid),
    _input("value", TEXT, "value", blank=Blank.KEPT, check=checks.claim_value),
)

_OPTIONAL_CLAIM = (
    _input("additionalProperties", LIST, "additionalProperties"),
    _input("essential", FLAG, "essential", default=False),
    _required("name", TEXT, "name"),
    _input("source", TEXT, "source", blank=Blank.LEFT_OUT, check=checks.one_of("user")),
)

_REDIRECT_URIS = checks.each(checks.redirect_uri(urn=True))

_FEATURE_TAGS = _either(
    "featureTags",
    LIST,
    derived=wire.feature_tags,
    conflicts=("features", "tags"),
    block=tuple(_input(name, FLAG) for name in ("customSingleSignOn", "enterprise", "gallery", "hide")),
)
_FEATURES = _either(
    "features",
    LIST,
    derived=wire.features,
    conflicts=("featureTags", "tags"),
    block=(
        *(_input(name, FLAG) for name in ("customSingleSignOnApp", "enterpriseApplication", "galleryApplication")),
        _input("visibleToUsers", FLAG, default=True),
    ),
)
_TAGS = _either("tags", SET, "tags", plain_hash=True, conflicts=("features", "featureTags"))

_APPLICATION = (
    _input(
        "api",
        LIST,
        "api",
        single=True,
        kept_when_absent=True,
        block=(
            _input("knownClientApplications", SET, "knownClientApplications", check=checks.each(checks.uuid)),
            _input("mappedClaimsEnabled", FLAG, "acceptMappedClaims"),
            _input(
                "oauth2PermissionScopes",
                SET,
                "oauth2PermissionScopes",
                block=_PERMISSION_SCOPE,
                terraform="oauth2_permission_scope",
                patch=Patch.CHANGED,
            ),
            _input(
                "requestedAccessTokenVersion",
                NUMBER,
                "requestedAccessTokenVersion",
                default=1,
                check=checks.number_in(1, 2),
            ),
        ),
    ),
    _input("appRoles", SET, "appRoles", block=_APP_ROLE, terraform="app_role", patch=Patch.CHANGED),
    _output("appRoleIds", MAP, derived=wire.app_role_ids),
    _output("clientId", TEXT, "appId"),
    _input("description", TEXT, "description", check=checks.length(0, 1024)),
    _input("deviceOnlyAuthEnabled", FLAG, "isDeviceOnlyAuthSupported"),
    _output("disabledByMicrosoft", TEXT, "disabledByMicrosoftStatus"),
    _required("displayName", TEXT, "displayName", blank=Blank.KEPT, check=checks.not_empty),
    _input("fallbackPublicClientEnabled", FLAG, "isFallbackPublicClient"),
    _FEATURE_TAGS,
    _input(
        "groupMembershipClaims",
        SET,
        "groupMembershipClaims",
        joined=",",
        check=checks.each(checks.one_of("All", "None", "ApplicationGroup", "DirectoryRole", "SecurityGroup")),
    ),
    _input("identifierUris", SET, "identifierUris", patch=Patch.CHANGED, check=checks.each(checks.not_empty)),
    _input("logoImage", TEXT, refused="the sandbox's tenant keeps no images"),
    _output("logoUrl", TEXT, "info.logoUrl"),
    _input("marketingUrl", TEXT, "info.marketingUrl"),
    _input("notes", TEXT, "notes", check=checks.not_empty),
    _output("oauth2PermissionScopeIds", MAP, derived=wire.application_scope_ids),
    _input("oauth2PostResponseRequired", FLAG),
    _output("objectId", TEXT, "id"),
    _input(
        "optionalClaims",
        LIST,
        "optionalClaims",
        single=True,
        kept_when_absent=True,
        blank=Blank.LEFT_OUT,
        patch=Patch.CHANGED,
        block=(
            _input("accessTokens", LIST, "accessToken", block=_OPTIONAL_CLAIM, terraform="access_token"),
            _input("idTokens", LIST, "idToken", block=_OPTIONAL_CLAIM, terraform="id_token"),
            _input("saml2Tokens", LIST, "saml2Token", block=_OPTIONAL_CLAIM, terraform="saml2_token"),
        ),
    ),
    _input("owners", SET, plain_hash=True, most=100, check=checks.each(checks.uuid)),
    _input("password", SET, single=True, refused="use ApplicationPassword, which the stack's secrets are made with"),
    _input("preventDuplicateNames", FLAG, default=False),
    _input("privacyStatementUrl", TEXT, "info.privacyStatementUrl"),
    _input(
        "publicClient",
        LIST,
        "publicClient",
        single=True,
        kept_when_absent=True,
        block=(
            _input(
                "redirectUris",
                SET,
                "redirectUris",
                most=256,
                check=checks.each(checks.redirect_uri(urn=True, any_scheme=True)),
            ),
        ),
    ),
    _output("publisherDomain", TEXT, "publisherDomain"),
    _input(
        "requiredResourceAccesses",
        SET,
        "requiredResourceAccess",
        terraform="required_resource_access",
        patch=Patch.CHANGED,
        block=(
            _required("resourceAppId", TEXT, "resourceAppId", blank=Blank.KEPT),
            _required(
                "resourceAccesses",
                LIST,
                "resourceAccess",
                terraform="resource_access",
                block=(
                    _required("id", TEXT, "id", check=checks.uuid),
                    _required("type", TEXT, "type", check=checks.one_of("Role", "Scope")),
                ),
            ),
        ),
    ),
    _input("serviceManagementReference", TEXT, "serviceManagementReference"),
    _input(
        "signInAudience",
        TEXT,
        "signInAudience",
        default="AzureADMyOrg",
        check=checks.one_of(
            "AzureADMyOrg", "AzureADMultipleOrgs", "AzureADandPersonalMicrosoftAccount", "PersonalMicrosoftAccount"
        ),
    ),
    _input(
        "singlePageApplication",
        LIST,
        "spa",
        single=True,
        kept_when_absent=True,
        block=(
            _input("redirectUris", SET, "redirectUris", most=256, check=checks.each(checks.redirect_uri(urn=False))),
        ),
    ),
    _input("supportUrl", TEXT, "info.supportUrl"),
    _TAGS,
    _either(
        "templateId",
        TEXT,
        "applicationTemplateId",
        replaces=True,
        patch=Patch.NEVER,
        blank=Blank.LEFT_OUT,
        refused="the sandbox's tenant has no gallery of templates",
    ),
    _input("termsOfServiceUrl", TEXT, "info.termsOfServiceUrl"),
    _input(
        "web",
        LIST,
        "web",
        single=True,
        kept_when_absent=True,
        block=(
            _input("homepageUrl", TEXT, "homePageUrl", kept_when_absent=True, check=checks.web_address),
            _input(
                "implicitGrant",
                LIST,
                "implicitGrantSettings",
                single=True,
                kept_when_absent=True,
                block=(
                    _input("accessTokenIssuanceEnabled", FLAG, "enableAccessTokenIssuance"),
                    _input("idTokenIssuanceEnabled", FLAG, "enableIdTokenIssuance"),
                ),
            ),
            _input("logoutUrl", TEXT, "logoutUrl", kept_when_absent=True, check=checks.web_address),
            _input("redirectUris", SET, "redirectUris", most=256, check=_REDIRECT_URIS),
        ),
    ),
)

APPLICATION = Resource(
    "azuread:index/application:Application",
    terraform="azuread_application",
    graph_type="application",
    identity=Identity("/applications/{}", "Application", ("Application",)),
    path="/applications/{}",
    rows=_APPLICATION,
    planning=(
        applications.duplicate_at_plan,
        applications.refuse_contradictory_roles,
        applications.forget_ids_of_changed_roles,
        applications.refuse_old_tokens_for_personal_accounts,
    ),
    create=(
        applications.duplicate_at_creation,
        owners.post_with_owners(
            "/applications", "Could not create application", applications.withhold_mapped_claims, None
        ),
        applications.rename_until_visible,
        applications.set_post_response(creating=True),
        applications.set_mapped_claims,
        owners.add_others('Could not add owners to application with object ID: "{key}"'),
        owners.drop_caller('Could not remove initial owner from application with object ID: "{key}"'),
    ),
    reading=(
        lifecycle.get("Retrieving {described}", at="id"),
        lifecycle.get_beta(
            "oauth2RequirePostResponse",
            "oauth2PostResponseRequired",
            "Retrieving additional properties for {described}",
        ),
        lifecycle.keep(logoImage="", preventDuplicateNames=False, password=None),
        owners.read,
    ),
    update=(
        applications.duplicate_at_update,
        applications.disable_before_change("appRoles", "app_role", "App Roles"),
        applications.disable_before_change(
            "api.oauth2PermissionScopes", "api.0.oauth2_permission_scope", "OAuth2 Permission Scopes"
        ),
        lifecycle.patch('Could not update application with object ID: "{key}"', with_tags=True),
        applications.set_post_response(creating=False),
        owners.change(
            'Could not retrieve owners for application with object ID: "{key}"',
            'Could not add owners to application with object ID: "{key}"',
        ),
    ),
    delete=(
        lifecycle.delete("deleting {described}: {error}", at="id"),
        lifecycle.until_gone('Waiting for deletion of application with object ID "{key}"'),
    ),
)

# ---------------------------------------------------------------------------------------------------- service principal


def _application_not_there_yet(answer: Answer) -> bool:
    return (
        answer.status == HTTPStatus.BAD_REQUEST
        and "of the service principal does not reference a valid application object" in answer.message
    ) or (
        answer.status == HTTPStatus.FORBIDDEN
        and "the backing application of the service principal being created must in the local tenant" in answer.message
    )


def _as_outputs(rows: tuple[Property, ...]) -> tuple[Property, ...]:
    """The rows as another resource shows them, where a set is a list in Graph's own order."""
    return tuple(
        Property(row.name, LIST if row.kind is SET else row.kind, graph=row.graph, computed=True) for row in rows
    )


_SERVICE_PRINCIPAL_OUTPUTS = (
    _output("appRoleIds", MAP, derived=wire.app_role_ids),
    _output("appRoles", LIST, "appRoles", block=_as_outputs(_APP_ROLE)),
    _output("applicationTenantId", TEXT, "appOwnerOrganizationId"),
    _output("homepageUrl", TEXT, "homepage"),
    _output("logoutUrl", TEXT, "logoutUrl"),
    _output("oauth2PermissionScopeIds", MAP, derived=wire.scope_ids),
    _output("oauth2PermissionScopes", LIST, "oauth2PermissionScopes", block=_as_outputs(_PERMISSION_SCOPE)),
    _output("objectId", TEXT, "id"),
    _output("redirectUris", LIST, "replyUrls"),
    _output("samlMetadataUrl", TEXT),
    _output("servicePrincipalNames", LIST, derived=wire.names_without_app_id),
    _output("signInAudience", TEXT, "signInAudience"),
    _output("type", TEXT, "servicePrincipalType"),
)

SERVICE_PRINCIPAL = Resource(
    "azuread:index/servicePrincipal:ServicePrincipal",
    terraform="azuread_service_principal",
    graph_type="servicePrincipal",
    identity=Identity("/servicePrincipals/{}", "Service Principal", ("Service Principal",)),
    path="/servicePrincipals/{}",
    rows=(
        _input("accountEnabled", FLAG, "accountEnabled", default=True),
        _input("alternativeNames", SET, "alternativeNames", check=checks.each(checks.not_empty)),
        _input("appRoleAssignmentRequired", FLAG, "appRoleAssignmentRequired"),
        _required("clientId", TEXT, "appId", replaces=True, patch=Patch.NEVER, check=checks.uuid),
        _input("description", TEXT, "description", check=checks.length(0, 1024)),
        _output("displayName", TEXT, "displayName"),
        _FEATURE_TAGS,
        _FEATURES,
        _input("loginUrl", TEXT, "loginUrl", check=checks.web_address),
        _input("notes", TEXT, "notes", check=checks.length(0, 1024)),
        _input("notificationEmailAddresses", SET, "notificationEmailAddresses", check=checks.each(checks.not_empty)),
        _input("owners", SET, plain_hash=True, check=checks.each(checks.uuid)),
        _input(
            "preferredSingleSignOnMode",
            TEXT,
            "preferredSingleSignOnMode",
            check=checks.one_of("", "notSupported", "oidc", "password", "saml"),
        ),
        _input(
            "samlSingleSignOn",
            LIST,
            "samlSingleSignOnSettings",
            single=True,
            kept_when_absent=True,
            blank=Blank.LEFT_OUT,
            block=(_input("relayState", TEXT, "relayState", blank=Blank.KEPT, check=checks.not_empty),),
        ),
        _TAGS,
        _input("useExisting", FLAG),
        *_SERVICE_PRINCIPAL_OUTPUTS,
    ),
    create=(
        service_principals.adopt_existing,
        service_principals.unless_adopted(
            owners.post_with_owners(
                "/servicePrincipals",
                "Could not create service principal",
                service_principals.provisional_description,
                _application_not_there_yet,
            ),
            service_principals.describe_until_visible,
            owners.add_others("Could not add owners to {described}"),
            owners.drop_caller("Could not remove initial owner from {described}"),
        ),
    ),
    reading=(
        lifecycle.get("Retrieving {described}"),
        lifecycle.get_beta("samlMetadataUrl", "samlMetadataUrl", "Retrieving {described} (beta API)"),
        owners.read,
    ),
    update=(
        lifecycle.patch("Updating {described}", with_tags=True),
        owners.change(
            'Could not retrieve owners for service principal with object ID: "{id}"',
            "Could not add owners to {described}",
        ),
    ),
    delete=(
        service_principals.delete_unless_adopted(
            "Deleting {described}", "Waiting for deletion of {described}", at="id"
        ),
    ),
)

# ---------------------------------------------------------------------------------------------------- credentials

APPLICATION_PASSWORD = Resource(
    "azuread:index/applicationPassword:ApplicationPassword",
    terraform="azuread_application_password",
    graph_type="passwordCredential",
    identity=credentials.PASSWORD,
    path="/applications/{0}",
    rows=(
        _required("applicationId", replaces=True, check=checks.application_id),
        _either("displayName", replaces=True),
        _either("endDate", replaces=True, conflicts=("endDateRelative",), check=checks.moment),
        _input("endDateRelative", replaces=True, conflicts=("endDate",), check=checks.not_empty),
        _output("keyId"),
        _input("rotateWhenChanged", MAP, replaces=True),
        _either("startDate", replaces=True, check=checks.moment),
        _output("value", secret=True),
    ),
    create=(credentials.add_password,),
    reading=(credentials.read_password,),
    update=(),
    delete=(credentials.remove_password,),
    importable=False,
)

APPLICATION_FEDERATED_IDENTITY_CREDENTIAL = Resource(
    "azuread:index/applicationFederatedIdentityCredential:ApplicationFederatedIdentityCredential",
    terraform="azuread_application_federated_identity_credential",
    graph_type="federatedIdentityCredential",
    identity=credentials.FEDERATED,
    path="/applications/{}/federatedIdentityCredentials/{}",
    rows=(
        _required("applicationId", replaces=True, check=checks.application_id),
        _required("audiences", LIST, "audiences", most=1, check=checks.each(checks.not_empty)),
        _output("credentialId", TEXT, "id"),
        _input("description", TEXT, "description", blank=Blank.KEPT),
        _required("displayName", TEXT, "name", replaces=True, blank=Blank.KEPT, check=checks.length(1, 120)),
        _required("issuer", TEXT, "issuer", blank=Blank.KEPT),
        _required("subject", TEXT, "subject", blank=Blank.KEPT),
    ),
    create=(credentials.add_federated,),
    reading=(
        lifecycle.get(
            'Retrieving federated identity credential with ID "{keys[1]}" for application with object ID "{keys[0]}"',
            at="id",
        ),
        credentials.keep_application,
    ),
    update=(
        lifecycle.patch(
            'Updating federated identity credential with ID "{keys[1]}" for application with object ID "{keys[0]}"',
            with_key=True,
        ),
    ),
    delete=(
        lifecycle.delete("Removing {described}"),
        lifecycle.until_gone("Waiting for deletion of {described}"),
    ),
)

# ---------------------------------------------------------------------------------------------------- grants and owners

APP_ROLE_ASSIGNMENT = Resource(
    "azuread:index/appRoleAssignment:AppRoleAssignment",
    terraform="azuread_app_role_assignment",
    graph_type="appRoleAssignment",
    identity=Identity(
        "/servicePrincipals/{}/appRoleAssignedTo/{}",
        "Service Principal Id App Role Assigned To",
        ("Service Principal", "App Role Assignment"),
    ),
    path="/servicePrincipals/{}/appRoleAssignedTo/{}",
    rows=(
        _required("appRoleId", TEXT, "appRoleId", replaces=True, check=checks.uuid),
        _output("principalDisplayName", TEXT, "principalDisplayName"),
        _required("principalObjectId", TEXT, "principalId", replaces=True, check=checks.uuid),
        _output("principalType", TEXT, "principalType"),
        _output("resourceDisplayName", TEXT, "resourceDisplayName"),
        _required("resourceObjectId", TEXT, "resourceId", replaces=True, check=checks.uuid),
    ),
    create=(directory.assign_app_role,),
    reading=(lifecycle.get("retrieving {described}"),),
    update=(),
    delete=(lifecycle.delete("Deleting {described}: {error}", at="id"),),
)

DELEGATED_PERMISSION_GRANT = Resource(
    "azuread:index/servicePrincipalDelegatedPermissionGrant:ServicePrincipalDelegatedPermissionGrant",
    terraform="azuread_service_principal_delegated_permission_grant",
    graph_type="oAuth2PermissionGrant",
    identity=Identity("/oauth2PermissionGrants/{}", "O Auth 2 Permission Grant", ("O Auth 2 Permission Grant",)),
    path="/oauth2PermissionGrants/{}",
    rows=(
        _required("claimValues", SET, "scope", joined=" ", least=1, check=checks.each(checks.not_empty)),
        _required(
            "resourceServicePrincipalObjectId",
            TEXT,
            "resourceId",
            replaces=True,
            patch=Patch.NEVER,
            check=checks.uuid,
        ),
        _required("servicePrincipalObjectId", TEXT, "clientId", replaces=True, patch=Patch.NEVER, check=checks.uuid),
        _input(
            "userObjectId",
            TEXT,
            "principalId",
            replaces=True,
            blank=Blank.LEFT_OUT,
            patch=Patch.NEVER,
            check=checks.uuid,
        ),
    ),
    create=(directory.grant_delegated_permissions,),
    reading=(lifecycle.get('Retrieving Delegated Permission Grant with ID "{id}"', at="id"),),
    update=(lifecycle.patch("Updating {described}"),),
    delete=(lifecycle.delete("Deleting {described}", at="id"),),
)

APPLICATION_OWNER = Resource(
    "azuread:index/applicationOwner:ApplicationOwner",
    terraform="azuread_application_owner",
    graph_type="directoryObject",
    identity=owners.OWNER,
    path="/applications/{}",
    rows=(
        _required("applicationId", replaces=True, check=checks.application_id),
        _required("ownerObjectId", replaces=True, check=checks.uuid),
    ),
    create=(owners.add_single,),
    reading=(owners.read_single,),
    update=(),
    delete=(owners.remove_single,),
)

# ---------------------------------------------------------------------------------------------------- directory roles

DIRECTORY_ROLE = Resource(
    "azuread:index/directoryRole:DirectoryRole",
    terraform="azuread_directory_role",
    graph_type="directoryRole",
    identity=Identity("/directoryRoles/{}", "Directory Role", ("Directory Role",)),
    path="/directoryRoles/{}",
    rows=(
        _output("description", TEXT, "description"),
        _either(
            "displayName",
            TEXT,
            "displayName",
            replaces=True,
            exactly_one_of=("displayName", "templateId"),
            any_case=True,
            check=checks.not_empty,
        ),
        _output("objectId", TEXT, "id"),
        _either(
            "templateId",
            TEXT,
            "roleTemplateId",
            replaces=True,
            exactly_one_of=("displayName", "templateId"),
            check=checks.uuid,
        ),
    ),
    create=(directory.activate_role,),
    reading=(lifecycle.get("retrieving {described}"),),
    update=(),
    delete=(),
)

DIRECTORY_ROLE_ASSIGNMENT = Resource(
    "azuread:index/directoryRoleAssignment:DirectoryRoleAssignment",
    terraform="azuread_directory_role_assignment",
    graph_type="unifiedRoleAssignment",
    identity=Identity(
        "/roleManagement/directory/roleAssignments/{}",
        "Role Management Directory Role Assignment",
        ("Unified Role Assignment",),
    ),
    path="/roleManagement/directory/roleAssignments/{}",
    rows=(
        _either(
            "appScopeId",
            TEXT,
            "appScopeId",
            replaces=True,
            blank=Blank.LEFT_OUT,
            conflicts=("directoryScopeId",),
            check=checks.not_empty,
        ),
        _either(
            "directoryScopeId",
            TEXT,
            "directoryScopeId",
            replaces=True,
            blank=Blank.LEFT_OUT,
            conflicts=("appScopeId",),
            check=checks.not_empty,
        ),
        _required("principalObjectId", TEXT, "principalId", replaces=True, check=checks.uuid),
        _required("roleId", TEXT, "roleDefinitionId", replaces=True, check=checks.uuid),
    ),
    create=(directory.assign_directory_role,),
    reading=(lifecycle.get("Retrieving {described}"),),
    update=(),
    delete=(lifecycle.delete("Deleting {described}"),),
)

RESOURCES = {
    resource.token: resource
    for resource in (
        APPLICATION,
        SERVICE_PRINCIPAL,
        APPLICATION_PASSWORD,
        APPLICATION_FEDERATED_IDENTITY_CREDENTIAL,
        APP_ROLE_ASSIGNMENT,
        DELEGATED_PERMISSION_GRANT,
        APPLICATION_OWNER,
        DIRECTORY_ROLE,
        DIRECTORY_ROLE_ASSIGNMENT,
    )
}
