"""Each policy on plans that it accepts and plans that it refuses."""

from dataclasses import dataclass

import pytest

from policy import applications, client_secrets, kinds, permissions
from tests.monitor import GRAPH, ROLE_IDS
from tests.policy.judge import OWN, Plan, Stack, judge
from tests.stack.project import Project

ADA = "44444444-4444-4444-8444-444444444444"
DEPLOYER = "33333333-3333-4333-8333-333333333333"
GLOBAL_READER = "f2ef992c-3afb-46b9-b7cf-a126ee74c451"
ROLE_MANAGEMENT = {"RoleManagement.ReadWrite.Directory": "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8"}
AUDIT_LOG = {"AuditLog.Read.All": ROLE_IDS["AuditLog.Read.All"]}
DIRECTORY = {"Directory.Read.All": ROLE_IDS["Directory.Read.All"]}

GRANT = f"""
import pulumi_azuread as azuread
graph = azuread.get_service_principal(client_id="{GRAPH}")
azuread.AppRoleAssignment(
    "identity-manager-MicrosoftGraph-Directory.Read.All-again",
    app_role_id=%s,
    principal_object_id=registration.service_principal_object_id,
    resource_object_id=graph.object_id,
)
"""
ROLE_GIVEN = f"""
import pulumi_azuread as azuread
azuread.DirectoryRoleAssignment("a-role-given", role_id="{GLOBAL_READER}", principal_object_id="{DEPLOYER}")
"""
# What the components never declare, each in a resource that breaks one policy.
WRONG = f"""
import pulumi_azuread as azuread

def application(name, **values):
    return azuread.Application(name, display_name=name, owners=["{DEPLOYER}"], **values)

application("two-directory-permissions", required_resource_accesses=[{{
    "resource_app_id": "{GRAPH}",
    "resource_accesses": [
        {{"id": "{ROLE_IDS["Directory.Read.All"]}", "type": "Role"}},
        {{"id": "{ROLE_IDS["Directory.ReadWrite.All"]}", "type": "Role"}},
    ],
}}])
application("many-tenants", sign_in_audience="AzureADMultipleOrgs")
application("web-uri", web={{"redirect_uris": ["https://evil.example/"]}})
application("public-uri", public_client={{"redirect_uris": ["http://localhost/"]}})
fine = application("fine")
azuread.ApplicationPassword("endless", application_id=fine.id)
azuread.ServicePrincipal("ownerless", client_id=fine.client_id)
azuread.ServicePrincipal("microsofts", owners=["{DEPLOYER}"], client_id="{GRAPH}", use_existing=True)
role = azuread.DirectoryRole("a-role", display_name="Global Administrator")
azuread.DirectoryRoleAssignment("a-role-given", role_id=role.template_id, principal_object_id="{DEPLOYER}")
azuread.ServicePrincipalDelegatedPermissionGrant(
    "in-the-name-of-all",
    service_principal_object_id="{DEPLOYER}",
    resource_service_principal_object_id=azuread.get_service_principal(client_id="{GRAPH}").object_id,
    claim_values=["Directory.AccessAsUser.All"],
)
azuread.ApplicationFederatedIdentityCredential(
    "another-way-in",
    application_id=fine.id,
    display_name="another-way-in",
    issuer="https://evil.example",
    subject="anyone",
    audiences=["api://AzureADTokenExchange"],
)
azuread.ServicePrincipal("elsewhere", owners=["{DEPLOYER}"], client_id="5a2c86bd-53b8-4d4d-9f6b-2c7a1b0c9d11")
"""


@dataclass(frozen=True)
class Case:
    """A plan and the resources that a policy refuses in it."""

    plan: Plan
    refused: frozenset[str]


def passes(plan: Plan = OWN) -> Case:
    return Case(plan, frozenset())


def fails(plan: Plan, *resources: str) -> Case:
    return Case(plan, frozenset(resources))


def graph(*names: str) -> dict[str, object]:
    return {"additionalPermissions": {"MicrosoftGraph": list(names)}}


SECRET = "identity-manager-MicrosoftEntraIDExport-%s"
AGAIN = "identity-manager-MicrosoftGraph-Directory.Read.All-again"
APP_ROLE_ASSIGNMENTS = "06b708a9-e830-4db3-a914-8e69da51d44f"
AUDIT_LOG_ALLOWED = {"allowed-permissions": {"allowed": DIRECTORY | AUDIT_LOG}}
ROLE_MANAGEMENT_ALLOWED = {"allowed-permissions": {"allowed": DIRECTORY | ROLE_MANAGEMENT}}

