"""Who gets a token, with which claims, and what the others hear, through the token endpoint and through clients."""

import base64
import hashlib
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from tests.tenant.conftest import DIRECTORY_READ_ALL, RunningTenant, application, code, grant, made, principal, secret

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Certificate:
    """A self-signed certificate with its key."""

    def __init__(self, days: int = 30) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "agent")]), datetime.now(UTC)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=days))
            .sign(self.key, hashes.SHA256())
        )
        self.der = self.certificate.public_bytes(serialization.Encoding.DER)
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM)
        self.key_pem = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def credential(self, encoded: bytes | None = None) -> dict[str, str]:
        """The key credential that PATCH adds."""
        key = base64.b64encode(encoded or self.der).decode()
        return {"type": "AsymmetricX509Cert", "usage": "Verify", "key": key}

    def assertion(self, client_id: str, audience: str, **claims: object) -> str:
        """A client assertion."""
        now = int(datetime.now(UTC).timestamp())
        body = {
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "jti": str(uuid.uuid4()),
            "nbf": now,
            "exp": now + 300,
        }
        thumbprint = (
            base64.urlsafe_b64encode(hashlib.sha1(self.der, usedforsecurity=False).digest()).decode().rstrip("=")
        )
        return jwt.encode(body | claims, self.key, algorithm="RS256", headers={"x5t": thumbprint})


@pytest.fixture(scope="module")
def certificate() -> Certificate:
    return Certificate()


@pytest.fixture
def app(admin: httpx.Client) -> dict[str, Any]:
    """An application that may read the directory."""
    body = application(admin)
    grant(admin, principal(admin, body))
    return body


def _refused(answer: httpx.Response) -> tuple[int, str, int]:
    body = answer.json()
    assert body["error_description"].startswith(f"AADSTS{body['error_codes'][0]}: ")
    assert body["trace_id"]
    assert body["correlation_id"]
    return answer.status_code, body["error"], body["error_codes"][0]


