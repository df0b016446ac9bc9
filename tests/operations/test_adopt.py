"""Adoption: ten registrations made by hand, each another way, are taken over, nothing recreated, nothing lost."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from ruamel.yaml import YAML

from operations import stack_file
from tests.operations.hand_made import GRAPH, OWN, READ, REGISTRATIONS, HandMade, Made, make
from tests.operations.project import OperatedProject

SECRET = "2027-11-24"
DEPLOYER = "33333333-3333-4333-8333-333333333333"
NOBODY = "99999999-9999-4999-8999-999999999999"
APPLICATION, PRINCIPAL = "azuread:index/application:Application", "azuread:index/servicePrincipal:ServicePrincipal"
GRANT, PASSWORD = "azuread:index/appRoleAssignment:AppRoleAssignment", "ApplicationPassword"

FLEET = """
import json
from pathlib import Path

import pulumi
import yaml

from components import IdentityManagerRegistration
from settings import StackSettings

for file in sorted(Path(__file__).parent.glob("Pulumi.of-*.yaml")):
    config = yaml.safe_load(file.read_text())["config"]
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    pulumi.runtime.set_all_config(texts)
    settings = StackSettings.load()
    IdentityManagerRegistration(file.stem, {
        "organization": settings.organization,
        "secrets": settings.secrets,
        "fulfillment": settings.fulfillment,
        "owners": settings.all_owners,
        "graph_api_url": settings.graph_api_base,
        **({"adopt": settings.adopt.given} if settings.adopt else {}),
    })
"""
"""A program with all registrations at once: the engine's time goes into starting, not into the tenth registration."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatedProject]:
    made = OperatedProject(tmp_path_factory.mktemp("adopt"))
    made.init()
    yield made
    made.close()


@pytest.fixture
def alone(project: OperatedProject) -> Iterator[OperatedProject]:
    """The project with nothing in its stack, and nothing left of it afterwards."""
    state, kept = project.home / "state", project.home / "state-before"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(state, kept)
    project.control.post("/snapshots/before").raise_for_status()
    file = project.file.read_bytes()
    yield project
    project.control.post("/snapshots/before/restore").raise_for_status()
    shutil.rmtree(state)
    shutil.copytree(kept, state)
    project.file.write_bytes(file)


def adopted(project: OperatedProject) -> object:
    return YAML(typ="safe").load(project.file.read_text())["config"][stack_file.ADOPT]


def principal(project: OperatedProject, made: Made) -> str:
    with project.administrator() as graph:
        return str(graph.get(f"/servicePrincipals(appId='{made.application_id}')").raise_for_status().json()["id"])


def asks_for(project: OperatedProject, made: Made) -> list[str]:
    with project.administrator() as graph:
        found = graph.get(f"/applications/{made.object_id}").raise_for_status().json()
    return [one["id"] for api in found["requiredResourceAccess"] for one in api["resourceAccess"]]


def as_identity(project: OperatedProject, name: str) -> dict[str, str]:
    identity = project.identity(name)
    return {"ARM_CLIENT_ID": identity["clientId"], "ARM_CLIENT_SECRET": identity["secret"]}


def pulumi(project: OperatedProject, *command: str, status: int = 0, identity: str = "deploy") -> str:
    more = as_identity(project, identity)
    ran = project.direct("pulumi", *command, "--non-interactive", "--stack", "dev", **more)
    assert min(ran.returncode, 1) == status, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


def steps(project: OperatedProject, **more: str) -> list[dict[str, Any]]:
    """The steps of a preview that change something."""
    ran = project.direct("pulumi", "preview", "--json", "--non-interactive", "--stack", "dev", **more)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    listed: list[dict[str, Any]] = json.loads(ran.stdout[ran.stdout.index("{") :])["steps"]
    return [one for one in listed if one["op"] != "same"]


def changed(step: dict[str, Any]) -> set[str]:
    """The properties that an update is about."""
    return {path.split(".")[0].split("[")[0] for path in step["detailedDiff"]}


def kind(step: dict[str, Any]) -> str:
    return str(step["urn"].split("::")[2].rpartition("$")[2])


def write(project: OperatedProject, stack: str, one: HandMade) -> None:
    settings: dict[str, object] = {"organization": stack, "secrets": [SECRET], "deployer": DEPLOYER, **one.settings}
    lines = [f"  identity-manager:{key}: {json.dumps(value)}" for key, value in settings.items()]
    (project.folder / f"Pulumi.of-{stack}.yaml").write_text("\n".join(["# By hand.", "config:", *lines, ""]))


@pytest.fixture
def fleet(alone: OperatedProject) -> dict[str, Made]:
    """All ten in the directory, each with a stack file of its own."""
    made = {}
    with alone.administrator() as graph:
        for stack, one in REGISTRATIONS.items():
            made[stack] = make(graph, stack, one)
            write(alone, stack, one)
    for stack in REGISTRATIONS:
        ran = alone.direct("pulumi", "stack", "init", f"of-{stack}", "--non-interactive")
        assert ran.returncode == 0, ran.stderr
    return made


