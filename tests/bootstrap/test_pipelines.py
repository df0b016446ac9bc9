"""The settings of the bootstrap: the subjects of each system's jobs, and the refusals."""

import json
from collections.abc import Mapping

import pytest

from bootstrap import pipelines
from settings import RefusedSettings
from tests.monitor import Recorder, run

CONNECTION = "/eid1/c/pub/t/ERERERERQRERgREREREREQ/a/organization/sc/connection"
GITHUB: Mapping[str, object] = {"pipeline": "github", "repository": "Contoso/identity-manager"}
GITLAB: Mapping[str, object] = {"pipeline": "gitlab", "repository": "contoso/platform/identity-manager"}
AZURE_DEVOPS: Mapping[str, object] = {
    "pipeline": "azure-devops",
    "repository": "contoso/Identity Manager",
    "issuer": "https://login.microsoftonline.com/11111111-1111-4111-8111-111111111111/v2.0",
    "previewSubject": f"{CONNECTION}/preview",
    "deploySubject": f"{CONNECTION}/deploy",
}


def load(settings: Mapping[str, object]) -> pipelines.System:
    config = {
        f"identity-manager-bootstrap:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in settings.items()
        if value is not None
    }
    loaded: list[pipelines.System] = []
    run(lambda: loaded.append(pipelines.load()), Recorder(), config=config)
    return loaded[0]


def subjects(credentials: pipelines.Credentials) -> set[str]:
    return {credential["subject"] for credential in credentials.values()}


SUBJECTS: list[tuple[dict[str, object], set[str], set[str]]] = [
    # settings, subjects of the preview identity, subjects of the deploy identity
    (
        {**GITHUB},
        {"repo:Contoso/identity-manager:pull_request", "repo:Contoso/identity-manager:ref:refs/heads/main"},
        {"repo:Contoso/identity-manager:environment:production"},
    ),
    (
        {
            **GITHUB,
            "repository": "Contoso@123456/identity-manager@456789",
            "environment": "prod: Paris",
            "branch": "trunk",
        },
        {
            "repo:Contoso@123456/identity-manager@456789:pull_request",
            "repo:Contoso@123456/identity-manager@456789:ref:refs/heads/trunk",
        },
        {"repo:Contoso@123456/identity-manager@456789:environment:prod%3A Paris"},
    ),
    (
        {**GITLAB, "previewBranches": ["renovate/pulumi", "rotate-prod"]},
        {
            "project_path:contoso/platform/identity-manager:ref_type:branch:ref:main",
            "project_path:contoso/platform/identity-manager:ref_type:branch:ref:renovate/pulumi",
            "project_path:contoso/platform/identity-manager:ref_type:branch:ref:rotate-prod",
        },
        {"project_path:contoso/platform/identity-manager:ref_type:branch:ref:main"},
    ),
    ({**AZURE_DEVOPS}, {f"{CONNECTION}/preview"}, {f"{CONNECTION}/deploy"}),
    (
        {
            **AZURE_DEVOPS,
            "issuer": "https://vstoken.dev.azure.com/22222222-2222-4222-8222-222222222222",
            "previewSubject": "sc://contoso/Identity Manager/preview",
            "deploySubject": "sc://contoso/Identity Manager/deploy",
        },
        {"sc://contoso/Identity Manager/preview"},
        {"sc://contoso/Identity Manager/deploy"},
    ),
]


@pytest.mark.parametrize(("settings", "preview", "deploy"), SUBJECTS)
def test_the_subjects_are_those_that_each_system_writes(
    settings: dict[str, object], preview: set[str], deploy: set[str]
) -> None:
    system = load(settings)
    assert subjects(system.previews()) == preview
    assert subjects(system.deploys()) == deploy


