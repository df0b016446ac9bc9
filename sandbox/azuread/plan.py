"""What will become of a resource: defaults of inputs, the planned state, and the difference as the engine shows it.

This is the arithmetic of Terraform's legacy plugin SDK and of Pulumi's bridge in the parts that the covered resources
meet: which absent values are kept, which become unknown, and how a change in a list or set is shown. It only computes:
no requests, no knowledge of a particular resource.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence

from sandbox.azuread.schema import Kind, Property, find, identity, state_order
from sandbox.azuread.values import UNKNOWN, Object, Value, has_unknowns, is_list, is_object, is_zero

DEFAULTS = "__defaults"
"""Pulumi's record, inside inputs, of the properties that a default filled."""


class Change(enum.IntEnum):
    """How a property changes; the numbers are those of Pulumi's protocol."""

    ADD = 0
    ADD_REPLACE = 1
    DELETE = 2
    DELETE_REPLACE = 3
    UPDATE = 4
    UPDATE_REPLACE = 5

    @property
    def replacing(self) -> Change:
        """The same change where it replaces the resource."""
        return Change(self | 1)

    @property
    def keeping(self) -> Change:
        """The same change where it does not."""
        return Change(self & ~1)

    @property
    def is_replacement(self) -> bool:
        """Whether it replaces the resource."""
        return bool(self & 1)


# ---------------------------------------------------------------------------------------------------- inputs


def with_defaults(rows: Sequence[Property], news: Mapping[str, Value], olds: Mapping[str, Value]) -> Object:
    """A program's inputs with the tables' defaults filled in, as Check answers them.

    A default that falls to a false or empty value is left to the plan. An old value is taken up again as default if
    it was one, or if nothing tells whether it was.
    """
    filled: Object = {}
    for name, value in news.items():
        row = find(rows, name)
        if value is not None and row is not None:
            filled[name] = _inner_defaults(row, value, olds.get(name))
    old_defaults = olds.get(DEFAULTS)
    used: list[Value] = []
    for row in rows:
        if row.name in filled or row.default is None:
            continue
        if row.name in olds and (not is_list(old_defaults) or row.name in old_defaults):
            filled[row.name] = olds[row.name]
        elif not is_zero(row.default):
            filled[row.name] = row.default
        else:
            continue
        used.append(row.name)
    filled[DEFAULTS] = sorted(used, key=str)
    return filled


def _inner_defaults(row: Property, value: Value, old: Value) -> Value:
    """A given value with the defaults within it, and with a number or flag turned into the text that is wanted."""
    if row.kind is Kind.MAP and is_object(value):
        return {name: _coerced(Kind.TEXT, item) for name, item in value.items()}
    if row.block and is_object(value):
        return with_defaults(row.block, value, old if is_object(old) else {})
    if row.block and is_list(value):
        olds = old if is_list(old) else []
        matches = _matched(row, value, olds)
        return [_inner_defaults(row, item, olds[matches[i]] if i in matches else None) for i, item in enumerate(value)]
    if is_list(value):
        return [_coerced(Kind.TEXT, item) for item in value]
    return _coerced(row.kind, value)


def _coerced(kind: Kind, value: Value) -> Value:
    if kind is Kind.TEXT and isinstance(value, bool):
        return "true" if value else "false"
    if kind is Kind.TEXT and isinstance(value, (int, float)):
        return str(value)
    if kind is Kind.FLAG and value in ("true", "false"):
        return value == "true"
    if kind is Kind.NUMBER and isinstance(value, str) and value.isdigit():
        return int(value)
    return value


def _matched(row: Property, first: Sequence[Value], second: Sequence[Value]) -> dict[int, int]:
    """Which member of the second list each of the first corresponds to: by content in a set, by position in a list."""
    alike = all(is_object(member) for member in (*first, *second))
    if row.kind is not Kind.SET or not alike:
        return {index: index for index in range(min(len(first), len(second)))}
    candidates = []
    for i, one in enumerate(first):
        for j, other in enumerate(second):
            if is_object(one) and is_object(other):
                shared = [name for name in one if name in other]
                candidates.append((len(shared) + 2 * sum(one[name] == other[name] for name in shared), i, j))
    matches: dict[int, int] = {}
    for _, i, j in sorted(candidates, key=lambda candidate: -candidate[0]):
        if i not in matches and j not in matches.values():
            matches[i] = j
    return matches


