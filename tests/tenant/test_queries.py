"""OData as Graph speaks it: filters, selection, paging, counting, expanding, and batches."""

from urllib.parse import quote

import httpx
import pytest

from tests.tenant.conftest import GRAPH, application, code, grant, principal

_EVENTUAL = {"ConsistencyLevel": "eventual"}


@pytest.fixture
def names(admin: httpx.Client) -> httpx.Client:
    """A client over a directory with some applications to find."""
    for name, tags in (("Alpha one", ["blue"]), ("Alpha two", ["red", "blue"]), ("O'Neil", []), ("Beta", ["red"])):
        application(admin, name, tags=tags, description=None if name == "Beta" else "described")
    return admin


def _found(client: httpx.Client, text: str, **headers: str) -> list[str]:
    answer = client.get(f"/applications?$filter={quote(text)}&$count=true", headers=headers)
    assert answer.status_code == 200, answer.text
    seeded = {"Pipeline deploy", "Pipeline preview", "Administrator"}
    return [one["displayName"] for one in answer.json()["value"] if one["displayName"] not in seeded]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("displayName eq 'Beta'", ["Beta"]),
        ("displayName eq 'beta'", ["Beta"]),
        ("displayName eq 'O''Neil'", ["O'Neil"]),
        ("startswith(displayName,'alpha')", ["Alpha one", "Alpha two"]),
        ("startsWith(displayName, 'Alpha') and tags/any(t:t eq 'red')", ["Alpha two"]),
        ("displayName eq 'Beta' or displayName eq 'Alpha one'", ["Alpha one", "Beta"]),
        ("(displayName eq 'Beta' or displayName eq 'Alpha one') and tags/any(x: x eq 'red')", ["Beta"]),
        ("displayName in ('Beta', 'O''Neil')", ["O'Neil", "Beta"]),
        ("tags/any(t:startswith(t,'bl'))", ["Alpha one", "Alpha two"]),
        ("signInAudience eq 'AzureADMyOrg' and displayName eq 'Beta'", ["Beta"]),
        ("displayName eq null", []),
    ],
)
def test_a_filter_finds_what_it_says(names: httpx.Client, text: str, expected: list[str]) -> None:
    assert _found(names, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("displayName ne 'Beta'", ["Alpha one", "Alpha two", "O'Neil"]),
        ("not startswith(displayName,'Alpha')", ["O'Neil", "Beta"]),
        ("endswith(displayName,'one')", ["Alpha one"]),
        ("tags/$count eq 2", ["Alpha two"]),
    ],
)
def test_an_advanced_filter_needs_the_consistency_level(names: httpx.Client, text: str, expected: list[str]) -> None:
    assert _found(names, text, **_EVENTUAL) == expected
    answer = names.get(f"/applications?$filter={quote(text)}")
    assert code(answer) == (400, "Request_UnsupportedQuery")