@pytest.mark.parametrize(
    ("settings", "issuer"),
    [
        (GITHUB, "https://token.actions.githubusercontent.com"),
        (GITLAB, "https://gitlab.com"),
        ({**GITLAB, "issuer": "https://gitlab.contoso.example"}, "https://gitlab.contoso.example"),
        (AZURE_DEVOPS, AZURE_DEVOPS["issuer"]),
    ],
)
def test_the_issuer_is_the_systems_own_or_the_one_named(settings: dict[str, object], issuer: str) -> None:
    system = load(settings)
    assert {one["issuer"] for one in (*system.previews().values(), *system.deploys().values())} == {issuer}


def test_branches_never_share_the_name_of_a_credential() -> None:
    branches = ["a/b", "a-b", "a_b", "a_2f_b"]
    names = list(load({**GITLAB, "previewBranches": branches}).previews())
    assert len(set(names)) == 1 + len(branches)
    assert all(name.replace("-", "").replace("_", "").isalnum() for name in names)


REFUSED: list[tuple[dict[str, object], str, str]] = [
    # settings, what the refusal says, the command that mends it
    ({}, "pipeline is missing", "set --stack test identity-manager-bootstrap:pipeline github"),
    ({**GITHUB, "pipeline": "jenkins"}, "none of github, gitlab, azure-devops", ":pipeline github"),
    ({**GITHUB, "repository": None}, "repository is missing", ":repository Contoso/identity-manager"),
    ({**GITHUB, "repository": "identity-manager"}, "is neither owner/name", ":repository Contoso/identity-manager"),
    ({**GITHUB, "repository": "Contoso@12/identity-manager"}, "is neither", ":repository Contoso/identity-manager"),
    ({**GITHUB, "repository": "Contoso/*"}, "is neither", ":repository Contoso/identity-manager"),
    ({**GITHUB, "environment": ""}, "is empty", ":environment production"),
    ({**GITHUB, "branch": "refs/heads/main"}, "no plain name of a branch", ":branch main"),
    ({**GITHUB, "previewBranches": ["x"]}, "previewBranches is not a setting", "rm --stack test"),
    ({**GITHUB, "issuer": "http://contoso.example"}, "is no https:// address", ":issuer https://token.actions"),
    ({**GITLAB, "repository": "identity-manager"}, "is no path of a GitLab project", ":repository contoso/identity"),
    (
        {**GITLAB, "previewBranches": "x"},
        "is not a list",
        "'identity-manager-bootstrap:previewBranches[0]' rotate-prod",
    ),
    ({**GITLAB, "previewBranches": ["x", "x"]}, "names x twice", "previewBranches[0]' rotate-prod"),
    ({**GITLAB, "environment": "production"}, "environment is not a setting", "rm --stack test"),
    ({**AZURE_DEVOPS, "issuer": None}, "issuer is missing", ":issuer https://login.microsoftonline.com/"),
    ({**AZURE_DEVOPS, "deploySubject": None}, "deploySubject is missing", ":deploySubject /eid1/"),
    ({**AZURE_DEVOPS, "previewSubject": "preview"}, "no subject of a service connection", ":previewSubject /eid1/"),
    ({**AZURE_DEVOPS, "repository": "contoso"}, "is no project of Azure DevOps", ":repository contoso/"),
    ({**GITHUB, "protect": "yes"}, "is neither true nor false", ":protect true"),
]


@pytest.mark.parametrize(("settings", "says", "mends"), REFUSED, ids=lambda value: str(value)[:40])
def test_bad_settings_are_refused_with_the_command_that_mends_them(
    settings: dict[str, object], says: str, mends: str
) -> None:
    with pytest.raises(RefusedSettings) as refused:
        load(settings)
    text = str(refused.value)
    assert text.startswith("One setting is refused, so nothing was changed:")
    assert says in text
    assert "pulumi -C bootstrap config " in text
    assert mends in text


def test_a_stack_of_the_sandbox_stops_outside_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARM_METADATA_HOSTNAME", raising=False)
    with pytest.raises(RefusedSettings, match="sandbox exec --as admin -- pulumi -C bootstrap up"):
        load({**GITHUB, "sandbox": True})
