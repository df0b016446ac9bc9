"""`Pulumi.<stack>.yaml`: its dates, and the ids of what is adopted.

Owns reading and changing the list `identity-manager:secrets` and the map `identity-manager:adopt`. It changes the lines
of these and no other byte of the file: comments, order, quoting and line ends are for the person who reviews the
difference.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from operations.clock import parsed
from operations.errors import OperationError
from operations.files import read_plain, write_whole

PROJECT = Path(__file__).resolve().parent.parent
KEY = "identity-manager:secrets"
ADOPT = "identity-manager:adopt"
_STACK = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9_.-]*/){0,2}([A-Za-z0-9_-][A-Za-z0-9_.-]{0,99})", re.ASCII)
_EMPTY = re.compile(r":[ ]*(~|null|\{[ ]*\})(?=\s|$)")
"""An empty value, whatever says so; it makes room for what is put there."""
_NOTHING = "Nothing was changed."

Ids: TypeAlias = Mapping[str, "str | Mapping[str, str]"]


@dataclass(frozen=True)
class StackFile:
    """The stack's file as it was read.

    Attributes:
        stack: The stack's name.
        path: The file.
        text: Its content.
        dates: The expiry dates in it, in its order.
        sandbox: Whether the stack belongs to the sandbox.
        azuread: Settings of the azuread plugin that are plain text.
        config: The settings as the engine hands them to the program, encrypted ones without their value.
        encrypted: The names of the encrypted settings.
    """

    stack: str
    path: Path
    text: str
    dates: tuple[date, ...]
    sandbox: bool
    azuread: dict[str, str]
    config: dict[str, str]
    encrypted: frozenset[str]

    @property
    def adopts(self) -> bool:
        """Whether the stack takes over, or has just taken over, what was made by hand."""
        return ADOPT in self.config

    def with_dates(self, wanted: list[date]) -> str:
        """The file's text with other dates.

        Args:
            wanted: All dates that are to be there.
        """
        gone = [day for day in self.dates if day not in wanted]
        new = [day for day in wanted if day not in self.dates]
        text = self.text
        for day in new:
            text = _with(text, day)
        if gone:
            text = _without(text, gone)
        if not self._holds(text, [*(day for day in self.dates if day in wanted), *new]):
            raise OperationError(
                f"{self.path} writes {KEY} in a form that cannot be changed line by line.",
                _NOTHING,
                f'write each date on a line of its own: - "{wanted[-1]}"',
            )
        return text

    def _holds(self, text: str, dates: list[date]) -> bool:
        try:
            return list(read(self.stack, text=text).dates) == dates
        except OperationError:
            return False

    def with_adopt(self, ids: Ids) -> str:
        """The file's text with other ids to adopt.

        Args:
            ids: What is to be there under `adopt`.
        """
        text = _with_adopt(self.text, ids)
        try:
            settings = YAML(typ="safe", pure=True).load(text)["config"]
            before = (YAML(typ="safe", pure=True).load(self.text) or {}).get("config") or {}
        except (YAMLError, KeyError, TypeError, ValueError):
            settings, before = {}, {}
        if settings != {**before, ADOPT: ids}:
            raise OperationError(
                f"{self.path} writes its settings in a form that cannot be changed line by line.",
                _NOTHING,
                f"write under config, each on a line of its own:\n{_block(ids, 2, chr(10))}",
            )
        return text

    def write(self, text: str) -> None:
        """Put the changed text into the file."""
        write_whole(self.path, text, like=self.path)


def read(stack: str, *, text: str | None = None) -> StackFile:
    """Read the file of a stack.

    Args:
        stack: The stack's name, the organization and project before it where the backend has them.
        text: Content to read in the file's place.

    Raises:
        OperationError: There is no such file, or its secrets are no list of dates.
    """
    named = _STACK.fullmatch(stack)
    if not named:
        raise OperationError(f"{stack!r} is no stack's name.", _NOTHING, "see the names with: pulumi stack ls")
    path = PROJECT / f"Pulumi.{named[1]}.yaml"
    if text is None:
        text = read_plain(path, f"pulumi stack init {named[1]}")
    config = _config(path, text)
    plain = {key.value: value.value for key, value in config if isinstance(value, ScalarNode)}
    return StackFile(
        stack,
        path,
        text,
        tuple(_date(path, node) for node in _items(path, _secrets(config))),
        plain.get("identity-manager:sandbox") == "true",
        {key.removeprefix("azuread:"): value for key, value in plain.items() if key.startswith("azuread:")},
        *_handed_over(text, plain),
    )


def _handed_over(text: str, plain: Mapping[str, str]) -> tuple[dict[str, str], frozenset[str]]:
    """The settings as the engine gives them to the program, and the names of the encrypted ones."""
    root = YAML(typ="safe", pure=True).load(text)
    values = (root.get("config") if isinstance(root, dict) else None) or {}
    encrypted = frozenset(key for key, value in values.items() if _holds_encrypted(value))
    handed = {key: plain.get(key) or json.dumps(value, default=str) for key, value in values.items()}
    return {key: "" if key in encrypted else value for key, value in handed.items()}, encrypted


def _holds_encrypted(value: object) -> bool:
    if isinstance(value, dict):
        return "secure" in value or any(map(_holds_encrypted, value.values()))
    return isinstance(value, list) and any(map(_holds_encrypted, value))


def _config(path: Path, text: str) -> list[tuple[ScalarNode, Node]]:
    yaml = YAML(pure=True)
    try:
        # The safe loader's check for doubled keys runs while values are made, which composing alone does not do.
        YAML(typ="safe", pure=True).load(text)
        root = yaml.compose(text)
    except (YAMLError, ValueError) as error:
        first = str(error).splitlines()
        raise OperationError(
            f"{path} is no YAML: {first[0] if first else error}.",
            _NOTHING,
            f"correct {path.name}, or: git checkout {path.name}",
        ) from None
    pairs = root.value if isinstance(root, MappingNode) else None
    if root is None or (isinstance(root, ScalarNode) and not root.value):
        return []
    if pairs is None:
        raise OperationError(f"{path} holds no settings.", _NOTHING, f"git checkout {path.name}")
    config = next((value for key, value in pairs if key.value == "config"), None)
    if config is None or (isinstance(config, ScalarNode) and not config.value):
        return []
    if not isinstance(config, MappingNode):
        raise OperationError(f"config in {path} holds no settings.", _NOTHING, f"git checkout {path.name}")
    return list(config.value)


def _secrets(config: list[tuple[ScalarNode, Node]]) -> Node | None:
    return next((value for key, value in config if key.value == KEY), None)


def _items(path: Path, node: Node | None) -> list[Node]:
    if node is None or (isinstance(node, ScalarNode) and str(node.tag).endswith(":null")):
        return []
    if not isinstance(node, SequenceNode):
        raise OperationError(
            f"{KEY} in {path} is no list.", _NOTHING, f"pulumi config set --path '{KEY}[0]' YYYY-MM-DD"
        )
    return list(node.value)


def _date(path: Path, node: Node) -> date:
    day = parsed(node.value) if isinstance(node, ScalarNode) and str(node.tag).endswith(":str") else None
    if day is None:
        shown = node.value if isinstance(node, ScalarNode) else "a list or map"
        raise OperationError(
            f"{KEY} in {path} holds {shown}, line {node.start_mark.line + 1}, which is no date in quotation marks.",
            _NOTHING,
            'write it as "YYYY-MM-DD"',
        )
    return day


def _without(text: str, gone: list[date]) -> str:
    """The text without the items of these dates."""
    node = _secrets(_config(Path(), text))
    assert isinstance(node, SequenceNode)  # noqa: S101 - the dates came from it
    if node.flow_style:
        kept = [item.value for item in node.value if parsed(item.value) not in gone]
        return _flow(text, node, kept)
    lines = text.splitlines(keepends=True)
    for item in reversed(node.value):
        if parsed(item.value) in gone:
            del lines[item.start_mark.line]
    return "".join(lines)


def _with(text: str, day: date) -> str:
    """The text with one more date, at the end of the list."""
    config = _config(Path(), text)
    node = _secrets(config)
    lines = text.splitlines(keepends=True)
    end = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    if isinstance(node, SequenceNode) and node.flow_style:
        return _flow(text, node, [*(item.value for item in node.value), day.isoformat()])
    if isinstance(node, SequenceNode):
        last = node.value[-1].start_mark.line
        dash = re.match(r"[ ]*-[ ]+", lines[last])
        if dash is None:
            return text
        return _inserted(lines, last + 1, f'{dash[0]}"{day}"{end}', end)
    return _with_first(lines, config, day, end)


def _with_first(lines: list[str], config: list[tuple[ScalarNode, Node]], day: date, end: str) -> str:
    """The lines with a list of one date, where there was none."""
    if not config:
        fresh = f'  {KEY}:{end}    - "{day}"{end}'
        at = next((number for number, line in enumerate(lines) if line.startswith("config:")), None)
        if at is None:
            return _inserted(lines, len(lines), f"config:{end}{fresh}", end)
        lines[at] = _EMPTY.sub(":", lines[at])
        return _inserted(lines, at + 1, fresh, end)
    key = next((key for key, _ in config if key.value == KEY), None)
    indent = " " * config[0][0].start_mark.column
    item = f'{indent}  - "{day}"{end}'
    if key is not None:
        line = key.start_mark.line
        lines[line] = _EMPTY.sub(":", lines[line])
        return _inserted(lines, line + 1, item, end)
    return _inserted(lines, config[0][0].start_mark.line, f"{indent}{KEY}:{end}{item}", end)


def _with_adopt(text: str, ids: Ids) -> str:
    """The text with this map under `adopt`: in the place of the former one, or first of the settings."""
    config = _config(Path(), text)
    lines = text.splitlines(keepends=True)
    end = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    block = _block(ids, config[0][0].start_mark.column if config else 2, end)
    former = next(((key, value) for key, value in config if key.value == ADOPT), None)
    if former is not None:
        first = former[0].start_mark.line
        del lines[first : _last_line(former[1]) + 1]
        return _inserted(lines, first, block, end)
    at = next((number for number, line in enumerate(lines) if line.startswith("config:")), None)
    if at is None:
        return _inserted(lines, len(lines), f"config:{end}{block}", end)
    lines[at] = _EMPTY.sub(":", lines[at])
    return _inserted(lines, at + 1, block, end)


def _block(ids: Ids, indent: int, end: str) -> str:
    space = " " * indent
    lines = [f"{space}{ADOPT}:"]
    for name, value in ids.items():
        if isinstance(value, str):
            lines.append(f'{space}  {name}: "{value}"')
        else:
            lines += [f"{space}  {name}:", *(f'{space}    {key}: "{one}"' for key, one in value.items())]
    return "".join(f"{line}{end}" for line in lines)


def _last_line(node: Node) -> int:
    """The last line that belongs to a value."""
    if isinstance(node, MappingNode | SequenceNode) and node.value and not node.flow_style:
        last = node.value[-1]
        return _last_line(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.line)


def _inserted(lines: list[str], at: int, fresh: str, end: str) -> str:
    before = lines[:at]
    if before and not before[-1].endswith("\n"):
        before[-1] += end
    return "".join([*before, fresh, *lines[at:]])


def _flow(text: str, node: SequenceNode, dates: list[str]) -> str:
    inside = ", ".join(f'"{day}"' for day in dates)
    return f"{text[: node.start_mark.index]}[{inside}]{text[node.end_mark.index :]}"
