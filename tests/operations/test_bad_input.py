"""Bad input: each case ends with status 2 and the way to mend it, and changes no file and nothing in the tenant."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.operations.project import OperatedProject

AGENT = '{"Connections": {}}'
LIST = "identity-manager:secrets:"


def _stack_file(old: str, new: str) -> Callable[[OperatedProject], None]:
    def change(project: OperatedProject) -> None:
        text = project.file.read_text()
        assert old in text
        project.file.write_text(text.replace(old, new, 1))

    return change


def _whole(content: bytes) -> Callable[[OperatedProject], None]:
    return lambda project: void(project.file.write_bytes(content))


def _first_date(new: str) -> Callable[[OperatedProject], None]:
    return lambda project: _stack_file(f'"{project.dates()[0]}"', new)(project)


def void(_: object) -> None:
    """Drop a value."""


def _nothing(_: OperatedProject) -> None:
    pass


def _link(project: OperatedProject) -> None:
    project.file.rename(project.folder / "elsewhere.yaml")
    project.file.symlink_to(project.folder / "elsewhere.yaml")


Case = tuple[str, tuple[str, ...], Callable[[OperatedProject], None], dict[str, str]]
CASES: tuple[Case, ...] = (
    ("no command", (), _nothing, {}),
    ("an unknown command", ("revolve", "--stack", "dev"), _nothing, {}),
    ("an unknown option", ("rotate", "--stack", "dev", "--surprise"), _nothing, {}),
    ("no stack", ("rotate",), _nothing, {}),
    ("an unknown stack", ("rotate", "--stack", "prod"), _nothing, {}),
    ("a stack that Pulumi does not know", ("expiry", "--stack", "elsewhere"), _nothing, {}),
    ("a path for a stack", ("rotate", "--stack", "../dev"), _nothing, {}),
    ("an empty stack", ("rotate", "--stack", ""), _nothing, {}),
    ("an option for a stack", ("verify", "--stack=--help"), _nothing, {}),
    ("a stack with a line break", ("rotate", "--stack", "dev\n"), _nothing, {}),
    ("days that are no number", ("rotate", "--stack", "dev", "--days", "many"), _nothing, {}),
    ("no days", ("rotate", "--stack", "dev", "--days", "0"), _nothing, {}),
    ("days gone by", ("rotate", "--stack", "dev", "--days", "-5"), _nothing, {}),
    ("more than two years", ("rotate", "--stack", "dev", "--days", "732"), _nothing, {}),
    ("days beyond the calendar", ("rotate", "--stack", "dev", "--days", "99999999999"), _nothing, {}),
    ("a secret before the newest", ("rotate", "--stack", "dev", "--days", "30"), _nothing, {}),
    ("a span without a unit", ("rotate", "--stack", "dev", "--if-due", "60"), _nothing, {}),
    ("a span of weeks", ("expiry", "--stack", "dev", "--warn", "8w"), _nothing, {}),
    ("a negative span", ("expiry", "--stack", "dev", "--warn=-1d"), _nothing, {}),
    ("a span of other digits", ("expiry", "--stack", "dev", "--warn", "٦d"), _nothing, {}),
    ("a wait without end", ("verify", "--stack", "dev", "--wait", "forever"), _nothing, {}),
    ("a day that is none", ("rotate", "--stack", "dev"), _nothing, {"IDENTITY_MANAGER_TODAY": "2027-02-30"}),
    ("a stack file that is no YAML", ("rotate", "--stack", "dev"), _whole(b"config: ["), {}),
    ("a stack file with a key twice", ("rotate", "--stack", "dev"), _whole(b"config:\n  a: 1\n  a: 2\n"), {}),
    ("a stack file that is a list", ("rotate", "--stack", "dev"), _whole(b"- a\n"), {}),
    ("a stack file in another encoding", ("rotate", "--stack", "dev"), _whole(b"config:\n  a: \xff\n"), {}),
    ("a stack file with settings that are a text", ("rotate", "--stack", "dev"), _whole(b"config: text\n"), {}),
    ("a stack file that is a link", ("rotate", "--stack", "dev"), _link, {}),
    ("dates that are a text", ("rotate", "--stack", "dev"), _whole(b"config:\n  " + LIST.encode() + b" soon\n"), {}),
    ("a date of no calendar", ("rotate", "--stack", "dev"), _first_date('"2027-02-30"'), {}),
    ("a date without quotation marks", ("rotate", "--stack", "dev"), _first_date("2027-11-24"), {}),
    ("a date with a time", ("rotate", "--stack", "dev"), _first_date('"2027-11-24T00:00:00Z"'), {}),
    ("a list in the list", ("retire", "--stack", "dev"), _first_date("[a]"), {}),
    ("nothing to retire at all", ("retire", "--stack", "dev"), _whole(b"config:\n  " + LIST.encode() + b" []\n"), {}),
    ("two kinds to retire at once", ("retire", "--stack", "dev", "--orphans", "--made-by-hand"), _nothing, {}),
    ("the last one forced out", ("retire", "--stack", "dev", "--force"), _nothing, {}),
    (
        "orphans as an identity with no rights",
        ("retire", "--stack", "dev", "--orphans"),
        _nothing,
        {"ARM_CLIENT_SECRET": "wrong"},
    ),
    ("a tenant that does not answer", ("verify", "--stack", "dev"), _nothing, {"ARM_METADATA_HOSTNAME": "localhost:9"}),
    ("the sandbox's stack outside of it", ("verify", "--stack", "dev"), _nothing, {"ARM_METADATA_HOSTNAME": ""}),
    ("another passphrase", ("expiry", "--stack", "dev"), _nothing, {"PULUMI_CONFIG_PASSPHRASE_FILE": "/dev/null"}),
    ("no engine", ("expiry", "--stack", "dev"), _nothing, {"PATH": "/nowhere"}),
    ("an unknown form", ("agent-settings", "--stack", "dev", "--form", "xml"), _nothing, {}),
    ("a secret for the screen", ("agent-settings", "--stack", "dev"), _nothing, {}),
    ("a file that is missing", ("agent-settings", "--stack", "dev", "--merge", "none.json"), _nothing, {}),
    ("a folder to merge into", ("agent-settings", "--stack", "dev", "--merge", "operations"), _nothing, {}),
    ("a device to merge into", ("agent-settings", "--stack", "dev", "--merge", "/dev/null"), _nothing, {}),
    ("a folder for output", ("agent-settings", "--stack", "dev", "--output", "operations"), _nothing, {}),
    ("output in no folder", ("agent-settings", "--stack", "dev", "--output", "none/file"), _nothing, {}),
    (
        "two places at once",
        ("agent-settings", "--stack", "dev", "--output", "one.json", "--merge", "agent.json"),
        _nothing,
        {},
    ),
    ("no vault", ("deliver", "--stack", "dev"), _nothing, {}),
    ("a vault without TLS", ("deliver", "--stack", "dev", "--vault", "http://localhost:1"), _nothing, {}),
    ("a vault with a path", ("deliver", "--stack", "dev", "--vault", "https://localhost:1/secrets"), _nothing, {}),
    ("a vault of no port", ("deliver", "--stack", "dev", "--vault", "https://localhost:99999"), _nothing, {}),
    ("a vault that does not answer", ("deliver", "--stack", "dev", "--vault", "https://localhost:9"), _nothing, {}),
)


def _files(folder: Path) -> dict[str, str]:
    return {
        str(file): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


@pytest.mark.parametrize(
    ("arguments", "change", "environment"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_bad_input_is_explained_and_changes_nothing(
    deployed: OperatedProject,
    arguments: tuple[str, ...],
    change: Callable[[OperatedProject], None],
    environment: dict[str, str],
) -> None:
    value = deployed.at_start["ClientSecret"]
    (deployed.folder / "agent.json").write_text(AGENT)
    change(deployed)
    before, writes = _files(deployed.folder), deployed.writes()
    done = deployed.command(*arguments, **environment)
    assert done.status == 2, done.all
    assert len(done.all) > 20
    assert "Traceback" not in done.all
    assert value not in done.all
    assert _files(deployed.folder) == before
    assert deployed.writes() == writes


def test_there_are_forty_cases() -> None:
    assert len(CASES) >= 40
