"""The settings of the bootstrap: where the pipelines run, and which of their jobs sign in as which identity.

Owns the subjects that GitHub, GitLab and Azure DevOps write into the tokens of their jobs. Microsoft Entra ID compares
them as a whole, upper and lower case included, so each job that may sign in has a credential of its own.
"""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict

from components import FederatedCredentialArgs
from settings import Settings, address, each_once, refusal, text

Credentials = Mapping[str, FederatedCredentialArgs]


def _pipeline(value: str) -> str:
    if value not in PIPELINES:
        raise refusal(f"is none of {', '.join(PIPELINES)}")
    return value


def _github_repository(value: str) -> str:
    name = r"[A-Za-z0-9_.-]+"
    if not re.fullmatch(rf"{name}/{name}|{name}@\d+/{name}@\d+", value):
        raise refusal(
            "is neither owner/name nor owner@id/name@id, the form that GitHub writes for repositories made or renamed "
            "since July 2026: gh api repos/OWNER/NAME --jq '.owner.id, .id'"
        )
    return value


def _gitlab_project(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+", value):
        raise refusal("is no path of a GitLab project: group/project, or group/subgroup/project")
    return value


def _azure_devops_project(value: str) -> str:
    text(value)
    if value.count("/") != 1 or value.startswith("/") or value.endswith("/") or "'" in value:
        raise refusal("is no project of Azure DevOps: organization/project")
    return value


def _issuer(value: str) -> str:
    if address(value).scheme != "https":
        raise refusal("is no https:// address")
    return value


def _branch(value: str) -> str:
    text(value)
    if " " in value or value.startswith("refs/"):
        raise refusal("is no plain name of a branch, such as main")
    return value


def _subject(value: str) -> str:
    if not value.startswith(("sc://", "/eid1/")):
        raise refusal("is no subject of a service connection: it starts with /eid1/, or with sc:// in older ones")
    return text(value)


Text = Annotated[str, AfterValidator(text)]
Issuer = Annotated[str, AfterValidator(_issuer)]
Branch = Annotated[str, AfterValidator(_branch)]
Subject = Annotated[str, AfterValidator(_subject)]


class Pipeline(Settings):
    """What the pipelines of every system have."""

    namespace = "identity-manager-bootstrap"
    in_the_sandbox = ".venv/bin/python -m sandbox exec --as admin -- pulumi -C bootstrap up"
    pulumi_command = "pulumi -C bootstrap"

    pipeline: Annotated[str, AfterValidator(_pipeline)] = Field(
        description="Where the pipelines run: github, gitlab or azure-devops.", examples=["github"]
    )
    protect: bool = Field(default=True, description="Protects both identities from deletion.", examples=["true"])


class _Choice(Pipeline):
    """Only which system it is; its own settings are read after that."""

    model_config = SettingsConfigDict(extra="ignore")


class System(Pipeline):
    """The pipelines of one system."""

    @property
    def title(self) -> str:
        """How the identities' names tell whose they are."""
        raise NotImplementedError

    def previews(self) -> Credentials:
        """The jobs that sign in as the identity that only reads."""
        raise NotImplementedError

    def deploys(self) -> Credentials:
        """The jobs that sign in as the identity that applies the stack."""
        raise NotImplementedError


class GitHub(System):
    """GitHub Actions.

    Source: https://docs.github.com/actions/reference/security/oidc
    """

    repository: Annotated[str, AfterValidator(_github_repository)] = Field(
        description="The repository, owner/name or owner@id/name@id.", examples=["Contoso/identity-manager"]
    )
    environment: Text = Field(
        default="production", description="The environment whose approval guards deployments.", examples=["production"]
    )
    branch: Branch = Field(default="main", description="The branch of the nightly check for drift.", examples=["main"])
    issuer: Issuer = Field(
        default="https://token.actions.githubusercontent.com",
        description="Who signs the tokens; another one on GitHub Enterprise.",
        examples=["https://token.actions.githubusercontent.com"],
    )

    @property
    def title(self) -> str:
        """The repository without ids."""
        return re.sub(r"@\d+", "", self.repository)

    def previews(self) -> Credentials:
        """Pull requests, and the nightly check on the branch."""
        return {
            "pull-request": self._job("pull_request", "Pull requests"),
            "branch": self._job(f"ref:refs/heads/{self.branch}", f"The branch {self.branch}"),
        }

    def deploys(self) -> Credentials:
        """Jobs of the environment."""
        # GitHub writes a colon in a name as %3A, since colons part the subject.
        environment = self.environment.replace(":", "%3A")
        return {"environment": self._job(f"environment:{environment}", f"The environment {self.environment}")}

    def _job(self, context: str, description: str) -> FederatedCredentialArgs:
        return {"issuer": self.issuer, "subject": f"repo:{self.repository}:{context}", "description": description}


class GitLab(System):
    """GitLab CI/CD.

    A merge request's subject names its source branch, so those that preview with the identity are listed; all others
    preview without a credential. Source: https://docs.gitlab.com/ci/secrets/id_token_authentication
    """

    repository: Annotated[str, AfterValidator(_gitlab_project)] = Field(
        description="The project's path, group/project.", examples=["contoso/identity-manager"]
    )
    branch: Branch = Field(default="main", description="The protected branch that is deployed.", examples=["main"])
    preview_branches: Annotated[list[Branch], AfterValidator(each_once)] = Field(
        default_factory=list,
        description="Other branches whose pipelines preview with the identity.",
        examples=["rotate-prod"],
    )
    issuer: Issuer = Field(
        default="https://gitlab.com",
        description="The address of the GitLab instance, which signs the tokens.",
        examples=["https://gitlab.com"],
    )

    @property
    def title(self) -> str:
        """The project's path."""
        return self.repository

    def previews(self) -> Credentials:
        """The deployed branch and the listed ones."""
        return {_name_of(branch): self._branch(branch) for branch in (self.branch, *self.preview_branches)}

    def deploys(self) -> Credentials:
        """The deployed branch."""
        return {_name_of(self.branch): self._branch(self.branch)}

    def _branch(self, branch: str) -> FederatedCredentialArgs:
        return {
            "issuer": self.issuer,
            "subject": f"project_path:{self.repository}:ref_type:branch:ref:{branch}",
            "description": f"The branch {branch}",
        }


class AzureDevOps(System):
    """Azure Pipelines, by one service connection per identity.

    Issuer and subject cannot be told from names: Azure DevOps shows both while a service connection with workload
    identity federation is a draft. Source:
    https://learn.microsoft.com/azure/devops/pipelines/release/configure-workload-identity
    """

    repository: Annotated[str, AfterValidator(_azure_devops_project)] = Field(
        description="Whose pipelines they are, organization/project.", examples=["contoso/identity-manager"]
    )
    issuer: Issuer = Field(
        description="The issuer that the service connections show.",
        examples=["https://login.microsoftonline.com/11111111-1111-4111-8111-111111111111/v2.0"],
    )
    preview_subject: Subject = Field(
        description="The subject that the service connection for previews shows.",
        examples=["/eid1/c/pub/t/TENANT/a/APPLICATION/sc/ORGANIZATION/PREVIEW"],
    )
    deploy_subject: Subject = Field(
        description="The subject that the service connection for deployments shows.",
        examples=["/eid1/c/pub/t/TENANT/a/APPLICATION/sc/ORGANIZATION/DEPLOY"],
    )

    @property
    def title(self) -> str:
        """Organization and project."""
        return self.repository

    def previews(self) -> Credentials:
        """The service connection for previews."""
        return {"service-connection": {"issuer": self.issuer, "subject": self.preview_subject}}

    def deploys(self) -> Credentials:
        """The service connection for deployments."""
        return {"service-connection": {"issuer": self.issuer, "subject": self.deploy_subject}}


PIPELINES: Mapping[str, type[System]] = {"github": GitHub, "gitlab": GitLab, "azure-devops": AzureDevOps}


def load() -> System:
    """Read and check the settings of the stack that runs.

    Raises:
        settings.RefusedSettings: One or more settings break a rule, or a stack of the sandbox runs outside of it.
    """
    return PIPELINES[_Choice.load().pipeline].load()


def _name_of(branch: str) -> str:
    # A credential's name has letters, digits, - and _ only; two branches never get the same one.
    return "branch-" + re.sub(r"[^A-Za-z0-9-]", lambda found: f"_{ord(found[0]):x}_", branch)
