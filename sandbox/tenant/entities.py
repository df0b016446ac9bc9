"""The entity types of the directory: one table per type, saying each property's type, default and rules.

Owns the shape of requests and answers: what may be set, when, and within which bounds. Rules that need to look at
other objects stand with the routes that own them.
"""

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypedDict, Unpack

from sandbox.tenant.clock import parsed, written
from sandbox.tenant.documents import Document
from sandbox.tenant.errors import bad_request, invalid_value, malformed

GUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_MAX_COLLECTION = 1200
"""The entries that one application's manifest can hold."""


@dataclass(frozen=True)
class Absent:
    """Stands for a property that an object does not have until it is set."""


ABSENT = Absent()


@dataclass(frozen=True)
class Property:
    """One property of an entity or complex type."""

    name: str
    edm: str = "String"
    many: bool = False
    fields: tuple["Property", ...] = ()
    default: object = None
    writable: bool = True
    creatable: bool = True
    nullable: bool = True
    longest: int = 0
    values: tuple[str, ...] = ()
    listed: bool = True
    """Whether answers carry it without $select."""

    def initial(self) -> object:
        """The value an object starts with."""
        if self.fields and not self.many and self.default is not None and not isinstance(self.default, Absent):
            return initial(self.fields)
        return list(self.default) if isinstance(self.default, (list, tuple)) else self.default


@dataclass(frozen=True)
class Entity:
    """An entity type and the set it lives in."""

    kind: str
    type: str
    label: str
    properties: dict[str, Property] = field(repr=False)

    @property
    def odata_type(self) -> str:
        """The type as answers name it."""
        return f"#microsoft.graph.{self.type}"


def initial(fields: tuple[Property, ...]) -> Document:
    """A complex value or entity with every property at its default."""
    return {one.name: value for one in fields if not isinstance(value := one.initial(), Absent)}


class _Rules(TypedDict, total=False):
    """What a line of a table may say beside name and type."""

    default: object
    writable: bool
    creatable: bool
    nullable: bool
    values: tuple[str, ...]
    listed: bool


class _Bounds(TypedDict, total=False):
    """What it may say where the shorthand settles default and null."""

    writable: bool
    creatable: bool


def _text(name: str, longest: int = 0, **more: Unpack[_Rules]) -> Property:
    return Property(name, longest=longest, **more)


def _flag(name: str, default: bool | None = None, **more: Unpack[_Bounds]) -> Property:
    return Property(name, "Boolean", default=default, **more)


def _texts(name: str, longest: int = 0, **more: Unpack[_Bounds]) -> Property:
    return Property(name, many=True, default=(), nullable=False, longest=longest, **more)


def _guid(name: str, **more: Unpack[_Rules]) -> Property:
    return Property(name, "Guid", **more)


def _time(name: str, **more: Unpack[_Rules]) -> Property:
    return Property(name, "DateTimeOffset", **more)


def _one(name: str, fields: tuple[Property, ...], default: object = (), **more: Unpack[_Bounds]) -> Property:
    return Property(name, "ComplexType", fields=fields, default=default, **more)


def _many(name: str, fields: tuple[Property, ...], **more: Unpack[_Bounds]) -> Property:
    return Property(name, "ComplexType", many=True, fields=fields, default=(), nullable=False, **more)


def _fixed(*properties: Property) -> tuple[Property, ...]:
    """Properties that only the directory sets."""
    return tuple(replace(one, writable=False, creatable=False) for one in properties)


