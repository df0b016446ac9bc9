"""What a table says about one property, and the orders and identities that follow from it.

The real plugin is a Terraform provider behind Pulumi's bridge. How it shows absent values, in which order it sends the
members of a set, and which members it takes for equal follow from the types of that world; this module owns those
types. It leaves alone what is done with them (`plan`) and which properties there are (`tables`).
"""

from __future__ import annotations

import enum
import json
import re
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sandbox.azuread.values import UNKNOWN, Unknown, Value, is_list, is_object


class Kind(enum.Enum):
    """The type of a property."""

    TEXT = enum.auto()
    FLAG = enum.auto()
    NUMBER = enum.auto()
    LIST = enum.auto()
    SET = enum.auto()
    MAP = enum.auto()


class Blank(enum.Enum):
    """How an empty text or an absent block is sent to Microsoft Graph."""

    NULL = enum.auto()
    """As null."""
    KEPT = enum.auto()
    """As the empty text."""
    LEFT_OUT = enum.auto()
    """Not at all; a block becomes an empty object."""


class Patch(enum.Enum):
    """When an update sends a property."""

    ALWAYS = enum.auto()
    CHANGED = enum.auto()
    NEVER = enum.auto()


Check = Callable[[Value, str], "str | None"]
"""Says what is wrong with a value of the property of that (Terraform) name, or nothing."""


@dataclass(frozen=True, slots=True)
class Property:
    """One row of a table."""

    name: str
    kind: Kind = Kind.TEXT
    block: tuple[Property, ...] = ()
    """For a list or set of objects: the properties of each."""
    single: bool = False
    """A list or set of at most one object, which Pulumi shows as that object or null."""
    required: bool = False
    optional: bool = False
    computed: bool = False
    default: Value = None
    replaces: bool = False
    secret: bool = False
    conflicts: tuple[str, ...] = ()
    exactly_one_of: tuple[str, ...] = ()
    terraform: str = ""
    """The Terraform name where it is not simply the same in snake case: it is part of a member's identity in a set."""
    plain_hash: bool = False
    """Whether the members of a set of texts are ordered by the hash of the bare text."""
    kept_when_absent: bool = False
    """Whether leaving the block out of the program keeps it, as long as it holds nothing but defaults."""
    any_case: bool = False
    """Whether a text that differs only in case is the same."""
    refused: str = ""
    """Why the stand-in does not take the property from a program, although the real plugin does."""
    check: Check | None = None
    most: int = 0
    least: int = 0
    graph: str = ""
    """The path in the Graph object, dotted; empty where a step of the life cycle deals with the property."""
    blank: Blank = Blank.NULL
    patch: Patch = Patch.ALWAYS
    joined: str = ""
    """The separator, where Graph keeps a set as one text."""
    derived: Callable[[dict[str, Value]], Value] | None = None
    """Computes the value from the Graph object, where no path leads to it."""

    @property
    def terraform_name(self) -> str:
        """The name in Terraform's spelling."""
        return self.terraform or snake_case(self.name)

    @property
    def is_input(self) -> bool:
        """Whether a program can set it."""
        return self.required or self.optional


def snake_case(name: str) -> str:
    """A Pulumi name in Terraform's spelling."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def find(properties: Iterable[Property], name: str) -> Property | None:
    """The row of that name."""
    return next((row for row in properties if row.name == name), None)


def state_order(row: Property, members: list[Value]) -> list[Value]:
    """The members of a set, each once, in the order in which a state shows them."""
    if not row.block:
        return [*sorted({str(member) for member in members})]
    return list(
        {_sort_key(row, member): member for member in sorted(members, key=lambda m: _sort_key(row, m))}.values()
    )


def sending_order(row: Property, members: list[Value]) -> list[Value]:
    """The members of a set in the order in which the real plugin sends them: by the text of their hash."""
    return sorted(members, key=lambda member: str(zlib.crc32(_hashed(row, member).encode())))


def identity(row: Property, member: Value) -> str:
    """What makes two members of a set the same."""
    return _hashed(row, member)


_SORT_KEYS: dict[bool | Unknown | None, str] = {UNKNOWN: "?", None: "~", True: "T", False: "F"}


def _sort_key(row: Property, value: Value) -> str:
    if value is None or isinstance(value, (bool, Unknown)):
        return _SORT_KEYS[value]
    if isinstance(value, (int, float, str)):
        return json.dumps(value, ensure_ascii=False)
    if is_list(value):
        return "[" + "".join(_sort_key(row, member) + ";" for member in value) + "]"
    fields = value if is_object(value) else {}
    rows = sorted(row.block, key=lambda inner: inner.terraform_name)
    return "<" + "".join(_sort_key(inner, fields.get(inner.name)) + ";" for inner in rows) + ">"


def _hashed(row: Property, member: Value) -> str:
    if row.block:
        return _serialised_block(row, member)
    return str(member) if row.plain_hash else f"{member};"


def _serialised_block(row: Property, member: Value) -> str:
    fields = member if is_object(member) else {}
    inputs = sorted((inner for inner in row.block if inner.is_input), key=lambda inner: inner.terraform_name)
    return "".join(f"{inner.terraform_name}:{_serialised(inner, fields.get(inner.name))}" for inner in inputs)


def _serialised(row: Property, value: Value) -> str:
    if value is None or value is UNKNOWN:
        return ";"
    match row.kind:
        case Kind.FLAG:
            return "1;" if value else "0;"
        case Kind.LIST | Kind.SET:
            members: list[Value] = value if is_list(value) else [value]
            ordered = sending_order(row, members) if row.kind is Kind.SET else members
            inner = "".join(f"<{_serialised_block(row, m)}>;" if row.block else f"{m};" for m in ordered)
            return ("{%s};" if row.kind is Kind.SET else "(%s);") % inner
        case _:
            return f"{value};"
