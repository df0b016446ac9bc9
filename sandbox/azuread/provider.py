"""The engine over the tables: what each of Pulumi's calls does, in plain values.

Owns: the order of planning, doing and reading within a call, and what is told of it afterwards.
Leaves alone: gRPC (`servicer`), and everything particular to a resource (`tables`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.azuread import plan as planning
from sandbox.azuread.functions import FUNCTIONS
from sandbox.azuread.graph import Graph
from sandbox.azuread.lifecycle import Failure, GoneError, Operation, Resource, Step
from sandbox.azuread.plan import Change
from sandbox.azuread.schema import Kind, Property, find, snake_case
from sandbox.azuread.tables import RESOURCES
from sandbox.azuread.values import UNKNOWN, Object, Value, is_list, is_object, secret, without_unknowns


class ProviderError(Exception):
    """A call that failed; its text goes to the user as it is."""


class InitialisationError(Exception):
    """A resource that exists, but not as it was asked for."""

    def __init__(self, reason: str, resource_id: str, state: Object) -> None:
        super().__init__(reason)
        self.resource_id = resource_id
        self.state = state


@dataclass(frozen=True, slots=True)
class Difference:
    """What Diff answers."""

    changed: bool
    detailed: dict[str, Change]
    stables: list[str]

    @property
    def properties(self) -> list[str]:
        """The names of the changed properties."""
        return sorted({_top(path) for path in self.detailed}) if self.changed else []

    @property
    def replaces(self) -> list[str]:
        """A name for every change that replaces the resource."""
        replacing = (path for path, change in self.detailed.items() if change.is_replacement)
        return sorted(_top(path) for path in replacing) if self.changed else []


def _top(path: str) -> str:
    return path.partition(".")[0].partition("[")[0]


def _as_told(failure: Failure) -> str:
    return f"1 error occurred:\n\t* {failure}\n\n"


def resource_of(urn: str) -> Resource:
    """The table for a resource's URN."""
    token = urn.split("::")[2].rpartition("$")[2]
    if token not in RESOURCES:
        raise ProviderError(
            f"{token} is not covered by the sandbox's stand-in for the azuread plugin, "
            f"which covers {', '.join(sorted(name.rpartition(':')[2] for name in RESOURCES))}"
        )
    return RESOURCES[token]


# ---------------------------------------------------------------------------------------------------- check


def check(urn: str, olds: Object, news: Object) -> tuple[Object, list[str]]:
    """A program's inputs with their defaults, and what is wrong with them."""
    resource = resource_of(urn)
    name = urn.rpartition("::")[2]
    inputs = planning.with_defaults(resource.rows, news, olds)
    return inputs, [*_unknown(resource.rows, news, f"{name}."), *_wrong(resource.rows, inputs, f"{name}.")]


def _unknown(rows: Sequence[Property], values: Object, where: str) -> list[str]:
    """The properties that a table does not have or that no program can set, named one by one."""
    failures = []
    for name, value in values.items():
        row = find(rows, name)
        if value is None or name == planning.DEFAULTS:
            continue
        if row is None or not row.is_input:
            told = f'unknown property "{name}": the sandbox\'s stand-in for the azuread plugin has no such property'
            failures.append(f"{told}. Examine values at '{where}{name}'.")
        elif row.block:
            for place, inner in _within(row, value, f"{where}{name}"):
                failures += _unknown(row.block, inner, place)
    return failures


def _wrong(rows: Sequence[Property], values: Object, where: str) -> list[str]:
    failures = []
    for row in rows:
        value = values.get(row.name)
        reason = _wrong_with(row, value, values)
        if reason:
            failures.append(f"{reason}. Examine values at '{where}{row.name}'.")
        elif row.block:
            for place, inner in _within(row, value, f"{where}{row.name}"):
                failures += _wrong(row.block, inner, place)
    return failures


def _within(row: Property, value: Value, where: str) -> list[tuple[str, Object]]:
    """The objects in a property, each with the place of its own properties."""
    if is_object(value):
        return [(f"{where}.", value)]
    members = value if is_list(value) and not row.single else []
    return [(f"{where}[{index}].", member) for index, member in enumerate(members) if is_object(member)]


