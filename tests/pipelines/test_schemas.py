"""The pipeline files under their vendors' own rules."""

import json
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

import jsonschema
import pytest

from tests.pipelines.documents import AZURE, GITHUB, GITLAB, Job, Vendor, azure_document, jobs, load
from tests.stack.project import ROOT

ACTIONLINT = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12"
SHELL = {Vendor.GITHUB: "bash -eo pipefail", Vendor.GITLAB: "bash -eo pipefail", Vendor.AZURE: "bash"}
GIVEN = {Vendor.AZURE: "export idToken=1 servicePrincipalId=1 tenantId=1"}
"""Variables that a vendor sets with names that look like a script's own."""


def errors(document: object, schema: str) -> list[str]:
    """What a vendor's schema, as check-jsonschema ships it, says against a document."""
    text = (resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / f"{schema}.json").read_text()
    validator = jsonschema.Draft7Validator(json.loads(text))
    return [str(jsonschema.exceptions.best_match([error])) for error in validator.iter_errors(document)]


def as_texts(node: object) -> object:
    """The document with each scalar as text: the schema of Azure Pipelines knows no other, but in a task's inputs."""
    if isinstance(node, dict):
        return {key: value if key == "inputs" else as_texts(value) for key, value in node.items()}
    if isinstance(node, list):
        return [as_texts(one) for one in node]
    return str(node).lower() if isinstance(node, bool) else str(node)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", sorted((GITHUB / "workflows").glob("*.yml")), ids=name)
def test_github_takes_each_workflow(path: Path) -> None:
    assert errors(load(path), "github-workflows") == []


@pytest.mark.parametrize("path", sorted((GITHUB / "actions").glob("*/action.yml")), ids=name)
def test_github_takes_each_action(path: Path) -> None:
    assert errors(load(path), "github-actions") == []


@pytest.mark.parametrize("path", sorted(GITLAB.glob("*.yml")), ids=name)
def test_gitlab_takes_each_pipeline(path: Path) -> None:
    assert errors(load(path), "gitlab-ci") == []


@pytest.mark.parametrize("path", sorted(AZURE.glob("*.yml")), ids=name)
def test_azure_devops_takes_each_pipeline_once_its_loops_are_done(path: Path) -> None:
    document = azure_document(path, {"connection": "identity-manager-preview"})
    assert errors(as_texts(document), "azure-pipelines") == []


def test_a_wrong_document_breaks_each_schema() -> None:
    for schema in ("github-workflows", "github-actions", "gitlab-ci", "azure-pipelines"):
        assert errors({"stages": 1, "steps": 1, "jobs": 1, "on": 1}, schema) != []


def test_actionlint_finds_nothing() -> None:
    go = shutil.which("go")
    if go is None:
        pytest.skip("actionlint is a Go module, and there is no Go on PATH to build it")
    workflows = sorted(str(path) for path in (GITHUB / "workflows").glob("*.yml"))
    # Neither shellcheck nor pyflakes: what this finds must not depend on what else a machine has.
    command = [go, "run", ACTIONLINT, "-shellcheck=", "-pyflakes=", *workflows]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stdout + ran.stderr


@pytest.mark.parametrize("job", jobs(), ids=str)
def test_shellcheck_finds_nothing_in_any_step(job: Job) -> None:
    for step in job.steps:
        ran = subprocess.run(
            [str(Path(sys.prefix) / "bin" / "shellcheck"), "--shell=bash", "-"],
            input=f"#!/usr/bin/env -S {SHELL[job.vendor]}\n{GIVEN.get(job.vendor, '')}\n{step.script}",
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, f"{step.name}\n{ran.stdout}{ran.stderr}"
