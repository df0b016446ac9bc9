"""What a change declares, without Azure, state or secret: two commits of a repository compared in a sandbox."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from tests.operations.project import Done
from tests.stack.project import PROGRAM, ROOT

DEPLOYER = "aaaaaaaa-0000-4000-8000-000000000001"
ADA = "aaaaaaaa-0000-4000-8000-000000000002"
GRACE = "aaaaaaaa-0000-4000-8000-000000000003"

REAL: Mapping[str, object] = {
    "azuread:tenantId": "99999999-9999-4999-8999-999999999999",
    "azuread:environment": "usgovernment",
    "azuread:clientSecret": {"secure": "v1:AAAAAAAAAAAAAAAA:BBBBBBBB"},
    "identity-manager:organization": "Contoso",
    "identity-manager:secrets": ["2025-01-01", "2027-11-24"],
    "identity-manager:deployer": DEPLOYER,
    "identity-manager:owners": [ADA],
    "identity-manager:notes": {"secure": "v1:CCCCCCCCCCCCCCCC:DDDDDDDD"},
}
"""A stack of a real tenant: other people, encrypted settings, a secret that ended long ago."""


class Repository:
    """A repository of the project with one commit, whose stack `prod` is of a real tenant."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in (*PROGRAM, "operations", "sandbox"):
            source, target = ROOT / name, folder / name
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
        (folder / ".gitignore").write_text("__pycache__/\n.venv\n")
        (folder / ".venv").symlink_to(sys.prefix)
        self.git("init", "--quiet")

    def git(self, *arguments: str) -> None:
        identity = ("-c", "user.name=Ada", "-c", "user.email=ada@contoso.example")
        subprocess.run(["git", *identity, *arguments], cwd=self.folder, check=True)

    def settle(self, changes: Mapping[str, object] | None) -> None:
        """Write the stack's file; None takes it away."""
        file = self.folder / "Pulumi.prod.yaml"
        file.unlink(missing_ok=True)
        if changes is not None:
            config = {key: value for key, value in {**REAL, **changes}.items() if value is not None}
            whole = {
                "secretsprovider": "azurekeyvault://x.vault.azure.net/keys/y",
                "encryptedkey": "AA",
                "environment": ["contoso/entra"],
                "config": config,
            }
            file.write_text(yaml.safe_dump(whole))

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "A commit")

    def difference(self, *arguments: str, base: str = "HEAD") -> Done:
        """Run the command, with a temporary folder of its own and a pipeline's credentials around it."""
        temporary = self.folder.parent / "temporary"
        temporary.mkdir(exist_ok=True)
        environment = {
            **os.environ,
            "TMPDIR": str(temporary),
            "ARM_CLIENT_SECRET": "of-a-real-tenant",
            "ARM_USE_OIDC": "true",
        }
        before = self._files()
        ran = subprocess.run(
            [sys.executable, "-m", "operations", "diff", "--stack", "prod", "--base", base, *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in ran.stderr, ran.stderr
        assert self._files() == before
        assert list(temporary.iterdir()) == []
        return Done(ran.returncode, ran.stdout, ran.stderr)

    def _files(self) -> dict[Path, bytes]:
        return {
            file: file.read_bytes()
            for file in self.folder.rglob("*")
            if file.is_file() and not {".git", ".venv", "__pycache__"} & set(file.parts)
        }


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    (tmp_path / "project").mkdir()
    return Repository(tmp_path / "project")


def test_the_working_tree_is_compared_with_the_base_for_a_stack_of_a_real_tenant(repository: Repository) -> None:
    repository.settle({})
    repository.commit()
    repository.settle(
        {
            "identity-manager:fulfillment": True,
            "identity-manager:owners": [GRACE],
            "identity-manager:secrets": ["2027-11-24", "2028-11-20"],
            "identity-manager:notes": {"secure": "v1:CCCCCCCCCCCCCCCC:EEEEEEEE"},
        }
    )
    done = repository.difference("--json")
    assert done.status == 0, done.all
    assert done.json["headline"] == [
        "grants Directory.ReadWrite.All to Identity Manager Contoso, revokes Directory.Read.All",
        "adds a secret that ends 2028-11-20",
        "removes the secret that ends 2025-01-01",
        f"adds owner {GRACE}",
        f"takes {ADA} off the owners",
        "changes notes",
    ]
    assert not [risk for risk in done.json["risks"] if "newest secret" in risk]
    assert done.json["markdown"].startswith(
        "<!-- identity-manager:prod -->\n### `prod` grants `Directory.ReadWrite.All`"
    )
    assert "Encrypted settings cannot be read here" in done.json["markdown"]
    assert "Pulumi ESC is not asked here" in done.json["markdown"]
    assert "-     notes: [secret before]\n+     notes: [secret]\n" in done.json["markdown"]
    assert "encrypted-" not in done.out


def test_the_base_runs_its_own_program(repository: Repository) -> None:
    repository.settle({})
    repository.commit()
    program = repository.folder / "components" / "identity_manager_registration.py"
    text = program.read_text()
    renamed = text.replace('"display_name": f"Identity Manager {', '"display_name": f"Usercube {')
    assert renamed != text
    program.write_text(renamed)
    repository.commit()
    done = repository.difference("--markdown", base="HEAD~1")
    assert done.status == 0, done.all
    assert "### `prod` renames `Identity Manager Contoso` to `Usercube Contoso`\n" in done.out


def test_a_new_stack_is_compared_with_nothing(repository: Repository) -> None:
    repository.settle(None)
    repository.commit()
    repository.settle({})
    done = repository.difference("--json")
    assert done.status == 0, done.all
    assert done.json["headline"][0] == "registers Identity Manager Contoso"
    assert DEPLOYER in done.json["markdown"]
    assert "The stack is new" in done.json["markdown"]


def test_refused_settings_of_the_change_are_shown_and_need_attention(repository: Repository) -> None:
    repository.settle({})
    repository.commit()
    repository.settle({"identity-manager:secrets": ["2027-02-30"]})
    done = repository.difference("--markdown")
    assert done.status == 1, done.all
    assert "### `prod`: the preview failed" in done.out
    assert '"2027-02-30" is no date of the calendar' in done.out


def test_refused_settings_of_the_base_are_said(repository: Repository) -> None:
    repository.settle({"identity-manager:secrets": ["2027-02-30"]})
    repository.commit()
    repository.settle({})
    done = repository.difference("--json")
    assert done.status == 2, done.all
    assert '"2027-02-30" is no date of the calendar' in json.loads(done.out)["error"]


@pytest.mark.parametrize(
    ("base", "wrong"), [("no-such-ref", "no commit"), ("--output=x", "no commit"), ("HEAD", "does not exist")]
)
def test_what_cannot_be_compared_is_refused(repository: Repository, base: str, wrong: str) -> None:
    repository.settle(None)
    repository.commit()
    done = repository.difference(base=base)
    assert done.status == 2
    assert wrong in done.err
