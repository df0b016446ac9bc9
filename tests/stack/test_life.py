"""The life of a registration on the real engine, against the sandbox's tenant."""

import json
import os
import re
import subprocess
from pathlib import Path

from tests.monitor import ROLE_IDS
from tests.stack.project import ROOT, Project

NINE_OUTPUTS = {
    "ApplicationId",
    "TenantId",
    "ClientSecret",
    "SecretExpiresOn",
    "DisplayName",
    "ServicePrincipalObjectId",
    "GrantedPermissions",
    "AgentSettings",
    "AgentEnvironment",
}


def test_a_registration_is_made_kept_changed_and_taken_away(project: Project) -> None:
    preview = project.pulumi("preview", "--diff", "--non-interactive")
    assert preview.status == 0, preview.output
    assert project.registrations() == []

    project.up()
    # An engine that is killed may leave an empty one of these, and then no command can read the state.
    assert list((project.home / "state").rglob("*.attrs")) == []
    outputs = project.outputs()
    assert set(outputs) == NINE_OUTPUTS
    assert outputs["DisplayName"] == "Identity Manager Contoso"
    assert outputs["GrantedPermissions"] == ["Directory.Read.All"]
    [made] = project.registrations()
    assert made["appId"] == outputs["ApplicationId"]
    assert made["signInAudience"] == "AzureADMyOrg"
    assert made["web"]["redirectUris"] == []
    [password] = made["passwordCredentials"]
    assert password["displayName"] == "Identity Manager Contoso Secret 2027-11-24"
    assert password["endDateTime"] == "2027-11-24T00:00:00Z"
    assert project.grants() == [ROLE_IDS["Directory.Read.All"]]
    project.expect_no_changes()
    refreshed = project.pulumi("refresh", "--yes", "--skip-preview", "--non-interactive", "--expect-no-changes")
    assert refreshed.status == 0, refreshed.output

    project.configure(
        organization="Fabrikam",
        fulfillment=True,
        notes="Reads the directory",
        owners=["44444444-4444-4444-8444-444444444444"],
        responseUri="https://agent.contoso.example",
    )
    project.up()
    changed = project.outputs()
    [application] = project.registrations()
    assert application["displayName"] == "Identity Manager Fabrikam"
    assert application["web"]["redirectUris"] == ["https://agent.contoso.example/"]
    assert [one["keyId"] for one in application["passwordCredentials"]] == [password["keyId"]]
    assert changed["ClientSecret"] == outputs["ClientSecret"]
    assert list(changed["AgentSettings"]["Connections"]) == ["MicrosoftEntraIDExportFulfillment"]
    assert project.grants() == [ROLE_IDS["Directory.ReadWrite.All"]]
    project.expect_no_changes()

    project.configure(responseUri=None, notes=None, owners=None)
    project.up()
    [application] = project.registrations()
    assert application["web"]["redirectUris"] == []
    assert not application["notes"]
    project.expect_no_changes()

    destroyed = project.pulumi("destroy", "--yes", "--skip-preview", "--non-interactive")
    assert destroyed.status == 0, destroyed.output
    assert project.registrations() == []
    found = project.get(f"/v1.0/servicePrincipals?$filter=appId eq '{outputs['ApplicationId']}'")
    assert found["value"] == []


def test_the_new_permission_is_granted_before_the_old_one_goes(warm_project: Project) -> None:
    warm_project.up()
    before = len(warm_project.calls())
    warm_project.configure(fulfillment=True)
    warm_project.up()
    grant_calls = [call["method"] for call in warm_project.calls()[before:] if "appRoleAssignedTo" in call["path"]]
    assert [method for method in grant_calls if method != "GET"] == ["POST", "DELETE"]


def test_a_rotation_keeps_the_old_secret_until_its_date_is_taken_out(warm_project: Project) -> None:
    warm_project.up()
    old = warm_project.outputs()["ClientSecret"]
    [first] = warm_project.registrations()[0]["passwordCredentials"]
    warm_project.configure(secrets=["2027-11-24", "2028-05-24"])
    warm_project.up()
    rotated = warm_project.outputs()
    assert rotated["SecretExpiresOn"] == "2028-05-24"
    assert rotated["ClientSecret"] != old
    both = {one["keyId"] for one in warm_project.registrations()[0]["passwordCredentials"]}
    assert first["keyId"] in both
    assert len(both) == 2
    warm_project.configure(secrets=["2028-05-24"])
    warm_project.up()
    [newest] = warm_project.registrations()[0]["passwordCredentials"]
    assert newest["keyId"] in both - {first["keyId"]}
    assert warm_project.outputs()["ClientSecret"] == rotated["ClientSecret"]
    warm_project.expect_no_changes()


