"""Every rule about the stack's settings: each refusal is one line of a table, and reaches no tenant."""

import json
import runpy
from collections.abc import Mapping
from pathlib import Path

import pulumi
import pytest

from settings import RefusedSettings, StackSettings
from tests.monitor import Recorder, run

PROGRAM = Path(__file__).parents[2] / "__main__.py"
ADA = "44444444-4444-4444-8444-444444444444"
GOOD: Mapping[str, object] = {"organization": "Contoso", "secrets": ["2027-11-24"], "deployer": ADA}


def engine_text(value: object) -> str:
    """A value of the stack file as the engine hands it to the program."""
    return value if isinstance(value, str) else json.dumps(value)


def config(**changes: object) -> dict[str, str]:
    settings = {**GOOD, **changes}
    return {f"identity-manager:{key}": engine_text(value) for key, value in settings.items() if value is not None}


def load(secret_keys: tuple[str, ...] = (), **changes: object) -> StackSettings:
    loaded: list[StackSettings] = []
    run(lambda: loaded.append(StackSettings.load()), Recorder(), config=config(**changes), secret_keys=secret_keys)
    return loaded[0]


REFUSED: list[tuple[dict[str, object], str, str]] = [
    # settings, what the refusal says, the command that mends it
    ({"organization": None}, "organization is missing", "set --stack test identity-manager:organization Contoso"),
    ({"organization": ""}, 'organization = "" is empty', "set --stack test identity-manager:organization Contoso"),
    ({"organization": " Contoso"}, "has spaces around it", "identity-manager:organization Contoso"),
    ({"organization": "Con\ttoso"}, "characters that cannot be seen", "identity-manager:organization Contoso"),
    ({"organization": "O'Brien"}, "straight apostrophe", "identity-manager:organization Contoso"),
    ({"organization": "x" * 86}, "longer than 85 characters", "identity-manager:organization Contoso"),
    (
        {"organization": "Identity Manager Contoso"},
        "more than the organization",
        "identity-manager:organization Contoso",
    ),
    ({"fulfillment": "yes"}, 'fulfillment = "yes" is neither true nor false', "identity-manager:fulfillment true"),
    ({"fulfillment": 1}, "fulfillment = 1 is neither true nor false", "identity-manager:fulfillment true"),
    ({"protect": "True"}, "neither true nor false", "identity-manager:protect true"),
    ({"secrets": None}, "secrets is missing", "--path 'identity-manager:secrets[0]' 2027-11-24"),
    ({"secrets": []}, "secrets = [] names none", "--path 'identity-manager:secrets[0]' 2027-11-24"),
    ({"secrets": "2027-11-24"}, 'secrets = "2027-11-24" is not a list', "'identity-manager:secrets[0]' 2027-11-24"),
    ({"secrets": ["2027-02-29"]}, 'secrets[0] = "2027-02-29" is no date', "'identity-manager:secrets[0]' 2027-11-24"),
    ({"secrets": ["2027-11-24", "24.11.2028"]}, "secrets[1] =", "--path 'identity-manager:secrets[1]' 2027-11-24"),
    ({"secrets": ["20271124"]}, "is no date of the calendar", "identity-manager:secrets[0]"),
    ({"secrets": ["2027-W47-3"]}, "is no date of the calendar", "identity-manager:secrets[0]"),
    ({"secrets": ["2027-11-24T00:00:00Z"]}, "with the quotation marks", "identity-manager:secrets[0]"),
    ({"secrets": [20271124]}, "secrets[0] = 20271124 is not a text", "identity-manager:secrets[0]"),
    ({"secrets": ["2027-11-24", "2027-11-24"]}, "names 2027-11-24 twice", "identity-manager:secrets[0]"),
    ({"connections": []}, "connections = [] names none", "'identity-manager:connections[0]' MicrosoftEntraIDExport"),
    ({"connections": ["1Export"]}, "is no connection identifier", "identity-manager:connections[0]"),
    ({"connections": ["Entra_Export"]}, "is no connection identifier", "identity-manager:connections[0]"),
    ({"connections": ["Export\n"]}, "is no connection identifier", "identity-manager:connections[0]"),
    ({"connections": ["Éxport"]}, "is no connection identifier", "identity-manager:connections[0]"),
    ({"connections": ["Export", "EXPORT"]}, "names EXPORT twice", "identity-manager:connections[0]"),
    ({"connections": "Export"}, "is not a list", "identity-manager:connections[0]"),
    ({"deployer": "ada@contoso.example"}, "is no object id", "identity-manager:deployer 33333333-"),
    ({"deployer": "00000000-0000-0000-0000-000000000000"}, "the empty object id", "identity-manager:deployer"),
    ({"owners": ["ada"]}, 'owners[0] = "ada" is no object id', "--path 'identity-manager:owners[0]' 44444444-"),
    ({"owners": [ADA, ADA.upper()]}, "twice", "identity-manager:owners[0]"),
    ({"owners": {"ada": ADA}}, "is not a list", "identity-manager:owners[0]"),
    ({"additionalPermissions": ["User.Read.All"]}, "does not map APIs", "additionalPermissions.MicrosoftGraph[0]"),
    (
        {"additionalPermissions": {"MicrosoftGraph": "User.Read.All"}},
        "is not a list",
        "additionalPermissions.MicrosoftGraph",
    ),
    ({"additionalPermissions": {"MicrosoftGraph": []}}, "names none", "additionalPermissions.MicrosoftGraph[0]"),
    ({"additionalPermissions": {"MicrosoftGraph": ["User Read"]}}, "no permission's name", "MicrosoftGraph[0]"),
    (
        {"additionalPermissions": {"MicrosoftGraph": ["Directory.ReadWrite.All"]}},
        "set fulfillment to true",
        "config rm",
    ),
    ({"additionalPermissions": {"MicrosoftGraph": ["Directory.Read.All"]}}, "holds exactly one", "config rm"),
    (
        {"graphApiUrl": "http://graph.microsoft.com/v1.0/"},
        "is no https://",
        "graphApiUrl https://graph.microsoft.com/v1.0/",
    ),
    ({"graphApiUrl": "https://graph.microsoft.com/"}, "ends with its version", "identity-manager:graphApiUrl"),
    ({"graphApiUrl": "graph.microsoft.com"}, "is no address", "identity-manager:graphApiUrl"),
    (
        {"responseUri": "http://agent.contoso.example"},
        "is no redirect URI",
        "responseUri https://agent.contoso.example",
    ),
    ({"responseUri": "https://*.contoso.example"}, "is no redirect URI", "identity-manager:responseUri"),
    ({"responseUri": "https://agent.contoso.example/#top"}, "is no address", "identity-manager:responseUri"),
    ({"notes": ""}, "is not a text of 1 to 1,024 characters", "identity-manager:notes 'Reads the directory'"),
    ({"notes": "x" * 1025}, "is not a text of 1 to 1,024 characters", "identity-manager:notes"),
    ({"serviceManagementReference": " "}, "is empty", "identity-manager:serviceManagementReference CMDB-4711"),
    ({"adopt": ADA}, "does not map kinds of resources to ids", "config rm --stack test identity-manager:adopt"),
    ({"adopt": {}}, "names nothing to adopt", "python -m operations adopt --stack test"),
    ({"adopt": {"application": "ada"}}, 'adopt.application = "ada" is no object id', "operations adopt --stack test"),
    ({"adopt": {"servicePrincipal": 1}}, "adopt.servicePrincipal = 1 is not a text", "operations adopt --stack test"),
    ({"adopt": {"servicePrincipal": None}}, "names nothing to adopt", "operations adopt --stack test"),
    ({"adopt": {"grants": [ADA]}}, "adopt.grants = ", "operations adopt --stack test"),
    ({"adopt": {"grants": {"Directory.Read.All": ADA}}}, "is no grant: write API/permission", "operations adopt"),
    (
        {"adopt": {"grants": {"MicrosoftGraph/Directory.Read.All": "a b"}}},
        "is no id of an app role",
        "operations adopt",
    ),
    ({"adopt": {"service_principal": ADA}}, "Did you mean servicePrincipal?", "'identity-manager:adopt.service_"),
    ({"adopt": {"secret": ADA}}, "known keys are application, servicePrincipal, grants", "rm --stack test --path"),
    ({"organisation": "Contoso"}, "organisation is not a setting. Did you mean organization?", "rm --stack test"),
    ({"response_uri": "https://a.example"}, "Did you mean responseUri?", "config rm --stack test"),
    ({"xyz": "1"}, "The known keys are organization, fulfillment", "config rm --stack test identity-manager:xyz"),
]


