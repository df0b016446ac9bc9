"""What each identity needs: proven at the tenant's permission gate."""

import re

import pytest

from tests.monitor import ROLE_IDS
from tests.stack.project import Project
from tests.stack.tenant import Tenant

DEPLOY = "33333333-3333-4333-8333-333333333333"
PREVIEW = "33333333-3333-4333-8333-444444444444"


def steps(output: str) -> list[str]:
    """The plan's lines in an order that does not depend on the engine's parallelism."""
    body = output.split("Previewing update", 1)[1]
    return sorted(line for line in body.splitlines() if line.strip() and not re.search("Duration|@ preview", line))


@pytest.mark.parametrize("refresh", [(), ("--refresh",)], ids=["plain", "refresh"])
def test_a_preview_identity_sees_what_the_deployer_sees_and_writes_nothing(
    warm_project: Project, refresh: tuple[str, ...]
) -> None:
    warm_project.configure(owners=["44444444-4444-4444-8444-444444444444"])
    warm_project.up()
    warm_project.configure(organization="Fabrikam", fulfillment=True, secrets=["2027-11-24", "2028-05-24"], owners=None)
    before = len(warm_project.calls())
    seen = warm_project.pulumi("preview", "--diff", "--non-interactive", *refresh, identity="preview")
    assert seen.status == 0, seen.output
    calls = warm_project.calls()[before:]
    assert {call["identity"] for call in calls if "/v1.0/" in call["path"]} == {"preview"}
    assert [call for call in calls if call["method"] != "GET" and not call["path"].endswith("/token")] == []
    deployers = warm_project.pulumi("preview", "--diff", "--non-interactive", *refresh)
    assert steps(seen.output) == steps(deployers.output)
    assert any("Fabrikam" in line for line in steps(seen.output))


def test_the_deployer_needs_no_more_than_its_three_permissions_for_the_whole_life(warm_project: Project) -> None:
    warm_project.up()
    for change in (
        {"secrets": ["2027-11-24", "2028-05-24"]},
        {"owners": ["44444444-4444-4444-8444-444444444444"]},
        {"fulfillment": True},
        {"secrets": ["2028-05-24"]},
    ):
        warm_project.configure(**change)
        warm_project.up()
    destroyed = warm_project.pulumi("destroy", "--yes", "--skip-preview", "--non-interactive")
    assert destroyed.status == 0, destroyed.output
    refused = [call for call in warm_project.calls() if call["status"] == 403]
    assert refused == []


MISSING = (
    # permission taken away, what the up then fails on
    ("Application.ReadWrite.OwnedBy", "create the Application identity-manager"),
    ("Application.Read.All", "create the AppRoleAssignment identity-manager-MicrosoftGraph-Directory.Read.All"),
    (
        "AppRoleAssignment.ReadWrite.All",
        "create the AppRoleAssignment identity-manager-MicrosoftGraph-Directory.Read.All",
    ),
)


def test_a_missing_permission_is_named_with_who_grants_it_and_the_next_up_finishes(warm_project: Project) -> None:
    warm_project.run("true")
    tenant = Tenant(warm_project.home)
    for permission, refused in MISSING:
        grant = tenant.take_away(DEPLOY, permission)
        failed = warm_project.pulumi("up", "--yes", "--skip-preview", "--non-interactive")
        tenant.give_back(grant)
        assert failed.status != 0
        # Each error is printed twice: as it happens, and at the end.
        told = set(re.findall(r"Microsoft Graph refused to (.*?)\. (.*)", failed.output))
        assert {what for what, _ in told} == {refused}
        assert all(permission in why for _, why in told)
        assert "A Privileged Role Administrator grants it" in failed.output
        assert "Authorization_RequestDenied" in failed.output
    warm_project.up()
    warm_project.expect_no_changes()
    [application] = warm_project.registrations()
    assert application["displayName"] == "Identity Manager Contoso"
    assert len(application["passwordCredentials"]) == 1
    assert warm_project.grants() == [ROLE_IDS["Directory.Read.All"]]


def test_a_preview_without_its_permission_names_it_and_who_grants_it(warm_project: Project) -> None:
    warm_project.run("true")
    Tenant(warm_project.home).take_away(PREVIEW, "Application.Read.All")
    failed = warm_project.pulumi("preview", "--non-interactive", identity="preview")
    assert failed.status != 0
    assert "holds Application.Read.All, which a Privileged Role Administrator grants" in failed.output


def test_another_failure_is_left_to_the_plugin(warm_project: Project) -> None:
    warm_project.configure(owners=["66666666-6666-4666-8666-666666666666"])
    failed = warm_project.pulumi("up", "--yes", "--skip-preview", "--non-interactive")
    assert failed.status != 0
    assert "unexpected status 4" in failed.output
    assert "Microsoft Graph refused" not in failed.output