def test_ten_registrations_are_adopted_with_the_stated_changes_only_and_their_secrets_go_on_working(
    alone: OperatedProject, fleet: dict[str, Made]
) -> None:
    looker = as_identity(alone, "preview")
    writes = alone.writes()
    for stack, one in REGISTRATIONS.items():
        said = alone.command(
            "adopt", "--stack", f"of-{stack}", "--application-id", fleet[stack].application_id, "--json", **looker
        )
        assert said.status == 0, said.all
        of_all = ["owner", *["client secret"] * (len(one.secrets) + 1)]
        # Application.Read.All shows no delegated consent, and that is said.
        of_all += ["owner of the service principal", "delegated consent"] if one.has_principal else []
        assert Counter(two["what"] for two in said.json["differences"]) == Counter([*one.says, *of_all]), stack
    assert alone.writes() == writes

    shutil.copy(alone.folder / "__main__.py", alone.folder / "one.py")
    (alone.folder / "__main__.py").write_text(FLEET)
    try:
        planned = steps(alone, **looker)
        assert {one["op"] for one in planned} <= {"create", "import", "update"}
        named = {stack: [one for one in planned if f"of-{stack}" in one["urn"]] for stack in REGISTRATIONS}
        for stack, one in REGISTRATIONS.items():
            imports = Counter(kind(two) for two in named[stack] if two["op"] == "import")
            granted = bool(one.consents)
            assert imports == Counter([APPLICATION, *[PRINCIPAL] * one.has_principal, *[GRANT] * granted]), stack
            updated = {kind(two): changed(two) - OWN for two in named[stack] if two["op"] == "update"}
            expected = {APPLICATION: {"owners", *one.application}}
            if one.has_principal:
                expected[PRINCIPAL] = {"owners", *one.principal}
            assert updated == expected, stack
            created = [kind(two) for two in named[stack] if two["op"] == "create" and kind(two).startswith("azuread")]
            assert len(created) == 1 + (not one.has_principal) + (not granted), stack
        assert all_sign_in(alone, fleet)
        pulumi(alone, "up", "--yes", "--skip-preview", identity="admin")
        assert all_sign_in(alone, fleet)
        pulumi(alone, "preview", "--expect-no-changes", "--diff")
        pulumi(alone, "preview", "--expect-no-changes", "--diff", "--refresh")
        for stack in REGISTRATIONS:
            file = alone.folder / f"Pulumi.of-{stack}.yaml"
            text = file.read_text()
            assert text.startswith("# By hand.\nconfig:\n  identity-manager:adopt:\n")
            write(alone, stack, REGISTRATIONS[stack])
        pulumi(alone, "preview", "--expect-no-changes", "--diff")
        with alone.administrator() as graph:
            listed = graph.get("/applications?$top=999").json()["value"]
            applications = {one["appId"]: one for one in listed}
        for stack, made in fleet.items():
            application = applications[made.application_id]
            assert application["id"] == made.object_id
            assert application["displayName"] == f"Identity Manager {stack}"
            assert application["signInAudience"] == "AzureADMyOrg"
            assert len(application["passwordCredentials"]) == len(made.secrets) + 1
        assert all_sign_in(alone, fleet)
    finally:
        shutil.copy(alone.folder / "one.py", alone.folder / "__main__.py")


def all_sign_in(project: OperatedProject, fleet: dict[str, Made]) -> bool:
    """Whether each secret made by hand works, where there is a service principal and it has not expired."""
    return all(
        project.signs_in(secret, made.application_id)
        for stack, made in fleet.items()
        if stack not in ("bare", "multitenant")
        for secret, (name, _) in zip(made.secrets, REGISTRATIONS[stack].secrets, strict=True)
        if name != "gone"
    )


def portal_made(project: OperatedProject, *, kind: str = "portal") -> Made:
    """One registration made by hand beside a stack that has nothing yet."""
    with project.administrator() as graph:
        return make(graph, "Contoso", REGISTRATIONS[kind])