@pytest.mark.parametrize(
    "query",
    [
        "$filter=noSuch eq 'x'",
        "$filter=displayName eq",
        "$filter=displayName eq 7",
        "$filter=",
        "$filter=(displayName eq 'x'",
        "$filter=tags/any(t:noSuch eq 'x')",
        "$filter=" + "(" * 200 + "displayName eq 'x'" + ")" * 200,
        "$filter=" + "not " * 2000 + "displayName eq 'x'",
        "$filter=contains(displayName,'x')",
        "$select=noSuch",
        "$expand=noSuch",
        "$expand=noSuch&$filter=displayName eq 'nobody'",
        "$top=0",
        "$top=1000",
        "$top=many",
        "$top=-1",
        "$skip=1",
        "$noSuch=1",
        "$orderby=noSuch",
        "$search=x",
        "$count=maybe",
        "$skiptoken=%%%",
        "$top=1&$top=2",
    ],
)
def test_a_query_that_graph_does_not_answer_is_a_bad_request(admin: httpx.Client, query: str) -> None:
    answer = admin.get(f"/applications?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_select_gives_only_what_was_selected(names: httpx.Client) -> None:
    one = names.get("/applications?$select=displayName,appId&$top=1").json()["value"][0]
    assert set(one) == {"displayName", "appId"}


def test_pages_hold_every_object_once(names: httpx.Client) -> None:
    address: str | None = "/applications?$top=2&$select=displayName"
    pages = []
    while address:
        body = names.get(address).json()
        pages.append([one["displayName"] for one in body["value"]])
        address = body.get("@odata.nextLink")
        assert len(pages) < 10
    assert [len(page) for page in pages] == [2, 2, 2, 1]
    assert len({name for page in pages for name in page}) == 7


def test_counting_needs_the_consistency_level(names: httpx.Client) -> None:
    counted = names.get("/applications?$count=true&$top=1", headers=_EVENTUAL).json()
    assert (counted["@odata.count"], len(counted["value"])) == (7, 1)
    assert "@odata.count" not in names.get("/applications?$count=true").json()
    assert names.get("/applications/$count", headers=_EVENTUAL).text == "7"
    assert names.get("/applications/$count").status_code == 400


def test_an_order_goes_across_pages(names: httpx.Client) -> None:
    address: str | None = "/applications?$orderby=displayName desc&$top=3"
    found: list[str] = []
    while address:
        body = names.get(address).json()
        found += [one["displayName"] for one in body["value"]]
        address = body.get("@odata.nextLink")
    assert found == sorted(found, key=str.lower, reverse=True)
    assert len(found) == 7


@pytest.mark.parametrize("address", ["applications(appId='{app}')", "Applications/{id}", "applications('{id}')"])
def test_an_object_is_addressed_by_id_or_by_app_id(admin: httpx.Client, address: str) -> None:
    app = application(admin)
    found = admin.get("/" + address.format(app=app["appId"], id=app["id"]))
    assert found.json()["id"] == app["id"]


def test_expand_brings_the_related_objects(admin: httpx.Client) -> None:
    holder = principal(admin, application(admin))
    given = grant(admin, holder)
    body = admin.get(f"/servicePrincipals/{holder['id']}?$expand=appRoleAssignments").json()
    assert [one["id"] for one in body["appRoleAssignments"]] == [given["id"]]
    (listed,) = admin.get("/groups?$filter=displayName eq 'Identity Team'&$expand=members($select=id)").json()["value"]
    assert {frozenset(one) for one in listed["members"]} == {frozenset({"@odata.type", "id"})}


def test_users_are_read_by_id_and_by_principal_name(admin: httpx.Client) -> None:
    one = admin.get("/users/linus@contoso.example").json()
    assert admin.get(f"/users/{one['id']}").json()["displayName"] == "Linus Specimen"
    assert admin.get(f"/users/{one['id']}/manager").json()["userPrincipalName"] == "grace@contoso.example"
    assert admin.get("/users/44444444-4444-4444-8444-444444444444/manager").status_code == 404
    assert len(admin.get("/users?$top=2").json()["value"]) == 2


def test_objects_of_many_kinds_are_read_by_their_ids(admin: httpx.Client) -> None:
    app, ada = application(admin), "44444444-4444-4444-8444-444444444444"
    body = {"ids": [ada, app["id"], "99999999-9999-4999-8999-999999999999"]}
    found = admin.post("/directoryObjects/getByIds", json=body).json()["value"]
    assert {one["@odata.type"] for one in found} == {"#microsoft.graph.user", "#microsoft.graph.application"}
    only = admin.post("/directoryObjects/getByIds", json={**body, "types": ["user"]}).json()["value"]
    assert [one["id"] for one in only] == [ada]


def test_a_batch_answers_each_request_as_if_alone(admin: httpx.Client) -> None:
    json_type = {"Content-Type": "application/json"}
    requests = [
        {"id": "1", "method": "POST", "url": "/applications", "body": {"displayName": "Batch"}, "headers": json_type},
        {
            "id": "2",
            "method": "GET",
            "url": f"/servicePrincipals?$filter=appId eq '{GRAPH}'&$select=id",
            "dependsOn": ["1"],
        },
        {"id": "3", "method": "GET", "url": "/applications/99999999-9999-4999-8999-999999999999"},
        {"id": "4", "method": "GET", "url": "/users", "dependsOn": ["3"]},
    ]
    answer = admin.post("/$batch", json={"requests": requests})
    by_id = {one["id"]: one for one in answer.json()["responses"]}
    assert {key: one["status"] for key, one in by_id.items()} == {"1": 201, "2": 200, "3": 404, "4": 424}
    assert by_id["1"]["body"]["displayName"] == "Batch"
    assert by_id["3"]["body"]["error"]["code"] == "Request_ResourceNotFound"


def test_a_batch_has_at_most_20_requests(admin: httpx.Client) -> None:
    requests = [{"id": str(number), "method": "GET", "url": "/users"} for number in range(21)]
    assert admin.post("/$batch", json={"requests": requests}).status_code == 400


def test_beta_answers_as_v1_does(admin: httpx.Client) -> None:
    app = application(admin)
    body = admin.get(f"../beta/applications/{app['id']}?$select=oauth2RequirePostResponse").json()
    assert body["oauth2RequirePostResponse"] is False