_APP_ROLE = (
    _guid("id", nullable=False, default=ABSENT),
    _texts("allowedMemberTypes"),
    _text("description", 1000),
    _text("displayName", 256),
    _flag("isEnabled", True),
    _text("origin", default="Application"),
    _text("value", 250),
)
_SCOPE = (
    _guid("id", nullable=False, default=ABSENT),
    _text("adminConsentDescription", 1000),
    _text("adminConsentDisplayName", 256),
    _flag("isEnabled", True),
    _text("origin", default=ABSENT),
    _text("type", default="User", values=("User", "Admin")),
    _text("userConsentDescription", 1000),
    _text("userConsentDisplayName", 256),
    _text("value", 250),
)
PASSWORD = (
    Property("customKeyIdentifier", "Binary"),
    _text("displayName", 256),
    _time("endDateTime"),
    _text("hint"),
    _guid("keyId"),
    _text("secretText"),
    _time("startDateTime"),
)
_KEY = (
    Property("customKeyIdentifier", "Binary"),
    _text("displayName", 256),
    _time("endDateTime"),
    Property("key", "Binary"),
    _guid("keyId"),
    _time("startDateTime"),
    _text("type", nullable=False),
    _text("usage", nullable=False),
)
_CLAIM = (
    _texts("additionalProperties"),
    _flag("essential", False),
    _text("name"),
    _text("source"),
)
_REDIRECTS = (_texts("redirectUris", 256),)
_ADD_IN = (
    _guid("id"),
    _text("type"),
    _many("properties", (_text("key"), _text("value"))),
)

_APPLICATION = (
    *_fixed(_guid("id"), _time("deletedDateTime"), _text("appId")),
    _text("applicationTemplateId", creatable=False, writable=False),
    _text("disabledByMicrosoftStatus", creatable=False, writable=False),
    *_fixed(_time("createdDateTime")),
    _text("displayName", 256, nullable=False),
    _text("description", 1024),
    _text("groupMembershipClaims"),
    _texts("identifierUris", 255),
    _flag("isDeviceOnlyAuthSupported"),
    _flag("isFallbackPublicClient"),
    _flag("nativeAuthenticationApisEnabled"),
    _text("notes", 1024),
    *_fixed(_text("publisherDomain")),
    _text("serviceManagementReference"),
    _text(
        "signInAudience",
        default="AzureADMyOrg",
        nullable=False,
        values=(
            "AzureADMyOrg",
            "AzureADMultipleOrgs",
            "AzureADandPersonalMicrosoftAccount",
            "PersonalMicrosoftAccount",
        ),
    ),
    _texts("tags", 256),
    _guid("tokenEncryptionKeyId"),
    _text("uniqueName", 64, writable=False),
    _text("samlMetadataUrl"),
    _text("defaultRedirectUri"),
    _text("certification", creatable=False, writable=False),
    _flag("oauth2RequirePostResponse", False),
    _many("addIns", _ADD_IN),
    _one(
        "api",
        (
            _flag("acceptMappedClaims"),
            _texts("knownClientApplications"),
            Property("requestedAccessTokenVersion", "Int32"),
            _many("oauth2PermissionScopes", _SCOPE),
            _many("preAuthorizedApplications", (_text("appId"), _texts("delegatedPermissionIds"))),
        ),
    ),
    _many("appRoles", _APP_ROLE),
    _one(
        "info",
        (
            *_fixed(_text("logoUrl")),
            _text("marketingUrl", 2048),
            _text("privacyStatementUrl", 2048),
            _text("supportUrl", 2048),
            _text("termsOfServiceUrl", 2048),
        ),
    ),
    _many("keyCredentials", _KEY),
    _one(
        "optionalClaims",
        tuple(
            Property(name, "ComplexType", many=True, fields=_CLAIM, default=ABSENT)
            for name in ("accessToken", "idToken", "saml2Token")
        ),
        default=None,
    ),
    _one("parentalControlSettings", (_texts("countriesBlockedForMinors"), _text("legalAgeGroupRule", default="Allow"))),
    _many("passwordCredentials", PASSWORD),
    _one("publicClient", _REDIRECTS),
    _one(
        "requestSignatureVerification",
        (_flag("isSignedRequestRequired"), _text("allowedWeakAlgorithms")),
        default=None,
    ),
    _many(
        "requiredResourceAccess",
        (
            _many("resourceAccess", (_guid("id", nullable=False), _text("type", values=("Role", "Scope")))),
            _text("resourceAppId", nullable=False),
        ),
    ),
    _one(
        "servicePrincipalLockConfiguration",
        tuple(
            _flag(name)
            for name in (
                "isEnabled",
                "allProperties",
                "credentialsWithUsageVerify",
                "credentialsWithUsageSign",
                "tokenEncryptionKeyId",
            )
        ),
        default=None,
    ),
    _one("spa", _REDIRECTS),
    _one(
        "verifiedPublisher",
        (_text("displayName"), _text("verifiedPublisherId"), _time("addedDateTime")),
        creatable=False,
        writable=False,
    ),
    _one(
        "web",
        (
            _text("homePageUrl", 256),
            _text("logoutUrl", 256),
            _texts("redirectUris", 256),
            _one(
                "implicitGrantSettings",
                (_flag("enableAccessTokenIssuance", False), _flag("enableIdTokenIssuance", False)),
            ),
            _many("redirectUriSettings", (_text("uri"), Property("index", "Int32"))),
        ),
    ),
)