def refreshed_inputs(rows: Sequence[Property], old_inputs: Object, state: Object) -> Object:
    """The inputs after a refresh: those that were there, with what was read in their place."""
    inputs, _ = _refreshed_object(rows, old_inputs, state)
    return _without_empty_defaults(inputs)


def _refreshed_object(rows: Sequence[Property], old: Object, state: Object) -> tuple[Object, bool]:
    recorded = old.get(DEFAULTS)
    defaults = {str(name) for name in recorded} if is_list(recorded) else None
    result: Object = {}
    unchanged = True
    for name, value in old.items():
        same = False
        if name in state:
            row = find(rows, name)
            result[name], same = _refreshed(row, value, state[name])
        if not same:
            unchanged = False
            if defaults is not None:
                defaults.discard(name)
    if defaults is not None:
        result[DEFAULTS] = [*sorted(defaults)]
    return result, unchanged or defaults is None


def _refreshed(row: Property | None, old: Value, new: Value) -> tuple[Value, bool]:
    if is_list(old) and is_list(new):
        matches = _matched(row, old, new) if row is not None else {}
        pairs = [(i, matches[i]) for i in range(len(old)) if i in matches]
        refreshed = [_refreshed_member(row, old[i], new[j]) for i, j in pairs]
        return [value for value, _ in refreshed], len(pairs) == len(old) and all(same for _, same in refreshed)
    return _refreshed_member(row, old, new)


def _refreshed_member(row: Property | None, old: Value, new: Value) -> tuple[Value, bool]:
    if is_object(old) and is_object(new):
        if row is not None and row.block:
            return _refreshed_object(row.block, old, new)
        return {name: new[name] for name in old if name in new}, all(new.get(name) == old[name] for name in old)
    return new, old == new


def imported_inputs(rows: Sequence[Property], state: Object) -> Object:
    """The inputs that would give this state: everything a program can set that differs from its default."""
    inputs: Object = {}
    for row in rows:
        if row.name not in state or not row.is_input:
            continue
        value = _imported(row, state[row.name])
        if row.required or not _is_default(row, value):
            inputs[row.name] = value
    inputs[DEFAULTS] = []
    return inputs


def _imported(row: Property, value: Value) -> Value:
    if row.block and is_object(value):
        return imported_inputs(row.block, value)
    if row.block and is_list(value):
        return [_imported(row, member) for member in value]
    if row.kind is Kind.MAP and is_object(value):
        return {**value, DEFAULTS: []}
    return value


def _is_default(row: Property, value: Value) -> bool:
    if row.default is not None:
        return value == row.default
    return is_zero(value) or (is_object(value) and set(value) == {DEFAULTS})


def without_conflicts(rows: Sequence[Property], inputs: Object) -> Object:
    """The same inputs, less those that contradict one before them in the alphabet."""
    kept: Object = {}
    for name in sorted(inputs):
        row = find(rows, name)
        if row is None or not any(other in kept for other in row.conflicts):
            kept[name] = inputs[name]
    return kept


def _without_empty_defaults(value: Object) -> Object:
    return {name: _cleaned(item) for name, item in value.items() if not (name == DEFAULTS and item == [])}


def _cleaned(value: Value) -> Value:
    if is_object(value):
        return _without_empty_defaults(value)
    return [_cleaned(item) for item in value] if is_list(value) else value


# ---------------------------------------------------------------------------------------------------- the plan


def planned(rows: Sequence[Property], prior: Object | None, config: Mapping[str, Value]) -> Object:
    """The state that a program asks for, as far as it can be told before anything is done.

    If that differs from the prior state in nothing but the form of its empty values, it is the prior state.
    """
    result: Object = {row.name: _planned(row, _of(prior, row), config.get(row.name), prior is None) for row in rows}
    if prior is not None and all(equivalent(row, prior.get(row.name), result[row.name]) for row in rows):
        result = {row.name: prior.get(row.name) for row in rows}
    result["id"] = UNKNOWN if prior is None else prior.get("id")
    return result


