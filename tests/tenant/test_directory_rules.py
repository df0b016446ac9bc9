"""What the directory refuses, with Graph's status and code, and what it fills in."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.tenant.conftest import (
    DIRECTORY_READ_ALL,
    GRAPH,
    RunningTenant,
    application,
    code,
    grant,
    graph_principal,
    made,
    principal,
    secret,
)

_UNKNOWN = "99999999-9999-4999-8999-999999999999"
_ROLE = {
    "allowedMemberTypes": ["Application"],
    "description": "Reads",
    "displayName": "Reader",
    "id": "77777777-7777-4777-8777-777777777777",
    "isEnabled": True,
    "value": "Read.All",
}


@pytest.mark.parametrize("kind", ["applications", "servicePrincipals", "groups", "directory/deletedItems"])
def test_an_unknown_id_is_not_found(admin: httpx.Client, kind: str) -> None:
    answer = admin.get(f"/{kind}/{_UNKNOWN}")
    assert code(answer) == (404, "Request_ResourceNotFound")
    assert answer.json()["error"]["message"] == (
        f"Resource '{_UNKNOWN}' does not exist or one of its queried reference-property objects are not present."
    )


def test_an_id_that_is_no_guid_is_a_bad_request(admin: httpx.Client) -> None:
    assert code(admin.get("/applications/not-a-guid")) == (400, "Request_BadRequest")


def test_an_error_carries_the_ids_that_support_asks_for(admin: httpx.Client) -> None:
    answer = admin.get(f"/applications/{_UNKNOWN}", headers={"client-request-id": "abc"})
    inner = answer.json()["error"]["innerError"]
    assert inner["client-request-id"] == "abc" == answer.headers["client-request-id"]
    assert inner["request-id"] == answer.headers["request-id"]


@pytest.mark.parametrize("name", ["", "x" * 257, None])
def test_a_display_name_has_1_to_256_letters(admin: httpx.Client, name: str | None) -> None:
    assert code(admin.post("/applications", json={"displayName": name})) == (400, "Request_BadRequest")
    app = application(admin, "x" * 256)
    assert code(admin.patch(f"/applications/{app['id']}", json={"displayName": name})) == (400, "Request_BadRequest")


def test_a_display_name_is_required(admin: httpx.Client) -> None:
    answer = admin.post("/applications", json={})
    assert code(answer) == (400, "Request_BadRequest")
    assert "displayName" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"displayName": "x", "noSuch": 1}, "Request_BadRequest"),
        ({"displayName": "x", "appId": _UNKNOWN}, "Request_BadRequest"),
        ({"displayName": "x", "signInAudience": "Everyone"}, "Request_BadRequest"),
        ({"displayName": 7}, "BadRequest"),
        ({"displayName": "x", "tags": "a"}, "BadRequest"),
        ({"displayName": "x", "tags": None}, "BadRequest"),
        ({"displayName": "x", "tags": [1]}, "BadRequest"),
        ({"displayName": "x", "web": []}, "BadRequest"),
        ({"displayName": "x", "web": {"noSuch": 1}}, "BadRequest"),
        ({"displayName": "x", "isFallbackPublicClient": "yes"}, "BadRequest"),
        ({"displayName": "x", "api": {"requestedAccessTokenVersion": 1.5}}, "BadRequest"),
        ({"displayName": "x", "tags": ["a", "a"]}, "Request_BadRequest"),
        ({"displayName": "x", "owners@odata.bind": [f"https://x/directoryObjects/{_UNKNOWN}"]}, None),
    ],
)
def test_a_body_that_breaks_the_types_changes_nothing(
    admin: httpx.Client, body: dict[str, Any], expected: str | None
) -> None:
    before = admin.get("/applications").json()["value"]
    answer = admin.post("/applications", json=body)
    assert answer.status_code in (400, 404)
    assert expected is None or code(answer) == (400, expected)
    assert admin.get("/applications").json()["value"] == before


def test_patch_merges_complex_values_and_replaces_lists(admin: httpx.Client) -> None:
    app = application(
        admin, tags=["a"], web={"homePageUrl": "https://one.example", "redirectUris": ["https://a.example"]}
    )
    change = {"tags": ["b"], "web": {"logoutUrl": "https://out.example"}}
    assert admin.patch(f"/applications/{app['id']}", json=change).status_code == 204
    after = admin.get(f"/applications/{app['id']}").json()
    assert after["tags"] == ["b"]
    assert after["web"]["homePageUrl"] == "https://one.example"
    assert after["web"]["logoutUrl"] == "https://out.example"
    assert after["web"]["redirectUris"] == ["https://a.example"]


def test_identifier_uris_are_unique_and_on_a_verified_domain(admin: httpx.Client) -> None:
    application(admin, identifierUris=["https://contoso.example/app"])
    again = admin.post("/applications", json={"displayName": "x", "identifierUris": ["https://contoso.example/app"]})
    assert code(again) == (400, "Request_BadRequest")
    other = admin.post("/applications", json={"displayName": "x", "identifierUris": ["https://fabrikam.example/app"]})
    assert code(other) == (400, "HostNameNotOnVerifiedDomain")


def test_a_second_service_principal_for_an_application_is_a_conflict(admin: httpx.Client) -> None:
    app = application(admin)
    principal(admin, app)
    answer = admin.post("/servicePrincipals", json={"appId": app["appId"]})
    assert code(answer) == (409, "Request_MultipleObjectsWithSameKeyValue")


def test_a_service_principal_needs_an_application(admin: httpx.Client) -> None:
    answer = admin.post("/servicePrincipals", json={"appId": _UNKNOWN})
    assert code(answer) == (400, "Request_BadRequest")
    assert answer.json()["error"]["message"] == (
        f"The appId '{_UNKNOWN}' of the service principal does not reference a valid application object."
    )


def test_a_service_principal_follows_its_application_and_keeps_its_own_name(admin: httpx.Client) -> None:
    app = application(admin)
    holder = principal(admin, app)
    admin.patch(f"/applications/{app['id']}", json={"displayName": "Renamed", "appRoles": [_ROLE]})
    after = admin.get(f"/servicePrincipals/{holder['id']}").json()
    assert (after["displayName"], after["appDisplayName"], after["appRoles"][0]["value"]) == (
        holder["displayName"],
        "Renamed",
        "Read.All",
    )


def test_an_unknown_app_role_is_not_granted(admin: httpx.Client) -> None:
    holder, graph = principal(admin, application(admin)), graph_principal(admin)
    body = {"principalId": holder["id"], "resourceId": graph["id"], "appRoleId": _UNKNOWN}
    answer = admin.post(f"/servicePrincipals/{graph['id']}/appRoleAssignedTo", json=body)
    assert code(answer) == (400, "Request_BadRequest")
    assert answer.json()["error"]["message"] == f"Permission being assigned was not found on application '{GRAPH}'."


def test_a_grant_is_given_once(admin: httpx.Client) -> None:
    holder = principal(admin, application(admin))
    grant(admin, holder)
    body = {"principalId": holder["id"], "resourceId": graph_principal(admin)["id"], "appRoleId": DIRECTORY_READ_ALL}
    answer = admin.post(f"/servicePrincipals/{holder['id']}/appRoleAssignments", json=body)
    assert code(answer) == (400, "Request_BadRequest")
    assert answer.json()["error"]["message"].startswith("Permission being assigned already exists on the object")


def test_a_grant_is_seen_from_both_ends(admin: httpx.Client) -> None:
    holder = principal(admin, application(admin))
    given = grant(admin, holder)
    graph = graph_principal(admin)
    to = admin.get(f"/servicePrincipals/{graph['id']}/appRoleAssignedTo").json()["value"]
    of = admin.get(f"/servicePrincipals/{holder['id']}/appRoleAssignments").json()["value"]
    assert given["id"] in [one["id"] for one in to]
    assert [one["id"] for one in of] == [given["id"]]
    assert code(admin.get(f"/servicePrincipals/{holder['id']}/appRoleAssignedTo/{given['id']}"))[0] == 404


def test_an_enabled_app_role_is_not_removed(admin: httpx.Client) -> None:
    app = application(admin, appRoles=[_ROLE])
    answer = admin.patch(f"/applications/{app['id']}", json={"appRoles": []})
    assert code(answer) == (400, "CannotDeleteOrUpdateEnabledEntitlement")
    assert "disabled first" in answer.json()["error"]["message"]
    admin.patch(f"/applications/{app['id']}", json={"appRoles": [{**_ROLE, "isEnabled": False}]})
    assert admin.patch(f"/applications/{app['id']}", json={"appRoles": []}).status_code == 204


def test_a_secret_is_shown_once(admin: httpx.Client) -> None:
    app = application(admin)
    shown = secret(admin, app, displayName="one")
    assert len(shown["secretText"]) >= 32
    (kept,) = admin.get(f"/applications/{app['id']}").json()["passwordCredentials"]
    assert kept["secretText"] is None
    assert {**shown, "secretText": None, "@odata.context": None} == {**kept, "@odata.context": None}
    assert kept["hint"] == shown["secretText"][:3]


def test_a_secret_given_at_creation_is_shown_once_too(admin: httpx.Client) -> None:
    app = application(admin, passwordCredentials=[{"displayName": "inline"}])
    assert app["passwordCredentials"][0]["secretText"]
    assert admin.get(f"/applications/{app['id']}").json()["passwordCredentials"][0]["secretText"] is None


def test_a_secret_lives_two_years_unless_told(admin: httpx.Client) -> None:
    shown = secret(admin, application(admin))
    start, end = (datetime.fromisoformat(shown[name]) for name in ("startDateTime", "endDateTime"))
    assert (end.year - start.year, end - end.replace(year=start.year + 2)) == (2, timedelta(0))


def test_an_end_date_is_echoed_as_it_was_given(admin: httpx.Client) -> None:
    assert (
        secret(admin, application(admin), endDateTime="2031-01-31T00:00:00Z")["endDateTime"] == "2031-01-31T00:00:00Z"
    )


@pytest.mark.parametrize(
    "dates",
    [
        {"endDateTime": "2001-01-01T00:00:00Z"},
        {"startDateTime": "2040-01-02T00:00:00Z", "endDateTime": "2040-01-01T00:00:00Z"},
        {"startDateTime": "2040-01-01T00:00:00Z", "endDateTime": "2040-01-01T00:00:00Z"},
        {"endDateTime": "tomorrow"},
        {"endDateTime": "2040-13-01T00:00:00Z"},
    ],
)
def test_a_secret_without_a_time_to_work_in_is_refused(admin: httpx.Client, dates: dict[str, str]) -> None:
    app = application(admin)
    answer = admin.post(f"/applications/{app['id']}/addPassword", json={"passwordCredential": dates})
    assert answer.status_code == 400
    assert admin.get(f"/applications/{app['id']}").json()["passwordCredentials"] == []


def test_only_a_secret_that_is_there_is_removed(admin: httpx.Client) -> None:
    app = application(admin)
    shown = secret(admin, app)
    remove = f"/applications/{app['id']}/removePassword"
    assert code(admin.post(remove, json={"keyId": _UNKNOWN})) == (400, "Request_BadRequest")
    assert admin.post(remove, json={"keyId": shown["keyId"]}).status_code == 204
    assert code(admin.post(remove, json={"keyId": shown["keyId"]})) == (400, "Request_BadRequest")


def test_patch_adds_no_secret(admin: httpx.Client) -> None:
    app = application(admin)
    body = {"passwordCredentials": [{"displayName": "x"}]}
    assert code(admin.patch(f"/applications/{app['id']}", json=body)) == (400, "Request_BadRequest")


def _federated(**more: object) -> dict[str, object]:
    return {
        "name": "main",
        "issuer": "https://token.example",
        "subject": "repo:contoso/identity",
        "audiences": ["api://AzureADTokenExchange"],
        **more,
    }


def test_a_federated_credential_is_unique_by_name_and_by_issuer_and_subject(admin: httpx.Client) -> None:
    address = f"/applications/{application(admin)['id']}/federatedIdentityCredentials"
    first = made(admin.post(address, json=_federated()))
    for again in (_federated(subject="other"), _federated(name="other")):
        assert code(admin.post(address, json=again)) == (409, "Request_MultipleObjectsWithSameKeyValue")
    assert admin.get(f"{address}/{first['id']}").json()["subject"] == "repo:contoso/identity"
    assert admin.get(f"{address}/main").json()["id"] == admin.get(f"{address}(name='main')").json()["id"] == first["id"]
    assert admin.patch(f"{address}/{first['id']}", json={"subject": "moved"}).status_code == 204
    assert [one["subject"] for one in admin.get(address).json()["value"]] == ["moved"]
    assert admin.delete(f"{address}/{first['id']}").status_code == 204
    assert admin.get(f"{address}/{first['id']}").status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"audiences": []},
        {"audiences": ["a", "b"]},
        {"name": "a b"},
        {"name": "x" * 121},
        {"issuer": "not an address"},
        {"subject": "x" * 601},
        {"subject": ""},
    ],
)
def test_a_federated_credential_keeps_its_limits(admin: httpx.Client, wrong: dict[str, object]) -> None:
    address = f"/applications/{application(admin)['id']}/federatedIdentityCredentials"
    assert code(admin.post(address, json=_federated(**wrong))) == (400, "Request_BadRequest")


def test_an_application_has_at_most_20_federated_credentials(admin: httpx.Client) -> None:
    address = f"/applications/{application(admin)['id']}/federatedIdentityCredentials"
    for number in range(20):
        made(admin.post(address, json=_federated(name=f"name-{number}", subject=str(number))))
    assert admin.post(address, json=_federated()).status_code == 400


def test_a_delegated_grant_is_one_per_client_and_resource(admin: httpx.Client) -> None:
    holder, graph = principal(admin, application(admin)), graph_principal(admin)
    body = {"clientId": holder["id"], "resourceId": graph["id"], "consentType": "AllPrincipals", "scope": "User.Read"}
    given = made(admin.post("/oauth2PermissionGrants", json=body))
    assert code(admin.post("/oauth2PermissionGrants", json=body)) == (409, "Request_MultipleObjectsWithSameKeyValue")
    admin.patch(f"/oauth2PermissionGrants/{given['id']}", json={"scope": "User.Read Directory.Read.All"})
    assert admin.get(f"/oauth2PermissionGrants/{given['id']}").json()["scope"] == "User.Read Directory.Read.All"
    assert admin.delete(f"/oauth2PermissionGrants/{given['id']}").status_code == 204


def test_a_directory_role_is_activated_once(admin: httpx.Client) -> None:
    readers = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b"
    role = made(admin.post("/directoryRoles", json={"roleTemplateId": readers}))
    assert role["displayName"] == "Directory Readers"
    assert admin.post("/directoryRoles", json={"roleTemplateId": readers}).status_code == 400
    found = admin.get(f"/directoryRoles?$filter=roleTemplateId eq '{readers}'").json()["value"]
    assert [one["id"] for one in found] == [role["id"]]


def test_deleting_takes_principal_and_grants_along_and_restoring_brings_them_back(
    admin: httpx.Client, tenant: RunningTenant
) -> None:
    app = application(admin)
    holder, shown = principal(admin, app), secret(admin, app)
    given = grant(admin, holder)
    graph = graph_principal(admin)
    addresses = [
        f"/applications/{app['id']}",
        f"/servicePrincipals/{holder['id']}",
        f"/servicePrincipals/{graph['id']}/appRoleAssignedTo/{given['id']}",
    ]
    assert admin.delete(addresses[0]).status_code == 204
    assert [admin.get(one).status_code for one in addresses] == [404, 404, 404]
    assert tenant.sign_in(client_id=app["appId"], client_secret=shown["secretText"]).status_code == 400
    assert admin.delete(addresses[0]).status_code == 404
    deleted = admin.get("/directory/deletedItems/microsoft.graph.application").json()["value"]
    assert [one["id"] for one in deleted] == [app["id"]]
    assert deleted[0]["deletedDateTime"]
    assert admin.post(f"/directory/deletedItems/{app['id']}/restore").status_code == 200
    assert [admin.get(one).status_code for one in addresses] == [200, 200, 200]
    assert admin.get(addresses[0]).json()["deletedDateTime"] is None
    assert tenant.sign_in(client_id=app["appId"], client_secret=shown["secretText"]).status_code == 200


def test_a_purged_application_does_not_come_back(admin: httpx.Client) -> None:
    app = application(admin)
    principal(admin, app)
    admin.delete(f"/applications/{app['id']}")
    assert admin.delete(f"/directory/deletedItems/{app['id']}").status_code == 204
    assert admin.post(f"/directory/deletedItems/{app['id']}/restore").status_code == 404
    assert admin.get("/directory/deletedItems").json()["value"] == []


def test_deleting_only_the_principal_leaves_the_application(admin: httpx.Client) -> None:
    app = application(admin)
    holder = principal(admin, app)
    grant(admin, holder)
    admin.delete(f"/servicePrincipals/{holder['id']}")
    assert admin.get(f"/applications/{app['id']}").status_code == 200
    again = principal(admin, app)
    assert admin.get(f"/servicePrincipals/{again['id']}/appRoleAssignments").json()["value"] == []
    assert code(admin.post(f"/directory/deletedItems/{holder['id']}/restore"))[0] == 409


def test_an_identity_with_owned_by_changes_only_what_it_owns(admin: httpx.Client, tenant: RunningTenant) -> None:
    deploy = tenant.as_("deploy")
    mine, other = application(deploy), application(admin, "Not mine")
    assert deploy.patch(f"/applications/{mine['id']}", json={"notes": "x"}).status_code == 204
    other_holder = principal(admin, other)
    for answer in (
        deploy.patch(f"/applications/{other['id']}", json={"notes": "x"}),
        deploy.delete(f"/applications/{other['id']}"),
        deploy.post(f"/applications/{other['id']}/addPassword", json={}),
        deploy.patch(f"/servicePrincipals/{other_holder['id']}", json={"notes": "x"}),
        deploy.post("/servicePrincipals", json={"appId": application(admin, "No principal")["appId"]}),
    ):
        assert code(answer) == (403, "Authorization_RequestDenied")


def test_an_identity_that_leaves_the_owners_locks_itself_out(tenant: RunningTenant) -> None:
    deploy = tenant.as_("deploy")
    app = application(deploy)
    owner = tenant.identities["deploy"]["objectId"]
    assert [one["id"] for one in deploy.get(f"/applications/{app['id']}/owners").json()["value"]] == [owner]
    assert deploy.delete(f"/applications/{app['id']}/owners/{owner}/$ref").status_code == 204
    assert code(deploy.delete(f"/applications/{app['id']}")) == (403, "Authorization_RequestDenied")


def test_an_owner_is_added_once_and_removed_once(admin: httpx.Client, tenant: RunningTenant) -> None:
    app, ada = application(admin), "44444444-4444-4444-8444-444444444444"
    address = f"/applications/{app['id']}/owners"
    body = {"@odata.id": f"{tenant.url}/v1.0/directoryObjects/{ada}"}
    assert admin.post(f"{address}/$ref", json=body).status_code == 204
    assert code(admin.post(f"{address}/$ref", json=body)) == (400, "Request_BadRequest")
    assert (
        admin.get(f"{address}?$filter=id eq '{ada}'").json()["value"][0]["userPrincipalName"] == "ada@contoso.example"
    )
    (with_owners,) = admin.get(f"/applications?$filter=appId eq '{app['appId']}'&$expand=owners").json()["value"]
    assert ada in [one["id"] for one in with_owners["owners"]]
    assert admin.delete(f"{address}/{ada}/$ref").status_code == 204
    assert admin.delete(f"{address}/{ada}/$ref").status_code == 404
