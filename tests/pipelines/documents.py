"""The pipeline files as their vendors understand them.

Owns reading them and the way from a job to its shell steps: composite actions, templates, loops, `extends` and matrices
are expanded here. It runs nothing, and it keeps each command as the file has it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

from ruamel.yaml import YAML

from tests.stack.project import ROOT

Node = dict[str, Any]

GITHUB = ROOT / ".github"
GITLAB = ROOT / "pipelines" / "gitlab"
AZURE = ROOT / "pipelines" / "azure-devops"
NAMES = ("preview", "deploy", "drift")


class Vendor(StrEnum):
    GITHUB = "github"
    GITLAB = "gitlab"
    AZURE = "azure-devops"


@dataclass(frozen=True)
class Step:
    """A shell step.

    Attributes:
        name: What the file calls it.
        script: Its commands, as in the file.
        environment: Its variables, with the vendor's expressions in them.
        always: Whether it runs after a step that failed.
    """

    name: str
    script: str
    environment: Mapping[str, str] = field(default_factory=dict)
    always: bool = False


@dataclass(frozen=True)
class Job:
    """A job with its shell steps in their order."""

    vendor: Vendor
    pipeline: str
    name: str
    definition: Node
    environment: Mapping[str, str]
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return f"{self.vendor}-{self.pipeline}-{self.name}"


def load(path: Path) -> Node:
    """Read a file of YAML 1.2, where `on` is a word."""
    return cast("Node", YAML(typ="safe", pure=True).load(path.read_text()))


def files() -> list[Path]:
    """All files of the pipelines."""
    return sorted([*GITHUB.rglob("*.yml"), *GITLAB.glob("*.yml"), *AZURE.glob("*.yml")])


def jobs() -> list[Job]:
    """Every job of every pipeline."""
    return [job for name in NAMES for listed in (_github(name), _gitlab(name), _azure(name)) for job in listed]


def _texts(node: object) -> dict[str, str]:
    return {key: str(value) for key, value in cast("Node", node or {}).items()}


def _github(name: str) -> Iterator[Job]:
    document = load(GITHUB / "workflows" / f"{name}.yml")
    for job, definition in document["jobs"].items():
        steps = tuple(_github_steps(definition["steps"]))
        yield Job(Vendor.GITHUB, name, job, definition, _texts(definition.get("env")), steps)


def _github_steps(steps: list[Node]) -> Iterator[Step]:
    for step in steps:
        uses = step.get("uses", "")
        if uses.startswith("./"):
            yield from _github_steps(load(ROOT / uses / "action.yml")["runs"]["steps"])
        elif "run" in step:
            yield Step(step["name"], step["run"], _texts(step.get("env")), always="!cancelled()" in step.get("if", ""))


def gitlab_document(name: str) -> Node:
    """A pipeline with what it includes, `extends` resolved."""
    document: Node = {}
    own = load(GITLAB / f"{name}.yml")
    for included in own.pop("include"):
        document |= load(ROOT / included["local"].lstrip("/"))
    document |= own
    return {key: _extended(document, key) for key in document if not key.startswith(".") and key != "variables"}


def _extended(document: Node, name: str) -> Node:
    definition = dict(document[name])
    bases = definition.pop("extends", [])
    whole: Node = {}
    for base in [bases] if isinstance(bases, str) else bases:
        whole = _merged(whole, _extended(document, base))
    return _merged(whole, definition)


def _merged(base: Node, own: Node) -> Node:
    """GitLab's deep merge: maps key by key, anything else whole."""
    return {
        **base,
        **{
            key: _merged(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
            for key, value in own.items()
        },
    }


def _gitlab(name: str) -> Iterator[Job]:
    for job, definition in gitlab_document(name).items():
        environment = _texts(definition.get("variables"))
        # One shell runs the lines of a job, those before the script among them.
        lines = "\n".join(_flat([definition["before_script"], definition["script"]]))
        yield Job(Vendor.GITLAB, name, job, definition, environment, (Step(job, lines),))


def _flat(lines: object) -> Iterator[str]:
    if isinstance(lines, list):
        for line in lines:
            yield from _flat(line)
    else:
        yield str(lines)


_EACH = re.compile(r"\$\{\{ each (\w+) in parameters\.(\w+) \}\}")
_EXPRESSION = re.compile(r"\$\{\{ (.*?) \}\}")
_REPLACE = re.compile(r"replace\((\w+), '(.)', '(.)'\)")


def azure_document(path: Path, parameters: Mapping[str, object] | None = None) -> Node:
    """A pipeline or template, its compile-time expressions done, the templates in it kept."""
    document = load(path)
    given = {one["name"]: one["default"] for one in document.get("parameters", []) if "default" in one}
    return cast("Node", _compiled(document, {**given, **(parameters or {})}))


def _compiled(node: object, values: Mapping[str, object]) -> object:
    if isinstance(node, dict):
        return {key: _compiled(value, values) for key, value in node.items()}
    if isinstance(node, list):
        compiled: list[object] = []
        for item in node:
            [key, *more] = item if isinstance(item, dict) else [""]
            if not more and (each := _EACH.fullmatch(key)):
                items = cast("list[object]", values[each[2]])
                compiled += [
                    _compiled(one, {**values, each[1]: value}) for value in items for one in cast("Node", item)[key]
                ]
            else:
                compiled.append(_compiled(item, values))
        return compiled
    return _EXPRESSION.sub(lambda found: _value(found[1], values), node) if isinstance(node, str) else node


def _value(expression: str, values: Mapping[str, object]) -> str:
    if replaced := _REPLACE.fullmatch(expression):
        return str(values[replaced[1]]).replace(replaced[2], replaced[3])
    return str(values[expression.removeprefix("parameters.")])


def _azure(name: str) -> Iterator[Job]:
    document = azure_document(AZURE / f"{name}.yml")
    stages = document.get("stages", [document])
    for definition in [job for stage in stages for job in stage["jobs"]]:
        job = definition.get("job") or definition["deployment"]
        listed = definition.get("steps") or definition["strategy"]["runOnce"]["deploy"]["steps"]
        environment = _texts(definition.get("variables"))
        yield Job(Vendor.AZURE, name, job.split("_")[0], definition, environment, tuple(_azure_steps(listed)))


def _azure_steps(steps: list[Node]) -> Iterator[Step]:
    for step in steps:
        always = step.get("condition") == "succeededOrFailed()"
        if "template" in step:
            yield from _azure_steps(azure_document(AZURE / step["template"], step.get("parameters"))["steps"])
        elif "bash" in step:
            yield Step(step["displayName"], step["bash"], _texts(step.get("env")), always)
        elif step.get("task") == "AzureCLI@2":
            yield Step(step["displayName"], step["inputs"]["inlineScript"], {}, always)
