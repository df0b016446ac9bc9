"""Unmodified clients of Microsoft's cloud work against the tenant."""

import asyncio
import hashlib
import uuid
from typing import Any

import httpx
import pytest

from tests.tenant.conftest import DIRECTORY_READ_ALL, GRAPH, RunningTenant, secret
from tests.tenant.outside import Certificate, outside_token, trust


@pytest.fixture(autouse=True)
def _trusting(tenant: RunningTenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that read the usual environment trust the tenant's authority."""
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(tenant.home / "tenant" / "ca.pem"))


@pytest.fixture
def certificate(admin: httpx.Client, app: dict[str, Any]) -> Certificate:
    """A certificate that the application has."""
    one = Certificate()
    assert admin.patch(f"/applications/{app['id']}", json={"keyCredentials": [one.credential()]}).status_code == 204
    return one


def test_msal_signs_in_with_secret_certificate_and_assertion(
    admin: httpx.Client, tenant: RunningTenant, app: dict[str, Any], certificate: Certificate
) -> None:
    msal = pytest.importorskip("msal", reason="msal is not installed")
    trust(admin, app)
    thumbprint = hashlib.sha1(certificate.der, usedforsecurity=False).hexdigest()
    common = {"authority": f"{tenant.url}/{tenant.tenant_id}", "instance_discovery": False}
    for credential in (
        secret(admin, app)["secretText"],
        {"private_key": certificate.key_pem.decode(), "thumbprint": thumbprint},
        {"private_key": certificate.key_pem.decode(), "public_certificate": certificate.pem.decode()},
        {"client_assertion": outside_token(tenant)},
    ):
        client = msal.ConfidentialClientApplication(app["appId"], client_credential=credential, **common)
        answer = client.acquire_token_for_client([f"{tenant.url}/.default"])
        assert "access_token" in answer, answer
        assert tenant.with_token(answer["access_token"]).get("/users").status_code == 200
    wrong = msal.ConfidentialClientApplication(app["appId"], client_credential="wrong", **common)
    assert wrong.acquire_token_for_client([f"{tenant.url}/.default"])["error_codes"] == [7000215]


def test_azure_identity_signs_in_with_secret_certificate_and_assertion(
    admin: httpx.Client, tenant: RunningTenant, app: dict[str, Any], certificate: Certificate
) -> None:
    identity = pytest.importorskip("azure.identity", reason="azure-identity is not installed")
    trust(admin, app)
    common = {"authority": tenant.url, "disable_instance_discovery": True}
    given = (tenant.tenant_id, app["appId"])
    for credential in (
        identity.ClientSecretCredential(*given, secret(admin, app)["secretText"], **common),
        identity.CertificateCredential(*given, certificate_data=certificate.key_pem + certificate.pem, **common),
        identity.ClientAssertionCredential(*given, lambda: outside_token(tenant), **common),
    ):
        token = credential.get_token(f"{tenant.url}/.default").token
        assert tenant.with_token(token).get("/users").status_code == 200


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_msgraph_sdk_registers_an_application(tenant: RunningTenant) -> None:
    pytest.importorskip("msgraph", reason="msgraph-sdk is not installed")
    asyncio.run(_register_with_the_sdk(tenant))


def _imported(module: str, name: str) -> Any:  # noqa: ANN401 - the SDK is not there for the type checker
    return getattr(pytest.importorskip(module), name)


def _model(module: str, name: str) -> Any:  # noqa: ANN401 - as above
    return _imported(f"msgraph.generated.models.{module}", name)


async def _register_with_the_sdk(tenant: RunningTenant) -> None:
    one = tenant.identities["deploy"]
    credential = _imported("azure.identity.aio", "ClientSecretCredential")(
        tenant.tenant_id, one["clientId"], one["secret"], authority=tenant.url, disable_instance_discovery=True
    )
    provider = _imported(
        "kiota_authentication_azure.azure_identity_authentication_provider", "AzureIdentityAuthenticationProvider"
    )(credential, scopes=[f"{tenant.url}/.default"], allowed_hosts=["localhost"])
    async with httpx.AsyncClient(verify=tenant.tls) as transport:
        adapter = _imported("msgraph", "GraphRequestAdapter")(provider, transport)
        adapter.base_url = f"{tenant.url}/v1.0"
        await _register(_imported("msgraph", "GraphServiceClient")(request_adapter=adapter), tenant)
    await credential.close()


async def _register(client: Any, tenant: RunningTenant) -> None:  # noqa: ANN401 - as above
    app = await client.applications.post(_model("application", "Application")(display_name="By the SDK"))
    holder = await client.service_principals.post(_model("service_principal", "ServicePrincipal")(app_id=app.app_id))
    body = _imported(
        "msgraph.generated.applications.item.add_password.add_password_post_request_body", "AddPasswordPostRequestBody"
    )(password_credential=_model("password_credential", "PasswordCredential")(display_name="one"))
    shown = await client.applications.by_application_id(app.id).add_password.post(body)
    graph = await client.service_principals_with_app_id(GRAPH).get()
    consent = _model("app_role_assignment", "AppRoleAssignment")(
        principal_id=uuid.UUID(holder.id), resource_id=uuid.UUID(graph.id), app_role_id=uuid.UUID(DIRECTORY_READ_ALL)
    )
    await client.service_principals.by_service_principal_id(graph.id).app_role_assigned_to.post(consent)
    answer = tenant.sign_in(client_id=app.app_id, client_secret=shown.secret_text)
    assert tenant.with_token(answer.json()["access_token"]).get("/users").status_code == 200
    listed = await client.applications.get()
    assert "By the SDK" in [found.display_name for found in listed.value]
    await client.applications.by_application_id(app.id).delete()
    with pytest.raises(_model("o_data_errors.o_data_error", "ODataError")) as refused:
        await client.applications.by_application_id(app.id).get()
    assert refused.value.error.code == "Request_ResourceNotFound"
