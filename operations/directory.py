"""The directory: signing in as an application, and the few reads and the one write that operations need.

Owns the addresses of the cloud, sign-in with msal and Microsoft Graph over HTTP. Which cloud it is comes from where the
azuread plugin takes it: ARM_METADATA_HOSTNAME, else `azuread:environment`. It leaves alone what an answer means.
"""

import os
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Self, TypeAlias, TypeVar
from urllib.parse import quote, urlsplit

import httpx
import jwt
import msal  # type: ignore[import-untyped]
import requests
from azure.core.exceptions import AzureError
from azure.identity import AzureCliCredential, ClientAssertionCredential, ClientSecretCredential
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from operations.errors import OperationError
from operations.stack_file import StackFile

_CLOUDS: Mapping[str, tuple[str, str]] = {
    "public": ("https://login.microsoftonline.com", "https://graph.microsoft.com"),
    "usgovernment": ("https://login.microsoftonline.us", "https://graph.microsoft.us"),
    "dod": ("https://login.microsoftonline.us", "https://dod-graph.microsoft.us"),
    "china": ("https://login.partner.microsoftonline.cn", "https://microsoftgraph.chinacloudapi.cn"),
}
_OTHER_NAMES = {"global": "public", "usgovernmentl4": "usgovernment", "usgovernmentl5": "dod"}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
SIGN_IN = "az login, or set ARM_CLIENT_ID and ARM_CLIENT_SECRET or ARM_OIDC_TOKEN as for pulumi up"
_TIMEOUT_SECONDS = 30
_ATTEMPTS = 4
_LONGEST_PAUSE_SECONDS = 10.0
_PASSING = (429, 502, 503, 504)


class _Read(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, frozen=True)


_Model = TypeVar("_Model", bound=_Read)
_Entity = TypeVar("_Entity", bound=_Read)


class Organization(_Read):
    """The tenant's own description."""

    id: str
    display_name: str


class Credential(_Read):
    """A client secret or certificate as the directory shows it."""

    key_id: str
    display_name: str | None = None
    end_date_time: str


class AppRoleAssignment(_Read):
    """A granted application permission."""

    id: str
    app_role_id: str
    resource_id: str
    resource_display_name: str | None = None


class DelegatedGrant(_Read):
    """Delegated permissions that are granted, to one user or to all."""

    id: str
    resource_id: str
    scope: str | None = None


class Permission(_Read):
    """A permission that an API offers: an app role, or a delegated scope."""

    id: str
    value: str | None = None


class Owner(_Read):
    """An owner; who may not read users gets no name."""

    id: str
    display_name: str | None = None


class FederatedCredential(_Read):
    """An outside identity that signs in as the application."""

    name: str
    subject: str | None = None


class ImplicitGrant(_Read):
    """Tokens that the authorization endpoint hands out itself."""

    enable_access_token_issuance: bool | None = None
    enable_id_token_issuance: bool | None = None


class Platform(_Read):
    """Where users are sent after they have signed in, on one platform."""

    redirect_uris: list[str] = Field(default_factory=list)
    implicit_grant_settings: ImplicitGrant = Field(default_factory=ImplicitGrant)
    home_page_url: str | None = None
    logout_url: str | None = None


class ExposedApi(_Read):
    """What the application offers to others."""

    oauth2_permission_scopes: list[Permission] = Field(default_factory=list)
    requested_access_token_version: int | None = None


class ResourceAccess(_Read):
    """One permission that an application asks for: `Role` or, delegated, `Scope`."""

    id: str
    type: str


class RequiredResourceAccess(_Read):
    """The permissions of one API that an application asks for."""

    resource_app_id: str
    resource_access: list[ResourceAccess] = Field(default_factory=list)


class Application(_Read):
    """An application's registration."""

    id: str
    app_id: str
    display_name: str
    sign_in_audience: str = ""
    description: str | None = None
    notes: str | None = None
    service_management_reference: str | None = None
    group_membership_claims: str | None = None
    is_fallback_public_client: bool | None = None
    is_device_only_auth_supported: bool | None = None
    identifier_uris: list[str] = Field(default_factory=list)
    app_roles: list[Permission] = Field(default_factory=list)
    api: ExposedApi = Field(default_factory=ExposedApi)
    web: Platform = Field(default_factory=Platform)
    spa: Platform = Field(default_factory=Platform)
    public_client: Platform = Field(default_factory=Platform)
    required_resource_access: list[RequiredResourceAccess] = Field(default_factory=list)
    password_credentials: list[Credential] = Field(default_factory=list)
    key_credentials: list[Credential] = Field(default_factory=list)