def _of(prior: Object | None, row: Property) -> Value:
    return None if prior is None else prior.get(row.name)


def _planned(row: Property, prior: Value, config: Value, creating: bool) -> Value:
    if config is UNKNOWN:
        return UNKNOWN
    if row.single:
        return _planned_single(row, prior, config, creating)
    if row.kind in _COLLECTIONS:
        return _COLLECTIONS[row.kind](row, prior, config, creating)
    if config is None or (row.computed and config == ""):
        return _absent(row, prior, None, creating)
    if row.any_case and isinstance(prior, str) and isinstance(config, str) and prior.lower() == config.lower():
        return prior
    return config


def _absent(row: Property, prior: Value, emptied: Value, creating: bool) -> Value:
    """What a property becomes that the program does not set."""
    if row.default is not None:
        return row.default
    if row.computed:
        return UNKNOWN if creating else prior
    return prior if is_zero(prior) else emptied


def _planned_map(row: Property, prior: Value, config: Value, creating: bool) -> Value:
    if has_unknowns(config):
        return UNKNOWN
    return config if config else _absent(row, prior, {}, creating)


def _planned_list(row: Property, prior: Value, config: Value, creating: bool) -> Value:
    # One unknown member makes the whole list unknown, but not one that is unknown in part.
    if is_list(config) and UNKNOWN in config:
        return UNKNOWN
    members = config if is_list(config) else []
    if not members:
        cleared = row.computed and not row.block and config is not None and not creating
        absent = [] if cleared else _absent(row, prior, [], creating)
        return [] if absent is None and row.block else absent
    if row.kind is Kind.SET:
        plan: Value = state_order(row, [_member(row, member) for member in members])
        return prior if equivalent(row, prior, plan) else plan
    if not row.block:
        return [*members]
    olds = prior if is_list(prior) else []
    return [
        _planned_object(row.block, olds[i] if i < len(olds) else None, member, creating)
        for i, member in enumerate(members)
    ]


_COLLECTIONS = {Kind.LIST: _planned_list, Kind.SET: _planned_list, Kind.MAP: _planned_map}


def _planned_single(row: Property, prior: Value, config: Value, creating: bool) -> Value:
    if config is None:
        if is_object(prior) and row.kept_when_absent and all(_holds_defaults(inner, prior) for inner in row.block):
            return _planned_object(row.block, prior, {}, creating)
        return None
    if row.kind is Kind.SET:
        return _member(row, config)
    return _planned_object(row.block, prior, config, creating)


def _planned_object(rows: Sequence[Property], prior: Value, config: Value, creating: bool) -> Value:
    olds = prior if is_object(prior) else {}
    news = config if is_object(config) else {}
    return {row.name: _planned(row, olds.get(row.name), news.get(row.name), creating) for row in rows}


def _holds_defaults(row: Property, block: Object) -> bool:
    """Whether a property is no reason to show the absence of its block; texts directly in a block are none."""
    value = block.get(row.name)
    if row.kind is Kind.TEXT:
        return row.kept_when_absent or is_zero(value)
    if row.single and is_object(value):
        return all(_holds_defaults(inner, value) for inner in row.block)
    return is_zero(value) or value == row.default


def _member(row: Property, member: Value) -> Value:
    """A member of a set of objects, where everything absent has its zero value, since nothing old corresponds to it."""
    if not row.block:
        return member
    fields = member if is_object(member) else {}
    return {inner.name: _zeroed(inner, fields.get(inner.name)) for inner in row.block}


def _zeroed(row: Property, value: Value) -> Value:
    if value is None:
        if row.default is not None:
            return row.default
        if row.computed:
            return UNKNOWN
        return _zero(row.kind)
    if row.block and is_list(value):
        return [_member(row, member) for member in value]
    return state_order(row, value) if row.kind is Kind.SET and is_list(value) else value


