"""The dates in `Pulumi.<stack>.yaml`.

Owns reading and changing the list `identity-manager:secrets`. It changes the lines of that list and no other byte of
the file: comments, order, quoting and line ends are for the person who reviews the difference.
"""

import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from operations.clock import parsed
from operations.errors import OperationError
from operations.files import read_plain, write_whole

PROJECT = Path(__file__).resolve().parent.parent
KEY = "identity-manager:secrets"
_STACK = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9_.-]*/){0,2}([A-Za-z0-9_-][A-Za-z0-9_.-]{0,99})", re.ASCII)
_EMPTY = re.compile(r":[ ]*(~|null|\{[ ]*\})(?=\s|$)")
"""An empty value, whatever says so; it makes room for what is put there."""
_NOTHING = "Nothing was changed."


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
    """

    stack: str
    path: Path
    text: str
    dates: tuple[date, ...]
    sandbox: bool
    azuread: dict[str, str]

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
    )


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


def _inserted(lines: list[str], at: int, fresh: str, end: str) -> str:
    before = lines[:at]
    if before and not before[-1].endswith("\n"):
        before[-1] += end
    return "".join([*before, fresh, *lines[at:]])


def _flow(text: str, node: SequenceNode, dates: list[str]) -> str:
    inside = ", ".join(f'"{day}"' for day in dates)
    return f"{text[: node.start_mark.index]}[{inside}]{text[node.end_mark.index :]}"
