"""The components' own rules, on a recorded monitor."""

from collections.abc import Mapping
from typing import Any, cast

import pulumi
import pytest

from components import EntraApplication, IdentityManagerRegistration, IdentityManagerRegistrationArgs
from tests.monitor import GRAPH, ROLE_IDS, TENANT, Recorder, Resolved, run

BASE: IdentityManagerRegistrationArgs = {
    "organization": "Contoso",
    "secrets": ["2026-12-31", "2027-11-24", "2027-01-01"],
    "graph_api_url": "https://graph.microsoft.com/v1.0/",
}
OUTPUTS = (
    "application_id",
    "tenant_id",
    "client_secret",
    "secret_expires_on",
    "display_name",
    "service_principal_object_id",
    "granted_permissions",
    "agent_settings",
    "agent_environment",
)


def register(recorder: Recorder, *, preview: bool = False, **changes: object) -> dict[str, Resolved]:
    args = cast("IdentityManagerRegistrationArgs", {**BASE, **changes})

    def program() -> Mapping[str, pulumi.Output[object]]:
        registration = IdentityManagerRegistration("im", args)
        return {name: getattr(registration, name) for name in OUTPUTS}

    return run(program, recorder, preview=preview)


def permissions_declared(recorder: Recorder) -> list[str]:
    [application] = recorder.of_type("Application")
    accesses = cast("list[dict[str, Any]]", application.inputs["requiredResourceAccesses"])
    return [access["id"] for api in accesses for access in api["resourceAccesses"]]


def permissions_granted(recorder: Recorder) -> list[object]:
    return [grant.inputs["appRoleId"] for grant in recorder.of_type("AppRoleAssignment")]


@pytest.mark.parametrize(
    ("fulfillment", "permission"), [(False, "Directory.Read.All"), (True, "Directory.ReadWrite.All")]
)
def test_exactly_one_directory_permission_is_declared_and_consented(fulfillment: bool, permission: str) -> None:
    recorder = Recorder()
    outputs = register(recorder, fulfillment=fulfillment)
    assert permissions_declared(recorder) == [ROLE_IDS[permission]]
    assert permissions_granted(recorder) == [ROLE_IDS[permission]]
    assert outputs["granted_permissions"].value == [permission]


def test_the_connection_is_the_documented_one_unless_another_is_named() -> None:
    for fulfillment, connection in ((False, "MicrosoftEntraIDExport"), (True, "MicrosoftEntraIDExportFulfillment")):
        settings = register(Recorder(), fulfillment=fulfillment)["agent_settings"].value
        assert list(cast("dict[str, dict[str, str]]", settings)["Connections"]) == [connection]


def test_the_application_is_what_the_guide_asks_for() -> None:
    recorder = Recorder()
    register(recorder)
    [application] = recorder.of_type("Application")
    assert application.inputs["displayName"] == "Identity Manager Contoso"
    assert application.inputs["signInAudience"] == "AzureADMyOrg"
    assert application.inputs["preventDuplicateNames"] is True
    assert "web" not in application.inputs
    assert {one.inputs["displayName"] for one in recorder.of_type("ApplicationPassword")} == {
        "Identity Manager Contoso Secret 2026-12-31",
        "Identity Manager Contoso Secret 2027-01-01",
        "Identity Manager Contoso Secret 2027-11-24",
    }


def test_owners_are_on_application_and_service_principal() -> None:
    recorder = Recorder()
    register(recorder, owners=["ada", "deployer"])
    for kind in ("Application", "ServicePrincipal"):
        assert [one.inputs["owners"] for one in recorder.of_type(kind)] == [["ada", "deployer"]]


def test_each_connection_has_a_secret_of_its_own_and_the_newest_is_handed_out() -> None:
    recorder = Recorder()
    outputs = register(recorder, connections=["Export", "Fulfillment"])
    assert len(recorder.of_type("ApplicationPassword")) == 6
    assert outputs["secret_expires_on"].value == "2027-11-24"
    assert outputs["client_secret"].value == "value-of-im-Export-2027-11-24"
    assert outputs["agent_settings"].value == {
        "Connections": {
            name: {
                "ApplicationId": "client-id-of-im",
                "ApplicationKey": f"value-of-im-{name}-2027-11-24",
                "TenantId": TENANT,
                "MicrosoftGraphPathApi": "https://graph.microsoft.com/v1.0/",
            }
            for name in ("Export", "Fulfillment")
        }
    }
    environment = cast("dict[str, str]", outputs["agent_environment"].value)
    assert environment["Connections__Fulfillment__ApplicationKey"] == "value-of-im-Fulfillment-2027-11-24"
    assert len(environment) == 8


def test_a_response_uri_is_registered_and_handed_to_the_agent() -> None:
    recorder = Recorder()
    outputs = register(recorder, response_uri="https://agent.contoso.example")
    [application] = recorder.of_type("Application")
    assert application.inputs["web"] == {"redirectUris": ["https://agent.contoso.example"]}
    settings = cast("dict[str, dict[str, dict[str, str]]]", outputs["agent_settings"].value)
    assert settings["Connections"]["MicrosoftEntraIDExport"]["ResponseUri"] == "https://agent.contoso.example"