_SERVICE_PRINCIPAL = (
    *_fixed(_guid("id"), _time("deletedDateTime")),
    _flag("accountEnabled", True),
    _texts("alternativeNames"),
    *_fixed(_text("appDisplayName"), _text("appDescription")),
    _text("appId", nullable=False, writable=False),
    *_fixed(_text("applicationTemplateId"), _text("appOwnerOrganizationId"), _time("createdDateTime")),
    _flag("appRoleAssignmentRequired", False),
    _text("description", 1024),
    *_fixed(_text("disabledByMicrosoftStatus")),
    _text("displayName", 256),
    _text("homepage", 2048),
    _text("loginUrl", 2048),
    _text("logoutUrl", 2048),
    _text("notes", 1024),
    _texts("notificationEmailAddresses"),
    _text("preferredSingleSignOnMode", values=("password", "saml", "notSupported", "oidc")),
    _text("preferredTokenSigningKeyThumbprint"),
    _texts("replyUrls"),
    _text("samlMetadataUrl"),
    _texts("servicePrincipalNames"),
    *_fixed(_text("servicePrincipalType", default="Application"), _text("signInAudience")),
    _texts("tags", 256),
    _guid("tokenEncryptionKeyId"),
    _many("addIns", _ADD_IN),
    _many("appRoles", _APP_ROLE, creatable=False, writable=False),
    _one(
        "info",
        tuple(
            _text(name)
            for name in ("logoUrl", "marketingUrl", "privacyStatementUrl", "supportUrl", "termsOfServiceUrl")
        ),
        creatable=False,
        writable=False,
    ),
    _many("keyCredentials", _KEY),
    _many("oauth2PermissionScopes", _SCOPE, creatable=False, writable=False),
    _many("passwordCredentials", PASSWORD),
    Property(
        "resourceSpecificApplicationPermissions", "ComplexType", many=True, default=(), writable=False, creatable=False
    ),
    _one("samlSingleSignOnSettings", (_text("relayState", default=ABSENT),), default=None),
    _one(
        "verifiedPublisher",
        (_text("displayName"), _text("verifiedPublisherId"), _time("addedDateTime")),
        creatable=False,
        writable=False,
    ),
)

_FEDERATED = (
    *_fixed(_guid("id")),
    _text("name", 120, nullable=False, writable=False),
    _text("issuer", 600),
    _text("subject", 600),
    _text("description", 600),
    _texts("audiences", 600),
    _text("applicationId", listed=False, creatable=False, writable=False),
)

_APP_ROLE_ASSIGNMENT = (
    *_fixed(_text("id"), _time("deletedDateTime")),
    _guid("appRoleId", writable=False),
    *_fixed(_time("createdDateTime"), _text("principalDisplayName")),
    _guid("principalId", nullable=False, writable=False),
    *_fixed(_text("principalType"), _text("resourceDisplayName")),
    _guid("resourceId", nullable=False, writable=False),
)

_DELEGATED_GRANT = (
    *_fixed(_text("id")),
    _text("clientId", nullable=False, writable=False),
    _text("consentType", nullable=False, writable=False, values=("AllPrincipals", "Principal")),
    _text("principalId", writable=False),
    _text("resourceId", nullable=False, writable=False),
    _text("scope"),
    _time("startTime", default=ABSENT),
    _time("expiryTime", default=ABSENT),
)

