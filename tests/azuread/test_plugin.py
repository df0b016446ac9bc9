"""What the plugin says and does where something is wrong, and what it keeps from everyone."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2, status_pb2

from tests.azuread.engine import CheckFailed, Declared, Engine, Json, Plan, Plugin, Program, Ref, to_struct, urn
from tests.azuread.sandbox import Sandbox

APPLICATION = "azuread:index/application:Application"
SERVICE_PRINCIPAL = "azuread:index/servicePrincipal:ServicePrincipal"
PASSWORD = "azuread:index/applicationPassword:ApplicationPassword"
GRANT = "azuread:index/appRoleAssignment:AppRoleAssignment"
OWNER = "azuread:index/applicationOwner:ApplicationOwner"
FEDERATED = "azuread:index/applicationFederatedIdentityCredential:ApplicationFederatedIdentityCredential"
NOBODY = "99999999-9999-4999-8999-999999999999"
ROLE: Json = {"id": NOBODY, "allowedMemberTypes": ["User"], "description": "Reads", "displayName": "Reader"}
DENIED: Json = {"error": {"code": "Authorization_RequestDenied", "message": "Insufficient privileges."}}


def app(**inputs: object) -> Program:
    return {"app": Declared(APPLICATION, {"displayName": "Reader", **inputs})}


def app_and_principal(**inputs: object) -> Program:
    return {**app(), "sp": Declared(SERVICE_PRINCIPAL, {"clientId": Ref("app", "clientId"), **inputs})}


def on_app(token: str, **inputs: object) -> Program:
    return {**app(), "it": Declared(token, {"applicationId": Ref("app", "id"), **inputs})}


def told(failing: Callable[[], object]) -> str:
    """The text with which a call fails."""
    with pytest.raises(grpc.RpcError) as caught:
        failing()
    return str(caught.value.details())


# ---------------------------------------------------------------------------------------------------- failures


def test_a_refused_creation_says_which_right_is_missing_and_leaves_nothing(engine: Engine, directory: Sandbox) -> None:
    directory.control(
        "POST", "/faults", {"method": "POST", "path": "/v1.0/applications", "status": 403, "body": DENIED}
    )
    assert told(lambda: engine.up(app())) == (
        "1 error occurred:\n\t* Could not create application: unexpected status 403 (403 Forbidden) with error: "
        "Authorization_RequestDenied: Insufficient privileges.\n\n"
    )
    assert directory.named("Reader") == []


def test_a_half_made_service_principal_keeps_its_id_and_is_completed_by_the_next_up(
    engine: Engine, directory: Sandbox
) -> None:
    engine.up(app())
    fault = {"method": "PATCH", "path": "/v1.0/servicePrincipals/*", "status": 404}
    directory.control("POST", "/faults", {**fault, "body": {"error": {"code": "Request_ResourceNotFound"}}})
    program = app_and_principal(description="reads", notes="kept")
    with pytest.raises(grpc.RpcError) as caught:
        engine.up(program)
    detail = half_made(caught.value)
    (there,) = directory.graph("GET", "/servicePrincipals?$filter=displayName eq 'Reader'")["value"]
    assert detail.id == f"/servicePrincipals/{there['id']}"
    assert there["description"].startswith("TERRAFORM_UPDATE_")
    engine.keep("sp", SERVICE_PRINCIPAL, detail, {"clientId": there["appId"], "description": "reads", "notes": "kept"})
    engine.refresh()
    assert engine.preview(program)["sp"].action == "update"
    engine.up(program)
    assert directory.graph("GET", f"/servicePrincipals/{there['id']}")["description"] == "reads"
    assert engine.preview(program) == {}


def half_made(error: grpc.RpcError) -> provider_pb2.ErrorResourceInitFailed:
    """What a failed creation tells of the resource that is there nevertheless."""
    metadata = {entry.key: entry.value for entry in error.trailing_metadata()}
    status = status_pb2.Status.FromString(metadata["grpc-status-details-bin"])
    detail = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(detail)
    assert detail.reasons == [error.details()]
    return detail


@pytest.mark.parametrize(
    ("program", "text"),
    [
        (
            {"it": Declared(PASSWORD, {"applicationId": f"/applications/{NOBODY}"})},
            f'[application_id] Application (Application: "{NOBODY}") was not found',
        ),
        (
            {"it": Declared(GRANT, {"appRoleId": NOBODY, "principalObjectId": NOBODY, "resourceObjectId": NOBODY})},
            f'[principal_object_id] Service principal not found for resource (Object ID: "{NOBODY}"): unexpected ',
        ),
        (
            {"it": Declared(SERVICE_PRINCIPAL, {"clientId": "00000003-0000-0000-c000-000000000000"})},
            "already exists: To be managed via Terraform, this resource needs to be imported into the State.",
        ),
        (
            {"it": Declared("azuread:index/directoryRole:DirectoryRole", {"displayName": "No such role"})},
            "no directory role template found",
        ),
    ],
    ids=["application", "api", "service-principal", "role"],
)
def test_what_is_not_there_or_there_already_is_told_in_the_plugins_words(
    engine: Engine, program: Program, text: str
) -> None:
    assert text in told(lambda: engine.up(program))


@pytest.mark.parametrize(
    ("function", "arguments", "text"),
    [
        ("getServicePrincipal", {"clientId": NOBODY}, "No service principal found: no service principal found"),
        ("getServicePrincipal", {"objectId": NOBODY}, "[object_id] Service Principal (Service Principal: "),
        ("getApplication", {"displayName": "Nobody"}, "Application not found: no applications found matching filter"),
        ("getUser", {"userPrincipalName": "no@contoso.example"}, 'User with UPN "no@contoso.example" was not found'),
        ("getUsers", {"objectIds": [NOBODY]}, f'[object_id] User not found with object ID: "{NOBODY}"'),
    ],
)
def test_a_function_that_finds_nothing_says_what_it_looked_for(
    plugin: Plugin, directory: Sandbox, function: str, arguments: Json, text: str
) -> None:
    del directory
    assert text in told(lambda: plugin.invoke(function, **arguments))


@pytest.mark.parametrize("status", [408, 424, 429, 500, 503])
def test_a_passing_fault_is_not_noticed(engine: Engine, directory: Sandbox, status: int) -> None:
    fault = {"method": "*", "path": "/v1.0/*", "status": status, "times": 2, "retryAfter": 0}
    directory.control("POST", "/faults", fault)
    engine.up(app_and_principal())
    assert engine.preview(app_and_principal()) == {}


def test_a_conflict_while_a_new_application_settles_is_waited_out(engine: Engine, directory: Sandbox) -> None:
    for status in (404, 409):
        fault = {"method": "PATCH", "path": "/v1.0/applications/*", "status": status, "retryAfter": 0}
        directory.control("POST", "/faults", fault)
    engine.up(app())
    assert [one["displayName"] for one in directory.named("Reader")] == ["Reader"]


# ---------------------------------------------------------------------------------------------------- inputs


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        (
            {"signInAudience": "PersonalMicrosoftAccount"},
            "`requested_access_token_version` must be 2 when `sign_in_audience` is ",
        ),
        (
            {"appRoles": [{**ROLE, "value": "a"}], "api": {"oauth2PermissionScopes": [{"id": NOBODY, "value": "b"}]}},
            f'validation failed: duplicate ID found: "{NOBODY}"',
        ),
    ],
)
def test_what_graph_would_refuse_is_refused_by_a_preview(engine: Engine, inputs: Json, text: str) -> None:
    assert text in told(lambda: engine.preview(app(**inputs)))


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ({"colour": "blue"}, 'unknown property "colour"'),
        ({"web": {"colour": "blue"}}, "Examine values at 'app.web.colour'."),
        ({"appRoles": [{"colour": 1}]}, "Examine values at 'app.appRoles[0].colour'."),
        ({"objectId": NOBODY}, 'unknown property "objectId"'),
        ({"templateId": NOBODY}, "is not covered by the sandbox's stand-in"),
        ({"displayName": None}, "Missing required property 'displayName'"),
        ({"owners": ["me"]}, 'expected "owners" to be a valid UUID, got me'),
        ({"tags": ["a"], "featureTags": [{}]}, "conflicts with"),
        ({"signInAudience": "Everyone"}, "expected sign_in_audience to be one of"),
        ({"web": {"redirectUris": ["https://contoso.example"]}}, "URI must have a trailing slash"),
    ],
)
def test_an_input_that_is_not_covered_or_not_valid_is_refused_by_name(engine: Engine, inputs: Json, text: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        engine.preview(app(**inputs))
    assert text in str(caught.value)


def test_a_resource_that_is_not_covered_is_refused_by_name(engine: Engine) -> None:
    text = told(lambda: engine.preview({"it": Declared("azuread:index/group:Group", {})}))
    assert text.startswith("azuread:index/group:Group is not covered by the sandbox's stand-in")


def test_a_flag_or_number_stands_for_its_text(engine: Engine) -> None:
    engine.up(on_app(PASSWORD, rotateWhenChanged={"generation": 1, "forced": True}))
    assert engine.state["it"].inputs["rotateWhenChanged"] == {"generation": "1", "forced": "true"}


# ---------------------------------------------------------------------------------------------------- changes


def test_removing_owners_and_roles_shows_each_of_them(engine: Engine, plugin: Plugin) -> None:
    me = plugin.invoke("getClientConfig")["objectId"]
    ada = plugin.invoke("getUser", userPrincipalName="ada@contoso.example")["objectId"]
    engine.up(app(owners=[ada, me], appRoles=[{**ROLE, "value": "Read"}], web={"homepageUrl": "https://a.example/"}))
    program = app(owners=[me], appRoles=[{**ROLE, "value": "ReadAll"}])
    assert engine.preview(program)["app"] == Plan(
        "update",
        {
            "appRoleIds": {"kind": "UPDATE"},
            "appRoles[0].value": {"kind": "UPDATE"},
            "owners[1]" if ada > me else "owners[0]": {"kind": "DELETE" if ada > me else "UPDATE"},
            "web.homepageUrl": {"kind": "DELETE"},
        }
        | ({} if ada > me else {"owners[1]": {"kind": "DELETE"}}),
    )
    engine.up(program)
    assert engine.preview(program) == {}


def test_twenty_two_owners_arrive(engine: Engine, directory: Sandbox) -> None:
    owners = []
    for number in range(22):
        made = directory.graph("POST", "/applications", {"displayName": f"Owner {number}"})
        owners.append(directory.graph("POST", "/servicePrincipals", {"appId": made["appId"]})["id"])
    engine.up(app(owners=owners))
    engine.refresh()
    assert engine.state["app"].outputs["owners"] == sorted(owners)
    assert engine.preview(app(owners=owners)) == {}


def test_what_was_deleted_by_hand_is_gone_after_a_refresh(engine: Engine, directory: Sandbox) -> None:
    program = on_app(OWNER, ownerObjectId="44444444-4444-4444-8444-444444444444")
    program = {"app": Declared(APPLICATION, {"displayName": "Reader"}), "it": program["it"]}
    engine.up(program)
    directory.graph("DELETE", f"/applications/{directory.named('Reader')[0]['id']}")
    engine.refresh()
    assert engine.state == {}


def test_an_imported_resource_has_the_inputs_that_would_make_it(engine: Engine, directory: Sandbox) -> None:
    program = on_app(FEDERATED, audiences=["a"], displayName="ci", issuer="https://i.example", subject="s")
    engine.up(program)
    made = engine.state.pop("it")
    engine.adopt("it", FEDERATED, made.id)
    assert engine.state["it"].inputs == {**made.inputs, "__defaults": []}
    assert engine.preview(program) == {}
    del directory


def test_an_imported_directory_role_leaves_to_graph_what_a_program_may_set_only_one_of(engine: Engine) -> None:
    role = "azuread:index/directoryRole:DirectoryRole"
    engine.up({"it": Declared(role, {"displayName": "Directory Readers"})})
    engine.adopt("it", role, engine.state.pop("it").id)
    assert engine.state["it"].inputs == {"__defaults": []}
    assert engine.preview({"it": Declared(role, {"displayName": "directory readers"})}) == {}


def test_an_import_with_an_id_of_another_form_is_refused(engine: Engine) -> None:
    assert 'parsing "nonsense"' in told(lambda: engine.adopt("app", APPLICATION, "nonsense"))


# ---------------------------------------------------------------------------------------------------- secrets


def test_a_secret_is_marked_as_one_in_previews_and_states(engine: Engine, plugin: Plugin) -> None:
    engine.up(app())
    inputs = {"applicationId": engine.state["app"].id, "displayName": "one"}
    for preview in (True, False):
        request = provider_pb2.CreateRequest(urn=urn("s", PASSWORD), properties=to_struct(inputs), preview=preview)
        made = plugin.calls.Create(request)
        value = made.properties["value"]
        assert value["4dabf18193072939515e22adb298388d"] == "1b47061264138c4ac30d75fd1eb44270"


# ---------------------------------------------------------------------------------------------------- the one tenant


@pytest.mark.parametrize(
    ("variables", "settings", "text"),
    [
        ({"ARM_METADATA_HOSTNAME": ""}, {}, "at the public cloud"),
        ({"ARM_METADATA_HOSTNAME": "login.contoso.example"}, {}, "at login.contoso.example"),
        ({}, {"metadataHost": "127.0.0.1:1"}, "at 127.0.0.1:1"),
        ({"ARM_TENANT_ID": NOBODY}, {}, f"was asked for {NOBODY}"),
        ({}, {"tenantId": NOBODY}, f"was asked for {NOBODY}"),
        ({"SANDBOX_HOME": ""}, {}, "SANDBOX_HOME names no sandbox"),
        ({"SANDBOX_HOME": "/nonexistent"}, {}, "the sandbox's tenant does not run in /nonexistent"),
        ({"ARM_CLIENT_SECRET": "wrong"}, {}, "clientCredentialsToken: received HTTP status 401 with response: "),
        ({}, {"partnerId": NOBODY}, "does not know the provider setting 'partnerId'"),
    ],
)
def test_no_tenant_but_the_sandboxs_is_reached(
    sandbox: Sandbox, variables: dict[str, str], settings: dict[str, str], text: str
) -> None:
    plugin = Plugin(sandbox, **variables)
    try:
        assert text in told(lambda: plugin.configure(**settings))
    finally:
        assert plugin.close() == 0


def test_an_endpoint_file_that_names_another_machine_is_not_believed(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "tenant").mkdir()
    endpoint = {**sandbox.endpoint, "host": "graph.contoso.example"}
    (tmp_path / "tenant" / "endpoint.json").write_text(json.dumps(endpoint))
    plugin = Plugin(sandbox, SANDBOX_HOME=str(tmp_path), ARM_METADATA_HOSTNAME="graph.contoso.example")
    try:
        assert "speaks to this machine only" in told(plugin.configure)
    finally:
        assert plugin.close() == 0


# ---------------------------------------------------------------------------------------------------- the end


def test_cancelling_ends_a_call_that_waits(directory: Sandbox) -> None:
    plugin = Plugin(directory)
    plugin.configure()
    directory.control("POST", "/faults", {"path": "/v1.0/*", "status": 503, "times": 9, "retryAfter": 3600})
    request = provider_pb2.CreateRequest(urn=urn("app", APPLICATION), properties=to_struct({"displayName": "Reader"}))
    waiting = plugin.calls.Create.future(request)
    while not any(call["status"] == 503 for call in directory.control("GET", "/calls")):
        pass
    assert plugin.close() == 0
    assert waiting.exception() is not None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_plugin_cleanly(sandbox: Sandbox, number: signal.Signals) -> None:
    plugin = Plugin(sandbox)
    plugin.configure()
    plugin.process.send_signal(number)
    _, said = plugin.process.communicate(timeout=20)
    assert (plugin.process.returncode, said) == (0, "")
    plugin.channel.close()
