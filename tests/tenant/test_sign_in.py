"""Who gets a token, with which claims, and what the others hear, through the token endpoint."""

import base64
import json
import uuid
from typing import Any

import httpx
import jwt
import pytest

from tests.tenant.conftest import RunningTenant, application, code, made, principal, secret
from tests.tenant.outside import ASSERTION_TYPE, Certificate, outside_token, trust, unsigned


@pytest.fixture(scope="module")
def certificate() -> Certificate:
    return Certificate()


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


def test_a_token_is_signed_by_a_published_key(tenant: RunningTenant) -> None:
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


def test_metadata_names_the_tenants_own_endpoints(tenant: RunningTenant) -> None:
    body = tenant.http.get("/metadata/endpoints?api-version=2022-09-01").json()
    assert (body["microsoftGraphResourceId"], body["authentication"]["loginEndpoint"]) == (tenant.url, tenant.url)
    assert tenant.http.get("/common/discovery/instance").json()["tenant_discovery_endpoint"].startswith(tenant.url)


def test_roles_are_those_in_force_at_sign_in(admin: httpx.Client, tenant: RunningTenant, app: dict[str, Any]) -> None:
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


def test_a_removed_secret_no_longer_signs_in(admin: httpx.Client, tenant: RunningTenant, app: dict[str, Any]) -> None:
    first, second = secret(admin, app), secret(admin, app)
    for one in (first, second):
        assert tenant.sign_in(client_id=app["appId"], client_secret=one["secretText"]).status_code == 200
    admin.post(f"/applications/{app['id']}/removePassword", json={"keyId": first["keyId"]})
    answer = tenant.sign_in(client_id=app["appId"], client_secret=first["secretText"])
    assert _refused(answer) == (401, "invalid_client", 7000215)
    assert tenant.sign_in(client_id=app["appId"], client_secret=second["secretText"]).status_code == 200


def test_an_expired_secret_no_longer_signs_in(admin: httpx.Client, tenant: RunningTenant, app: dict[str, Any]) -> None:
    shown = secret(admin, app)
    tenant.control.put("/clock", json={"shiftSeconds": 800 * 86400})
    answer = tenant.sign_in(client_id=app["appId"], client_secret=shown["secretText"])
    assert _refused(answer) == (401, "invalid_client", 7000222)


def test_a_secret_of_the_service_principal_signs_in(
    admin: httpx.Client, tenant: RunningTenant, app: dict[str, Any]
) -> None:
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
) -> None:
    identity = tenant.identities["deploy"]
    whole = {"client_id": identity["clientId"], "client_secret": identity["secret"]} | form
    assert _refused(tenant.sign_in(**whole)) == expected


def test_another_tenant_is_not_found(tenant: RunningTenant) -> None:
    answer = tenant.http.post(
        f"/{uuid.uuid4()}/oauth2/v2.0/token", data={"grant_type": "client_credentials", "client_id": "x"}
    )
    assert _refused(answer) == (400, "invalid_request", 90002)


def test_a_disabled_service_principal_does_not_sign_in(
    admin: httpx.Client, tenant: RunningTenant, app: dict[str, Any]
) -> None:
    shown = secret(admin, app)
    holder = admin.get(f"/servicePrincipals(appId='{app['appId']}')").json()
    admin.patch(f"/servicePrincipals/{holder['id']}", json={"accountEnabled": False})
    answer = tenant.sign_in(client_id=app["appId"], client_secret=shown["secretText"])
    assert _refused(answer)[2] == 7000112


def test_an_own_api_gets_tokens_of_its_version(admin: httpx.Client, tenant: RunningTenant, app: dict[str, Any]) -> None:
    api = application(admin, "Api", api={"requestedAccessTokenVersion": 2}, identifierUris=["api://orders"])
    principal(admin, api)
    shown = secret(admin, app)
    answer = tenant.sign_in(client_id=app["appId"], client_secret=shown["secretText"], scope="api://orders/.default")
    claims = _claims(answer)
    assert (claims["ver"], claims["aud"], claims["azp"]) == ("2.0", api["appId"], app["appId"])
    assert code(tenant.with_token(answer.json()["access_token"]).get("/users")) == (401, "InvalidAuthenticationToken")