_DIRECTORY_ROLE_TEMPLATE = _fixed(_guid("id"), _time("deletedDateTime"), _text("displayName"), _text("description"))
_DIRECTORY_ROLE = (
    *_fixed(_guid("id"), _time("deletedDateTime"), _text("displayName"), _text("description")),
    _text("roleTemplateId", nullable=False, writable=False),
)
_ROLE_DEFINITION = _fixed(
    _guid("id"),
    _text("displayName"),
    _text("description"),
    _flag("isBuiltIn", True),
    _flag("isEnabled", True),
    _texts("resourceScopes"),
    _text("templateId"),
    _text("version"),
    Property("rolePermissions", "ComplexType", many=True, default=()),
)
_ROLE_ASSIGNMENT = (
    *_fixed(_text("id")),
    _text("principalId", nullable=False, writable=False),
    _text("roleDefinitionId", nullable=False, writable=False),
    _text("directoryScopeId", writable=False),
    _text("appScopeId", writable=False, listed=False),
    _text("condition", writable=False, listed=False),
)

_LISTED_OF_USER = [
    "businessPhones",
    "displayName",
    "givenName",
    "id",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
    "accountEnabled",
    "mailNickname",
    "userType",
]
_USER = tuple(
    replace(one, listed=one.name in _LISTED_OF_USER)
    for one in _fixed(
        _guid("id"),
        _time("deletedDateTime"),
        _flag("accountEnabled", True),
        *(
            _text(name)
            for name in [
                "ageGroup",
                "city",
                "companyName",
                "consentProvidedForMinor",
                "country",
                "creationType",
                "department",
                "displayName",
                "employeeId",
                "employeeType",
                "externalUserState",
                "faxNumber",
                "givenName",
                "jobTitle",
                "legalAgeGroupClassification",
                "mail",
                "mailNickname",
                "mobilePhone",
                "officeLocation",
                "onPremisesDistinguishedName",
                "onPremisesDomainName",
                "onPremisesImmutableId",
                "onPremisesSamAccountName",
                "onPremisesSecurityIdentifier",
                "onPremisesUserPrincipalName",
                "passwordPolicies",
                "postalCode",
                "preferredDataLocation",
                "preferredLanguage",
                "securityIdentifier",
                "state",
                "streetAddress",
                "surname",
                "usageLocation",
                "userPrincipalName",
                "userType",
            ]
        ),
        *(
            _time(name)
            for name in [
                "createdDateTime",
                "employeeHireDate",
                "employeeLeaveDateTime",
                "externalUserStateChangeDateTime",
                "lastPasswordChangeDateTime",
                "onPremisesLastSyncDateTime",
                "refreshTokensValidFromDateTime",
                "signInSessionsValidFromDateTime",
            ]
        ),
        _flag("onPremisesSyncEnabled"),
        _flag("showInAddressList"),
        _flag("isResourceAccount"),
        _texts("businessPhones"),
        _texts("imAddresses"),
        _texts("otherMails"),
        _texts("proxyAddresses"),
        _one("employeeOrgData", (_text("costCenter"), _text("division")), default=None),
        _one(
            "onPremisesExtensionAttributes", tuple(_text(f"extensionAttribute{n}") for n in range(1, 16)), default=None
        ),
        _one("passwordProfile", (_text("password"), _flag("forceChangePasswordNextSignIn")), default=None),
        _many("assignedLicenses", (_guid("skuId"), _texts("disabledPlans"))),
        _many("identities", (_text("signInType"), _text("issuer"), _text("issuerAssignedId"))),
    )
)
_GROUP = _fixed(
    _guid("id"),
    _time("deletedDateTime"),
    _text("classification"),
    _time("createdDateTime"),
    _text("description"),
    _text("displayName"),
    _time("expirationDateTime"),
    _texts("groupTypes"),
    _flag("isAssignableToRole"),
    _text("mail"),
    _flag("mailEnabled", False),
    _text("mailNickname"),
    _text("membershipRule"),
    _text("membershipRuleProcessingState"),
    _flag("onPremisesSyncEnabled"),
    _text("onPremisesSecurityIdentifier"),
    _text("onPremisesSamAccountName"),
    _texts("proxyAddresses"),
    _time("renewedDateTime"),
    _flag("securityEnabled", True),
    _text("securityIdentifier"),
    _text("visibility"),
)
_ORGANIZATION = _fixed(
    _guid("id"),
    _time("deletedDateTime"),
    _time("createdDateTime"),
    *(
        _text(name)
        for name in [
            "city",
            "country",
            "countryLetterCode",
            "displayName",
            "postalCode",
            "preferredLanguage",
            "state",
            "street",
        ]
    ),
    _text("tenantType", default="AAD"),
    _flag("onPremisesSyncEnabled"),
    _texts("businessPhones"),
    _texts("marketingNotificationEmails"),
    _texts("securityComplianceNotificationMails"),
    _texts("securityComplianceNotificationPhones"),
    _texts("technicalNotificationMails"),
    _many("assignedPlans", (_text("service"),)),
    _many("provisionedPlans", (_text("service"),)),
    _many(
        "verifiedDomains",
        (_text("capabilities"), _flag("isDefault"), _flag("isInitial"), _text("name"), _text("type")),
    ),
)


