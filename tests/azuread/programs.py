"""Random programs of the covered resources: valid by Microsoft's rules, with all that a program may leave out."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.azuread.engine import Declared, Json, Program, Ref

NAME = "Random program"
"""How the applications of all these programs are called at first."""

ADA = "44444444-4444-4444-8444-444444444444"
_IDS = [f"{digit}{digit}{digit}{digit}0000-0000-4000-8000-00000000000{digit}" for digit in "12345"]
_TEXT = st.text("abcXYZ äé'&-", min_size=1, max_size=12).filter(lambda text: text.strip() == text)
_HTTPS = st.sampled_from(["https://one.contoso.example/", "https://two.contoso.example/path"])
_REDIRECTS = st.lists(
    st.sampled_from(["https://one.contoso.example/a", "https://two.contoso.example/b", "https://x.contoso.example/"]),
    unique=True,
    max_size=3,
)
_TAGS = st.lists(st.sampled_from(["blue", "green", "red", "HideApp"]), unique=True, max_size=3)
_FEATURES = st.lists(
    st.fixed_dictionaries(
        {}, optional={name: st.booleans() for name in ("customSingleSignOn", "enterprise", "gallery", "hide")}
    ),
    min_size=1,
    max_size=1,
)


def _some(**properties: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries({}, optional=properties)


@st.composite
def _roles(draw: st.DrawFn) -> list[Json]:
    return [
        {
            "id": key,
            "allowedMemberTypes": draw(st.sampled_from([["User"], ["Application"], ["User", "Application"]])),
            "description": draw(_TEXT),
            "displayName": draw(_TEXT),
            **draw(_some(enabled=st.booleans(), value=st.just(f"Role.{key[0]}"))),
        }
        for key in draw(st.lists(st.sampled_from(_IDS[:3]), unique=True, max_size=3))
    ]


@st.composite
def _scopes(draw: st.DrawFn) -> list[Json]:
    return [
        {
            "id": key,
            "value": f"Scope.{key[0]}",
            "adminConsentDescription": draw(_TEXT),
            "adminConsentDisplayName": draw(_TEXT),
            **draw(_some(enabled=st.booleans(), type=st.sampled_from(["User", "Admin"]), userConsentDescription=_TEXT)),
        }
        for key in draw(st.lists(st.sampled_from(_IDS[3:]), unique=True, max_size=2))
    ]


_CLAIM = st.fixed_dictionaries(
    {"name": st.sampled_from(["email", "upn", "groups"])},
    optional={
        "essential": st.booleans(),
        "additionalProperties": st.lists(st.sampled_from(["use_guid", "emit_as_roles"]), unique=True, max_size=2),
    },
)
_CLAIMS = st.lists(_CLAIM, max_size=2, unique_by=lambda claim: claim["name"])


@st.composite
def _accesses(draw: st.DrawFn, permissions: Json) -> list[Json]:
    chosen = draw(st.lists(st.sampled_from(permissions["accesses"]), unique_by=lambda one: one["id"], max_size=3))
    return [{"resourceAppId": permissions["clientId"], "resourceAccesses": chosen}] if chosen else []


@st.composite
def application(draw: st.DrawFn, permissions: Json) -> Json:
    """The inputs of an application."""
    inputs = draw(
        _some(
            api=_some(
                knownClientApplications=st.lists(st.sampled_from(_IDS), unique=True, max_size=2),
                mappedClaimsEnabled=st.booleans(),
                oauth2PermissionScopes=_scopes(),
                requestedAccessTokenVersion=st.sampled_from([1, 2]),
            ),
            appRoles=_roles(),
            description=_TEXT,
            deviceOnlyAuthEnabled=st.booleans(),
            fallbackPublicClientEnabled=st.booleans(),
            groupMembershipClaims=st.lists(
                st.sampled_from(["SecurityGroup", "DirectoryRole", "ApplicationGroup"]), unique=True, max_size=3
            ),
            marketingUrl=_HTTPS,
            notes=_TEXT,
            oauth2PostResponseRequired=st.booleans(),
            owners=st.lists(st.sampled_from([ADA, permissions["caller"]]), unique=True, max_size=2),
            preventDuplicateNames=st.booleans(),
            privacyStatementUrl=_HTTPS,
            publicClient=_some(redirectUris=_REDIRECTS),
            requiredResourceAccesses=_accesses(permissions),
            serviceManagementReference=_TEXT,
            signInAudience=st.sampled_from(["AzureADMyOrg", "AzureADMultipleOrgs"]),
            singlePageApplication=_some(redirectUris=_REDIRECTS),
            supportUrl=_HTTPS,
            termsOfServiceUrl=_HTTPS,
            web=_some(
                homepageUrl=_HTTPS,
                logoutUrl=_HTTPS,
                redirectUris=_REDIRECTS,
                implicitGrant=_some(accessTokenIssuanceEnabled=st.booleans(), idTokenIssuanceEnabled=st.booleans()),
            ),
        )
    )
    labels = draw(st.sampled_from(["tags", "featureTags", None]))
    if labels:
        inputs[labels] = draw(_TAGS if labels == "tags" else _FEATURES)
    # The plugin clears optional claims with an empty object, which Graph takes for no change: they stay in the program.
    claims = draw(_some(accessTokens=_CLAIMS, idTokens=_CLAIMS, saml2Tokens=_CLAIMS))
    return {**inputs, "optionalClaims": claims, "displayName": NAME + draw(st.sampled_from(["", " renamed"]))}


@st.composite
def service_principal(draw: st.DrawFn, permissions: Json) -> Json:
    """The inputs of a service principal."""
    inputs = draw(
        _some(
            accountEnabled=st.booleans(),
            alternativeNames=st.lists(st.sampled_from(["one", "two"]), unique=True, max_size=2),
            appRoleAssignmentRequired=st.booleans(),
            description=_TEXT,
            loginUrl=_HTTPS,
            notes=_TEXT,
            notificationEmailAddresses=st.lists(
                st.sampled_from(["a@contoso.example", "b@contoso.example"]), unique=True, max_size=2
            ),
            owners=st.lists(st.sampled_from([ADA, permissions["caller"]]), unique=True, max_size=2),
            preferredSingleSignOnMode=st.sampled_from(["oidc", "saml"]),
        )
    )
    labels = draw(st.sampled_from(["tags", "featureTags", None]))
    if labels:
        inputs[labels] = draw(_TAGS if labels == "tags" else _FEATURES)
    # As with optional claims: an absent block is sent as an empty object, which changes nothing.
    return {**inputs, "samlSingleSignOn": {"relayState": draw(_TEXT)}, "clientId": Ref("app", "clientId")}


_DATES = st.sampled_from(["2027-11-24T00:00:00Z", "2028-05-24T00:00:00Z"])


@st.composite
def programs(draw: st.DrawFn, permissions: Json) -> Program:
    """An application with or without all that can be hung on it."""
    made: dict[str, Declared] = {"app": Declared(_token("Application"), draw(application(permissions)))}
    if draw(st.booleans()):
        secret = draw(
            _some(
                displayName=_TEXT,
                endDate=_DATES,
                rotateWhenChanged=st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["1", "2"]), max_size=2),
            )
        )
        made["secret"] = Declared(_token("ApplicationPassword"), {**secret, "applicationId": Ref("app", "id")})
    if draw(st.booleans()):
        trust = draw(_some(description=_TEXT))
        trust |= {
            "applicationId": Ref("app", "id"),
            "audiences": ["api://AzureADTokenExchange"],
            "displayName": draw(st.sampled_from(["pull-request", "main"])),
            "issuer": "https://token.actions.example",
            "subject": draw(st.sampled_from(["repo:contoso/one", "repo:contoso/two"])),
        }
        made["trust"] = Declared(_token("ApplicationFederatedIdentityCredential"), trust, delete_first=True)
    if draw(st.booleans()):
        made["sp"] = Declared(_token("ServicePrincipal"), draw(service_principal(permissions)))
        made |= draw(_on_principal(permissions))
    return made


@st.composite
def _on_principal(draw: st.DrawFn, permissions: Json) -> Program:
    made: dict[str, Declared] = {}
    principal = Ref("sp", "objectId")
    if draw(st.booleans()):
        grant = {
            "appRoleId": draw(st.sampled_from(permissions["roles"])),
            "principalObjectId": principal,
            "resourceObjectId": permissions["objectId"],
        }
        made["grant"] = Declared(_token("AppRoleAssignment"), grant)
    if draw(st.booleans()):
        consent = {
            "claimValues": draw(st.lists(st.sampled_from(permissions["scopes"]), unique=True, min_size=1, max_size=2)),
            "resourceServicePrincipalObjectId": permissions["objectId"],
            "servicePrincipalObjectId": principal,
            **draw(_some(userObjectId=st.just(ADA))),
        }
        token = _token("ServicePrincipalDelegatedPermissionGrant")
        made["consent"] = Declared(token, consent, delete_first=True)
    if draw(st.booleans()):
        role = draw(st.sampled_from(["Directory Readers", "User Administrator"]))
        made["role"] = Declared(_token("DirectoryRole"), {"displayName": role})
        assignment = {"roleId": Ref("role", "templateId"), "principalObjectId": principal}
        made["assignment"] = Declared(_token("DirectoryRoleAssignment"), assignment)
    return made


def _token(name: str) -> str:
    return f"azuread:index/{name[0].lower()}{name[1:]}:{name}"