@pytest.mark.parametrize(("changes", "says", "mends"), REFUSED, ids=lambda value: str(value)[:40])
def test_bad_settings_are_refused_with_the_command_that_mends_them_and_reach_no_tenant(
    changes: dict[str, object], says: str, mends: str
) -> None:
    recorder = Recorder()
    with pytest.raises(RefusedSettings) as refused:
        run(lambda: runpy.run_path(str(PROGRAM)) and None, recorder, config=config(**changes))
    text = str(refused.value)
    assert text.startswith("One setting is refused, so nothing was changed:")
    assert says in text
    assert "pulumi config " in text
    assert mends in text
    assert recorder.called == []
    assert [one.type for one in recorder.registered if not one.type.startswith("pulumi:")] == []


def test_what_is_adopted_is_given_to_the_components_under_their_names() -> None:
    grants = {"MicrosoftGraph/Directory.Read.All": "4CZYth6JSwaT0OAbxQQtOQ"}
    adopt = load(adopt={"application": ADA.upper(), "servicePrincipal": ADA, "grants": grants}).adopt
    assert adopt is not None
    assert adopt.given == {"application": ADA, "service_principal": ADA, "grants": grants}


def test_all_refusals_come_at_once() -> None:
    with pytest.raises(RefusedSettings) as refused:
        load(organization="", secrets=["soon"], fulfillment="maybe", surprise="1")
    assert str(refused.value).startswith("4 settings are refused")


