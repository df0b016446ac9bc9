"""The commands in docs/gitops.md are ones that the tools take, and its names are those of the files."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from sandbox import engine
from tests import interpreter
from tests.pipelines.documents import files
from tests.stack.project import ROOT

TEXT = (ROOT / "docs" / "gitops.md").read_text()
COMMAND = re.compile(r"pulumi (?:-C \w+ )?(?:stack|config|login|install|up|cancel)[^\n)#`]*")


def commands() -> list[str]:
    """The distinct commands of Pulumi in the documentation."""
    return sorted({re.sub(r" -C \w+", "", found).strip() for found in COMMAND.findall(TEXT.replace("\\\n", " "))})


@pytest.mark.parametrize("command", commands())
def test_pulumi_knows_each_option_of_a_documented_command(command: str) -> None:
    words = shlex.split(command.replace('"$', "x").replace('"', ""))
    options = {word.partition("=")[0] for word in words if word.startswith("--")}
    verbs = [word for word in words[:3] if re.fullmatch(r"[a-z]+", word)]
    folder = engine.engine_folder(os.environ)
    path = os.pathsep.join([*([str(folder)] if folder else []), os.environ["PATH"]])
    ran = subprocess.run(
        [*verbs, "--help"], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert options <= set(re.findall(r"--[\w-]+", ran.stdout))


def test_the_operations_know_each_documented_command() -> None:
    found = set(re.findall(r"python -m operations ([\w-]+)([^\n`]*)", TEXT))
    assert found
    for name, rest in found:
        ran = subprocess.run(
            [interpreter.warm(), "-m", "operations", name, "--help"],
            cwd=ROOT,
            env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert set(re.findall(r"--[\w-]+", rest)) <= set(re.findall(r"--[\w-]+", ran.stdout)), name


def test_each_variable_and_connection_that_the_pipelines_read_is_documented() -> None:
    text = "\n".join(path.read_text() for path in files())
    names = set(re.findall(r"vars\.(\w+)|(\b\w+_TOKEN)\b", text))
    read = {one or other for one, other in names} - {
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        "AZURE_FEDERATED_TOKEN",
        "GH_TOKEN",
        "OIDC_TOKEN",
    }
    read |= set(re.findall(r"connection: ([\w-]+)", text)) | {"TENANT_ID", "PREVIEW_BRANCHES"}
    assert {name for name in read if name not in TEXT} == set()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\((\.\.?/[^)]+)\)", TEXT))))
def test_each_link_leads_somewhere(target: str) -> None:
    assert (ROOT / "docs" / Path(target)).exists()