def _claims(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    claims: dict[str, Any] = jwt.decode(answer.json()["access_token"], options={"verify_signature": False})
    return claims


def test_a_token_is_signed_by_a_published_key(tenant: RunningTenant):
    configuration = tenant.http.get(f"/{tenant.tenant_id}/v2.0/.well-known/openid-configuration").json()
    keys = {one["kid"]: one for one in tenant.http.get(configuration["jwks_uri"]).json()["keys"]}
    token = tenant.token("deploy")
    key = jwt.PyJWK(keys[jwt.get_unverified_header(token)["kid"]])
    claims = jwt.decode(token, key.key, algorithms=["RS256"], audience=tenant.url)
    identity = tenant.identities["deploy"]
    assert (claims["oid"], claims["appid"], claims["tid"]) == (
        identity["objectId"],
        identity["clientId"],
        tenant.tenant_id,
    )
    assert claims["idtyp"] == "app"
    assert claims["iss"] == f"https://sts.windows.net/{tenant.tenant_id}/"
    assert set(claims["roles"]) == {
        "Application.ReadWrite.OwnedBy",
        "Application.Read.All",
        "AppRoleAssignment.ReadWrite.All",
    }


def test_metadata_names_the_tenants_own_endpoints(tenant: RunningTenant):
    body = tenant.http.get("/metadata/endpoints?api-version=2022-09-01").json()
    assert (body["microsoftGraphResourceId"], body["authentication"]["loginEndpoint"]) == (tenant.url, tenant.url)
    assert tenant.http.get("/common/discovery/instance").json()["tenant_discovery_endpoint"].startswith(tenant.url)


def test_roles_are_those_in_force_at_sign_in(admin: httpx.Client, tenant: RunningTenant, app: dict[str, Any]):
    shown = secret(admin, app)
    credentials = {"client_id": app["appId"], "client_secret": shown["secretText"]}
    before = tenant.sign_in(**credentials)
    assert _claims(before)["roles"] == ["Directory.Read.All"]
    reader = tenant.with_token(before.json()["access_token"])
    assert reader.get("/users").status_code == 200
    holder = admin.get(f"/servicePrincipals(appId='{app['appId']}')").json()
    (given,) = admin.get(f"/servicePrincipals/{holder['id']}/appRoleAssignments").json()["value"]
    admin.delete(f"/servicePrincipals/{holder['id']}/appRoleAssignments/{given['id']}")
    after = tenant.sign_in(**credentials)
    assert "roles" not in _claims(after)
    assert code(tenant.with_token(after.json()["access_token"]).get("/users"))[0] == 403


def test_a_removed_secret_no_longer_signs_in(admin: httpx.Client, tenant: RunningTenant, app: dict[str, Any]):
    first, second = secret(admin, app), secret(admin, app)
    for one in (first, second):
        assert tenant.sign_in(client_id=app["appId"], client_secret=one["secretText"]).status_code == 200
    admin.post(f"/applications/{app['id']}/removePassword", json={"keyId": first["keyId"]})
    answer = tenant.sign_in(client_id=app["appId"], client_secret=first["secretText"])
    assert _refused(answer) == (401, "invalid_client", 7000215)
    assert tenant.sign_in(client_id=app["appId"], client_secret=second["secretText"]).status_code == 200


def test_an_expired_secret_no_longer_signs_in(admin: httpx.Client, tenant: RunningTenant, app: dict[str, Any]):
    shown = secret(admin, app)
    tenant.control.put("/clock", json={"shiftSeconds": 800 * 86400})
    answer = tenant.sign_in(client_id=app["appId"], client_secret=shown["secretText"])
    assert _refused(answer) == (401, "invalid_client", 7000222)


def test_a_secret_of_the_service_principal_signs_in(admin: httpx.Client, tenant: RunningTenant, app: dict[str, Any]):
    holder = admin.get(f"/servicePrincipals(appId='{app['appId']}')").json()
    shown = made(admin.post(f"/servicePrincipals/{holder['id']}/addPassword", json={}))
    assert tenant.sign_in(client_id=app["appId"], client_secret=shown["secretText"]).status_code == 200


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"client_secret": "wrong"}, (401, "invalid_client", 7000215)),
        ({"client_secret": ""}, (401, "invalid_client", 7000218)),
        ({"client_id": str(uuid.uuid4())}, (400, "unauthorized_client", 700016)),
        ({"client_id": "nonsense"}, (400, "unauthorized_client", 700016)),
        ({"client_id": ""}, (400, "invalid_request", 900144)),
        ({"grant_type": ""}, (400, "invalid_request", 900144)),
        ({"grant_type": "password"}, (400, "unsupported_grant_type", 70003)),
        ({"scope": "openid"}, (400, "invalid_scope", 1002012)),
        ({"scope": "https://nowhere.example/.default"}, (400, "invalid_resource", 500011)),
    ],
)
def test_a_refused_sign_in_says_so_as_entra_does(
    tenant: RunningTenant, form: dict[str, str], expected: tuple[int, str, int]
):
    identity = tenant.identities["deploy"]
    whole = {"client_id": identity["clientId"], "client_secret": identity["secret"]} | form
    assert _refused(tenant.sign_in(**whole)) == expected


def test_another_tenant_is_not_found(tenant: RunningTenant):
    answer = tenant.http.post(
        f"/{uuid.uuid4()}/oauth2/v2.0/token", data={"grant_type": "client_credentials", "client_id": "x"}
    )
    assert _refused(answer) == (400, "invalid_request", 90002)


def test_a_disabled_service_principal_does_not_sign_in(admin: httpx.Client, tenant: RunningTenant, app: dict[str, Any]):
    shown = secret(admin, app)
    holder = admin.get(f"/servicePrincipals(appId='{app['appId']}')").json()
    admin.patch(f"/servicePrincipals/{holder['id']}", json={"accountEnabled": False})
    answer = tenant.sign_in(client_id=app["appId"], client_secret=shown["secretText"])
    assert _refused(answer)[2] == 7000112


def test_an_own_api_gets_tokens_of_its_version(admin: httpx.Client, tenant: RunningTenant, app: dict[str, Any]):
    api = application(admin, "Api", api={"requestedAccessTokenVersion": 2}, identifierUris=["api://orders"])
    principal(admin, api)
    shown = secret(admin, app)
    answer = tenant.sign_in(client_id=app["appId"], client_secret=shown["secretText"], scope="api://orders/.default")
    claims = _claims(answer)
    assert (claims["ver"], claims["aud"], claims["azp"]) == ("2.0", api["appId"], app["appId"])
    assert code(tenant.with_token(answer.json()["access_token"]).get("/users")) == (401, "InvalidAuthenticationToken")


