"""Runs the shell steps of a job as its vendor would, in a sandbox.

Owns the vendor's side of a job: the shell, the variables, the files and lines by which one step speaks to the next, and
what runs after a failure. The commands come from the pipeline's file. A job that signs in runs in the sandbox with the
vendor's token, which the tenant takes for one identity, and with no secret; any other runs with no credential.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sandbox import engine
from tests.pipelines import platform
from tests.pipelines.checkout import STACK, Checkout
from tests.pipelines.documents import Job, Step, Vendor

GITHUB_VALUES = {
    "vars.ARM_TENANT_ID": "11111111-1111-4111-8111-111111111111",
    "vars.PULUMI_BACKEND_URL": "azblob://state?storage_account=contoso",
    "matrix.stack": STACK,
    "github.token": platform.TOKEN,
    "github.event.pull_request.number": "7",
}
SHELLS = {
    Vendor.GITHUB: ["bash", "--noprofile", "--norc", "-eo", "pipefail"],
    Vendor.GITLAB: ["bash", "-eo", "pipefail"],
    Vendor.AZURE: ["bash", "--noprofile", "--norc"],
}
KEPT = ("PATH", "LANG")
_VARIABLE = re.compile(r"(PREVIEW|DEPLOY)_CLIENT_ID")
_CONNECTION = re.compile(r"'connection': 'identity-manager-(\w+)'")
_SET = re.compile(r"^##vso\[task\.setvariable variable=(\w+)\](.*)$", re.MULTILINE)
_PATH = re.compile(r"^##vso\[task\.prependpath\](.*)$", re.MULTILINE)
_SUMMARY = re.compile(r"^##vso\[task\.uploadsummary\](.*)$", re.MULTILINE)


@dataclass
class Outcome:
    """What a job left.

    Attributes:
        failed: The steps that failed.
        output: All that the steps printed.
        summary: The run's summary.
        outputs: The outputs of the steps.
        variables: The variables that the steps set for later ones.
    """

    failed: list[str] = field(default_factory=list)
    output: str = ""
    summary: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)


class Runner:
    """A machine of a vendor, with the checkout on it."""

    def __init__(self, checkout: Checkout, vendor: platform.Platform) -> None:
        self.checkout = checkout
        self.platform = vendor
        self.temporary = checkout.folder.parent / "runner"
        self.temporary.mkdir(exist_ok=True)

    def run(self, job: Job, **more: str) -> Outcome:
        """Run a job.

        Args:
            job: The job.
            more: Variables beside those of the vendor.
        """
        outcome = Outcome()
        self.platform.oidc_token = self.checkout.oidc_token(_signs_in_as(job))
        for name in ("env", "path", "output", "summary"):
            (self.temporary / name).write_text("")
        given = {**self._of_the_vendor(job), **more}
        environment = given | {key: self._expanded(value, given) for key, value in job.environment.items()}
        for step in job.steps:
            if not outcome.failed or step.always:
                self._step(job, step, environment, outcome)
        outcome.summary += (self.temporary / "summary").read_text()
        outcome.outputs = pairs(self.temporary / "output")
        return outcome

    def _step(self, job: Job, step: Step, environment: dict[str, str], outcome: Outcome) -> None:
        own = {key: self._expanded(value, environment) for key, value in step.environment.items()}
        known = {**environment, **outcome.variables, **own}
        script = self.temporary / "step.sh"
        script.write_text(step.script)
        command = [*SHELLS[job.vendor], str(script)]
        client_id = known.get("ARM_CLIENT_ID")
        if client_id is not None:
            identity = self.checkout.identity_of(client_id)
            # The sandbox takes such variables away and gives its secret; here the job has its own, and no secret.
            own_sign_in = [f"{key}={value}" for key, value in known.items() if key.startswith(("ARM_", "AZURE_"))]
            command = ["env", "-u", "ARM_CLIENT_SECRET", *own_sign_in, *command]
            command = [sys.executable, "-m", "sandbox", "exec", "--as", identity, "--", *command]
        ran = subprocess.run(command, cwd=self.checkout.folder, env=known, capture_output=True, text=True, check=False)
        outcome.output += f"--- {step.name}\n{ran.stdout}{ran.stderr}"
        if ran.returncode != 0:
            outcome.failed.append(step.name)
        outcome.variables |= pairs(self.temporary / "env") | dict(_SET.findall(ran.stdout))
        paths = [*(self.temporary / "path").read_text().split(), *_PATH.findall(ran.stdout)]
        for path in paths:
            if path not in environment["PATH"]:
                environment["PATH"] = f"{path}:{environment['PATH']}"
        outcome.summary += "".join(Path(file).read_text() for file in _SUMMARY.findall(ran.stdout))

    def _expanded(self, value: str, given: Mapping[str, str]) -> str:
        """A variable's value; an expression that the vendor would not know is an error."""
        values = GITHUB_VALUES | {
            "vars.PREVIEW_CLIENT_ID": self.checkout.identities["preview"]["clientId"],
            "vars.DEPLOY_CLIENT_ID": self.checkout.identities["deploy"]["clientId"],
        }
        value = re.sub(r"\$\{\{ (.*?) \}\}", lambda found: values[found[1]], value)
        value = value.replace("$(System.AccessToken)", platform.TOKEN)
        return re.sub(r"^\$(\w+)$", lambda found: given[found[1]], value)

    def _of_the_vendor(self, job: Job) -> dict[str, str]:
        machine = {key: value for key, value in os.environ.items() if key in KEPT}
        folder = engine.engine_folder(os.environ)
        machine["PATH"] = ":".join(
            [
                str(self.checkout.stubs),
                str(Path(sys.prefix) / "bin"),
                *([str(folder)] if folder else []),
                machine["PATH"],
            ]
        )
        machine |= self.checkout.machine
        identities = self.checkout.identities
        names = {
            Vendor.GITHUB: {
                "GITHUB_ENV": str(self.temporary / "env"),
                "GITHUB_PATH": str(self.temporary / "path"),
                "GITHUB_OUTPUT": str(self.temporary / "output"),
                "GITHUB_STEP_SUMMARY": str(self.temporary / "summary"),
                "GITHUB_REPOSITORY": "contoso/identity",
                "GITHUB_BASE_REF": "main",
                "RUNNER_TEMP": str(self.temporary),
                "GH_STORE": str(self.checkout.hub),
            },
            Vendor.GITLAB: {
                "CI_API_V4_URL": f"{self.platform.url}/api/v4",
                "CI_MERGE_REQUEST_PROJECT_ID": "5",
                "CI_MERGE_REQUEST_IID": "7",
                "CI_MERGE_REQUEST_DIFF_BASE_SHA": self.checkout.base,
                "CI_DEFAULT_BRANCH": "main",
                "CI_SERVER_HOST": "gitlab.example",
                "CI_SERVER_PORT": "443",
                "CI_PROJECT_PATH": "contoso/identity",
                "TENANT_ID": GITHUB_VALUES["vars.ARM_TENANT_ID"],
                "PREVIEW_CLIENT_ID": identities["preview"]["clientId"],
                "DEPLOY_CLIENT_ID": identities["deploy"]["clientId"],
                "STACK": STACK,
            },
            Vendor.AZURE: {
                "SYSTEM_COLLECTIONURI": f"{self.platform.url}/collection/",
                "SYSTEM_TEAMPROJECTID": "project",
                "SYSTEM_PULLREQUEST_PULLREQUESTID": "7",
                "SYSTEM_PULLREQUEST_TARGETBRANCH": "refs/heads/main",
                "BUILD_REPOSITORY_ID": "repository",
                "AGENT_TEMPDIRECTORY": str(self.temporary),
            },
        }[job.vendor]
        return {**machine, **names, **self._tokens(job)}

    def _tokens(self, job: Job) -> dict[str, str]:
        """What the vendor gives to a job by what its file asks for."""
        if job.vendor is Vendor.GITHUB and job.definition["permissions"].get("id-token") == "write":
            return {
                "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.platform.url}/oidc?api-version=2.0",
                "ACTIONS_ID_TOKEN_REQUEST_TOKEN": platform.TOKEN,
            }
        if job.vendor is Vendor.GITLAB:
            asked = job.definition.get("id_tokens", {})
            tokens = dict.fromkeys(asked, self.platform.oidc_token)
            return {**tokens, "COMMENT_TOKEN": platform.TOKEN, "ROTATION_TOKEN": platform.TOKEN}
        if job.vendor is Vendor.AZURE and _CONNECTION.search(repr(job.definition)):
            return {
                "idToken": self.platform.oidc_token,
                "servicePrincipalId": self.checkout.identities[_signs_in_as(job)]["clientId"],
                "tenantId": GITHUB_VALUES["vars.ARM_TENANT_ID"],
            }
        return {}


def _signs_in_as(job: Job) -> str:
    """The identity that a job's file names; a job that names none could be anyone who only reads."""
    text = job.environment.get("ARM_CLIENT_ID", "") + repr(job.definition)
    found = _VARIABLE.search(text) or _CONNECTION.search(text)
    return found[1].lower() if found else "preview"


def pairs(file: Path) -> dict[str, str]:
    """The lines NAME=value of a file."""
    return dict(line.split("=", 1) for line in file.read_text().splitlines())
