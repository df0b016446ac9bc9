"""The sign-in service: cloud metadata, discovery, published keys, and the token endpoint for applications.

Owns how an application proves who it is: a client secret, an assertion signed with one of its certificates, or a
token of an outside issuer that one of its federated identity credentials trusts. Users cannot sign in here.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import datetime
from urllib.parse import parse_qsl, unquote_plus

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.tenant.clock import parsed
from sandbox.tenant.credentials import digest, read_certificate
from sandbox.tenant.directory import Answer, Directory
from sandbox.tenant.documents import Document
from sandbox.tenant.entities import GUID
from sandbox.tenant.errors import SignInError
from sandbox.tenant.grants import DEFAULT_ROLE
from sandbox.tenant.keys import SigningKey
from sandbox.tenant.tokens import GRAPH, LIFETIME, Tokens

_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_SHARED = ("common", "organizations")
"""Names that stand for any tenant where no tenant is known yet."""
_ALGORITHMS = ("RS256", "PS256")


class SignIn:
    """The sign-in service of one tenant."""

    def __init__(self, directory: Directory, tokens: Tokens, key: SigningKey, issuer_key: SigningKey) -> None:
        self._directory = directory
        self._tokens = tokens
        self._key = key
        self._issuer_key = issuer_key
        self._url = tokens.url

    def metadata(self) -> Answer:
        """GET /metadata/endpoints: the cloud that this tenant lives in."""
        url = self._url
        return Answer(
            200,
            {
                "name": "Sandbox",
                "portal": url,
                "resourceManager": url,
                "microsoftGraphResourceId": url,
                "graph": url,
                "graphAudience": url,
                "authentication": {
                    "loginEndpoint": url,
                    "audiences": [url],
                    "tenant": "common",
                    "identityProvider": "AAD",
                },
                "suffixes": {},
            },
        )

    def instance_discovery(self) -> Answer:
        """GET /common/discovery/instance."""
        host, base = self._url.removeprefix("https://"), f"{self._url}/{self._directory.tenant_id}/v2.0"
        return Answer(
            200,
            {
                "tenant_discovery_endpoint": f"{base}/.well-known/openid-configuration",
                "api-version": "1.1",
                "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
            },
        )

    def openid_configuration(self, tenant: str) -> Answer:
        """GET /{tenant}/v2.0/.well-known/openid-configuration."""
        self._check_tenant(tenant, shared=True)
        key = self._directory.tenant_id if tenant.lower() not in _SHARED else tenant.lower()
        base = f"{self._url}/{key}"
        return Answer(
            200,
            {
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "token_endpoint_auth_methods_supported": [
                    "client_secret_post",
                    "private_key_jwt",
                    "client_secret_basic",
                ],
                "jwks_uri": f"{base}/discovery/v2.0/keys",
                "response_modes_supported": ["query", "fragment", "form_post"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
                "scopes_supported": ["openid", "profile", "email", "offline_access"],
                "issuer": f"{self._url}/{key if key not in _SHARED else '{tenantid}'}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
                "end_session_endpoint": f"{base}/oauth2/v2.0/logout",
                "claims_supported": ["sub", "iss", "aud", "exp", "iat", "oid", "tid", "ver", "roles", "appid", "azp"],
                "tenant_region_scope": None,
                "cloud_instance_name": self._url.removeprefix("https://"),
                "msgraph_host": self._url.removeprefix("https://"),
            },
        )

    def keys(self, tenant: str) -> Answer:
        """GET /{tenant}/discovery/v2.0/keys."""
        self._check_tenant(tenant, shared=True)
        return Answer(200, {"keys": [self._key.jwk | {"issuer": f"{self._url}/{self._directory.tenant_id}/v2.0"}]})

    def token(self, tenant: str, content_type: str, authorization: str, body: bytes) -> tuple[Answer, str | None]:
        """POST /{tenant}/oauth2/v2.0/token: the answer, and the client id that asked."""
        client_id = None
        try:
            form = _form(content_type, authorization, body)
            client_id = form.get("client_id")
            return self._token(tenant, form), client_id
        except SignInError as error:
            return Answer(error.status, error.body(self._directory.clock.now())), client_id

    def _token(self, tenant: str, form: dict[str, str]) -> Answer:
        grant = _needed(form, "grant_type")
        if grant != "client_credentials":
            raise SignInError(
                400, "unsupported_grant_type", 70003, f"The app requested an unsupported grant type '{grant:.100}'."
            )
        client_id = _needed(form, "client_id")
        self._check_tenant(tenant, shared=False)
        application = self._application(client_id)
        scope = _needed(form, "scope")
        resource_name = self._resource_name(scope)
        method = self._authenticate(tenant, application, form)
        principal = self._principal(application)
        resource = self._resource(resource_name)
        roles = self._roles(principal, resource)
        if not roles and resource["appRoleAssignmentRequired"] and not self._assigned(principal, resource):
            raise SignInError(
                400,
                "invalid_grant",
                501051,
                f"Application '{application['appId']}'({application['displayName']}) is not assigned to a role for the "
                f"application '{resource_name}'({resource['displayName']}).",
            )
        version_2 = self._wants_version_2(resource)
        claims: Document = {
            "aud": resource["appId"] if version_2 else resource_name,
            "oid": principal["id"],
            "sub": principal["id"],
            "app_displayname": application["displayName"],
            "idp": f"https://sts.windows.net/{self._directory.tenant_id}/",
        }
        claims |= (
            {"azp": application["appId"], "azpacr": method}
            if version_2
            else {"appid": application["appId"], "appidacr": method}
        )
        if roles:
            claims["roles"] = roles
        token = self._tokens.issue(claims, version_2=version_2)
        return Answer(
            200,
            {"token_type": "Bearer", "expires_in": LIFETIME, "ext_expires_in": LIFETIME, "access_token": token},
            {"Cache-Control": "no-store, no-cache", "Pragma": "no-cache"},
        )

    def _check_tenant(self, tenant: str, *, shared: bool) -> None:
        known = (self._directory.tenant_id, str(self._directory.store.setting("domain")))
        if tenant.lower() in known or (shared and tenant.lower() in _SHARED):
            return
        if tenant.lower() in _SHARED:
            raise SignInError(
                400,
                "invalid_request",
                50059,
                "No tenant-identifying information found in either the request or implied by any provided credentials.",
            )
        raise SignInError(
            400,
            "invalid_request",
            90002,
            f"Tenant '{tenant:.100}' not found. Check to make sure you have the correct tenant ID and are signing "
            "into the "
            "correct cloud. Check with your subscription administrator, this may happen if there are no active "
            "subscriptions for the tenant.",
        )

    def _application(self, client_id: str) -> Document:
        found = self._directory.store.find("applications", appId=client_id) if GUID.fullmatch(client_id) else []
        if not found:
            raise SignInError(
                400,
                "unauthorized_client",
                700016,
                f"Application with identifier '{client_id:.100}' was not found in the directory 'Contoso'. This can "
                "happen if "
                "the application has not been installed by the administrator of the tenant or consented to by any user "
                "in the tenant. You may have sent your authentication request to the wrong tenant.",
            )
        return found[0]

    def _principal(self, application: Document) -> Document:
        found = self._directory.store.find("servicePrincipals", appId=application["appId"])
        if not found:
            raise SignInError(
                400,
                "unauthorized_client",
                7000229,
                f"The client application {application['appId']} is missing service principal in the tenant "
                f"{self._directory.tenant_id}.",
            )
        if not found[0]["accountEnabled"]:
            raise SignInError(
                400,
                "unauthorized_client",
                7000112,
                f"Application '{application['appId']}'({application['displayName']}) is disabled.",
            )
        return found[0]

    def _resource_name(self, scope: str) -> str:
        scopes = scope.split()
        if len(scopes) != 1 or not scopes[0].endswith("/.default") or scopes[0] == "/.default":
            raise SignInError(
                400,
                "invalid_scope",
                1002012,
                f"The provided value for scope {scope:.200} is not valid. Client credential flows must have a scope "
                "value "
                "with /.default suffixed to the resource identifier (application ID URI).",
            )
        return scopes[0].removesuffix("/.default")

    def _resource(self, name: str) -> Document:
        store = self._directory.store
        app_id = GRAPH if name.rstrip("/") in self._tokens.graph_names else name.removeprefix("spn:")
        found = store.find("servicePrincipals", appId=app_id) if GUID.fullmatch(app_id) else []
        if found:
            return found[0]
        for kind, body in store.sources(name.lower(), "identifierUri"):
            if kind == "servicePrincipals":
                return body
            principals = store.find("servicePrincipals", appId=body["appId"])
            if principals:
                return principals[0]
        raise SignInError(
            400,
            "invalid_resource",
            500011,
            f"The resource principal named {name:.200} was not found in the tenant named Contoso. This can happen if "
            "the "
            "application has not been installed by the administrator of the tenant or consented to by any user in the "
            "tenant. You might have sent your authentication request to the wrong tenant.",
        )

    def _wants_version_2(self, resource: Document) -> bool:
        found = self._directory.store.find("applications", appId=resource["appId"])
        return bool(found) and (found[0]["api"] or {}).get("requestedAccessTokenVersion") == 2  # noqa: PLR2004

    def _assignments(self, principal: Document, resource: Document) -> list[str]:
        found = self._directory.store.find("appRoleAssignments", principalId=principal["id"])
        return [one["appRoleId"] for one in found if one["resourceId"] == resource["id"]]

    def _assigned(self, principal: Document, resource: Document) -> bool:
        return DEFAULT_ROLE in self._assignments(principal, resource)

    def _roles(self, principal: Document, resource: Document) -> list[str]:
        assigned = set(self._assignments(principal, resource))
        return [
            role["value"]
            for role in resource["appRoles"]
            if role["id"] in assigned and role["isEnabled"] and role["value"]
        ]

    def _authenticate(self, tenant: str, application: Document, form: dict[str, str]) -> str:
        """How the client proved itself: "1" for a secret, "2" for an assertion."""
        if form.get("client_assertion"):
            if form.get("client_assertion_type") != _ASSERTION:
                raise SignInError(
                    400,
                    "invalid_request",
                    90014,
                    "The required field 'client_assertion_type' is missing or not supported.",
                )
            self._check_assertion(tenant, application, form["client_assertion"])
            return "2"
        if form.get("client_secret"):
            self._check_secret(application, form["client_secret"])
            return "1"
        raise SignInError(
            401,
            "invalid_client",
            7000218,
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        )

    def _check_secret(self, application: Document, secret: str) -> None:
        store, now, app_id = self._directory.store, self._directory.clock.now(), application["appId"]
        holders = [application, *store.find("servicePrincipals", appId=app_id)]
        digests = store.secrets(*(one["id"] for one in holders))
        given, matched = digest(secret), None
        for holder in holders:
            for one in holder["passwordCredentials"]:
                # Every secret is compared, in constant time: how long the answer takes tells nothing.
                if hmac.compare_digest(digests.get(one["keyId"], b""), given):
                    matched = one
        if matched is None or parsed(matched["startDateTime"]) > now:
            raise SignInError(
                401,
                "invalid_client",
                7000215,
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret "
                "value, "
                f"not the client secret ID, for a secret added to app '{app_id}'.",
            )
        if parsed(matched["endDateTime"]) <= now:
            raise SignInError(
                401,
                "invalid_client",
                7000222,
                f"The provided client secret keys for app '{app_id}' are expired. Visit the Azure portal to create "
                "new keys "
                "for your app, or consider using certificate credentials for added security.",
            )

    def _check_assertion(self, tenant: str, application: Document, assertion: str) -> None:
        try:
            header = jwt.get_unverified_header(assertion)
            claims = jwt.decode(assertion, options={"verify_signature": False})
        except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
            raise _unreadable() from error
        if header.get("alg") not in _ALGORITHMS:
            raise _unreadable()
        if application["appId"] in (claims.get("iss"), claims.get("sub")):
            self._check_certificate(tenant, application, assertion, header, claims)
        else:
            self._check_federated(application, assertion, claims)

    def _check_certificate(
        self, tenant: str, application: Document, assertion: str, header: Document, claims: Document
    ) -> None:
        app_id = application["appId"]
        if claims.get("iss") != app_id or claims.get("sub") != app_id:
            raise SignInError(
                401,
                "invalid_client",
                700021,
                "Client assertion application identifier doesn't match 'client_id' parameter.",
            )
        now = self._directory.clock.now()
        holders = [application, *self._directory.store.find("servicePrincipals", appId=app_id)]
        for one in (key for holder in holders for key in holder["keyCredentials"]):
            certificate = read_certificate(one["key"])
            if certificate is None or not _names(header, base64.b64decode(one["key"])):
                continue
            public = certificate.public_key()
            if not isinstance(public, rsa.RSAPublicKey) or not _verified(assertion, public):
                raise _unknown_key("The key was found, but it doesn't match the signature of the assertion.")
            if not parsed(one["startDateTime"]) <= now < parsed(one["endDateTime"]):
                raise _unknown_key("The key used is expired.")
            break
        else:
            raise _unknown_key("The key was not found.")
        _check_times(claims, now)
        bases = [f"{self._url}/{name}" for name in {tenant.lower(), self._directory.tenant_id}]
        audiences = {
            f"{base}{end}"
            for base in bases
            for end in ("/oauth2/v2.0/token", "/v2.0", "/v2.0/", "/oauth2/token", "/", "")
        }
        if claims.get("aud") not in audiences:
            raise SignInError(
                401,
                "invalid_client",
                700023,
                "Client assertion audience claim does not match Realm issuer. Review the documentation at "
                f"{self._url}.",
            )

    def _check_federated(self, application: Document, assertion: str, claims: Document) -> None:
        trusted = self._directory.store.find("federatedIdentityCredentials", applicationId=application["id"])
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        steps: tuple[tuple[int, str, object, Callable[[Document], bool]], ...] = (
            (700211, "issuer", claims.get("iss"), lambda one: one["issuer"] == claims.get("iss")),
            (700213, "subject", claims.get("sub"), lambda one: one["subject"] == claims.get("sub")),
            (700212, "audience", audience, lambda one: one["audiences"][0] in audiences),
        )
        for number, what, given, matches in steps:
            trusted = [one for one in trusted if matches(one)]
            if not trusted:
                raise SignInError(
                    401,
                    "invalid_client",
                    number,
                    f"No matching federated identity record found for presented assertion {what} '{given!s:.200}'. "
                    "Check your "
                    "federated identity credential Subject, Audience and Issuer against the presented assertion.",
                )
        if not _verified(assertion, self._issuer_key.public):
            raise SignInError(
                401,
                "invalid_client",
                50013,
                "Assertion failed signature validation. [Reason - The provided signature value did not match the "
                "expected "
                "signature value.]",
            )
        _check_times(claims, self._directory.clock.now())


def _form(content_type: str, authorization: str, body: bytes) -> dict[str, str]:
    if "application/x-www-form-urlencoded" not in content_type.lower():
        raise SignInError(
            400,
            "invalid_request",
            900144,
            "The request body must contain the following parameter: 'grant_type'.",
        )
    form: dict[str, str] = {}
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100, errors="strict")
    except ValueError as error:
        raise SignInError(400, "invalid_request", 9000410, "Malformed request body.") from error
    for name, value in pairs:
        if name in form:
            raise SignInError(
                400,
                "invalid_request",
                9000411,
                f"The request is not properly formatted. The parameter '{name:.50}' is duplicated.",
            )
        form[name] = value
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() == "basic" and "client_secret" not in form:
        try:
            client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (ValueError, binascii.Error) as error:
            raise SignInError(400, "invalid_request", 9000410, "Malformed Authorization header.") from error
        form = {"client_id": unquote_plus(client_id), "client_secret": unquote_plus(secret), **form}
    return form


def _needed(form: dict[str, str], name: str) -> str:
    value = form.get(name)
    if not value:
        raise SignInError(
            400, "invalid_request", 900144, f"The request body must contain the following parameter: '{name}'."
        )
    return value


def _unreadable() -> SignInError:
    return SignInError(401, "invalid_client", 50027, "JWT token is invalid or malformed.")


def _unknown_key(reason: str) -> SignInError:
    return SignInError(
        401,
        "invalid_client",
        700027,
        "The certificate with identifier used to sign the client assertion is not registered on application. "
        f"[Reason - {reason}]",
    )


def _names(header: Document, der: bytes) -> bool:
    """Whether an assertion's header names this certificate by one of its thumbprints."""
    first = hashlib.sha1(der, usedforsecurity=False).digest()
    second = hashlib.sha256(der).digest()
    written = re.sub(r"=+$", "", str(header.get("x5t", "")))
    long = re.sub(r"=+$", "", str(header.get("x5t#S256", "")))
    named = (
        base64.urlsafe_b64encode(first).decode().rstrip("="),
        base64.urlsafe_b64encode(second).decode().rstrip("="),
    )
    return written == named[0] or long == named[1] or str(header.get("kid", "")).upper() == first.hex().upper()


def _verified(assertion: str, public: rsa.RSAPublicKey) -> bool:
    try:
        jwt.PyJWS().decode(assertion, public, algorithms=list(_ALGORITHMS))
    except jwt.InvalidTokenError:
        return False
    return True


def _check_times(claims: Document, now: datetime) -> None:
    expiry, start = claims.get("exp"), claims.get("nbf", 0)
    skew = 300
    moment = now.timestamp()
    good = (
        isinstance(expiry, (int, float)) and isinstance(start, (int, float)) and start - skew <= moment < expiry + skew
    )
    if not good:
        raise SignInError(
            401,
            "invalid_client",
            700024,
            f"Client assertion is not within its valid time range. Current time: {now:%Y-%m-%dT%H:%M:%SZ}, expiry "
            "time of "
            f"assertion {expiry!s:.40}.",
        )
