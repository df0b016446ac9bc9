"""Putting connections into the text of an appsettings.agent.json.

Owns the change to the text: the values of the keys that are given, and no other byte. Formatting, order, number
literals and line ends stay as the file's owner wrote them. Names are compared as the agent does, without case.
"""

import json
import re
from dataclasses import dataclass

from operations.registration import AgentSettings

_SPACE = re.compile(r"[ \t\r\n]*")


class MalformedError(Exception):
    """The text is no settings file; the text of the error says why."""


@dataclass(frozen=True)
class _Member:
    name: str
    begin: int
    value: int
    end: int


def merged(text: str, settings: AgentSettings) -> str:
    """The text with these connections in it.

    Args:
        text: The file's text.
        settings: Keys and values by connection.

    Raises:
        MalformedError: The text is no JSON object, names something twice, or has no room for a connection.
    """
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    text = text.removeprefix(mark)
    _check(text)
    for connection, keys in settings.items():
        for key, value in keys.items():
            text = _put(text, ("Connections", connection, key), value)
    return mark + text


def value_of(text: str, path: tuple[str, ...]) -> str | None:
    """The text at a path of names, None where there is none.

    Raises:
        MalformedError: The text is no JSON object, or names something twice.
    """
    text = text.removeprefix("\ufeff")
    found: object = _check(text)
    for name in path:
        if not isinstance(found, dict):
            return None
        found = next((value for key, value in found.items() if key.lower() == name.lower()), None)
    return found if isinstance(found, str) else None


def _check(text: str) -> dict[str, object]:
    def each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        seen: set[str] = set()
        for name, _ in pairs:
            if name.lower() in seen:
                raise MalformedError(f"it names {name} twice")
            seen.add(name.lower())
        return dict(pairs)

    def no_number(literal: str) -> float:
        raise MalformedError(f"{literal} is no JSON")

    try:
        found = json.loads(text, object_pairs_hook=each_once, parse_constant=no_number)
    except json.JSONDecodeError as error:
        raise MalformedError(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise MalformedError("it is nested too deep") from None
    if not isinstance(found, dict):
        raise MalformedError("it is no JSON object")
    return found


def _put(text: str, path: tuple[str, ...], value: str) -> str:
    begin = _skip(text, 0)
    for depth, name in enumerate(path):
        if text[begin] != "{":
            raise MalformedError(f"{'.'.join(path[:depth])} is no object")
        members = _members(text, begin)
        found = next((one for one in members if one.name.lower() == name.lower()), None)
        if found is None:
            return _inserted(text, begin, path, depth, value)
        begin, end = found.value, found.end
    if json.loads(text[begin:end]) == value:
        return text
    return text[:begin] + json.dumps(value, ensure_ascii=False) + text[end:]


def _skip(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at


def _members(text: str, begin: int) -> list[_Member]:
    """The members of the object that begins there, in text that is known to be JSON."""
    decoder, found = json.JSONDecoder(), []
    at = _skip(text, begin + 1)
    while text[at] != "}":
        name, end = decoder.raw_decode(text, at)
        value = _skip(text, _skip(text, end) + 1)
        _, end = decoder.raw_decode(text, value)
        found.append(_Member(name, at, value, end))
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return found


def _inserted(text: str, begin: int, path: tuple[str, ...], depth: int, value: str) -> str:
    """The text with one more member in the object that begins there, laid out as its neighbours are."""
    end_of_line = "\r\n" if "\r\n" in text else "\n"
    indented = re.search(r"\n([ \t]+)\S", text)
    unit = indented[1] if indented else "  "
    fresh: object = value
    for name in reversed(path[depth + 1 :]):
        fresh = {name: fresh}
    members = _members(text, begin)
    if not members:
        line = end_of_line + unit * (depth + 1)
        close = _skip(text, begin + 1)
        inside = f"{line}{_laid_out(path[depth], fresh, unit, line)}{end_of_line}{unit * depth}"
        return text[: begin + 1] + inside + text[close:]
    first, last = members[0], members[-1]
    gap = text[begin + 1 : first.begin]
    line = end_of_line + gap.rpartition("\n")[2] if "\n" in gap else ""
    inside = f",{line or gap or ' '}{_laid_out(path[depth], fresh, unit, line)}"
    return text[: last.end] + inside + text[last.end :]


def _laid_out(name: str, value: object, unit: str, line: str) -> str:
    written = json.dumps(value, indent=unit if line else None, ensure_ascii=False)
    return f"{json.dumps(name)}: " + written.replace("\n", line)