def test_a_certificate_signs_in_until_it_is_removed(
    admin: httpx.Client, tenant: RunningTenant, app: dict[str, Any], certificate: Certificate
):
    address = f"/applications/{app['id']}"
    assert admin.patch(address, json={"keyCredentials": [certificate.credential(certificate.pem)]}).status_code == 204
    (kept,) = admin.get(address).json()["keyCredentials"]
    assert kept["key"] is None
    assert admin.get(f"{address}?$select=keyCredentials").json()["keyCredentials"][0]["key"]
    assertion = certificate.assertion(app["appId"], f"{tenant.url}/{tenant.tenant_id}/oauth2/v2.0/token")
    form = {"client_id": app["appId"], "client_assertion_type": _ASSERTION_TYPE, "client_assertion": assertion}
    assert _claims(tenant.sign_in(**form))["appidacr"] == "2"
    other = Certificate().assertion(app["appId"], f"{tenant.url}/{tenant.tenant_id}/v2.0")
    assert _refused(tenant.sign_in(**form | {"client_assertion": other}))[2] == 700027
    late = certificate.assertion(app["appId"], f"{tenant.url}/{tenant.tenant_id}/v2.0", exp=1)
    assert _refused(tenant.sign_in(**form | {"client_assertion": late}))[2] == 700024
    elsewhere = certificate.assertion(app["appId"], "https://elsewhere.example")
    assert _refused(tenant.sign_in(**form | {"client_assertion": elsewhere}))[2] == 700023
    # PATCH sends back what GET gave, without the key's bytes: the credential stays.
    assert admin.patch(address, json={"keyCredentials": [kept, Certificate().credential()]}).status_code == 204
    assert tenant.sign_in(**form).status_code == 200
    admin.patch(address, json={"keyCredentials": []})
    assert _refused(tenant.sign_in(**form))[2] == 700027


def test_a_key_credential_is_a_certificate_within_its_dates(
    admin: httpx.Client, app: dict[str, Any], certificate: Certificate
):
    for wrong in (
        {**certificate.credential(), "key": "AAAA"},
        {**certificate.credential(), "type": "Other"},
        {**certificate.credential(), "endDateTime": "2090-01-01T00:00:00Z"},
        {**certificate.credential(), "endDateTime": "2001-01-01T00:00:00Z"},
    ):
        assert admin.patch(f"/applications/{app['id']}", json={"keyCredentials": [wrong]}).status_code == 400


def _trust(admin: httpx.Client, app: dict[str, Any]) -> None:
    body = {
        "name": "ci",
        "issuer": "https://ci.example",
        "subject": "repo:contoso/identity",
        "audiences": ["api://AzureADTokenExchange"],
    }
    made(admin.post(f"/applications/{app['id']}/federatedIdentityCredentials", json=body))


def _outside(tenant: RunningTenant, **claims: object) -> str:
    body = {"iss": "https://ci.example", "sub": "repo:contoso/identity", "aud": "api://AzureADTokenExchange"}
    return str(tenant.control.post("/federated-tokens", json=body | claims).json()["token"])


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({}, None),
        ({"iss": "https://other.example"}, 700211),
        ({"sub": "repo:contoso/other"}, 700213),
        ({"aud": "api://other"}, 700212),
        ({"exp": 1}, 700024),
    ],
)
def test_a_federated_token_is_checked_against_what_the_application_trusts(
    admin: httpx.Client, tenant: RunningTenant, app: dict[str, Any], claims: dict[str, object], expected: int | None
):
    _trust(admin, app)
    assertion = _outside(tenant, **claims)
    form = {"client_id": app["appId"], "client_assertion_type": _ASSERTION_TYPE, "client_assertion": assertion}
    answer = tenant.sign_in(**form)
    if expected is None:
        assert _claims(answer)["roles"] == ["Directory.Read.All"]
    else:
        assert _refused(answer)[2] == expected