def _zero(kind: Kind) -> Value:
    match kind:
        case Kind.TEXT:
            return ""
        case Kind.FLAG:
            return False
        case Kind.NUMBER:
            return 0
        case Kind.MAP:
            return {}
        case _:
            return []


def equivalent(row: Property, first: Value, second: Value) -> bool:
    """Whether two values are the same in the sense of the legacy type system."""
    if is_zero(first) and is_zero(second):
        return True
    if is_list(first) and is_list(second):
        if row.kind is Kind.SET:
            if has_unknowns(first) or has_unknowns(second):
                return first == second
            return {identity(row, member) for member in first} == {identity(row, member) for member in second}
        return len(first) == len(second) and all(
            equivalent(row, one, other) for one, other in zip(first, second, strict=True)
        )
    if is_object(first) and is_object(second) and row.block:
        return all(equivalent(inner, first.get(inner.name), second.get(inner.name)) for inner in row.block)
    return first == second


def settled(rows: Sequence[Property], read: Mapping[str, Value], asked: Mapping[str, Value]) -> Object:
    """What was read after a change, in the form that was planned: a null stays null, a known set stays as it was."""
    return {row.name: _settled(row, read.get(row.name), asked.get(row.name)) for row in rows}


def _settled(row: Property, read: Value, asked: Value) -> Value:
    if asked is UNKNOWN:
        return read
    if row.single:
        if is_object(read) and is_object(asked):
            return read if row.kind is Kind.SET else settled(row.block, read, asked)
        return read
    if row.kind in (Kind.LIST, Kind.SET, Kind.MAP):
        return _settled_collection(row, read, asked)
    return asked if read is None and asked == "" else read


def _settled_collection(row: Property, read: Value, asked: Value) -> Value:
    if (asked is None and read in ([], {})) or (read is None and asked in ([], {})):
        return asked
    if row.kind is Kind.SET and is_list(asked) and not has_unknowns(asked):
        return asked
    if row.kind is Kind.LIST and row.block and is_list(read) and is_list(asked) and len(read) == len(asked):
        return [
            settled(row.block, one, other) if is_object(one) and is_object(other) else one
            for one, other in zip(read, asked, strict=True)
        ]
    return read


# ---------------------------------------------------------------------------------------------------- the difference


def requires_replacement(rows: Sequence[Property], prior: Object, plan: Object) -> bool:
    """Whether the plan can only be reached with another resource."""
    return any(row.replaces and not equivalent(row, prior.get(row.name), plan.get(row.name)) for row in rows)


def detailed(rows: Sequence[Property], prior: Object, plan: Object, inputs: Object) -> dict[str, Change]:
    """Every change with its path, as the engine shows it."""
    changes: dict[str, Change] = {}
    for row in rows:
        found = _difference(row, row.name, prior.get(row.name), plan.get(row.name), inputs.get(row.name))
        changes.update({path: change.replacing if row.replaces else change for path, change in found.items()})
    if not requires_replacement(rows, prior, plan):
        return {path: change.keeping for path, change in changes.items()}
    if not any(change.is_replacement for change in changes.values()):
        changes["__meta"] = Change.UPDATE_REPLACE
    return changes


def _present(value: Value) -> bool:
    return value is not None and value != []


def _difference(row: Property, path: str, old: Value, new: Value, inputs: Value) -> dict[str, Change]:
    if not _present(old) or not _present(new):
        if not _present(old) and not _present(new):
            return {}
        return {path: Change.DELETE if _present(old) else Change.ADD}
    if new is UNKNOWN:
        return {path: Change.UPDATE}
    if is_object(old) and is_object(new):
        return _object_difference(row, path, old, new, inputs)
    if is_list(old) and is_list(new):
        compare = _set_difference if row.kind is Kind.SET else _list_difference
        return compare(row, path, old, new, inputs)
    return {} if old == new else {path: Change.UPDATE}


def _merged(parts: Iterable[dict[str, Change]]) -> dict[str, Change]:
    return {path: change for part in parts for path, change in part.items()}


