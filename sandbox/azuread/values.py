"""The values that travel between the engine, the tables and Microsoft Graph, and their form on the wire.

Owns: what "not yet known" is, and the translation to and from the engine's protobuf structures, secrets included.
Leaves alone: what a value means to a resource; that is the tables' business.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import TypeAlias, TypeGuard

from google.protobuf import struct_pb2


class Unknown(enum.Enum):
    """A value that a preview cannot know yet; one member, so that `is UNKNOWN` narrows the type."""

    UNKNOWN = "unknown"


UNKNOWN = Unknown.UNKNOWN

Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | Unknown | None"
Object: TypeAlias = "dict[str, Value]"

# Pulumi's own markers, part of its wire protocol.
_UNKNOWN_ON_THE_WIRE = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the name of a kind of value, not a secret


def is_object(value: Value) -> TypeGuard[dict[str, Value]]:
    """Whether a value is a known object."""
    return isinstance(value, dict)


def is_list(value: Value) -> TypeGuard[list[Value]]:
    """Whether a value is a known list."""
    return isinstance(value, list)


def is_zero(value: Value) -> bool:
    """Whether a value is absent or empty in the sense of the legacy type system: null, "", false, 0, [] or {}."""
    return value is not UNKNOWN and not value


def texts(value: Value) -> list[str]:
    """The texts of a list; of anything that is no known list, none."""
    return [item for item in value if isinstance(item, str)] if is_list(value) else []


def text(value: Value) -> str:
    """A text, or the empty text for anything else."""
    return value if isinstance(value, str) else ""


def objects(value: Value) -> list[Object]:
    """The objects of a list; of anything that is no known list, none."""
    return [item for item in value if is_object(item)] if is_list(value) else []


def without_unknowns(value: Value) -> Value:
    """The same value with every unknown in it made null."""
    if value is UNKNOWN:
        return None
    if is_list(value):
        return [without_unknowns(item) for item in value]
    if is_object(value):
        return {name: without_unknowns(item) for name, item in value.items()}
    return value


def has_unknowns(value: Value) -> bool:
    """Whether any part of a value is unknown."""
    if is_list(value):
        return any(has_unknowns(item) for item in value)
    if is_object(value):
        return any(has_unknowns(item) for item in value.values())
    return value is UNKNOWN


def secret(value: Value) -> Object:
    """A value marked as secret for the engine."""
    return {_SIGNATURE: _SECRET, "value": value}


def from_struct(struct: struct_pb2.Struct) -> Object:
    """What the engine sent, with its markers for secrets taken off and unknowns made UNKNOWN."""
    return {name: _from_wire(item) for name, item in struct.fields.items()}


def to_struct(fields: Mapping[str, Value]) -> struct_pb2.Struct:
    """The same for the way back; secrets are already marked."""
    struct = struct_pb2.Struct()
    for name, item in fields.items():
        struct.fields[name].CopyFrom(_to_wire(item))
    return struct


def _from_wire(item: struct_pb2.Value) -> Value:  # noqa: PLR0911 - one for each form of a value
    match item.WhichOneof("kind"):
        case "bool_value":
            return item.bool_value
        case "number_value":
            return int(item.number_value) if item.number_value.is_integer() else item.number_value
        case "string_value":
            return UNKNOWN if item.string_value == _UNKNOWN_ON_THE_WIRE else item.string_value
        case "list_value":
            return [_from_wire(element) for element in item.list_value.values]
        case "struct_value":
            fields = item.struct_value.fields
            if _SIGNATURE in fields and fields[_SIGNATURE].string_value == _SECRET:
                return _from_wire(fields["value"])
            return from_struct(item.struct_value)
        case _:
            return None


def _to_wire(value: Value) -> struct_pb2.Value:  # noqa: PLR0911 - one for each form of a value
    if value is None:
        return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
    if value is UNKNOWN:
        return struct_pb2.Value(string_value=_UNKNOWN_ON_THE_WIRE)
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, (int, float)):
        return struct_pb2.Value(number_value=value)
    if isinstance(value, str):
        return struct_pb2.Value(string_value=value)
    if is_list(value):
        return struct_pb2.Value(list_value=struct_pb2.ListValue(values=[_to_wire(element) for element in value]))
    return struct_pb2.Value(struct_value=to_struct(value if is_object(value) else {}))