def test_a_federated_token_of_another_key_is_refused(
    admin: httpx.Client, tenant: RunningTenant, app: dict[str, Any], certificate: Certificate
):
    _trust(admin, app)
    claims = jwt.decode(_outside(tenant), options={"verify_signature": False})
    forged = jwt.encode(claims, certificate.key, algorithm="RS256")
    form = {"client_id": app["appId"], "client_assertion_type": _ASSERTION_TYPE, "client_assertion": forged}
    assert _refused(tenant.sign_in(**form)) == (401, "invalid_client", 50013)
    form["client_assertion"] = jwt.encode(claims, None, algorithm="none")
    assert _refused(tenant.sign_in(**form))[2] == 50027


@pytest.fixture
def bad_tokens(tenant: RunningTenant, certificate: Certificate) -> dict[str, str]:
    """Tokens that are almost good."""
    good = tenant.token("admin")
    head, body, signature = good.split(".")
    claims = jwt.decode(good, options={"verify_signature": False})
    altered = base64.urlsafe_b64encode(json.dumps(claims | {"oid": "x"}).encode()).decode().rstrip("=")
    return {
        "nonsense": "nonsense",
        "unsigned": jwt.encode(claims, None, algorithm="none"),
        "altered": f"{head}.{altered}.{signature}",
        "no signature": f"{head}.{body}.",
        "of another key": jwt.encode(claims, certificate.key, algorithm="RS256"),
        "of a shared secret": jwt.encode(claims, "x" * 32, algorithm="HS256"),
        "deep": f"{head}.{base64.urlsafe_b64encode(b'[' * 50000).decode()}.{signature}",
    }


def test_a_bad_token_opens_nothing(tenant: RunningTenant, bad_tokens: dict[str, str]):
    for name, token in bad_tokens.items():
        answer = tenant.http.get("/v1.0/applications", headers={"Authorization": f"Bearer {token}"})
        assert code(answer) == (401, "InvalidAuthenticationToken"), name


def test_a_token_expires(tenant: RunningTenant):
    client = tenant.as_("admin")
    tenant.control.put("/clock", json={"shiftSeconds": 3599})
    assert client.get("/users").status_code == 200
    tenant.control.put("/clock", json={"shiftSeconds": 3602})
    assert code(client.get("/users")) == (401, "InvalidAuthenticationToken")


def test_a_token_of_a_deleted_principal_opens_nothing(admin: httpx.Client, tenant: RunningTenant, app: dict[str, Any]):
    shown = secret(admin, app)
    token = tenant.sign_in(client_id=app["appId"], client_secret=shown["secretText"]).json()["access_token"]
    admin.delete(f"/applications/{app['id']}")
    assert tenant.with_token(token).get("/users").status_code == 401