def test_what_holds_a_secret_is_a_secret_and_nothing_else_is() -> None:
    outputs = register(Recorder())
    assert {name for name, resolved in outputs.items() if resolved.secret} == {
        "client_secret",
        "agent_settings",
        "agent_environment",
    }


def test_a_preview_with_nothing_known_declares_all_and_invents_nothing() -> None:
    recorder = Recorder(unknown=True)
    outputs = register(recorder, preview=True)
    assert len(recorder.of_type("ApplicationPassword")) == 3
    assert permissions_granted(recorder) == [ROLE_IDS["Directory.Read.All"]]
    unknown = {"application_id", "client_secret", "service_principal_object_id", "agent_settings", "agent_environment"}
    assert {name for name, resolved in outputs.items() if not resolved.known} == unknown
    assert all(outputs[name].secret for name in ("client_secret", "agent_settings", "agent_environment"))


def test_permissions_of_other_apis_are_granted_on_their_own_service_principal() -> None:
    recorder = Recorder()
    outputs = register(
        recorder,
        additional_permissions={"Office365Management": ["ActivityFeed.Read"], GRAPH: ["AuditLog.Read.All"]},
    )
    assert set(permissions_granted(recorder)) == {
        ROLE_IDS["Directory.Read.All"],
        ROLE_IDS["AuditLog.Read.All"],
        "role-of-feed",
    }
    assert "Office365Management/ActivityFeed.Read" in cast("list[str]", outputs["granted_permissions"].value)


def test_the_order_of_permissions_in_the_settings_changes_nothing() -> None:
    declared = []
    for names in (["User.ReadWrite.All", "AuditLog.Read.All"], ["AuditLog.Read.All", "User.ReadWrite.All"]):
        recorder = Recorder()
        register(recorder, additional_permissions={"MicrosoftGraph": names})
        declared.append(permissions_declared(recorder))
    assert declared[0] == declared[1]


def test_unknown_permissions_and_apis_stop_the_program_with_the_nearest_names() -> None:
    recorder = Recorder()
    with pytest.raises(pulumi.RunError) as refused:
        register(
            recorder,
            additional_permissions={
                "MicrosoftGraph": ["AuditLogs.Read.All"],
                "Office365Managment": ["ActivityFeed.Read"],
            },
        )
    assert "AuditLogs.Read.All. The nearest are AuditLog.Read.All" in str(refused.value)
    assert "Office365Managment is no API" in str(refused.value)
    assert "Office365Management" in str(refused.value)
    assert not recorder.of_type("Application")


def test_many_registrations_look_an_api_up_once() -> None:
    recorder = Recorder()

    def program() -> None:
        for number in range(5):
            IdentityManagerRegistration(f"im-{number}", BASE)

    run(program, recorder)
    assert len(recorder.of_type("Application")) == 5
    assert recorder.called.count("azuread:index/getServicePrincipal:getServicePrincipal") == 1


def test_children_stand_below_their_component() -> None:
    def program() -> Mapping[str, pulumi.Output[object]]:
        registration = IdentityManagerRegistration("im", BASE)
        [application] = [child for child in registration._childResources if isinstance(child, EntraApplication)]
        children = sorted(application._childResources, key=lambda child: (child._type, child._name))
        return {f"{number}": child.urn for number, child in enumerate([application, *children])}

    urns = [resolved.value for resolved in run(program, Recorder()).values()]
    prefix, component = "urn:pulumi:test::identity-manager::identity-manager:index", "EntraApplication"
    assert urns[0] == f"{prefix}:IdentityManagerRegistration$identity-manager:index:{component}::im"
    assert urns[1:] == [
        f"{prefix}:{component}${kind}::{name}"
        for kind, name in [
            ("azuread:index/appRoleAssignment:AppRoleAssignment", "im-MicrosoftGraph-Directory.Read.All"),
            ("azuread:index/application:Application", "im"),
            ("azuread:index/applicationPassword:ApplicationPassword", "im-MicrosoftEntraIDExport-2026-12-31"),
            ("azuread:index/applicationPassword:ApplicationPassword", "im-MicrosoftEntraIDExport-2027-01-01"),
            ("azuread:index/applicationPassword:ApplicationPassword", "im-MicrosoftEntraIDExport-2027-11-24"),
            ("azuread:index/servicePrincipal:ServicePrincipal", "im"),
        ]
    ]


@pytest.mark.parametrize("component", [EntraApplication, IdentityManagerRegistration])
def test_components_register_all_their_outputs(
    component: type[pulumi.ComponentResource], monkeypatch: pytest.MonkeyPatch
) -> None:
    registered: dict[str, set[str]] = {}

    def register_outputs(self: pulumi.ComponentResource, outputs: Mapping[str, object]) -> None:
        registered[type(self).__name__] = set(outputs)

    monkeypatch.setattr(pulumi.ComponentResource, "register_outputs", register_outputs)
    register(Recorder())
    declared = {name for name in component.__annotations__ if not name.startswith("_")}
    camel = {name.split("_")[0] + "".join(part.title() for part in name.split("_")[1:]) for name in declared}
    assert registered[component.__name__] == camel