def test_the_defaults_are_the_documented_ones() -> None:
    settings = load()
    assert settings.fulfillment is False
    assert settings.owners == []
    assert settings.additional_permissions == {}
    assert settings.graph_api_base == "https://graph.microsoft.com/v1.0/"
    assert settings.protect is True


def test_dates_need_no_order() -> None:
    assert load(secrets=["2028-01-01", "2027-11-24"]).secrets == ["2028-01-01", "2027-11-24"]


def test_owners_are_the_deployer_and_the_people_in_a_lasting_order() -> None:
    other = "AAAAAAAA-AAAA-4AAA-8AAA-AAAAAAAAAAAA"
    assert load(owners=[other, ADA]).all_owners == [ADA, other.lower()]


def test_a_secret_note_stays_a_secret() -> None:
    settings = load(notes="internal", secret_keys=("identity-manager:notes",))
    assert isinstance(settings.notes, pulumi.Output)


def test_a_secret_where_plain_text_is_shown_is_refused_without_its_value() -> None:
    with pytest.raises(RefusedSettings) as refused:
        load(organization="Contoso Secret Labs", secret_keys=("identity-manager:organization",))
    assert "set it without --secret" in str(refused.value)
    assert "Labs" not in str(refused.value)


@pytest.mark.parametrize(
    ("environment", "graph"), [("usgovernment", "graph.microsoft.us"), ("china", "microsoftgraph.chinacloudapi.cn")]
)
def test_the_graph_address_is_that_of_the_tenants_cloud(environment: str, graph: str) -> None:
    found: list[str] = []
    run(
        lambda: found.append(StackSettings.load().graph_api_base),
        Recorder(),
        config={**config(), "azuread:environment": environment},
    )
    assert found == [f"https://{graph}/v1.0/"]


def test_a_stack_of_the_sandbox_stops_outside_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARM_METADATA_HOSTNAME", raising=False)
    with pytest.raises(RefusedSettings, match="make up"):
        load(sandbox=True)
    monkeypatch.setenv("ARM_METADATA_HOSTNAME", "localhost:8443")
    assert load(sandbox=True).sandbox


def test_a_missing_deployer_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    warned: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warned.append)
    run(lambda: runpy.run_path(str(PROGRAM)) and None, Recorder(), config=config(deployer=None))
    assert "identity-manager:deployer is not set" in warned[0]