@pytest.fixture
def trusting(tenant: RunningTenant, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Clients that read the usual environment trust the tenant's authority."""
    authority = str(tenant.home / "tenant" / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority)
    monkeypatch.setenv("SSL_CERT_FILE", authority)
    yield


@pytest.mark.usefixtures("trusting")
def test_msal_signs_in_with_secret_certificate_and_assertion(
    admin: httpx.Client, tenant: RunningTenant, app: dict[str, Any], certificate: Certificate
):
    msal = pytest.importorskip("msal")
    admin.patch(f"/applications/{app['id']}", json={"keyCredentials": [certificate.credential()]})
    _trust(admin, app)
    thumbprint = hashlib.sha1(certificate.der, usedforsecurity=False).hexdigest()
    for credential in (
        secret(admin, app)["secretText"],
        {"private_key": certificate.key_pem.decode(), "thumbprint": thumbprint},
        {"private_key": certificate.key_pem.decode(), "public_certificate": certificate.pem.decode()},
        {"client_assertion": _outside(tenant)},
    ):
        client = msal.ConfidentialClientApplication(
            app["appId"],
            authority=f"{tenant.url}/{tenant.tenant_id}",
            client_credential=credential,
            instance_discovery=False,
        )
        answer = client.acquire_token_for_client([f"{tenant.url}/.default"])
        assert "access_token" in answer, answer
        assert tenant.with_token(answer["access_token"]).get("/users").status_code == 200
    wrong = msal.ConfidentialClientApplication(
        app["appId"], authority=f"{tenant.url}/{tenant.tenant_id}", client_credential="wrong", instance_discovery=False
    )
    assert wrong.acquire_token_for_client([f"{tenant.url}/.default"])["error_codes"] == [7000215]


@pytest.mark.usefixtures("trusting")
def test_azure_identity_signs_in_with_secret_certificate_and_assertion(
    admin: httpx.Client, tenant: RunningTenant, app: dict[str, Any], certificate: Certificate
):
    identity = pytest.importorskip("azure.identity", reason="azure-identity is not installed")
    admin.patch(f"/applications/{app['id']}", json={"keyCredentials": [certificate.credential()]})
    _trust(admin, app)
    common = {"authority": tenant.url, "disable_instance_discovery": True}
    given = (tenant.tenant_id, app["appId"])
    for credential in (
        identity.ClientSecretCredential(*given, secret(admin, app)["secretText"], **common),
        identity.CertificateCredential(*given, certificate_data=certificate.key_pem + certificate.pem, **common),
        identity.ClientAssertionCredential(*given, lambda: _outside(tenant), **common),
    ):
        token = credential.get_token(f"{tenant.url}/.default").token
        assert tenant.with_token(token).get("/users").status_code == 200


@pytest.mark.usefixtures("trusting")
async def _with_the_sdk(tenant: RunningTenant) -> None:
    from azure.identity.aio import ClientSecretCredential
    from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
    from msgraph import GraphRequestAdapter, GraphServiceClient
    from msgraph.generated.applications.item.add_password.add_password_post_request_body import (
        AddPasswordPostRequestBody,
    )
    from msgraph.generated.models.app_role_assignment import AppRoleAssignment
    from msgraph.generated.models.application import Application
    from msgraph.generated.models.o_data_errors.o_data_error import ODataError
    from msgraph.generated.models.password_credential import PasswordCredential
    from msgraph.generated.models.service_principal import ServicePrincipal

    one = tenant.identities["deploy"]
    credential = ClientSecretCredential(
        tenant.tenant_id, one["clientId"], one["secret"], authority=tenant.url, disable_instance_discovery=True
    )
    provider = AzureIdentityAuthenticationProvider(
        credential, scopes=[f"{tenant.url}/.default"], allowed_hosts=[tenant.endpoint["host"].partition(":")[0]]
    )
    provider.access_token_provider.is_url_valid = lambda _: True
    adapter = GraphRequestAdapter(provider, httpx.AsyncClient(verify=tenant.tls, base_url=f"{tenant.url}/v1.0"))
    adapter.base_url = f"{tenant.url}/v1.0"
    client = GraphServiceClient(request_adapter=adapter)
    app = await client.applications.post(Application(display_name="By the SDK"))
    holder = await client.service_principals.post(ServicePrincipal(app_id=app.app_id))
    body = AddPasswordPostRequestBody(password_credential=PasswordCredential(display_name="one"))
    shown = await client.applications.by_application_id(app.id).add_password.post(body)
    graph = await client.service_principals_with_app_id("00000003-0000-0000-c000-000000000000").get()
    consent = AppRoleAssignment(
        principal_id=uuid.UUID(holder.id), resource_id=uuid.UUID(graph.id), app_role_id=uuid.UUID(DIRECTORY_READ_ALL)
    )
    await client.service_principals.by_service_principal_id(graph.id).app_role_assigned_to.post(consent)
    answer = tenant.sign_in(client_id=app.app_id, client_secret=shown.secret_text)
    assert _claims(answer)["roles"] == ["Directory.Read.All"]
    listed = await client.applications.get()
    assert "By the SDK" in [found.display_name for found in listed.value]
    await client.applications.by_application_id(app.id).delete()
    with pytest.raises(ODataError) as refused:
        await client.applications.by_application_id(app.id).get()
    assert refused.value.error.code == "Request_ResourceNotFound"
    await credential.close()


@pytest.mark.usefixtures("trusting")
def test_msgraph_sdk_registers_an_application(tenant: RunningTenant):
    pytest.importorskip("msgraph", reason="msgraph-sdk is not installed")
    import asyncio

    asyncio.run(_with_the_sdk(tenant))