class ServicePrincipal(_Read):
    """A service principal, an API's or the application's own."""

    id: str
    app_id: str
    display_name: str = ""
    app_owner_organization_id: str | None = None
    account_enabled: bool | None = None
    app_role_assignment_required: bool | None = None
    description: str | None = None
    notes: str | None = None
    login_url: str | None = None
    notification_email_addresses: list[str] = Field(default_factory=list)
    alternative_names: list[str] = Field(default_factory=list)
    preferred_single_sign_on_mode: str | None = None
    app_roles: list[Permission] = Field(default_factory=list)
    oauth2_permission_scopes: list[Permission] = Field(default_factory=list)


class _User(_Read):
    id: str


class _Credentials(_Read):
    password_credentials: list[Credential] = Field(default_factory=list)


class _Page(_Read, Generic[_Entity]):
    value: list[_Entity]
    next_link: str | None = Field(default=None, alias="@odata.nextLink")


class _Endpoints(_Read):
    login_endpoint: str


class _Metadata(_Read):
    microsoft_graph_resource_id: str
    authentication: _Endpoints


@dataclass(frozen=True)
class Cloud:
    """Where to sign in, and where Microsoft Graph is."""

    login: str
    graph: str
    trust: ssl.SSLContext

    @classmethod
    def of(cls, file: StackFile) -> Self:
        """The cloud that a stack's tenant lives in.

        Raises:
            OperationError: It is not known, does not answer, or is a real one while the stack is the sandbox's.
        """
        trust = ssl.create_default_context()
        host = file.azuread.get("metadataHost") or os.environ.get("ARM_METADATA_HOSTNAME")
        if file.sandbox and not is_local(urlsplit(f"//{host or ''}").hostname):
            raise OperationError(
                f"The stack {file.stack} belongs to the sandbox, and this command runs outside of it.",
                "It would sign in to a real tenant, so nothing was done.",
                f"python -m sandbox exec -- python -m operations COMMAND --stack {file.stack}",
            )
        if host:
            return cls(*_from_metadata(host, trust), trust)
        named = (file.azuread.get("environment") or os.environ.get("ARM_ENVIRONMENT") or "public").lower()
        name = _OTHER_NAMES.get(named, named)
        if name not in _CLOUDS:
            raise OperationError(
                f"The cloud {named} is not known.",
                "Nobody could be asked, so nothing was done.",
                f"pulumi config set --stack {file.stack} azuread:environment public",
            )
        return cls(*_CLOUDS[name], trust)


def _from_metadata(host: str, trust: ssl.SSLContext) -> tuple[str, str]:
    try:
        answer = httpx.get(
            f"https://{host}/metadata/endpoints",
            params={"api-version": "2022-09-01"},
            verify=trust,
            timeout=_TIMEOUT_SECONDS,
        ).raise_for_status()
        metadata = _Metadata.model_validate_json(answer.content)
    except (httpx.HTTPError, httpx.InvalidURL, ValidationError) as error:
        raise OperationError(
            f"The cloud's endpoints could not be read from {host}: {short(error)}",
            "Nobody could be asked, so nothing was done.",
            "check ARM_METADATA_HOSTNAME; in the sandbox: python -m sandbox exec -- ...",
        ) from None
    return metadata.authentication.login_endpoint.rstrip("/"), metadata.microsoft_graph_resource_id.rstrip("/")


class SignInRefusedError(Exception):
    """The directory did not sign the application in; the text is its reason."""


def sign_in(cloud: Cloud, tenant_id: str, client_id: str, credential: str | dict[str, str]) -> str:
    """Sign in as an application with client credentials, and get a token for Microsoft Graph.

    Args:
        cloud: The cloud.
        tenant_id: The tenant.
        client_id: The application (client) id.
        credential: A client secret, or what msal takes in its place.

    Returns:
        The access token.

    Raises:
        SignInRefusedError: The directory refuses.
        OperationError: The directory does not answer.
    """
    # A sign-in that was kept in memory would prove nothing: each one is made anew.
    with requests.Session() as session:
        session.verify = trusted()
        try:
            application = msal.ConfidentialClientApplication(
                client_id,
                client_credential=credential,
                authority=f"{cloud.login}/{tenant_id}",
                instance_discovery=False,
                http_client=_Requests(session),
            )
            answer = application.acquire_token_for_client([f"{cloud.graph}/.default"])
        except (requests.RequestException, ValueError) as error:
            raise OperationError(
                f"{cloud.login} does not sign anybody in: {short(error)}", "Nothing was done.", "try again later"
            ) from None
    token = answer.get("access_token")
    if not isinstance(token, str):
        described = str(answer.get("error_description") or answer.get("error") or "no token")
        raise SignInRefusedError(described.split(" Trace ID", maxsplit=1)[0].splitlines()[0])
    return token