def test_one_registration_is_adopted_from_the_first_look_to_the_last_old_secret(alone: OperatedProject) -> None:
    made = portal_made(alone)
    [old] = made.secrets
    untouched = alone.file.read_text()
    refused = pulumi(alone, "preview", status=1)
    assert f"operations adopt --stack dev --application-id {made.object_id}" in refused

    said = alone.operate("adopt", "--application-id", made.object_id, **as_identity(alone, "admin"))
    assert said.status == 0, said.all
    assert "User.Read" in said.all
    assert f"az ad app owner add --id {made.object_id} --owner-object-id {DEPLOYER}" in said.all
    assert f"/servicePrincipals/{principal(alone, made)}/owners/$ref" in said.all
    assert alone.operate("adopt", "--application-id", made.application_id, "--json").json["adopt"] == adopted(alone)
    assert old not in alone.file.read_text()

    # Who holds Application.ReadWrite.OwnedBy alone reads the plan, but changes nothing that it does not own.
    assert "Authorization_RequestDenied" in pulumi(alone, "up", "--yes", "--skip-preview", status=1)
    assert alone.signs_in(old, made.application_id)
    pulumi(alone, "up", "--yes", "--skip-preview", "--refresh", identity="admin")
    pulumi(alone, "preview", "--expect-no-changes", "--diff", "--refresh")
    assert alone.signs_in(old, made.application_id)
    assert asks_for(alone, made) == [READ]
    assert {one["type"] for one in alone.state() if one.get("protect")} == {APPLICATION, PRINCIPAL, GRANT}

    verified = alone.operate("verify", "--json")
    assert verified.status == 0, verified.all
    assert [one["displayName"] for one in verified.json["madeByHand"]] == [None]
    again = alone.operate("adopt", "--json")
    assert again.status == 0
    assert again.json["adopt"] == {}

    assert alone.direct("pulumi", "config", "rm", stack_file.ADOPT, "--stack", "dev").returncode == 0
    assert alone.file.read_text().count("adopt") == 0
    assert set(untouched.splitlines()) <= set(alone.file.read_text().splitlines())
    pulumi(alone, "up", "--yes", "--skip-preview", "--expect-no-changes")
    assert alone.operate("verify").status == 1
    assert alone.operate("retire", "--orphans", "--json").json["removed"] == []
    assert alone.signs_in(old, made.application_id)
    retired = alone.operate("retire", "--made-by-hand")
    assert retired.status == 0, retired.all
    assert not alone.signs_in(old, made.application_id)
    assert alone.signs_in(alone.exported()["ClientSecret"], made.application_id)
    assert alone.operate("verify").status == 0


def test_what_the_state_lost_is_found_again_without_saying_the_application(alone: OperatedProject) -> None:
    alone.deploy()
    listed = {one["type"]: one for one in alone.state()}
    for type_ in (GRANT, PRINCIPAL):
        ran = alone.direct("pulumi", "state", "delete", listed[type_]["urn"], "--yes", "--stack", "dev")
        assert ran.returncode == 0, ran.stderr
    said = alone.operate("adopt", "--json")
    assert said.status == 0, said.all
    assert set(said.json["adopt"]) == {"servicePrincipal", "grants"}
    assert {one["op"] for one in steps(alone)} <= {"import", "update"}
    alone.deploy()
    assert {one["type"]: one["id"] for one in alone.state() if "id" in one} == {
        type_: one["id"] for type_, one in listed.items() if "id" in one
    }
    pulumi(alone, "preview", "--expect-no-changes", "--diff")


def test_a_grant_that_is_no_longer_declared_stays_with_a_warning(alone: OperatedProject) -> None:
    made = portal_made(alone)
    assert alone.operate("adopt", "--application-id", made.application_id).status == 0
    first = "config:\n"
    alone.file.write_text(alone.file.read_text().replace(first, f"{first}  identity-manager:fulfillment: true\n"))
    told = pulumi(alone, "up", "--yes", "--skip-preview", identity="admin")
    assert "MicrosoftGraph/Directory.Read.All, which it does not declare" in told
    verified = alone.operate("verify", "--json")
    assert verified.status == 0, verified.all
    assert {"name": "Directory.Read.All", "state": "Granted for Contoso, not declared"} in verified.json["permissions"]


@pytest.mark.parametrize(
    ("application_id", "says", "mends"),
    [
        ("identity-manager", "is no id", "Application (client) ID"),
        (NOBODY, "has no application", "az ad app list --all"),
        (GRAPH, "Microsoft's own", "az ad app list --display-name"),
        (None, "has no application yet", "--application-id"),
        ("deleted", "is deleted", "/restore"),
        ("principal", "is the object id of a service principal", "--application-id"),
    ],
)
def test_what_cannot_be_adopted_is_refused_with_the_way_on_and_nothing_is_written(
    alone: OperatedProject, application_id: str | None, says: str, mends: str
) -> None:
    before = alone.file.read_text()
    if application_id in ("deleted", "principal"):
        made = portal_made(alone)
        application_id = principal(alone, made) if application_id == "principal" else made.application_id
        if says == "is deleted":
            with alone.administrator() as graph:
                graph.delete(f"/applications/{made.object_id}").raise_for_status()
    arguments = ["--application-id", application_id] if application_id else []
    refused = alone.operate("adopt", *arguments, **as_identity(alone, "preview"))
    assert refused.status == 2, refused.all
    assert says in refused.all
    assert mends in refused.all
    assert alone.file.read_text() == before


def test_another_application_than_the_stacks_own_and_settings_that_lack_something_are_refused(
    alone: OperatedProject,
) -> None:
    made = portal_made(alone, kind="named")
    complete = alone.file.read_text()
    alone.configure(secrets=None, organization=None)
    refused = alone.operate("adopt", "--application-id", made.application_id)
    assert refused.status == 2
    assert "pulumi config set --stack dev identity-manager:organization Contoso" in refused.all
    assert "identity-manager:secrets[0]" in refused.all
    alone.file.write_text(complete)
    alone.deploy()
    refused = alone.operate("adopt", "--application-id", made.application_id)
    assert refused.status == 2
    assert "has another application already" in refused.all
    assert alone.file.read_text() == complete
