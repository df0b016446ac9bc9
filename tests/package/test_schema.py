"""What the package promises to programs in other languages."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypedDict, cast

import pytest

from tests.stack.project import Project, printed_json

GOLDEN = Path(__file__).with_name("schema.json")

Properties = Mapping[str, Mapping[str, object]]


class Described(TypedDict):
    """A type or a resource of a schema."""

    description: str
    properties: Properties


class Resource(Described):
    """A resource of a schema."""

    isComponent: bool
    inputProperties: Properties


class Schema(TypedDict):
    """The parts of a schema that are looked at."""

    name: str
    version: str
    types: dict[str, Described]
    resources: dict[str, Resource]


@pytest.fixture(scope="module")
def schema(project: Project) -> Schema:
    ran = project.run("pulumi", "package", "get-schema", "./components/pulumi-resource-identity-manager")
    return cast("Schema", printed_json(ran))


def test_the_schema_changes_on_purpose_only(schema: Schema) -> None:
    assert schema == json.loads(GOLDEN.read_text()), "changed on purpose? Then: make schema"


def test_the_package_offers_the_two_components_and_no_more(schema: Schema) -> None:
    assert schema["name"] == "identity-manager"
    assert set(schema["resources"]) == {
        "identity-manager:index:EntraApplication",
        "identity-manager:index:IdentityManagerRegistration",
    }
    assert all(resource["isComponent"] for resource in schema["resources"].values())
    assert all(re.fullmatch(r"identity-manager:index:\w+(?<!Args)", token) for token in schema["types"])


def described(schema: Schema) -> Iterator[tuple[str, object]]:
    for token, resource in schema["resources"].items():
        yield token, resource["description"]
        for name, one in resource["inputProperties"].items():
            yield f"{token}({name})", one.get("description")
        for name, one in resource["properties"].items():
            yield f"{token}.{name}", one.get("description")
    for token, kind in schema["types"].items():
        yield token, kind["description"]
        for name, one in kind["properties"].items():
            yield f"{token}.{name}", one.get("description")


def test_every_input_and_output_is_described_in_plain_lines(schema: Schema) -> None:
    texts = dict(described(schema))
    assert len(texts) > 30
    assert [place for place, text in texts.items() if not isinstance(text, str) or not text.strip()] == []
    # Lines with the indentation of the source would be shown as code.
    assert [place for place, text in texts.items() if "\n    " in str(text)] == []