class _Requests:
    """The HTTP client that msal uses, with a time limit on every call."""

    def __init__(self, session: requests.Session) -> None:
        self._session = session

    def get(self, url: str, **arguments: object) -> requests.Response:
        """GET."""
        return self._session.request("GET", url, timeout=_TIMEOUT_SECONDS, **arguments)  # type: ignore[arg-type]

    def post(self, url: str, **arguments: object) -> requests.Response:
        """POST."""
        return self._session.request("POST", url, timeout=_TIMEOUT_SECONDS, **arguments)  # type: ignore[arg-type]

    def close(self) -> None:
        """Nothing: the session is closed by who opened it."""


Deployer: TypeAlias = ClientSecretCredential | ClientAssertionCredential | AzureCliCredential


def deployer(cloud: Cloud, tenant_id: str) -> Deployer:
    """The identity that deploys, from where the azuread plugin takes its credentials.

    Raises:
        OperationError: They are in a file that cannot be read.
    """
    environment = os.environ
    client_id, secret = environment.get("ARM_CLIENT_ID", ""), environment.get("ARM_CLIENT_SECRET", "")
    file = environment.get("ARM_OIDC_TOKEN_FILE_PATH", "")
    assertion = environment.get("ARM_OIDC_TOKEN") or (_token_file(file) if file else "")
    if client_id and secret:
        return ClientSecretCredential(
            tenant_id,
            client_id,
            secret,
            authority=cloud.login,
            disable_instance_discovery=True,
            connection_verify=trusted(),
        )
    if client_id and assertion:
        return ClientAssertionCredential(
            tenant_id,
            client_id,
            lambda: assertion,
            authority=cloud.login,
            disable_instance_discovery=True,
            connection_verify=trusted(),
        )
    return AzureCliCredential(tenant_id=tenant_id)


def deployer_token(cloud: Cloud, tenant_id: str) -> str:
    """A token for Microsoft Graph of the identity that deploys.

    Raises:
        OperationError: There are no credentials, or they are refused.
    """
    try:
        with deployer(cloud, tenant_id) as credential:
            return str(credential.get_token(f"{cloud.graph}/.default").token)
    except (AzureError, ValueError) as error:
        raise OperationError(
            f"The identity that deploys cannot sign in: {short(error)}", "Nothing was changed.", SIGN_IN
        ) from None


