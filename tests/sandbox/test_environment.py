"""The sandbox's own rules: what it gives to a command, and what it keeps to itself."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import engine, environment

ROOT = Path(__file__).parents[2]


def in_sandbox(home: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sandbox", "exec", *command],
        cwd=ROOT,
        env={**os.environ, "SANDBOX_HOME": str(home), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_command_gets_the_sandbox_and_none_of_the_users_credentials(tmp_path: Path) -> None:
    foreign = {"ARM_TENANT_ID": "theirs", "AZURE_CLIENT_SECRET": "theirs", "PULUMI_ACCESS_TOKEN": "theirs"}
    ran = in_sandbox(
        tmp_path / "box", "--", sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))", **foreign
    )
    given = json.loads(ran.stdout)
    assert "theirs" not in given.values()
    assert given["ARM_METADATA_HOSTNAME"].startswith("localhost:")
    assert given["PULUMI_HOME"] == str(tmp_path / "box" / "pulumi")
    assert given["PULUMI_BACKEND_URL"] == f"{(tmp_path / 'box' / 'state').as_uri()}?metadata=skip"


def test_the_commands_exit_status_is_handed_on(tmp_path: Path) -> None:
    assert in_sandbox(tmp_path / "box", "--", "sh", "-c", "exit 7").returncode == 7
    assert in_sandbox(tmp_path / "box", "--", "sh", "-c", "kill -9 $$").returncode == 137


def test_an_unknown_identity_or_command_is_said_without_a_traceback(tmp_path: Path) -> None:
    for command in (["--as", "nobody", "--", "true"], ["--", "no-such-command"]):
        ran = in_sandbox(tmp_path / "box", *command)
        assert ran.returncode == 2
        assert command[-1] in ran.stderr or "nobody" in ran.stderr
        assert "Traceback" not in ran.stderr


def test_each_identity_has_its_own_credentials(tmp_path: Path) -> None:
    seen = {
        in_sandbox(
            tmp_path / "box", "--as", identity, "--", "sh", "-c", "echo $ARM_CLIENT_ID $ARM_CLIENT_SECRET"
        ).stdout
        for identity in ("deploy", "preview", "admin")
    }
    assert len(seen) == 3


def test_two_sandboxes_share_no_secret(tmp_path: Path) -> None:
    secrets = []
    for name in ("one", "two"):
        secrets.append(in_sandbox(tmp_path / name, "--", "sh", "-c", "echo $ARM_CLIENT_SECRET").stdout)
        secrets.append((tmp_path / name / "passphrase").read_text())
    assert len(set(secrets)) == 4


def test_the_directory_survives_and_commands_at_the_same_time_share_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sandbox", "exec", "--", "sh", "-c", "echo $ARM_CLIENT_SECRET; sleep 1"]
    at_once = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "SANDBOX_HOME": str(tmp_path / "box")},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    assert len({process.communicate()[0] for process in at_once}) == 1
    assert [process.returncode for process in at_once] == [0, 0, 0, 0]


def test_a_salt_leaves_the_sandboxs_stack_files_and_stays_in_others(tmp_path: Path) -> None:
    salted = "config:\n  # kept\n  identity-manager:sandbox: true\nencryptionsalt: v1:abc\n"
    other = "config:\n  identity-manager:organization: Contoso\nencryptionsalt: v1:abc\n"
    (tmp_path / "Pulumi.dev.yaml").write_text(salted)
    (tmp_path / "Pulumi.prod.yaml").write_text(other)
    environment.keep_salts_out(tmp_path)
    assert (tmp_path / "Pulumi.dev.yaml").read_text() == "config:\n  # kept\n  identity-manager:sandbox: true\n"
    assert (tmp_path / "Pulumi.prod.yaml").read_text() == other


def executable(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("version", "fits"), [("v3.272.0", True), ("v3.300.1", True), ("v3.271.9", False), ("v4.0.0", False), ("?", False)]
)
def test_an_engine_on_path_is_used_where_its_version_fits(tmp_path: Path, version: str, fits: bool) -> None:
    executable(tmp_path / "bin", "pulumi", f"echo {version}")
    executable(tmp_path / "bin", "pulumi-language-python", "true")
    executable(tmp_path / "bin", "go", "echo this Go fails >&2; exit 1")
    variables = {
        "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PIP_NO_INDEX": "1",
    }
    if fits:
        assert engine.engine_folder(variables) is None
    else:
        with pytest.raises(engine.EngineError):
            engine.engine_folder(variables)


def test_with_neither_engine_nor_network_one_message_says_what_to_do(tmp_path: Path) -> None:
    variables = {
        "PATH": "/usr/bin:/bin",
        "XDG_CACHE_HOME": str(tmp_path),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": "",
        "HOME": str(tmp_path),
    }
    with pytest.raises(engine.EngineError) as error:
        engine.engine_folder(variables)
    assert "could not be built, so nothing was run" in str(error.value)
    assert "make up" in str(error.value)
    assert list(tmp_path.glob("building-*")) == []
