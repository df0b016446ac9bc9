"""The newest living secret stays: plans on a stack that has secrets."""

from typing import Any

import pytest

from tests.policy.judge import Stack, judge
from tests.stack.project import ROOT, Project

POLICY = "newest-secret-stays"
SECRET = "identity-manager-MicrosoftEntraIDExport-%s"
STACK = "identity-manager-dev"


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        pytest.param({"secrets": ["2027-11-24", "2028-05-24"]}, {}, id="nothing changes"),
        pytest.param({"secrets": ["2028-05-24"]}, {}, id="the older one goes"),
        pytest.param({"secrets": ["2027-11-24", "2028-05-24", "2028-11-24"]}, {}, id="a newer one comes"),
        pytest.param({"secrets": ["2028-05-24"], "fulfillment": True}, {}, id="its connection gets another name"),
        pytest.param(
            {"secrets": ["2028-11-24"]},
            {"config": {POLICY: {"letGo": [SECRET % "2028-05-24"]}}},
            id="it is let go by name",
        ),
        pytest.param(
            {"secrets": ["2028-11-24"]}, {"environment": {"IDENTITY_MANAGER_TODAY": "2028-05-24"}}, id="it has ended"
        ),
    ],
)
def test_a_rotation_is_accepted_at_every_step(rotated: Stack, settings: Any, options: Any) -> None:
    verdict = rotated.judge(settings, **options)
    assert verdict.accepts(), verdict.output


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        pytest.param({"secrets": ["2027-11-24"]}, "2028-05-24", id="it goes and the older one stays"),
        pytest.param({"secrets": ["2027-11-24", "2028-11-24"]}, "2028-05-24", id="another one takes its place"),
        pytest.param({"secrets": ["2028-11-24"]}, "2028-05-24", id="all are replaced"),
        pytest.param(
            {"secrets": ["2027-11-24", "2028-05-24"], "connections": ["Other"]}, "2028-05-24", id="its connection goes"
        ),
    ],
)
def test_a_plan_that_takes_the_newest_secret_away_is_refused(rotated: Stack, settings: Any, named: str) -> None:
    verdict = rotated.judge(settings)
    assert verdict.status != 0
    assert verdict.refused == {(POLICY, STACK)}, verdict.output
    assert f"{SECRET % named}, which ends on {named}, is the newest" in verdict.output
    assert verdict.output.count("is the newest living secret") == 1


def test_a_secret_replaced_under_its_own_name_is_refused(rotated: Stack) -> None:
    program = (ROOT / "components" / "identity_manager_registration.py").read_text()
    changed = rotated.project.folder / "components" / "identity_manager_registration.py"
    changed.write_text(program.replace('f"{date}T00:00:00Z"', 'f"{date}T01:00:00Z"'))
    verdict = rotated.judge({"secrets": ["2027-11-24", "2028-05-24"]})
    changed.write_text(program)
    assert verdict.refused == {(POLICY, STACK)}, verdict.output


def test_a_state_that_cannot_be_read_refuses_the_plan(rotated: Stack) -> None:
    verdict = rotated.judge(
        {"secrets": ["2027-11-24", "2028-05-24"]}, environment={"PULUMI_ORGANIZATION": "somebody-elses"}
    )
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