def _wrong_with(row: Property, value: Value, values: Object) -> str | None:
    name = row.terraform_name
    if value is None:
        if row.required:
            return f"Missing required property '{row.name}'"
        return _wrong_choice(row, values)
    if row.refused:
        return f'property "{row.name}" is not covered by the sandbox\'s stand-in for the azuread plugin: {row.refused}'
    clash = next((other for other in row.conflicts if values.get(other) is not None), None)
    if clash is not None:
        return f'Conflicting configuration arguments: "{name}": conflicts with {snake_case(clash)}'
    if value is UNKNOWN or not row.is_input:
        return _wrong_choice(row, values)
    return _wrong_choice(row, values) or _wrong_value(row, name, value)


def _wrong_choice(row: Property, values: Object) -> str | None:
    """What is wrong where exactly one of several properties has to be set; told once, of the first of them."""
    if not row.exactly_one_of or row.name != row.exactly_one_of[0]:
        return None
    given = [other for other in row.exactly_one_of if values.get(other) is not None]
    if len(given) == 1:
        return None
    listed = ",".join(snake_case(other) for other in row.exactly_one_of)
    told = f'Invalid combination of arguments: "{row.terraform_name}": '
    if not given:
        return f"{told}one of `{listed}` must be specified"
    return f"{told}only one of `{listed}` can be specified, but `{','.join(map(snake_case, given))}` were specified"


_FORMS = {
    Kind.TEXT: (str,),
    Kind.FLAG: (bool,),
    Kind.NUMBER: (int, float),
    Kind.LIST: (list,),
    Kind.SET: (list,),
    Kind.MAP: (dict,),
}


def _wrong_value(row: Property, name: str, value: Value) -> str | None:
    forms = (dict,) if row.single else _FORMS[row.kind]
    if not isinstance(value, forms) or (row.kind is Kind.NUMBER and isinstance(value, bool)):
        return f'Incorrect attribute value type: Inappropriate value for attribute "{name}"'
    count = len(value) if is_list(value) else row.least
    if row.most and count > row.most:
        told = f'Attribute "{name}" supports {row.most} item maximum, but config has {count} declared'
        return f"Too many list items: {told}"
    if count < row.least:
        told = f'Attribute "{name}" requires {row.least} item minimum, but config has only {count} declared'
        return f"Not enough list items: {told}"
    return row.check(value, name) if row.check is not None else None


# ---------------------------------------------------------------------------------------------------- the provider


