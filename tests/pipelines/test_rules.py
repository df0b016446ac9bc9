"""What every pipeline file keeps, whatever it runs."""

import re
from pathlib import Path

import pytest

from sandbox import engine
from tests.pipelines.documents import AZURE, GITHUB, GITLAB, NAMES, Job, Node, Vendor, files, jobs, load
from tests.stack.project import ROOT

JOBS = jobs()
WORKFLOWS = [load(GITHUB / "workflows" / f"{name}.yml") for name in NAMES]
OF_GITHUB = [job for job in JOBS if job.vendor is Vendor.GITHUB]
MAY = {
    "stacks": {"contents": "read"},
    "preview": {"contents": "read", "id-token": "write", "pull-requests": "write"},
    "declared": {"contents": "read"},
    "plan": {"contents": "read", "id-token": "write"},
    "apply": {"contents": "read", "id-token": "write"},
    "drift": {"contents": "read", "id-token": "write"},
    "rotation": {"contents": "write", "pull-requests": "write"},
}
SIGNS_IN = re.compile(r"oidc-token|OIDC_TOKEN")


def text_of(path: Path) -> str:
    """A file without its comments."""
    return re.sub(r"(?m)(^|\s)#.*$", "", path.read_text())


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_runs_a_fork_with_the_repositorys_rights_or_holds_a_secret(path: Path) -> None:
    text = text_of(path)
    assert "pull_request_target" not in text
    assert "workflow_run" not in text
    assert "secrets." not in text
    assert "ARM_CLIENT_SECRET" not in text
    assert "show-secrets" not in text


@pytest.mark.parametrize("job", JOBS, ids=str)
def test_no_expression_is_pasted_into_a_shell(job: Job) -> None:
    for step in job.steps:
        assert "${{" not in step.script, step.name
        assert not re.search(r"\$\([A-Z]\w+\.\w+\)", step.script), step.name


@pytest.mark.parametrize("job", OF_GITHUB, ids=str)
def test_each_job_of_github_has_the_permissions_it_needs_and_no_other(job: Job) -> None:
    assert job.definition["permissions"] == MAY[job.name]
    signs_in = any(SIGNS_IN.search(step.script) for step in job.steps)
    assert signs_in == (job.definition["permissions"].get("id-token") == "write")
    assert job.definition["timeout-minutes"] <= 60


def test_nothing_on_github_is_permitted_beyond_the_jobs() -> None:
    assert [workflow["permissions"] for workflow in WORKFLOWS] == [{}, {}, {}]


def test_a_change_is_previewed_once_and_an_update_is_never_cut_off() -> None:
    preview, deploy, drift = (workflow["concurrency"] for workflow in WORKFLOWS)
    assert preview == {"group": "preview-${{ github.event.pull_request.number }}", "cancel-in-progress": True}
    assert deploy == {"group": "deploy", "cancel-in-progress": False}
    assert drift == {"group": "drift", "cancel-in-progress": False}
    groups = {job.name: job.definition["resource_group"] for job in JOBS if job.vendor is Vendor.GITLAB}
    assert len(set(groups.values())) == len(groups)
    assert all("$STACK" in group for group in groups.values())
    assert [job.definition["interruptible"] for job in JOBS if job.vendor is Vendor.GITLAB and job.name == "apply"] == [
        False
    ]
    assert load(AZURE / "deploy.yml")["lockBehavior"] == "sequential"


def test_github_starts_each_workflow_by_its_event_alone() -> None:
    preview, deploy, drift = (workflow["on"] for workflow in WORKFLOWS)
    assert list(preview) == ["pull_request"]
    assert deploy["push"]["branches"] == ["main"]
    assert set(deploy) == {"push", "workflow_dispatch"}
    assert set(drift) == {"schedule", "workflow_dispatch"}


def identity(job: Job) -> str | None:
    """The identity whose token a job fetches."""
    if job.vendor is Vendor.AZURE:
        text = repr(job.definition)
        found = re.findall(r"'connection': 'identity-manager-(\w+)'", text)
        return found[0] if found else None
    client_id = job.environment.get("ARM_CLIENT_ID", "")
    found = re.findall(r"(PREVIEW|DEPLOY)_CLIENT_ID", client_id)
    return found[0].lower() if found else None


