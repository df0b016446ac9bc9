"""Each policy on plans that it accepts and plans that it refuses."""

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from tests.monitor import GRAPH, ROLE_IDS
from tests.policy.judge import Stack
from tests.stack.project import ROOT

ADA = "44444444-4444-4444-8444-444444444444"
DEPLOYER = "33333333-3333-4333-8333-333333333333"
ROLE_MANAGEMENT = {"RoleManagement.ReadWrite.Directory": "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8"}
AUDIT_LOG = {"AuditLog.Read.All": ROLE_IDS["AuditLog.Read.All"]}
DIRECTORY = {"Directory.Read.All": ROLE_IDS["Directory.Read.All"]}

OTHER = f"""
import pulumi_azuread as azuread
other = azuread.Application("other", display_name="Other", owners=["{DEPLOYER}"], %s)
"""
GRANT = f"""
import pulumi_azuread as azuread
graph = azuread.get_service_principal(client_id="{GRAPH}")
azuread.AppRoleAssignment(
    "identity-manager-MicrosoftGraph-Directory.Read.All-again",
    app_role_id="%s",
    principal_object_id=registration.service_principal_object_id,
    resource_object_id=graph.object_id,
)
"""
SERVICE_PRINCIPAL = f"""
import pulumi_azuread as azuread
azuread.ServicePrincipal("taken", owners=["{DEPLOYER}"], %s)
"""
CLIENT_SECRET = OTHER % "" + 'azuread.ApplicationPassword("secret", application_id=other.id, %s)\n'


@dataclass(frozen=True)
class Plan:
    """A plan by what differs from the sandbox's own stack, and the resources that its policy refuses."""

    settings: dict[str, Any] = field(default_factory=dict)
    more: str = ""
    config: dict[str, dict[str, object]] | None = None
    environment: dict[str, str] | None = None
    refused: frozenset[str] = frozenset()


def refuses(*resources: str, **plan: Any) -> Plan:
    return Plan(**plan, refused=frozenset(resources))


def graph(*names: str) -> dict[str, Any]:
    return {"additionalPermissions": {"MicrosoftGraph": list(names)}}


SECRET = "identity-manager-MicrosoftEntraIDExport-%s"

