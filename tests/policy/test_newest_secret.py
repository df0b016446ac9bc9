"""The newest living secret stays: plans on a stack that has secrets."""

import pytest

from tests.policy.judge import Plan, Stack, judge
from tests.stack.project import Project

POLICY = "newest-secret-stays"
SECRET = "identity-manager-MicrosoftEntraIDExport-%s"
STACK = "identity-manager-dev"


BOTH = {"secrets": ["2027-11-24", "2028-05-24"]}
ONLY_A_NEW_ONE = {"secrets": ["2028-11-24"]}


@pytest.mark.parametrize(
    "plan",
    [
        pytest.param(Plan(BOTH), id="nothing changes"),
        pytest.param(Plan({"secrets": ["2028-05-24"]}), id="the older one goes"),
        pytest.param(Plan({"secrets": ["2027-11-24", "2028-05-24", "2028-11-24"]}), id="a newer one comes"),
        pytest.param(Plan({"secrets": ["2028-05-24"], "fulfillment": True}), id="its connection gets another name"),
        pytest.param(
            Plan(ONLY_A_NEW_ONE, config={POLICY: {"letGo": [SECRET % "2028-05-24"]}}), id="it is let go by name"
        ),
        pytest.param(Plan(ONLY_A_NEW_ONE, environment={"IDENTITY_MANAGER_TODAY": "2028-05-24"}), id="it has ended"),
    ],
)
def test_a_rotation_is_accepted_at_every_step(rotated: Stack, plan: Plan) -> None:
    verdict = rotated.judge(plan)
    assert verdict.accepts(), verdict.output


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"secrets": ["2027-11-24"]}, id="it goes and the older one stays"),
        pytest.param(ONLY_A_NEW_ONE, id="all are replaced"),
        pytest.param({**BOTH, "connections": ["Other"]}, id="its connection goes"),
    ],
)
def test_a_plan_that_takes_the_newest_secret_away_is_refused(rotated: Stack, settings: dict[str, object]) -> None:
    verdict = rotated.judge(Plan(settings))
    assert verdict.status != 0
    assert verdict.refused == {(POLICY, STACK)}, verdict.output
    assert f"{SECRET % '2028-05-24'}, which ends on 2028-05-24, is the newest" in verdict.output
    assert verdict.output.count("is the newest living secret") == 1


def test_what_a_refresh_finds_counts_for_nothing_that_is_declared(rotated: Stack) -> None:
    accepted = rotated.judge(Plan({"secrets": ["2028-05-24"], "fulfillment": True}), "--refresh")
    assert accepted.accepts(), accepted.output
    refused = rotated.judge(Plan({"secrets": ["2027-11-24"]}), "--refresh")
    assert refused.refused == {(POLICY, STACK)}, refused.output


def test_a_secret_replaced_under_its_own_name_is_refused(rotated: Stack) -> None:
    component = rotated.project.folder / "components" / "identity_manager_registration.py"
    written = component.read_text()
    component.write_text(written.replace("T00:00:00Z", "T01:00:00Z"))
    verdict = judge(rotated.project)
    component.write_text(written)
    assert component.read_text() == written
    assert (POLICY, STACK) in verdict.refused, verdict.output


def test_a_registration_that_goes_as_a_whole_takes_its_secrets_along(rotated: Stack) -> None:
    verdict = rotated.judge(Plan(BOTH, program="import pulumi\n"))
    assert verdict.accepts(), verdict.output


def test_a_state_that_cannot_be_read_refuses_the_plan(rotated: Stack) -> None:
    verdict = rotated.judge(Plan(BOTH, environment={"PULUMI_ORGANIZATION": "somebody-elses"}))
    assert (POLICY, STACK) in verdict.refused
    assert "PULUMI_ORGANIZATION" in verdict.output


def test_an_update_stops_before_the_newest_secret_is_lost(project: Project) -> None:
    made = judge(project, "up", "--yes")
    assert made.accepts(), made.output
    [before] = project.registrations()
    project.configure(secrets=["2028-05-24"])
    refused = judge(project, "up", "--yes")
    assert refused.status != 0
    assert refused.refused == {(POLICY, STACK)}, refused.output
    assert project.registrations() == [before]

    project.configure(secrets=["2027-11-24", "2028-05-24"])
    added = judge(project, "up", "--yes")
    assert added.accepts(), added.output
    project.configure(secrets=["2028-05-24"])
    retired = judge(project, "up", "--yes")
    assert retired.accepts(), retired.output
    [after] = project.registrations()
    assert [one["endDateTime"] for one in after["passwordCredentials"]] == ["2028-05-24T00:00:00Z"]

    project.configure(secrets=["2028-11-24"])
    without_a_preview = judge(project, "up", "--yes", "--skip-preview")
    assert without_a_preview.status != 0
    assert without_a_preview.refused == {(POLICY, STACK)}, without_a_preview.output
