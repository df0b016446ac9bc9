"""A clone of the project with a stack of its own, `prod`, in a sandbox: what a pipeline checks out.

Owns the clone, its origin, the machine's tools that reach the network, and the tenant behind. A new virtual
environment sees this one's packages: pip finds them installed already and is cut off from any index, so that the
pipelines' own set-up runs as it is, and fails where what it pins is not what is installed.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import yaml

from sandbox import engine
from tests import interpreter
from tests.pipelines import platform
from tests.stack.project import ROOT
from tests.stack.tenant import Tenant

STACK = "prod"
ISSUER = "https://vendor.example"
COPIED = (
    ".gitignore",
    "Makefile",
    "Pulumi.dev.yaml",
    "Pulumi.yaml",
    "__main__.py",
    "components",
    "constraints.txt",
    "operations",
    "policy",
    "requirements-tools.txt",
    "requirements.txt",
    "sandbox",
    "settings.py",
)
GITLAB_URL = f"https://rotation:{platform.TOKEN}@gitlab.example:443/contoso/identity.git"
INSTALLER = """\
mkdir -p "$HOME/.pulumi/bin"
echo "$2" > "$HOME/.pulumi/version"
printf '#!/bin/sh\\nenv | grep -E "^(ARM|AZURE)_" > "$HOME/pulumi-environment"\\nexec %s "$@"\\n' \
"$(command -v pulumi)" > "$HOME/.pulumi/bin/pulumi"
chmod +x "$HOME/.pulumi/bin/pulumi"
"""
CURL = """\
#!/bin/sh
for last; do :; done
if [ "$last" = https://get.pulumi.com ]; then exec cat "$(dirname "$0")/install.sh"; fi
exec {curl} "$@"
"""
PYTHON = """\
#!/bin/sh
{python} "$@" || exit
# A new environment sees the packages of this one.
if [ "$2" = venv ]; then echo {packages} > "$(echo "$3"/lib/python3*/site-packages)/packages.pth"; fi
"""


class Checkout:
    """The clone and all that is around it on a machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "clone"
        self.home = folder / "sandbox"
        self.user = folder / "user"
        self.stubs = folder / "stubs"
        self.origin = folder / "origin.git"
        self.hub = folder / "hub.json"
        for made in (self.folder, self.user, self.stubs):
            made.mkdir()
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, self.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, self.folder / name)
        self.machine = self._machine()
        self._tools()
        self._held = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "exec", "--", "cat"],
            cwd=ROOT,
            env={**os.environ, "SANDBOX_HOME": str(self.home)},
            stdin=subprocess.PIPE,
        )
        self.today = datetime.now(UTC).date()
        self.expires = self.today + timedelta(days=364)
        self.configure()
        self.sandboxed("pulumi", "stack", "init", STACK)
        identities = json.loads((self.home / "tenant" / "identities.json").read_text())
        self.identities: dict[str, dict[str, str]] = identities
        self._tenant = Tenant(self.home)
        self._trust_the_vendors()
        self.base = self._repository()
        self.clean()

    @property
    def file(self) -> Path:
        return self.folder / f"Pulumi.{STACK}.yaml"

    def close(self) -> None:
        self._held.communicate()

    def identity_of(self, client_id: str) -> str:
        """The identity that has a client id."""
        return next(name for name, one in self.identities.items() if one["clientId"] == client_id)

    def oidc_token(self, identity: str) -> str:
        """A vendor's token for a job that may sign in as an identity."""
        return self._tenant.federated_token(ISSUER, identity)

    def _trust_the_vendors(self) -> None:
        for name in ("preview", "deploy"):
            path = f"/applications(appId='{self.identities[name]['clientId']}')/federatedIdentityCredentials"
            trusted = {"name": name, "issuer": ISSUER, "subject": name, "audiences": ["api://AzureADTokenExchange"]}
            assert self._tenant.admin.post(path, json=trusted).status_code == 201

    def configure(self, **changes: object) -> None:
        """Write the stack's file with some settings changed."""
        old: dict[str, object] = yaml.safe_load(self.file.read_text()) if self.file.exists() else {}
        settings = {
            "organization": "Contoso",
            "secrets": [self.expires.isoformat()],
            "deployer": "33333333-3333-4333-8333-333333333333",
            "protect": False,
            **changes,
        }
        config = {f"identity-manager:{key}": value for key, value in settings.items()}
        self.file.write_text(yaml.safe_dump({**old, "config": config}))

    def clean(self) -> None:
        """Put the clone and its origin back to the commit that all began with."""
        for command in (("switch", "--quiet", "main"), ("reset", "--quiet", "--hard", self.base)):
            self.git(*command)
        for branch in self.git("branch", "--format=%(refname:short)").split():
            if branch != "main":
                self.git("branch", "--quiet", "-D", branch)
        self.git("push", "--quiet", "--force", "--prune", "origin", "refs/heads/*:refs/heads/*")
        self.hub.write_text(json.dumps({"token": platform.TOKEN, "comments": [], "pullRequests": []}))
        for left in ("options", "comment.md", "events.jsonl", "expiry.md"):
            (self.origin / left).unlink(missing_ok=True)
            (self.folder / left).unlink(missing_ok=True)

    def github(self) -> dict[str, Any]:
        """What is on the pull requests of GitHub."""
        return cast("dict[str, Any]", json.loads(self.hub.read_text()))

    def git(self, *arguments: str) -> str:
        named = ("-c", "user.name=Ada", "-c", "user.email=ada@contoso.example", "-c", "init.defaultBranch=main")
        command = ["git", *named, *arguments]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=True).stdout

    def sandboxed(self, *command: str, identity: str = "deploy") -> str:
        """Run a command in the clone, in the sandbox."""
        ran = subprocess.run(
            [sys.executable, "-m", "sandbox", "exec", "--as", identity, "--", *command],
            cwd=self.folder,
            env={**os.environ, **self.machine, "HOME": os.environ["HOME"]},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def applied(self) -> None:
        """Bring the tenant to what the stack's file says."""
        self.sandboxed("pulumi", "up", "--yes", "--skip-preview", "--stack", STACK)

    def calls(self) -> list[dict[str, Any]]:
        """The HTTP calls that the tenant logged."""
        return [json.loads(line) for line in (self.home / "calls.jsonl").read_text().splitlines()]

    def pushed(self, branch: str) -> list[date]:
        """The dates in the stack's file on a branch of the origin; none where there is no such branch."""
        if not self.git("ls-remote", "origin", f"refs/heads/{branch}"):
            return []
        self.git("fetch", "--quiet", "origin", branch)
        config = yaml.safe_load(self.git("show", f"FETCH_HEAD:{self.file.name}"))["config"]
        return [date.fromisoformat(one) for one in config["identity-manager:secrets"]]

    def _machine(self) -> dict[str, str]:
        return {
            "HOME": str(self.user),
            "SANDBOX_HOME": str(self.home),
            "PYTHON": str(self.stubs / "python3"),
            "PIP_NO_INDEX": "1",
            **({"PULUMI_PYTHON_CMD": interpreter.warm()} if engine.engine_folder(os.environ) else {}),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{self.origin}.insteadOf",
            "GIT_CONFIG_VALUE_0": GITLAB_URL,
        }

    def _tools(self) -> None:
        curl = shutil.which("curl")
        assert curl, "curl is on every machine of the vendors"
        tools = {
            "curl": CURL.format(curl=curl),
            "install.sh": INSTALLER,
            "python3": PYTHON.format(python=sys.executable, packages=sysconfig.get_path("purelib")),
            "gh": f'#!/bin/sh\nexec {sys.executable} {Path(__file__).with_name("gh.py")} "$@"\n',
        }
        for name, text in tools.items():
            (self.stubs / name).write_text(text)
            (self.stubs / name).chmod(0o755)

    def _repository(self) -> str:
        self.git("init", "--quiet", "--bare", str(self.origin))
        self.git("-C", str(self.origin), "config", "receive.advertisePushOptions", "true")
        hook = self.origin / "hooks" / "post-receive"
        hook.write_text("#!/bin/sh\nenv | grep ^GIT_PUSH_OPTION_ > options\nexit 0\n")
        hook.chmod(0o755)
        self.git("init", "--quiet")
        self.git("remote", "add", "origin", str(self.origin))
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "The stack")
        self.git("push", "--quiet", "origin", "main")
        return self.git("rev-parse", "HEAD").strip()