def _object_difference(row: Property, path: str, old: Object, new: Object, inputs: Value) -> dict[str, Change]:
    given = inputs if is_object(inputs) else {}
    members = row.block or [Property(name) for name in sorted({*old, *new})]
    return _merged(
        _difference(inner, f"{path}.{inner.name}", old.get(inner.name), new.get(inner.name), given.get(inner.name))
        for inner in members
    )


def _list_difference(row: Property, path: str, old: list[Value], new: list[Value], inputs: Value) -> dict[str, Change]:
    if not row.block:
        return _edits(path, old, new)
    given = inputs if is_list(inputs) else []
    return _merged(
        _difference(
            row,
            f"{path}[{i}]",
            old[i] if i < len(old) else None,
            new[i] if i < len(new) else None,
            given[i] if i < len(given) else None,
        )
        for i in range(max(len(old), len(new)))
    )


def _edits(path: str, old: list[Value], new: list[Value]) -> dict[str, Change]:
    """The fewest insertions and removals that lead from one list to the other, by longest common subsequence."""
    rest = [[0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for i in reversed(range(len(old))):
        for j in reversed(range(len(new))):
            rest[i][j] = rest[i + 1][j + 1] + 1 if old[i] == new[j] else max(rest[i + 1][j], rest[i][j + 1])
    removed: set[int] = set()
    inserted: set[int] = set()
    i = j = 0
    while i < len(old) or j < len(new):
        if i < len(old) and j < len(new) and old[i] == new[j]:
            i, j = i + 1, j + 1
        elif j == len(new) or (i < len(old) and rest[i + 1][j] >= rest[i][j + 1]):
            removed.add(i)
            i += 1
        else:
            inserted.add(j)
            j += 1
    return {
        f"{path}[{index}]": Change.UPDATE
        if index in removed and index in inserted
        else Change.DELETE
        if index in removed
        else Change.ADD
        for index in sorted(removed | inserted)
    }


def _set_difference(row: Property, path: str, old: list[Value], new: list[Value], inputs: Value) -> dict[str, Change]:
    olds = {identity(row, member): index for index, member in enumerate(old)}
    news = {identity(row, member): index for index, member in enumerate(new)}
    removed = sorted(index for key, index in olds.items() if key not in news)
    added = sorted(index for key, index in news.items() if key not in olds)
    if not removed and not added:
        return {}
    places = _places_in_inputs(row, added, new, inputs)
    if places is None:
        return {path: Change.UPDATE}
    return _merged(
        _difference(
            row,
            f"{path}[{index}]",
            old[index] if index in removed else None,
            new[places[index]] if index in places else None,
            inputs[index] if is_list(inputs) and index < len(inputs) else None,
        )
        for index in sorted({*removed, *places})
    )


def _places_in_inputs(row: Property, added: list[int], new: list[Value], inputs: Value) -> dict[int, int] | None:
    """At which place of the program's list each added member stands; nothing if that cannot be told for all."""
    given = inputs if is_list(inputs) else []
    if len(given) < len(new):
        return None
    places: dict[int, int] = {}
    for index in added:
        for place, member in enumerate(given):
            if place not in places and _comes_from(row, member, new[index]):
                places[place] = index
                break
        else:
            return None
    return places


def _comes_from(row: Property, given: Value, plan: Value) -> bool:
    """Whether a planned member can be what became of a given one."""
    if row.block and is_object(given) and is_object(plan):
        return all(_came_from(inner, given.get(inner.name), plan.get(inner.name)) for inner in row.block)
    return given == plan


def _came_from(row: Property, given: Value, plan: Value) -> bool:
    if given is None:
        return row.computed or (row.kind in (Kind.LIST, Kind.SET, Kind.MAP) and is_zero(plan)) or plan is None
    if row.block and is_list(given) and is_list(plan):
        return len(given) == len(plan) and all(
            _comes_from(row, one, other) for one, other in zip(given, plan, strict=True)
        )
    return _comes_from(row, given, plan)