def _entity(kind: str, type_: str, label: str, properties: tuple[Property, ...]) -> Entity:
    return Entity(kind, type_, label, {one.name: one for one in properties})


ENTITIES = {
    one.kind: one
    for one in (
        _entity("applications", "application", "Application", _APPLICATION),
        _entity("servicePrincipals", "servicePrincipal", "ServicePrincipal", _SERVICE_PRINCIPAL),
        _entity(
            "federatedIdentityCredentials", "federatedIdentityCredential", "FederatedIdentityCredential", _FEDERATED
        ),
        _entity("appRoleAssignments", "appRoleAssignment", "AppRoleAssignment", _APP_ROLE_ASSIGNMENT),
        _entity("oauth2PermissionGrants", "oAuth2PermissionGrant", "OAuth2PermissionGrant", _DELEGATED_GRANT),
        _entity("directoryRoleTemplates", "directoryRoleTemplate", "DirectoryRoleTemplate", _DIRECTORY_ROLE_TEMPLATE),
        _entity("directoryRoles", "directoryRole", "DirectoryRole", _DIRECTORY_ROLE),
        _entity("roleDefinitions", "unifiedRoleDefinition", "RoleDefinition", _ROLE_DEFINITION),
        _entity("roleAssignments", "unifiedRoleAssignment", "RoleAssignment", _ROLE_ASSIGNMENT),
        _entity("users", "user", "User", _USER),
        _entity("groups", "group", "Group", _GROUP),
        _entity("organization", "organization", "Organization", _ORGANIZATION),
    )
}
"""Entity type by the set its objects live in."""


def new(kind: str, given: Document) -> Document:
    """A new object: what was given over the defaults of its type, with an id."""
    body = initial(tuple(ENTITIES[kind].properties.values()))
    return merged(body, given) | {"id": given.get("id") or str(uuid.uuid4())}


def merged(old: Document, given: Document) -> Document:
    """An object after PATCH: complex values are merged property by property, all else is replaced.

    An empty complex value clears, as azuread's removal of all optional claims expects.
    """
    result = dict(old)
    for name, value in given.items():
        before = result.get(name)
        if isinstance(before, dict) and isinstance(value, dict) and value:
            result[name] = merged(before, value)
        else:
            result[name] = value
    return result


def accept(kind: str, body: Document, *, creating: bool) -> Document:
    """What a request body sets, checked against the type's table. Annotations are dropped.

    Raises:
        GraphError: the body breaks the type's table.
    """
    entity = ENTITIES[kind]
    given: Document = {}
    for name, value in body.items():
        if "@" in name:
            continue
        one = entity.properties.get(name)
        if one is None:
            raise bad_request(f"Invalid property '{name}'.")
        if name == "id" and not creating:
            continue
        if not (one.creatable if creating else one.writable):
            raise bad_request(f"Property '{name}' is read-only and cannot be set.")
        given[name] = _checked(one, value, entity.label, creating=creating)
    return given