@pytest.mark.parametrize("job", JOBS, ids=str)
def test_each_job_signs_in_as_the_least_identity_that_can_do_it(job: Job) -> None:
    expected = {"preview": "preview", "plan": "preview", "drift": "preview", "apply": "deploy"}.get(job.name)
    assert identity(job) == expected
    assert any(SIGNS_IN.search(step.script) for step in job.steps) == (expected is not None)
    changes = any(re.search(r"pulumi (up|destroy|refresh|import|cancel|state)", step.script) for step in job.steps)
    assert changes == (expected == "deploy")


@pytest.mark.parametrize("job", [job for job in JOBS if job.vendor is not Vendor.AZURE and identity(job)], ids=str)
def test_sign_in_is_by_oidc_alone(job: Job) -> None:
    assert job.environment["ARM_USE_OIDC"] == "true"
    assert job.environment["ARM_USE_CLI"] == "false"
    assert job.environment["ARM_CLIENT_ID"] == job.environment["AZURE_CLIENT_ID"]
    assert job.environment["ARM_TENANT_ID"] == job.environment["AZURE_TENANT_ID"]


def forks_and_own(vendor: Vendor) -> tuple[Node, Node]:
    """The job for forks and the one for the repository's own branches."""
    found = {job.name: job.definition for job in JOBS if job.vendor is vendor and job.pipeline == "preview"}
    return found["declared"], found["preview"]


def test_a_fork_gets_no_credential() -> None:
    fork, own = forks_and_own(Vendor.GITHUB)
    assert "head.repo.full_name != github.repository" in fork["if"]
    assert "head.repo.full_name == github.repository" in own["if"]
    assert "vars." not in repr(fork)
    assert "github.token" not in repr(fork)
    fork, own = forks_and_own(Vendor.GITLAB)
    [trusted] = own["rules"]
    assert " && $CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_MERGE_REQUEST_PROJECT_ID && " in trusted["if"]
    assert trusted["if"].endswith(" && $CI_MERGE_REQUEST_SOURCE_BRANCH_NAME =~ $PREVIEW_BRANCHES")
    assert fork["rules"][0] == {**trusted, "when": "never"}
    assert "id_tokens" not in fork
    assert not re.search(r"\w+_TOKEN", repr(fork))
    fork, own = forks_and_own(Vendor.AZURE)
    assert "eq(variables['System.PullRequest.IsFork'], 'True')" in fork["condition"]
    assert "ne(variables['System.PullRequest.IsFork'], 'True')" in own["condition"]
    assert "System.AccessToken" not in repr(fork)


@pytest.mark.parametrize("job", [job for job in JOBS if job.name == "rotation"], ids=str)
def test_what_writes_to_the_repository_cannot_sign_in(job: Job) -> None:
    assert identity(job) is None
    assert "id_tokens" not in job.definition


@pytest.mark.parametrize("job", [job for job in JOBS if job.name == "apply"], ids=str)
def test_an_update_waits_for_the_approval_of_the_environment(job: Job) -> None:
    assert job.definition["environment"] == "production"
    if job.vendor is Vendor.GITLAB:
        assert job.definition["rules"][0]["when"] == "manual"


@pytest.mark.parametrize("job", JOBS, ids=str)
def test_every_plan_is_made_under_the_policies(job: Job) -> None:
    for line in re.findall(r"(?m)^.*pulumi (?:preview|up) .*$", "\n".join(step.script for step in job.steps)):
        assert " --policy-pack policy/serve " in line
        assert ' --stack "$STACK" ' in line
        assert "--non-interactive" in line


def test_actions_are_pinned_to_a_commit_and_name_its_release() -> None:
    used = [
        line.strip()
        for path in GITHUB.rglob("*.yml")
        for line in path.read_text().splitlines()
        if "uses:" in line and "./" not in line
    ]
    assert used
    for line in used:
        assert re.search(r"uses: [\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line
    by_action: dict[str, set[str]] = {}
    for line in used:
        action, _, pin = line.partition("uses: ")[2].partition("@")
        by_action.setdefault(action, set()).add(pin)
    assert all(len(pins) == 1 for pins in by_action.values()), by_action


def test_one_version_of_pulumi_and_of_python_everywhere() -> None:
    setups = [
        (GITHUB / "actions" / "setup" / "action.yml").read_text(),
        (GITLAB / "setup.yml").read_text(),
        (AZURE / "setup.yml").read_text(),
    ]
    for text in setups:
        assert re.findall(r"\b3\.\d{3}\.\d+\b", text) == [engine.ENGINE_VERSION]
        assert re.findall(r"\b3\.1\d\b", text) == ["3.13"]
    machines = [re.findall(r"ubuntu-\S+", path.read_text()) for path in files()]
    assert {one for found in machines for one in found} == {"ubuntu-24.04"}
