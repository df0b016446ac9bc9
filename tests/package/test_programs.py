"""Programs in other languages, on the real engine."""

from pathlib import Path

import pytest
import yaml

from tests.stack.project import Project, Ran, printed_json

# The first run for a user builds the language hosts.
pytestmark = pytest.mark.timeout(900)

DEPLOYER = "33333333-3333-4333-8333-333333333333"


class Example:
    """One example, with its stack `dev`."""

    def __init__(self, project: Project, name: str) -> None:
        self._project = project
        self.folder = project.folder / "examples" / name
        self.succeeds("stack", "init", "dev")
        config = {"config": {f"{yaml.safe_load((self.folder / 'Pulumi.yaml').read_text())['name']}:deployer": DEPLOYER}}
        (self.folder / "Pulumi.dev.yaml").write_text(yaml.safe_dump(config))

    def pulumi(self, *command: str, identity: str = "deploy") -> Ran:
        return self._project.run("pulumi", "--cwd", str(self.folder), "--non-interactive", *command, identity=identity)

    def succeeds(self, *command: str) -> str:
        ran = self.pulumi(*command)
        assert ran.status == 0, ran.output
        return ran.output

    def lives(self, organization: str) -> None:
        """From the first preview to the end: what any example has to show."""
        plan = self.succeeds("preview")
        assert "identity-manager:index:IdentityManagerRegistration" in plan
        assert self._project.registrations() == []

        told = self.succeeds("up", "--yes", "--skip-preview")
        outputs = printed_json(self.pulumi("stack", "output", "--json", "--show-secrets"))
        assert isinstance(outputs, dict)
        [application] = self._project.registrations()
        assert application["displayName"] == f"Identity Manager {organization}"
        assert outputs["ApplicationId"] == application["appId"]
        assert outputs["TenantId"] == "11111111-1111-4111-8111-111111111111"
        assert outputs["SecretExpiresOn"] == "2027-11-24"
        assert outputs["AgentSettings"] == {
            "Connections": {
                "MicrosoftEntraIDExport": {
                    "ApplicationId": application["appId"],
                    "ApplicationKey": outputs["ClientSecret"],
                    "TenantId": outputs["TenantId"],
                    "MicrosoftGraphPathApi": "https://graph.microsoft.com/v1.0/",
                }
            }
        }
        assert outputs["ClientSecret"].startswith(application["passwordCredentials"][0]["hint"])

        masked = printed_json(self.pulumi("stack", "output", "--json"))
        assert isinstance(masked, dict)
        assert (masked["ClientSecret"], masked["AgentSettings"]) == ("[secret]", "[secret]")
        for shown in (
            told,
            self.succeeds("stack", "export"),
            self.succeeds("preview", "--expect-no-changes", "--diff"),
        ):
            assert outputs["ClientSecret"] not in shown

        self.succeeds("destroy", "--yes", "--skip-preview")
        assert self._project.registrations() == []


def test_a_yaml_program_registers_and_removes(project: Project) -> None:
    Example(project, "yaml").lives("Fabrikam")


def test_a_typescript_program_registers_and_removes(project: Project, node_modules: Path) -> None:
    example = Example(project, "typescript")
    (example.folder / "node_modules").symlink_to(node_modules)
    example.lives("Litware")


def with_both_components(project: Project, folder: str, **registration: object) -> None:
    """Write a YAML program with one of each component."""
    examples = project.folder / "examples"
    program = yaml.safe_load((examples / "yaml" / "Pulumi.yaml").read_text())
    program["name"] = folder
    program["resources"]["registration"]["properties"].update(registration)
    program["resources"]["application"] = {
        "type": "identity-manager:EntraApplication",
        "properties": {
            "displayName": "Contoso Reports",
            "permissions": {"MicrosoftGraph": ["AuditLog.Read.All"]},
            "secrets": {"first": {"displayName": "First", "endDate": "2027-11-24T00:00:00Z"}},
            "owners": ["${deployer}"],
        },
    }
    program["outputs"] = {"Secrets": "${application.secretValues}", "Granted": "${application.grantedPermissions}"}
    (examples / folder).mkdir(exist_ok=True)
    (examples / folder / "Pulumi.yaml").write_text(yaml.safe_dump(program))


def test_a_program_of_several_components_is_refused_with_the_missing_permission_and_finished_later(
    project: Project,
) -> None:
    with_both_components(project, "several", organization="Several")
    program = Example(project, "several")
    refused = program.pulumi("up", "--yes", "--skip-preview", identity="preview")
    assert refused.status != 0
    for name in ("registration", "application"):
        assert f"Microsoft Graph refused to create the Application {name}. " in refused.output
    assert "Traceback" not in refused.output
    program.succeeds("up", "--yes", "--skip-preview")
    outputs = printed_json(program.pulumi("stack", "output", "--json"))
    assert outputs == {"Granted": ["AuditLog.Read.All"], "Secrets": "[secret]"}
    program.succeeds("preview", "--expect-no-changes")
    program.succeeds("destroy", "--yes", "--skip-preview")


WRONG: tuple[tuple[dict[str, object], str], ...] = (
    ({"additionalPermissions": {"MicrosoftGraph": ["User.Red.All"]}}, "The nearest are User.Read.All"),
    ({"secrets": []}, "secrets of registration is empty, so nothing was changed"),
)


def test_what_a_component_refuses_is_said_without_a_traceback(project: Project) -> None:
    with_both_components(project, "wrong")
    program = Example(project, "wrong")
    for properties, told in WRONG:
        with_both_components(project, "wrong", **properties)
        refused = program.pulumi("preview")
        assert refused.status != 0
        assert told in refused.output
        assert ".py" not in refused.output, refused.output
