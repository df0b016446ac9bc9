"""The reference of all settings, written from the settings' own model: `python -m docs.settings_reference`.

Owns what stands between the two marks in settings.md. Types, defaults, meanings and examples are the model's; what is
refused is what the model says to a wrong value of WRONG. `make docs` writes it anew, and a test compares.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from bootstrap.pipelines import PIPELINES
from settings import PLAIN_RULES, Settings, StackSettings

PAGE = Path(__file__).with_name("settings.md")
BEGIN, END = "<!-- written by settings_reference.py: begin -->\n", "<!-- written by settings_reference.py: end -->\n"
WRONG: Mapping[str, Sequence[object]] = {
    "organization": ("", " Contoso", "Identity Manager Contoso", "O'Reilly", "Contoso " * 12 + "Inc."),
    "fulfillment": ("yes",),
    "connections": ([], ["Contoso export"], ["Export", "export"]),
    "secrets": ([], "2027-11-24", ["24.11.2027"], ["2027-11-24", "2027-11-24"]),
    "deployer": ("ada@contoso.com", "00000000-0000-0000-0000-000000000000"),
    "owners": (["ada@contoso.com"],),
    "additionalPermissions": ({"MicrosoftGraph": ["Directory.Read.All"]}, {"MicrosoftGraph": ["Read all mail"]}),
    "graphApiUrl": ("https://graph.microsoft.com",),
    "responseUri": ("http://agent.contoso.example", "https://*.contoso.example"),
    "notes": ("",),
    "serviceManagementReference": (" ",),
    "protect": ("no",),
    "sandbox": ("no",),
    "repository": ("identity-manager",),
    "environment": ("",),
    "branch": ("refs/heads/main",),
    "previewBranches": (["two words"],),
    "issuer": ("http://gitlab.com",),
    "previewSubject": ("repo:contoso",),
    "deploySubject": ("repo:contoso",),
    "pipeline": ("jenkins",),
}
"""Values that break the rules, by key."""

PLAIN_TYPES: Mapping[object, str] = {bool: "true or false", str: "text"}


def kind(annotation: object) -> str:
    """A type in words."""
    origin = get_origin(annotation)
    parts = [part for part in get_args(annotation) if part is not type(None)]
    if origin is Annotated:
        return kind(parts[0])
    if origin in (Union, UnionType):
        return kind(parts[0])
    if origin is list:
        return f"list of {kind(parts[0])}s"
    if origin is dict:
        return "lists of names, by API"
    if nested(annotation) is not None:
        return "ids, by what they belong to"
    return PLAIN_TYPES[annotation]


def refusals(field: FieldInfo) -> Iterator[str]:
    """What the model says to the wrong values of one key."""
    adapter: TypeAdapter[object] = TypeAdapter(
        Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation,  # type: ignore[arg-type]
        config=ConfigDict(strict=True, arbitrary_types_allowed=True),
    )
    for wrong in WRONG.get(str(field.alias), ()):
        try:
            adapter.validate_python(wrong)
        except ValidationError as error:
            first = error.errors()[0]
        else:
            raise AssertionError(f"{field.alias} takes {wrong!r}, which WRONG lists")
        value = json.dumps(first["input"], ensure_ascii=False)
        yield f"`{value}` {PLAIN_RULES.get(first['type'], first['msg'])}"


def default(field: FieldInfo) -> str:
    """What holds where the key is not set."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    return f"`{json.dumps(value)}`" if value or value is False else "none"


def nested(annotation: object) -> type[BaseModel] | None:
    """The model of a value that has keys of its own."""
    parts = [annotation, *get_args(annotation)]
    return next((part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)), None)


def example(key: str, field: FieldInfo) -> list[str]:
    """Lines for a stack file."""
    one = (field.examples or [""])[0]
    written = f'"{one}"' if one[:1].isdigit() else one
    inner, outer = nested(field.annotation), get_origin(field.annotation)
    if inner is not None:
        plain = [one for one in inner.model_fields.values() if get_origin(one.annotation) is not dict]
        return [f"{key}:", *(f"  {line}" for one in plain for line in example(str(one.alias), one))]
    if outer is list:
        return [f"{key}:", f"  - {written}"]
    if outer is dict:
        return [f"{key}:", "  MicrosoftGraph:", f"    - {written}"]
    return [f"{key}: {written}"]


def section(model: type[Settings], field: FieldInfo) -> str:
    """The reference of one key."""
    shown = "".join(f"  {line}\n" for line in example(f"{model.namespace}:{field.alias}", field))
    refused = "".join(f"- {one}\n" for one in refusals(field))
    return (
        f"### {field.alias}\n\n{field.description}\n\n"
        f"- type: {kind(field.annotation)}\n- default: {default(field)}\n\n"
        f"```yaml\nconfig:\n{shown}```\n\n" + (f"Refused, for instance:\n\n{refused}\n" if refused else "")
    )


def table(model: type[Settings]) -> str:
    """The reference of all keys of a model, in short."""
    rows = [
        f"| `{field.alias}` | {field.description} | {kind(field.annotation)} | {default(field)} "
        f"| `{(field.examples or [''])[0]}` | {'; '.join(refusals(field))} |\n"
        for field in model.model_fields.values()
    ]
    head = "| key | meaning | type | default | example | refused, for instance |\n|---|---|---|---|---|---|\n"
    return head + "".join(rows)


def reference() -> str:
    """The reference of both projects."""
    fields = list(StackSettings.model_fields.values())
    # The key of every project comes last.
    fields.sort(key=lambda field: field.alias == "sandbox")
    text = f"## The stack: `{StackSettings.namespace}`\n\n" + "".join(section(StackSettings, one) for one in fields)
    namespace = next(iter(PIPELINES.values())).namespace
    text += f"## The pipelines' identities: `{namespace}`\n\n"
    text += "The project in `bootstrap/`, set with `pulumi -C bootstrap config set`.\n"
    for name, model in PIPELINES.items():
        text += f"\n### pipeline: {name}\n\n{table(model)}"
    return text


def page(text: str) -> str:
    """The page with its reference as the models have it now."""
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}{reference()}{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