CASES: dict[str, dict[str, Case]] = {
    "allowed-permissions": {
        "the documented one": passes(),
        "one that was allowed": passes(Plan(graph("AuditLog.Read.All"), config=AUDIT_LOG_ALLOWED)),
        "one more": fails(
            Plan(graph("AuditLog.Read.All")), "identity-manager", "identity-manager-MicrosoftGraph-AuditLog.Read.All"
        ),
        "one more under the name of an allowed one": fails(
            Plan(more=GRANT % f'"{AUDIT_LOG["AuditLog.Read.All"]}"'),
            AGAIN,
        ),
    },
    "dangerous-permissions": {
        "none": passes(),
        "an exception": passes(
            Plan(
                graph(*ROLE_MANAGEMENT),
                config={**ROLE_MANAGEMENT_ALLOWED, "dangerous-permissions": {"exceptions": list(ROLE_MANAGEMENT)}},
            )
        ),
        "allowed without an exception": fails(
            Plan(graph(*ROLE_MANAGEMENT), config=ROLE_MANAGEMENT_ALLOWED),
            "identity-manager",
            "identity-manager-MicrosoftGraph-RoleManagement.ReadWrite.Directory",
        ),
        "allowed under a harmless name": fails(
            Plan(
                more=GRANT % f'"{APP_ROLE_ASSIGNMENTS}"',
                config={"allowed-permissions": {"allowed": DIRECTORY | {"Harmless": APP_ROLE_ASSIGNMENTS}}},
            ),
            AGAIN,
        ),
    },
    "one-directory-permission": {
        "to read": passes(),
        "to write": passes(Plan({"fulfillment": True})),
        "both granted": fails(Plan(more=GRANT % f'"{ROLE_IDS["Directory.ReadWrite.All"]}"'), AGAIN),
        "both declared": fails(Plan(more=WRONG), "two-directory-permissions"),
    },
    "single-tenant": {
        "by declaration": passes(),
        "many tenants": fails(Plan(more=WRONG), "many-tenants"),
    },
    "declared-redirect-uri": {
        "none": passes(),
        "the declared one": passes(Plan({"responseUri": "https://agent.contoso.example"})),
        "none declared": fails(Plan(more=WRONG), "web-uri", "public-uri"),
        "beside the declared one": fails(
            Plan({"responseUri": "https://agent.contoso.example"}, more=WRONG), "web-uri", "public-uri"
        ),
    },
    "owned": {
        "by the deployer": passes(),
        "by a person": passes(Plan({"deployer": None, "owners": [ADA]})),
        "by nobody": fails(Plan({"deployer": None}), "identity-manager"),
        "the service principal by nobody": fails(Plan(more=WRONG), "ownerless"),
    },
    "no-takeover": {
        "of its own application": passes(),
        "of Microsoft Graph": fails(Plan(more=WRONG), "microsofts"),
    },
    "only-a-registration": {
        "with a redirect URI": passes(Plan({"responseUri": "https://agent.contoso.example"})),
        "an exception": passes(
            Plan(more=ROLE_GIVEN, config={"only-a-registration": {"exceptions": ["DirectoryRoleAssignment"]}})
        ),
        "roles, delegated permissions and another way in": fails(
            Plan(more=WRONG), "a-role", "a-role-given", "in-the-name-of-all", "another-way-in"
        ),
    },
    "own-service-principals": {
        "of its own application": passes(),
        "of Microsoft Graph, and of an application elsewhere": fails(Plan(more=WRONG), "microsofts", "elsewhere"),
    },
    "secret-lifetime": {
        "a year": passes(),
        "two years to the day": passes(
            Plan({"secrets": ["2028-02-28"]}, environment={"IDENTITY_MANAGER_TODAY": "2026-02-28"})
        ),
        "from a leap day": passes(
            Plan({"secrets": ["2030-02-28"]}, environment={"IDENTITY_MANAGER_TODAY": "2028-02-29"})
        ),
        "past, and two years and a day": fails(
            Plan(
                {"secrets": ["2026-02-28", "2027-11-24", "2028-02-29"]},
                environment={"IDENTITY_MANAGER_TODAY": "2026-02-28"},
            ),
            SECRET % "2026-02-28",
            SECRET % "2028-02-29",
        ),
        "without an end": fails(Plan(more=WRONG), "endless"),
    },
}


@pytest.mark.parametrize(
    ("policy", "case"),
    [
        pytest.param(policy, case, id=f"{policy}: {name}")
        for policy, cases in CASES.items()
        for name, case in cases.items()
    ],
)
def test_each_policy_refuses_what_it_is_for_and_nothing_else(stack: Stack, policy: str, case: Case) -> None:
    verdict = stack.judge(case.plan)
    assert {resource for found, resource in verdict.refused if found == policy} == case.refused, verdict.output
    assert verdict.accepts() is not bool(case.refused), verdict.output


def test_every_policy_has_a_plan_that_passes_and_one_that_fails() -> None:
    tested_on_a_stack_that_has_secrets = {"newest-secret-stays"}
    policies = [*permissions.POLICIES, *applications.POLICIES, *client_secrets.POLICIES, *kinds.POLICIES]
    assert {policy.name for policy in policies} - tested_on_a_stack_that_has_secrets == set(CASES)
    for cases in CASES.values():
        assert {bool(case.refused) for case in cases.values()} == {True, False}


def test_a_permission_that_is_hidden_from_the_preview_is_never_granted(project: Project) -> None:
    hidden = f'registration.application_id.apply(lambda _: "{APP_ROLE_ASSIGNMENTS}")'
    refused = judge(project, "up", "--yes", plan=Plan(more=GRANT % hidden))
    assert refused.status != 0
    assert ("advisory", "dangerous-permissions", AGAIN) in refused.found, refused.output
    assert ("dangerous-permissions", AGAIN) in refused.refused, refused.output
    service_principal = project.get("/v1.0/servicePrincipals?$filter=displayName eq 'Identity Manager Contoso'")
    [made] = service_principal["value"]
    granted = project.get(f"/v1.0/servicePrincipals/{made['id']}/appRoleAssignments")["value"]
    assert APP_ROLE_ASSIGNMENTS not in [one["appRoleId"] for one in granted]


def test_a_configuration_that_names_no_dangerous_permission_is_refused(stack: Stack) -> None:
    verdict = stack.judge(Plan(config={"dangerous-permissions": {"exceptions": ["RoleManagement.ReadWrite"]}}))
    assert verdict.status != 0
    assert "exceptions" in verdict.output
