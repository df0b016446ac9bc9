"""What the next run says and settles after a fault."""

import pytest

from tests.faults.matrix import PATCH_SERVICE_PRINCIPAL, POST_APPLICATION
from tests.faults.project import FIRST, UP, StruckProject

PREVIEW = ("preview", "--non-interactive")


def test_the_preview_names_the_command_that_takes_over_what_exists(project: StruckProject) -> None:
    project.start_from("nothing")
    project.fault(**POST_APPLICATION, cut="after")
    project.pulumi_prints(*UP)
    before = len(project.writes())
    status, output = project.pulumi_prints(*PREVIEW)
    assert status != 0
    [application] = project.registered_applications()
    assert f"python -m operations adopt --stack dev --application-id {application['id']}" in output
    assert "Traceback" not in output
    assert project.writes()[before:] == []


def test_without_a_deployer_the_next_up_takes_the_caller_out_of_the_owners(
    project: StruckProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.start_from("nothing")
    # The identity that deploys would lose what it makes; an administrator does not.
    monkeypatch.setattr(project, "environment", project.given("admin"))
    project.configure(deployer=None)
    project.fault(**PATCH_SERVICE_PRINCIPAL, status=404, times=2)
    status, output = project.pulumi_prints(*UP)
    assert status == 0, output
    assert project.pulumi_prints(*PREVIEW, "--expect-no-changes")[0] != 0
    project.finish(adopts=False)
    project.check([FIRST], orphans=False)