def test_a_certificate_signs_in_until_it_is_removed(
    admin: httpx.Client, tenant: RunningTenant, app: dict[str, Any], certificate: Certificate
) -> None:
    address = f"/applications/{app['id']}"
    assert admin.patch(address, json={"keyCredentials": [certificate.credential(certificate.pem)]}).status_code == 204
    (kept,) = admin.get(address).json()["keyCredentials"]
    assert kept["key"] is None
    assert admin.get(f"{address}?$select=keyCredentials").json()["keyCredentials"][0]["key"]
    assertion = certificate.assertion(app["appId"], f"{tenant.url}/{tenant.tenant_id}/oauth2/v2.0/token")
    form = {"client_id": app["appId"], "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
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
) -> None:
    for wrong in (
        {**certificate.credential(), "key": "AAAA"},
        {**certificate.credential(), "type": "Other"},
        {**certificate.credential(), "endDateTime": "2090-01-01T00:00:00Z"},
        {**certificate.credential(), "endDateTime": "2001-01-01T00:00:00Z"},
    ):
        assert admin.patch(f"/applications/{app['id']}", json={"keyCredentials": [wrong]}).status_code == 400


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
) -> None:
    trust(admin, app)
    assertion = outside_token(tenant, **claims)
    form = {"client_id": app["appId"], "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
    answer = tenant.sign_in(**form)
    if expected is None:
        assert _claims(answer)["roles"] == ["Directory.Read.All"]
    else:
        assert _refused(answer)[2] == expected


def test_a_federated_token_of_another_key_is_refused(
    admin: httpx.Client, tenant: RunningTenant, app: dict[str, Any], certificate: Certificate
) -> None:
    trust(admin, app)
    claims = jwt.decode(outside_token(tenant), options={"verify_signature": False})
    forged = jwt.encode(claims, certificate.key, algorithm="RS256")
    form = {"client_id": app["appId"], "client_assertion_type": ASSERTION_TYPE, "client_assertion": forged}
    assert _refused(tenant.sign_in(**form)) == (401, "invalid_client", 50013)
    form["client_assertion"] = unsigned(claims)
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
        "unsigned": unsigned(claims),
        "altered": f"{head}.{altered}.{signature}",
        "no signature": f"{head}.{body}.",
        "of another key": jwt.encode(claims, certificate.key, algorithm="RS256"),
        "of a shared secret": jwt.encode(claims, "x" * 32, algorithm="HS256"),
        "deep": f"{head}.{base64.urlsafe_b64encode(b'[' * 20000).decode()}.{signature}",
    }


def test_a_bad_token_opens_nothing(tenant: RunningTenant, bad_tokens: dict[str, str]) -> None:
    for name, token in bad_tokens.items():
        answer = tenant.http.get("/v1.0/applications", headers={"Authorization": f"Bearer {token}"})
        assert code(answer) == (401, "InvalidAuthenticationToken"), name


def test_a_token_expires(tenant: RunningTenant) -> None:
    client = tenant.as_("admin")
    tenant.control.put("/clock", json={"shiftSeconds": 3599})
    assert client.get("/users").status_code == 200
    tenant.control.put("/clock", json={"shiftSeconds": 3602})
    assert code(client.get("/users")) == (401, "InvalidAuthenticationToken")


def test_a_token_of_a_deleted_principal_opens_nothing(
    admin: httpx.Client, tenant: RunningTenant, app: dict[str, Any]
) -> None:
    shown = secret(admin, app)
    token = tenant.sign_in(client_id=app["appId"], client_secret=shown["secretText"]).json()["access_token"]
    admin.delete(f"/applications/{app['id']}")
    assert tenant.with_token(token).get("/users").status_code == 401