def accept_complex(fields: tuple[Property, ...], body: Document, label: str) -> Document:
    """A complex value, checked against its fields."""
    return _complex(fields, body, label, "", creating=False)


def _checked(one: Property, value: object, label: str, *, creating: bool) -> object:
    if value is None:
        if one.many and not one.nullable:
            raise malformed(
                "A null value was found for the property named "
                f"'{one.name}', which has the expected type 'Collection(Edm.{one.edm})[Nullable=False]'."
            )
        if not one.nullable:
            raise invalid_value(one.name, label)
        return None
    if not one.many:
        return _single(one, value, label, creating=creating)
    if not isinstance(value, list):
        raise malformed(
            f"An unexpected value was found for the collection property '{one.name}'. A 'StartArray' node was expected."
        )
    if len(value) > _MAX_COLLECTION:
        raise bad_request(f"The property '{one.name}' has more values than an object can hold.")
    items = [_single(one, item, label, creating=creating) for item in value]
    if one.edm == "String" and len(set(map(str, items))) != len(items):
        raise bad_request("Request contains a property with duplicate values.")
    return items


def _single(one: Property, value: object, label: str, *, creating: bool) -> object:
    if one.edm == "ComplexType":
        if not isinstance(value, dict):
            raise malformed(
                f"An unexpected value was found for the property '{one.name}'. A 'StartObject' node was expected."
            )
        return _complex(one.fields, value, label, one.name, creating=creating or one.many)
    return _SCALARS[one.edm](one, value, label)


def _complex(fields: tuple[Property, ...], value: Document, label: str, path: str, *, creating: bool) -> Document:
    known = {one.name: one for one in fields}
    given: Document = {}
    for name, item in value.items():
        if "@" in name:
            continue
        one = known.get(name)
        if one is None:
            raise malformed(
                f"The property '{name}' does not exist on type '{path or label}'. Make sure to only use property "
                "names that are "
                "defined by the type."
            )
        if not one.writable:
            continue
        given[name] = _checked(one, item, label, creating=creating)
    return merged(initial(fields), given) if creating else given


def _mismatch(one: Property, value: object) -> Exception:
    return malformed(f"Cannot convert the literal '{value!s:.80}' to the expected type 'Edm.{one.edm}'.")


def _string(one: Property, value: object, label: str) -> object:
    if not isinstance(value, str):
        raise _mismatch(one, value)
    if one.values and value not in one.values:
        raise invalid_value(one.name, label)
    if one.longest and len(value) > one.longest:
        raise invalid_value(one.name, label)
    if any((ord(letter) < ord(" ") and letter not in "\t\r\n") or "\ud800" <= letter <= "\udfff" for letter in value):
        raise invalid_value(one.name, label)
    return value


def _boolean(one: Property, value: object, label: str) -> object:
    del label
    if not isinstance(value, bool):
        raise _mismatch(one, value)
    return value


def _integer(one: Property, value: object, label: str) -> object:
    del label
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 1 << 31:
        raise _mismatch(one, value)
    return value


def _identifier(one: Property, value: object, label: str) -> object:
    del label
    if not isinstance(value, str) or not GUID.fullmatch(value):
        raise _mismatch(one, value)
    return value.lower()


def _moment(one: Property, value: object, label: str) -> object:
    del label
    if not isinstance(value, str):
        raise _mismatch(one, value)
    try:
        return written(parsed(value))
    except (ValueError, OverflowError) as error:
        raise _mismatch(one, value) from error


def _binary(one: Property, value: object, label: str) -> object:
    del label
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9+/_=-]*", value):
        raise _mismatch(one, value)
    return value


_SCALARS: dict[str, Callable[[Property, object, str], object]] = {
    "String": _string,
    "Boolean": _boolean,
    "Int32": _integer,
    "Guid": _identifier,
    "DateTimeOffset": _moment,
    "Binary": _binary,
}
