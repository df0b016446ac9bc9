"""The agent's settings: every form, and the agent's own file."""

import json
import os
import shlex
import stat
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations import json_merge
from tests.operations.project import OperatedProject

EXISTING = '\ufeff{\r\n    "Scheduler": {"Enabled": true, "Ratio": 1.50, "Big": 1e400},\r\n    "connections": {\r\n\
        "MicrosoftEntraIDExport": { "ApplicationKey":"an-old-one", "MicrosoftAuthorityPath" : "kept\\u00e9" },\r\n\
        "Other": {"Password": "theirs"}\r\n    }\r\n}'


@pytest.fixture
def agent_file(tmp_path: Path) -> Path:
    file = tmp_path / "Runtime" / "appsettings.agent.json"
    file.parent.mkdir()
    file.write_bytes(EXISTING.encode())
    file.chmod(0o640)
    return file


def test_the_merge_touches_nothing_but_the_connections_keys(deployed: OperatedProject, agent_file: Path) -> None:
    done = deployed.operate("agent-settings", "--merge", str(agent_file))
    assert done.status == 0, done.all
    wanted = deployed.exported()["AgentSettings"]["Connections"]["MicrosoftEntraIDExport"]
    text = agent_file.read_bytes().decode()
    found = json.loads(text.removeprefix("\ufeff"))["connections"]["MicrosoftEntraIDExport"]
    assert found == {**wanted, "MicrosoftAuthorityPath": "kept\u00e9"}
    for kept in ('"Ratio": 1.50, "Big": 1e400', '"kept\\u00e9"', '"Other": {"Password": "theirs"}\r\n    }\r\n}'):
        assert kept in text
    assert text.count("\n") == text.count("\r\n") == EXISTING.count("\n")
    assert stat.S_IMODE(agent_file.stat().st_mode) == 0o640
    backup = agent_file.with_name("appsettings.agent.json.bak")
    assert backup.read_bytes() == EXISTING.encode()
    assert stat.S_IMODE(backup.stat().st_mode) == 0o640
    assert sorted(one.name for one in agent_file.parent.iterdir()) == [agent_file.name, backup.name]
    assert wanted["ApplicationKey"] not in done.all
    assert "the last one wins" in done.out

    before = agent_file.stat().st_mtime_ns
    assert deployed.operate("agent-settings", "--merge", str(agent_file)).status == 0
    assert agent_file.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{} {}", '{"a": 1, "a": 2}', '{"Connections": 1}', '{"a": NaN}', "// no\n{}", '{"a": 1,}'],
)
def test_a_malformed_file_is_refused_as_it_is(deployed: OperatedProject, agent_file: Path, content: str) -> None:
    agent_file.write_text(content)
    assert deployed.operate("agent-settings", "--merge", str(agent_file)).status == 2
    assert agent_file.read_text() == content
    assert list(agent_file.parent.iterdir()) == [agent_file]


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_link_is_refused_and_its_target_left(deployed: OperatedProject, agent_file: Path, link: object) -> None:
    linked = agent_file.with_name("linked.json")
    assert callable(link)
    link(agent_file, linked)
    assert deployed.operate("agent-settings", "--merge", str(linked)).status == 2
    assert agent_file.read_bytes() == EXISTING.encode()
    assert sorted(agent_file.parent.iterdir()) == [agent_file, linked]


def test_an_older_value_that_would_win_needs_attention(deployed: OperatedProject, agent_file: Path) -> None:
    older = json.dumps({"Connections": {"MicrosoftEntraIDExport": {"ApplicationKey": "typed in long ago"}}})
    work = agent_file.parent.parent / "Work"
    work.mkdir()
    (work / "appsettings.connection.json").write_text(older)
    (agent_file.parent / "appsettings.encrypted.agent.json").write_text(older)
    (agent_file.parent / "appsettings.json").write_text('{"AzureKeyVault": {"Vault": "https://v.vault.azure.net/"}}')
    done = deployed.operate(
        "agent-settings",
        "--merge",
        str(agent_file),
        "--json",
        Connections__MicrosoftEntraIDExport__TenantId="another",
    )
    assert done.status == 1
    assert len(done.json["findings"]) == 4
    assert "typed in long ago" not in done.all


def test_each_form_holds_the_same_values(deployed: OperatedProject, tmp_path: Path) -> None:
    outputs = deployed.exported()
    environment = outputs["AgentEnvironment"]

    def written(form: str) -> str:
        file = tmp_path / form
        done = deployed.operate("agent-settings", "--form", form, "--output", str(file))
        assert done.status == 0, done.all
        assert outputs["ClientSecret"] not in done.all
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        return file.read_text()

    assert json.loads(written("json")) == outputs["AgentSettings"]
    lines = [line.partition("=") for line in written("environment").splitlines()]
    assert {name: shlex.split(value)[0] for name, _, value in lines} == environment
    variables = ElementTree.fromstring(written("iis"))  # noqa: S314 - it was written right above
    assert {one.attrib["name"]: one.attrib["value"] for one in variables} == environment
    vault = {name.replace("__", "--"): value for name, value in environment.items()}
    assert json.loads(written("keyvault")) == vault
    accounts = {"ApplicationId": "MicrosoftEntraIDExportAccount", "ApplicationKey": "MicrosoftEntraIDExportAccount"}
    assert json.loads(written("cyberark")) == {"Connections": {"MicrosoftEntraIDExport": accounts}}


@pytest.mark.parametrize("form", ["json", "environment", "iis", "keyvault"])
def test_a_secret_is_never_printed(deployed: OperatedProject, form: str) -> None:
    value = deployed.exported()["ClientSecret"]
    refused = deployed.operate("agent-settings", "--form", form)
    assert refused.status == 2
    printed = deployed.operate("agent-settings", "--form", form, "--without-secret")
    assert printed.status == 0
    assert "ApplicationKey" not in printed.out
    assert "TenantId" in printed.out
    assert value not in refused.all + printed.all


def test_settings_that_wait_for_pulumi_up_need_attention(deployed: OperatedProject, agent_file: Path) -> None:
    deployed.pass_days(40)
    deployed.operate("rotate")
    assert deployed.operate("agent-settings", "--merge", str(agent_file)).status == 1


names = st.text(max_size=6)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


@given(
    content=st.dictionaries(names, values, max_size=4),
    theirs=st.none() | st.dictionaries(names, st.dictionaries(names, values, max_size=2), max_size=2),
    indent=st.sampled_from([None, 0, 2, 4, "\t"]),
    secret=st.text(max_size=12),
)
def test_a_merge_of_any_file_changes_only_what_was_given(
    content: dict[str, object], theirs: dict[str, object] | None, indent: int | str | None, secret: str
) -> None:
    whole = {**content, **({} if theirs is None else {"Connections": theirs})}
    text = json.dumps(whole, indent=indent)
    settings = {"Export": {"ApplicationKey": secret, "TenantId": "one"}}
    try:
        merged = json_merge.merged(text, settings)
    except json_merge.MalformedError:
        # Names that differ in case only are one name to the agent.
        return
    found = json.loads(merged)
    connections = dict(found.pop("Connections"))
    assert connections.pop("Export") == settings["Export"]
    assert connections == (theirs or {})
    assert found == {key: value for key, value in whole.items() if key != "Connections"}
    assert json_merge.merged(merged, settings) == merged
