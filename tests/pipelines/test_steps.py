"""Every shell step of every pipeline, run as it stands in its file, against the sandbox."""

import re
from datetime import timedelta

import pytest

from sandbox import engine
from tests.pipelines.checkout import STACK
from tests.pipelines.documents import Job, Vendor, jobs
from tests.pipelines.runner import Outcome, Runner

JOBS = jobs()
MARKER = f"<!-- identity-manager:{STACK} -->\n"


def named(name: str) -> pytest.MarkDecorator:
    found = [job for job in JOBS if job.name == name]
    assert found
    return pytest.mark.parametrize("job", found, ids=str)


def comments(runner: Runner, job: Job) -> list[str]:
    if job.vendor is Vendor.GITHUB:
        return [one["body"] for one in runner.checkout.github()["comments"]]
    return runner.platform.comments


def summary(job: Job, outcome: Outcome) -> str:
    """What a run shows to people; GitLab has the job's log alone."""
    return outcome.output if job.vendor is Vendor.GITLAB else outcome.summary


def wrote(runner: Runner, before: int) -> list[str]:
    """The calls since then that were no reading and no sign-in."""
    calls = runner.checkout.calls()[before:]
    return [call["path"] for call in calls if call["method"] != "GET" and not call["path"].endswith("/token")]


def test_no_job_goes_without_a_run() -> None:
    assert {job.name for job in JOBS} == {"stacks", "preview", "declared", "plan", "apply", "drift", "rotation"}
    assert all(job.steps for job in JOBS)


@named("stacks")
def test_the_listed_stacks_are_those_of_real_tenants(runner: Runner, job: Job) -> None:
    assert runner.run(job).outputs == {"stacks": f'["{STACK}"]'}
    runner.checkout.file.unlink()
    assert runner.run(job).outputs == {"stacks": "[]"}


@named("preview")
def test_a_pull_request_gets_one_comment_that_is_kept_up_to_date(runner: Runner, job: Job) -> None:
    runner.platform.comments.append("Looks good to me")
    before = len(runner.checkout.calls())
    runner.checkout.configure(organization="Identity Manager Fabrikam")
    outcome = runner.run(job)
    assert outcome.failed, outcome.output
    assert len(comments(runner, job)) > (job.vendor is not Vendor.GITHUB), outcome.output
    [first] = [one for one in comments(runner, job) if one.startswith(MARKER)]
    assert "the preview failed" in first
    runner.checkout.configure(organization="Fabrikam")
    outcome = runner.run(job)
    assert outcome.failed == [], outcome.output
    [second] = [one for one in comments(runner, job) if one.startswith(MARKER)]
    assert "registers" in second or "renames" in second
    assert "the preview failed" not in second
    assert "Looks good to me" in runner.platform.comments
    assert wrote(runner, before) == []
    signed_in(runner, job, outcome)


def signed_in(runner: Runner, job: Job, outcome: Outcome) -> None:
    """The plugin, the state and the secrets provider find the job's token, and no other way in."""
    known = {**job.environment, **outcome.variables}
    if job.vendor is Vendor.GITLAB:
        lines = (runner.checkout.user / "pulumi-environment").read_text().splitlines()
        known |= dict(line.split("=", 1) for line in lines)
    assert known["ARM_USE_CLI"] == "false"
    assert {"ARM_CLIENT_ID", "ARM_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_TENANT_ID"} <= known.keys()
    for name in ("ARM_OIDC_TOKEN_FILE_PATH", "AZURE_FEDERATED_TOKEN_FILE"):
        with open(known[name]) as file:  # noqa: PTH123 - the path is text, from the job
            assert file.read() == runner.platform.oidc_token
    if job.vendor is not Vendor.GITHUB:
        assert (runner.checkout.user / ".pulumi" / "version").read_text().strip() == engine.ENGINE_VERSION


@named("declared")
def test_a_fork_sees_what_it_changes_and_reaches_no_tenant(runner: Runner, job: Job) -> None:
    before = len(runner.checkout.calls())
    runner.checkout.configure(fulfillment=True)
    outcome = runner.run(job)
    assert outcome.failed == [], outcome.output
    shown = summary(job, outcome)
    assert MARKER in shown
    assert "Directory.ReadWrite.All" in shown
    assert (runner.checkout.folder / "comment.md").read_text().startswith(MARKER)
    assert comments(runner, job) == []
    assert runner.checkout.calls()[before:] == []


@named("plan")
def test_an_approver_reads_the_plan(runner: Runner, job: Job) -> None:
    before = len(runner.checkout.calls())
    runner.checkout.configure(organization="Fabrikam")
    outcome = runner.run(job)
    assert outcome.failed == [], outcome.output
    assert MARKER in summary(job, outcome)
    assert wrote(runner, before) == []
    signed_in(runner, job, outcome)


@named("apply")
def test_an_update_is_applied_and_verified_by_the_identity_that_deploys(runner: Runner, job: Job) -> None:
    before = len(runner.checkout.calls())
    runner.checkout.configure(notes=f"Applied by {job.vendor}")
    outcome = runner.run(job)
    assert outcome.failed == [], outcome.output
    assert wrote(runner, before) != []
    assert "The directory of Contoso answers" in outcome.output
    signed_in(runner, job, outcome)


@named("apply")
def test_a_plan_that_breaks_a_policy_is_not_applied(runner: Runner, job: Job) -> None:
    before = len(runner.checkout.calls())
    runner.checkout.configure(additionalPermissions={"MicrosoftGraph": ["RoleManagement.ReadWrite.Directory"]})
    outcome = runner.run(job)
    assert outcome.failed, outcome.output
    assert wrote(runner, before) == []


@named("drift")
def test_a_night_tells_drift_and_the_days_that_are_left(runner: Runner, job: Job) -> None:
    runner.checkout.applied()
    before = len(runner.checkout.calls())
    quiet = runner.run(job)
    assert quiet.failed == [], quiet.output
    assert re.search(r"\| \d+ \| handed out \|", summary(job, quiet))
    runner.checkout.configure(notes="Not in the tenant")
    late = (runner.checkout.expires - timedelta(days=20)).isoformat()
    loud = runner.run(job, IDENTITY_MANAGER_TODAY=late)
    assert loud.failed != []
    assert "notes" in loud.output
    assert "has 20 days left" in summary(job, loud)
    assert wrote(runner, before) == []
    signed_in(runner, job, loud)


@named("rotation")
def test_a_secret_near_its_end_opens_one_pull_request(runner: Runner, job: Job) -> None:
    checkout = runner.checkout
    branch = f"rotate-{STACK}"
    assert runner.run(job).failed == []
    assert checkout.pushed(branch) == []
    late = checkout.expires - timedelta(days=30)
    for day in (late, late + timedelta(days=1)):
        checkout.git("switch", "--quiet", "main")
        checkout.git("reset", "--quiet", "--hard", checkout.base)
        outcome = runner.run(job, IDENTITY_MANAGER_TODAY=day.isoformat())
        assert outcome.failed == [], outcome.output
        assert checkout.pushed(branch) == [checkout.expires, late + timedelta(days=365)]
    if job.vendor is Vendor.GITHUB:
        [opened] = checkout.github()["pullRequests"]
        assert opened["head"] == branch
    elif job.vendor is Vendor.AZURE:
        [asked] = runner.platform.pull_requests
        assert asked["sourceRefName"] == f"refs/heads/{branch}"
        assert asked["targetRefName"] == "refs/heads/main"
    else:
        options = (checkout.origin / "options").read_text()
        assert "=merge_request.create\n" in options
        assert "=merge_request.target=main\n" in options
