"""The identities that the bootstrap makes, on the real engine: who signs in as them, and what they can do."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import jwt
import pytest
import yaml

from tests.stack.project import ROOT, Project, Ran, printed_json
from tests.stack.tenant import Tenant

GITHUB = "https://token.actions.githubusercontent.com"
REPOSITORY = "repo:Contoso@123456/identity-manager@456789"
JOBS = {
    # the subject of a job's token, and the identity that it signs in as
    f"{REPOSITORY}:pull_request": "Preview",
    f"{REPOSITORY}:ref:refs/heads/main": "Preview",
    f"{REPOSITORY}:environment:production": "Deploy",
}
STRANGERS = (
    "repo:Contoso/identity-manager:environment:production",
    "repo:Contoso@123456/identity-manager@999:environment:production",
    f"{REPOSITORY}:environment:Production",
    f"{REPOSITORY}:ref:refs/heads/feature",
)
PERMISSIONS = {
    "Preview": ["Application.Read.All"],
    "Deploy": ["Application.Read.All", "Application.ReadWrite.OwnedBy", "AppRoleAssignment.ReadWrite.All"],
}


class Bootstrap(Project):
    """The repository with both of its projects, in one sandbox."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, warm=True)
        shutil.copytree(ROOT / "bootstrap", self.folder / "bootstrap", ignore=shutil.ignore_patterns("__pycache__"))
        self.file = self.folder / "bootstrap" / "Pulumi.dev.yaml"
        self.init()
        self.tenant = Tenant(self.home)

    def bootstrap(self, *command: str) -> Ran:
        """Run Pulumi on the bootstrap as the administrator."""
        ran = self.run("pulumi", "-C", "bootstrap", *command, "--stack", "dev", identity="admin")
        assert ran.status == 0, ran.output
        return ran

    def made(self) -> dict[str, str]:
        """The identities of the pipelines, made anew or changed as the stack file says."""
        self.bootstrap("up", "--yes", "--skip-preview", "--non-interactive")
        return cast("dict[str, str]", printed_json(self.bootstrap("stack", "output", "--json")))

    def sign_in(self, client_id: str, subject: str, issuer: str = GITHUB) -> httpx.Response:
        return self.tenant.sign_in_by(client_id, self.tenant.federated_token(issuer, subject))

    def application(self, client_id: str) -> dict[str, Any]:
        answer = self.tenant.admin.get(f"/applications(appId='{client_id}')")
        return cast("dict[str, Any]", answer.raise_for_status().json())


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Bootstrap]:
    made = Bootstrap(tmp_path)
    made.bootstrap("stack", "init")
    yield made
    made.close()


def test_each_job_signs_in_as_its_identity_with_its_permissions_and_nothing_else_does(project: Bootstrap) -> None:
    made = project.made()
    assert set(made) == {"TenantId", "PreviewClientId", "PreviewObjectId", "DeployClientId", "DeployObjectId"}
    assert made["TenantId"] == project.tenant.id
    for name, permissions in PERMISSIONS.items():
        application = project.application(made[f"{name}ClientId"])
        assert application["passwordCredentials"] == []
        assert application["keyCredentials"] == []
        owners = project.tenant.admin.get(f"/applications/{application['id']}/owners").json()
        assert owners["value"] == []
        for subject in (*JOBS, *STRANGERS):
            answer = project.sign_in(made[f"{name}ClientId"], subject)
            if JOBS.get(subject) == name:
                token = jwt.decode(answer.json()["access_token"], options={"verify_signature": False})
                assert sorted(token["roles"], key=str.lower) == permissions
                assert token["oid"] == made[f"{name}ObjectId"]
            else:
                assert answer.status_code == 401, subject
                assert answer.json()["error_codes"] == [700213]
    project.bootstrap("preview", "--expect-no-changes", "--refresh", "--non-interactive")

    replaced = "**ApplicationFederatedIdentityCredential::deploy-environment"
    project.bootstrap("up", "--yes", "--skip-preview", "--non-interactive", "--target-replace", replaced)
    assert project.sign_in(made["DeployClientId"], f"{REPOSITORY}:environment:production").status_code == 200

    # The same identities, for pipelines that moved to GitLab.
    config = yaml.safe_load(project.file.read_text())
    config["config"] |= {
        "identity-manager-bootstrap:pipeline": "gitlab",
        "identity-manager-bootstrap:repository": "contoso/identity-manager",
    }
    project.file.write_text(yaml.safe_dump(config))
    assert project.made() == made
    main = "project_path:contoso/identity-manager:ref_type:branch:ref:main"
    for name in PERMISSIONS:
        assert project.sign_in(made[f"{name}ClientId"], main, "https://gitlab.com").status_code == 200
        assert [project.sign_in(made[f"{name}ClientId"], job).status_code for job in JOBS] == [401] * len(JOBS)
    project.bootstrap("destroy", "--yes", "--skip-preview", "--non-interactive")
    assert project.sign_in(made["DeployClientId"], main, "https://gitlab.com").status_code == 400


def test_the_identities_do_all_that_pipelines_do_with_no_secret_and_no_permission_refused(project: Bootstrap) -> None:
    made = project.made()
    jobs = {"Preview": f"{REPOSITORY}:pull_request", "Deploy": f"{REPOSITORY}:environment:production"}
    before = len(project.calls())

    def pulumi(identity: str, *command: str) -> str:
        token = project.tenant.federated_token(GITHUB, jobs[identity])
        sign_in = (f"ARM_CLIENT_ID={made[f'{identity}ClientId']}", "ARM_USE_OIDC=true", f"ARM_OIDC_TOKEN={token}")
        with_token = ("env", "-u", "ARM_CLIENT_SECRET", *sign_in)
        ran = project.run(*with_token, "pulumi", *command, "--non-interactive", "--stack", "dev")
        assert ran.status == 0, ran.output
        return ran.output

    project.configure(deployer=made["DeployObjectId"])
    pulumi("Deploy", "up", "--yes", "--skip-preview")
    for change in (
        {"secrets": ["2027-11-24", "2028-05-24"], "owners": ["44444444-4444-4444-8444-444444444444"]},
        {"secrets": ["2028-05-24"], "owners": None, "fulfillment": True},
    ):
        project.configure(**change)
        pulumi("Deploy", "up", "--yes", "--skip-preview")
    pulumi("Preview", "preview", "--refresh", "--expect-no-changes")
    pulumi("Deploy", "destroy", "--yes", "--skip-preview")
    calls = project.calls()[before:]
    assert [call for call in calls if call["status"] in (401, 403)] == []
    written = [call for call in calls if call["method"] != "GET" and not call["path"].endswith("/token")]
    assert {call["identity"] for call in written} == {"Pipeline deploy of Contoso/identity-manager"}
    assert {call["identity"] for call in calls if call["path"].startswith("/v1.0/")} == {
        f"Pipeline {name} of Contoso/identity-manager" for name in ("preview", "deploy")
    }
    assert project.registrations() == []
