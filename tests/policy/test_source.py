"""The pack from its source, started and asked as an engine with today's language host for Python does it.

The sandbox's language host is an older one, which runs no policy packs; there the engine runs `policy/serve`.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree
from typing import Any

import grpc
import pytest
import yaml
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from tests.stack.project import ROOT

ROLE_ASSIGNMENT = "azuread:index/directoryRoleAssignment:DirectoryRoleAssignment"
SERVICE_PRINCIPAL = "azuread:index/servicePrincipal:ServicePrincipal"


@pytest.fixture(scope="module")
def analyzer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The pack in a folder of another name, as Pulumi Cloud unpacks a published one, asked over gRPC."""
    pack, project = tmp_path_factory.mktemp("packs") / "pack-1.0.0", tmp_path_factory.mktemp("project")
    copytree(ROOT / "policy", pack)
    # The host puts the virtual environment first on PATH; the folder is that of the project that is judged.
    environment = {"PATH": f"{sys.prefix}/bin:{os.environ['PATH']}", "VIRTUAL_ENV": sys.prefix}
    with subprocess.Popen(
        [f"{sys.prefix}/bin/python", "-u", "-m", "pulumi.policy", "127.0.0.1:1", str(pack)],
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as serving:
        assert serving.stdout is not None
        with grpc.insecure_channel(f"127.0.0.1:{int(serving.stdout.readline())}") as channel:
            yield analyzer_pb2_grpc.AnalyzerStub(channel)
        serving.kill()


def analyzed(analyzer: Any, kind: str) -> list[tuple[str, str]]:  # noqa: ANN401 - a generated class
    request = analyzer_pb2.AnalyzeRequest(
        urn=f"urn:pulumi:dev::identity-manager::{kind}::it", type=kind, name="it", properties=struct_pb2.Struct()
    )
    return [(one.policyName, one.message) for one in analyzer.Analyze(request).diagnostics]


def test_the_pack_says_what_it_is(analyzer: Any) -> None:  # noqa: ANN401
    info = analyzer.GetAnalyzerInfo(empty_pb2.Empty())
    assert info.name == "identity-manager"
    assert {policy.name for policy in info.policies} >= {"newest-secret-stays", "only-a-registration"}
    assert {policy.enforcementLevel for policy in info.policies} == {analyzer_pb2.MANDATORY}


def test_the_pack_judges_a_resource_by_its_own_configuration_and_by_a_given_one(analyzer: Any) -> None:  # noqa: ANN401
    # The engine configures a pack with what the pack itself says, and single properties of it changed.
    own = dict(analyzer.GetAnalyzerInfo(empty_pb2.Empty()).initialConfig)
    analyzer.Configure(analyzer_pb2.ConfigureAnalyzerRequest(policyConfig=own))
    [(policy, message)] = analyzed(analyzer, ROLE_ASSIGNMENT)
    assert policy == "only-a-registration"
    assert "it gives roles in the directory" in message
    assert "owned" in [policy for policy, _ in analyzed(analyzer, SERVICE_PRINCIPAL)]
    own["only-a-registration"].properties.update({"exceptions": ["DirectoryRoleAssignment"]})
    analyzer.Configure(analyzer_pb2.ConfigureAnalyzerRequest(policyConfig=own))
    assert analyzed(analyzer, ROLE_ASSIGNMENT) == []


def test_the_pack_can_be_installed_by_itself() -> None:
    pack = yaml.safe_load((ROOT / "policy" / "PulumiPolicy.yaml").read_text())
    assert pack["runtime"]["options"]["toolchain"] == "pip"
    virtual_environment = Path(os.path.normpath(ROOT / "policy" / pack["runtime"]["options"]["virtualenv"]))
    assert virtual_environment == ROOT / ".venv"
    lines = (ROOT / "policy" / "requirements.txt").read_text().splitlines()
    [needed] = [line for line in lines if not line.startswith("#")]
    assert needed.startswith("pulumi-policy==")
    assert needed in (ROOT / "constraints.txt").read_text().splitlines()