class Provider:
    """The calls that need the tenant."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def diff(self, urn: str, olds: Object, news: Object, ignored: Sequence[str]) -> Difference:
        """What an update with these inputs would change."""
        resource = resource_of(urn)
        planned = self._planned(urn, resource, olds, news, ignored)
        prior = {name: olds.get(name) for name in planned}
        changed = planned != prior
        detailed = planning.detailed(resource.rows, prior, planned, news) if changed else {}
        replaced = {_top(path) for path, change in detailed.items() if change.is_replacement}
        stables = sorted(row.name for row in resource.rows if row.replaces and row.name not in replaced)
        return Difference(changed, detailed, stables)

    def create(self, urn: str, inputs: Object, *, preview: bool) -> tuple[str, Object]:
        """A new resource: its id and its state."""
        resource = resource_of(urn)
        planned = self._planned(urn, resource, None, inputs, ())
        if preview:
            return "", _with_secrets(resource, planned)
        operation = Operation(resource, self.graph, planned)
        self._do(operation, resource.create, f"creating {urn}")
        return operation.id, _state(operation)

    def update(  # noqa: PLR0913 - the protocol's own request
        self, urn: str, resource_id: str, olds: Object, news: Object, ignored: Sequence[str], *, preview: bool
    ) -> Object:
        """A changed resource: its state."""
        resource = resource_of(urn)
        planned = self._planned(urn, resource, olds, news, ignored)
        if preview:
            return _with_secrets(resource, planned)
        operation = Operation(
            resource, self.graph, planned, prior=olds, keys=_keys(resource, resource_id, f"updating {urn}: ")
        )
        self._do(operation, resource.update, f"updating {urn}")
        return _state(operation)

    def read(self, urn: str, resource_id: str, state: Object, inputs: Object) -> tuple[Object, Object] | None:
        """A resource's state and inputs as they are now, or nothing if it is gone."""
        resource = resource_of(urn)
        importing = not state and resource.importable
        keys = _keys(resource, resource_id, "" if importing else f"refreshing {urn}: ")
        operation = Operation(resource, self.graph, state, prior=state, keys=keys)
        try:
            resource.run(resource.reading, operation)
        except GoneError:
            return None
        except Failure as failure:
            raise ProviderError(f"refreshing {urn}: {_as_told(failure)}") from failure
        found: Object = {row.name: operation.read.get(row.name, state.get(row.name)) for row in resource.rows}
        found["id"] = resource_id
        if state:
            found_inputs = planning.refreshed_inputs(resource.rows, inputs, found)
        else:
            found_inputs = planning.imported_inputs(resource.rows, found)
        found_inputs = planning.without_conflicts(resource.rows, found_inputs)
        if importing:
            found_inputs = _acceptable(resource.rows, found_inputs)
        return _with_secrets(resource, found), found_inputs

    def delete(self, urn: str, resource_id: str, state: Object) -> None:
        """Deletes a resource."""
        resource = resource_of(urn)
        keys = _keys(resource, resource_id, f"deleting {urn}: ")
        operation = Operation(resource, self.graph, state, prior=state, keys=keys)
        try:
            resource.run(resource.delete, operation)
        except Failure as failure:
            raise ProviderError(f"deleting {urn}: {_as_told(failure)}") from failure

    def invoke(self, token: str, args: Object) -> tuple[Object, list[str]]:
        """A function's answer, and what is wrong with its arguments."""
        if token not in FUNCTIONS:
            raise ProviderError(f"{token} is not covered by the sandbox's stand-in for the azuread plugin")
        function = FUNCTIONS[token]
        failures = [*_unknown(function.inputs, args, ""), *_wrong(function.inputs, args, "")]
        if failures:
            return {}, failures
        try:
            return function.run(self.graph, args), []
        except Failure as failure:
            raise ProviderError(f"invoking {token}: {_as_told(failure)}") from failure

    def _planned(
        self, urn: str, resource: Resource, olds: Object | None, news: Object, ignored: Sequence[str]
    ) -> Object:
        planned = planning.planned(resource.rows, olds, news)
        if olds is not None:
            for path in ignored:
                _put_back(planned, olds, path)
            if all(planning.equivalent(row, olds.get(row.name), planned[row.name]) for row in resource.rows):
                planned = {name: olds.get(name) for name in planned}
        try:
            for step in resource.planning:
                step(self.graph, olds or {}, planned)
        except Failure as failure:
            raise ProviderError(f"diffing {urn}: {_as_told(failure)}") from failure
        return planned

    def _do(self, operation: Operation, steps: Sequence[Step], doing: str) -> None:
        """Does the steps and reads what came of them; what failed half way is told with what there is of it."""
        resource = operation.resource
        try:
            resource.run(steps, operation)
            resource.run(resource.reading, operation)
        except GoneError as gone:
            raise ProviderError(f"expected non-nil error with nil state during {doing}") from gone
        except Failure as failure:
            if not operation.keys:
                raise ProviderError(_as_told(failure)) from failure
            raise InitialisationError(f"{doing}: {_as_told(failure)}", operation.id, _state(operation)) from failure


def _keys(resource: Resource, resource_id: str, doing: str) -> tuple[str, ...]:
    try:
        return resource.identity.keys(resource_id)
    except Failure as failure:
        raise ProviderError(f"{doing}{_as_told(failure)}") from failure


def _acceptable(rows: Sequence[Property], inputs: Object) -> Object:
    """Imported inputs that Check will take: what Graph fills in anyway is left out where it would be refused."""
    refused = {
        row.name
        for row in rows
        if row.optional and row.computed and row.name in inputs and _wrong_with(row, inputs[row.name], inputs)
    }
    both = {row.name for row in rows if refused.intersection(row.exactly_one_of)}
    return {name: value for name, value in inputs.items() if name not in refused | both}


def _put_back(planned: Object, olds: Object, path: str) -> None:
    """Takes an ignored change out of a plan."""
    first, _, rest = path.partition(".")
    first = first.partition("[")[0]
    inner, old = planned.get(first), olds.get(first)
    if rest and is_object(inner) and is_object(old):
        _put_back(inner, old, rest)
    elif first in planned:
        planned[first] = old


def _state(operation: Operation) -> Object:
    """The state after a change."""
    plan = operation.plan
    known = without_unknowns(plan)
    read = {**(known if is_object(known) else {}), **operation.read}
    state = planning.settled(operation.resource.rows, read, plan)
    state["id"] = operation.id
    return _with_secrets(operation.resource, state)


def _with_secrets(resource: Resource, state: Object) -> Object:
    secrets = {row.name for row in resource.rows if row.secret}
    return {name: secret(value) if name in secrets else value for name, value in state.items()}