PLANS: dict[str, dict[str, Plan]] = {
    "allowed-permissions": {
        "the documented one": Plan(),
        "one that was allowed": Plan(
            settings=graph("AuditLog.Read.All"), config={"allowed-permissions": {"allowed": DIRECTORY | AUDIT_LOG}}
        ),
        "one more": refuses(
            "identity-manager",
            "identity-manager-MicrosoftGraph-AuditLog.Read.All",
            settings=graph("AuditLog.Read.All"),
        ),
        "one more under the name of an allowed one": refuses(
            "identity-manager-MicrosoftGraph-Directory.Read.All-again", more=GRANT % AUDIT_LOG["AuditLog.Read.All"]
        ),
        "the documented one, no longer allowed": refuses(
            "identity-manager",
            "identity-manager-MicrosoftGraph-Directory.Read.All",
            config={"allowed-permissions": {"allowed": AUDIT_LOG}},
        ),
    },
    "dangerous-permissions": {
        "none": Plan(),
        "an exception": Plan(
            settings=graph(*ROLE_MANAGEMENT),
            config={
                "allowed-permissions": {"allowed": DIRECTORY | ROLE_MANAGEMENT},
                "dangerous-permissions": {"exceptions": list(ROLE_MANAGEMENT)},
            },
        ),
        "allowed without an exception": refuses(
            "identity-manager",
            "identity-manager-MicrosoftGraph-RoleManagement.ReadWrite.Directory",
            settings=graph(*ROLE_MANAGEMENT),
            config={"allowed-permissions": {"allowed": DIRECTORY | ROLE_MANAGEMENT}},
        ),
        "allowed under a harmless name": refuses(
            "identity-manager-MicrosoftGraph-Directory.Read.All-again",
            more=GRANT % "06b708a9-e830-4db3-a914-8e69da51d44f",
            config={
                "allowed-permissions": {"allowed": DIRECTORY | {"Harmless": "06b708a9-e830-4db3-a914-8e69da51d44f"}}
            },
        ),
    },
    "one-directory-permission": {
        "to read": Plan(),
        "to write": Plan(settings={"fulfillment": True}),
        "both granted": refuses("identity-manager", more=GRANT % ROLE_IDS["Directory.ReadWrite.All"]),
        "both declared": refuses(
            "other",
            more=OTHER
            % (
                'required_resource_accesses=[{"resource_app_id": "%s", "resource_accesses": ['
                '{"id": "%s", "type": "Role"}, {"id": "%s", "type": "Role"}]}]'
                % (GRAPH, ROLE_IDS["Directory.Read.All"], ROLE_IDS["Directory.ReadWrite.All"])
            ),
        ),
    },
    "single-tenant": {
        "by declaration": Plan(),
        "by default": Plan(more=OTHER % ""),
        "many tenants": refuses("other", more=OTHER % 'sign_in_audience="AzureADMultipleOrgs"'),
    },
    "declared-redirect-uri": {
        "none": Plan(),
        "the declared one": Plan(settings={"responseUri": "https://agent.contoso.example"}),
        "none declared": refuses("other", more=OTHER % 'web={"redirect_uris": ["https://agent.contoso.example/"]}'),
        "another one": refuses(
            "other",
            settings={"responseUri": "https://agent.contoso.example"},
            more=OTHER % 'web={"redirect_uris": ["https://agent.contoso.example/", "https://evil.example/"]}',
        ),
        "on another platform": refuses("other", more=OTHER % 'public_client={"redirect_uris": ["http://localhost/"]}'),
        "as a resource of its own": refuses(
            "uris",
            more=OTHER % ""
            + 'azuread.ApplicationRedirectUris("uris", application_id=other.id, type="SPA", '
            + 'redirect_uris=["https://evil.example/"])\n',
        ),
    },
    "owned": {
        "by the deployer": Plan(),
        "by a person": Plan(settings={"deployer": None, "owners": [ADA]}),
        "by nobody": refuses("identity-manager", settings={"deployer": None}),
    },
    "own-service-principals": {
        "of its own application": Plan(),
        "Microsoft Graph's": refuses("taken", more=SERVICE_PRINCIPAL % f'client_id="{GRAPH}", use_existing=True'),
        "of an application elsewhere": refuses(
            "taken", more=SERVICE_PRINCIPAL % 'client_id="5a2c86bd-53b8-4d4d-9f6b-2c7a1b0c9d11"'
        ),
    },
    "secret-lifetime": {
        "a year": Plan(),
        "two years to the day": Plan(
            settings={"secrets": ["2028-02-28"]}, environment={"IDENTITY_MANAGER_TODAY": "2026-02-28"}
        ),
        "from a leap day": Plan(
            settings={"secrets": ["2030-02-28"]}, environment={"IDENTITY_MANAGER_TODAY": "2028-02-29"}
        ),
        "two years and a day": refuses(
            SECRET % "2028-02-29",
            settings={"secrets": ["2028-02-29"]},
            environment={"IDENTITY_MANAGER_TODAY": "2026-02-28"},
        ),
        "on the day it ends": refuses(SECRET % "2027-11-24", environment={"IDENTITY_MANAGER_TODAY": "2027-11-24"}),
        "past beside a living one": refuses(SECRET % "2026-01-01", settings={"secrets": ["2026-01-01", "2027-11-24"]}),
        "no end": refuses("secret", more=CLIENT_SECRET % ""),
        "within the application": refuses(
            "other", more=OTHER % 'password={"display_name": "Inline", "end_date": "2099-01-01T00:00:00Z"}'
        ),
    },
}
CASES = [
    pytest.param(policy, plan, id=f"{policy}: {name}")
    for policy, plans in PLANS.items()
    for name, plan in plans.items()
]


@pytest.mark.parametrize(("policy", "plan"), CASES)
def test_each_policy_refuses_what_it_is_for_and_nothing_else(stack: Stack, policy: str, plan: Plan) -> None:
    verdict = stack.judge(plan.settings, more=plan.more, config=plan.config, environment=plan.environment)
    refused = {resource for found, resource in verdict.refused if found == policy}
    assert refused == plan.refused, verdict.output
    assert verdict.accepts() is not bool(plan.refused), verdict.output


def test_every_policy_has_a_plan_that_passes_and_one_that_fails() -> None:
    for plans in PLANS.values():
        assert {bool(plan.refused) for plan in plans.values()} == {True, False}


def test_a_configuration_that_names_no_dangerous_permission_is_refused(stack: Stack) -> None:
    verdict = stack.judge(config={"dangerous-permissions": {"exceptions": ["RoleManagement.ReadWrite"]}})
    assert verdict.status != 0
    assert "exceptions" in verdict.output


def test_the_pack_starts_from_its_source_in_a_folder_of_any_name(tmp_path: Path) -> None:
    copytree(ROOT / "policy", tmp_path / "pack-1.0.0")
    serving = subprocess.Popen(
        [sys.executable, "-u", "-m", "pulumi.policy", "127.0.0.1:1", str(tmp_path / "pack-1.0.0")],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert serving.stdout is not None
    with serving:
        said = serving.stdout.readline()
        serving.kill()
    assert said.strip().isdigit()