def _token_file(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise OperationError(
            f"ARM_OIDC_TOKEN_FILE_PATH cannot be read: {short(error)}", "Nothing was changed.", SIGN_IN
        ) from None


def trusted() -> str | bool:
    """Whose certificates are trusted: those of SSL_CERT_FILE where it is set."""
    return os.environ.get("SSL_CERT_FILE") or True


def is_local(host: str | None) -> bool:
    """Whether a host is this machine, by its name."""
    return host in _LOOPBACK


def roles(token: str) -> frozenset[str]:
    """The application permissions that a token carries, as its reader would see them."""
    claims: dict[str, object] = jwt.decode(token, options={"verify_signature": False})
    listed = claims.get("roles")
    return frozenset(map(str, listed)) if isinstance(listed, list) else frozenset()


class GraphRefusedError(Exception):
    """Microsoft Graph refused a request; the text is its reason."""


class GraphNotFoundError(GraphRefusedError):
    """Microsoft Graph knows no such object."""


class Graph:
    """Microsoft Graph as one identity."""

    def __init__(self, cloud: Cloud, token: str) -> None:
        self._base = f"{cloud.graph}/v1.0"
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {token}"}, verify=cloud.trust, timeout=_TIMEOUT_SECONDS
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def organization(self) -> Organization:
        """The organization that the tenant belongs to."""
        found = self._list(Organization, "organization?$select=id,displayName")
        if not found:
            raise GraphRefusedError("it shows no organization")
        return found[0]

    def reads_users(self) -> bool:
        """Whether there is a user to be read."""
        return bool(self._read(_Page[_User], f"{self._base}/users?$top=1&$select=id").value)

    def password_credentials(self, object_id: str) -> list[Credential]:
        """The client secrets of an application."""
        path = f"{self._base}/applications/{quote(object_id)}?$select=id,passwordCredentials"
        return self._read(_Credentials, path).password_credentials

    def application(self, reference: str) -> Application | None:
        """An application by its client id or its object id; None where there is neither."""
        return self._first(
            Application, (f"applications(appId='{quote(reference)}')", f"applications/{quote(reference)}")
        )

    def deleted_application(self, reference: str) -> Application | None:
        """The same among those that were deleted and can be restored."""
        deleted = self._list(Application, "directory/deletedItems/microsoft.graph.application")
        return next((one for one in deleted if reference in (one.id, one.app_id)), None)

    def service_principal(self, reference: str) -> ServicePrincipal | None:
        """A service principal by its client id or its object id; None where there is neither."""
        paths = (f"servicePrincipals(appId='{quote(reference)}')", f"servicePrincipals/{quote(reference)}")
        return self._first(ServicePrincipal, paths)

    def owners(self, kind: str, object_id: str) -> list[Owner]:
        """The owners of one of the `applications` or `servicePrincipals`."""
        return self._list(Owner, f"{kind}/{quote(object_id)}/owners?$select=id,displayName")

    def federated_credentials(self, object_id: str) -> list[FederatedCredential]:
        """The federated credentials of an application."""
        return self._list(FederatedCredential, f"applications/{quote(object_id)}/federatedIdentityCredentials")

    def delegated_grants(self, principal_id: str) -> list[DelegatedGrant]:
        """The delegated permissions that are granted to a service principal; it takes Directory.Read.All."""
        return self._list(DelegatedGrant, f"servicePrincipals/{quote(principal_id)}/oauth2PermissionGrants")

    def remove_password(self, object_id: str, key_id: str) -> None:
        """Take a client secret from an application."""
        self._answer("POST", f"{self._base}/applications/{quote(object_id)}/removePassword", {"keyId": key_id})

    def app_role_assignments(self, principal_id: str) -> list[AppRoleAssignment]:
        """The application permissions that a service principal is granted."""
        return self._list(AppRoleAssignment, f"servicePrincipals/{quote(principal_id)}/appRoleAssignments")

    def app_roles(self, principal_id: str) -> list[Permission]:
        """The application permissions that an API offers."""
        path = f"{self._base}/servicePrincipals/{quote(principal_id)}?$select=id,appId,appRoles"
        return self._read(ServicePrincipal, path).app_roles

    def _first(self, model: type[_Model], paths: Sequence[str]) -> _Model | None:
        for path in paths:
            try:
                return self._read(model, f"{self._base}/{path}")
            except GraphNotFoundError:
                continue
        return None

    def _list(self, model: type[_Entity], path: str) -> list[_Entity]:
        url: str | None = f"{self._base}/{path}"
        found: list[_Entity] = []
        while url:
            page = self._read(_Page[model], url)  # type: ignore[valid-type]
            found += page.value
            url = page.next_link
        return found

    def _read(self, model: type[_Model], url: str) -> _Model:
        answer = self._answer("GET", url)
        try:
            return model.model_validate_json(answer.content)
        except ValidationError as error:
            raise GraphRefusedError(f"it answers in a form that is not Graph's: {short(error)}") from None

    def _answer(self, method: str, url: str, body: Mapping[str, str] | None = None) -> httpx.Response:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                answer = self._client.request(method, url, json=body)
            except httpx.HTTPError as error:
                if method == "GET" and attempt < _ATTEMPTS:
                    continue
                raise OperationError(
                    f"Microsoft Graph does not answer: {short(error)}", "The command stopped there.", "try again later"
                ) from None
            if answer.is_success:
                return answer
            if answer.status_code not in _PASSING or attempt == _ATTEMPTS:
                break
            asked = answer.headers.get("retry-after", "")
            time.sleep(min(float(asked) if asked.isdigit() else float(attempt), _LONGEST_PAUSE_SECONDS))
        missing = answer.status_code == httpx.codes.NOT_FOUND
        raise (GraphNotFoundError if missing else GraphRefusedError)(_graph_error(answer))


def _graph_error(answer: httpx.Response) -> str:
    try:
        error = answer.json()["error"]
        return f"{answer.status_code} {error['code']}: {error['message']}"
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status_code}"


def short(error: Exception) -> str:
    """The first line of an error's text."""
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