def test_a_preview_without_changes_asks_microsoft_graph_at_most_three_times(warm_project: Project) -> None:
    warm_project.up()
    before = len(warm_project.calls())
    preview = warm_project.pulumi("preview", "--expect-no-changes", "--non-interactive")
    assert preview.status == 0, preview.output
    graph = [call for call in warm_project.calls()[before:] if call["path"].startswith(("/v1.0/", "/beta/"))]
    assert 1 <= len(graph) <= 3, graph


def test_no_secret_stands_in_plain_text_anywhere(project: Project) -> None:
    project.configure(secrets=["2027-11-24", "2028-05-24"], connections=["Export", "Fulfillment"])
    printed = [project.pulumi("preview", "--diff", "--non-interactive").output, project.up().output]
    settings = project.outputs()["AgentSettings"]["Connections"]
    values = [connection["ApplicationKey"] for connection in settings.values()]
    identities = json.loads((project.home / "tenant" / "identities.json").read_text())
    values += [identity["secret"] for identity in identities.values()]
    assert len(set(values)) == 2 + len(identities)
    project.configure(fulfillment=True, secrets=["2028-05-24"])
    printed.append(project.pulumi("preview", "--diff", "--refresh", "--non-interactive").output)
    printed.append(project.pulumi("up", "--yes", "--diff", "--non-interactive").output)
    printed.append(project.run("pulumi", "stack", "output", "--stack", "dev").output)
    printed.append(project.pulumi("up", "--yes", "--logtostderr", "-v=9").output)
    printed.append(project.run("pulumi", "stack", "export", "--stack", "dev").output)
    may_hold_secrets = {project.home / "tenant" / "identities.json"}
    files = [file for file in project.home.rglob("*") if file.is_file() and file not in may_hold_secrets]
    files += list(project.folder.glob("*.yaml"))
    assert any(file.name == "dev.json" for file in files)
    for value in values:
        assert not [text[:200] for text in printed if value in text]
        assert not [str(file) for file in files if value.encode() in file.read_bytes()]


def test_all_that_the_sandbox_keeps_is_its_owners_alone(project: Project) -> None:
    assert project.home.stat().st_mode & 0o077 == 0


def test_a_protected_registration_refuses_to_be_destroyed(warm_project: Project) -> None:
    warm_project.configure(protect=True)
    warm_project.up()
    refused = warm_project.pulumi("destroy", "--yes", "--skip-preview", "--non-interactive")
    assert refused.status != 0
    assert "protect" in refused.output
    [application] = warm_project.registrations()
    assert len(application["passwordCredentials"]) == 1
    assert warm_project.grants() == [ROLE_IDS["Directory.Read.All"]]


def test_the_engines_error_stands_alone_when_the_tenant_refuses(project: Project) -> None:
    refused = project.pulumi("up", "--yes", "--skip-preview", "--non-interactive", identity="preview")
    assert refused.status != 0
    assert "Authorization_RequestDenied" in refused.output
    assert "Traceback" not in refused.output
    assert "KeyboardInterrupt" not in refused.output
    assert project.registrations() == []


def test_an_unknown_permission_stops_the_preview_with_the_nearest_names(warm_project: Project) -> None:
    warm_project.configure(additionalPermissions={"MicrosoftGraph": ["AuditLogs.Read.All"]})
    refused = warm_project.pulumi("preview", "--non-interactive")
    assert refused.status != 0
    assert "AuditLog.Read.All" in refused.output
    assert "Traceback" not in refused.output


def test_bad_settings_reach_no_tenant(project: Project) -> None:
    project.configure(organization="O'Brien", secrets=["soon"], surprise=1)
    before = len(project.calls())
    refused = project.pulumi("preview", "--non-interactive")
    assert refused.status != 0
    assert "3 settings are refused" in refused.output
    assert "Traceback" not in refused.output
    assert project.calls()[before:] == []


def test_the_stack_of_the_sandbox_stops_outside_of_it(project: Project, tmp_path: Path) -> None:
    where = project.run("sh", "-c", "printf '\\n%s' \"$PATH\"").output.splitlines()[-1]
    environment = {
        "PATH": where,
        "HOME": os.environ.get("HOME", ""),
        "PULUMI_BACKEND_URL": tmp_path.as_uri(),
        "PULUMI_HOME": str(project.home / "pulumi"),
        "PULUMI_CONFIG_PASSPHRASE": "outside",
        "ARM_CLIENT_ID": "22222222-2222-4222-8222-222222222222",
        "ARM_CLIENT_SECRET": "none",
    }
    (project.folder / "Pulumi.dev.yaml").write_text((ROOT / "Pulumi.dev.yaml").read_text())
    for command in (["stack", "init", "dev"], ["up", "--yes", "--stack", "dev", "--non-interactive"]):
        ran = subprocess.run(
            ["pulumi", *command], cwd=project.folder, env=environment, capture_output=True, text=True, check=False
        )
    assert ran.returncode != 0
    assert "make up" in ran.stdout + ran.stderr
    assert not re.search("Traceback|login.microsoftonline", ran.stdout + ran.stderr)
