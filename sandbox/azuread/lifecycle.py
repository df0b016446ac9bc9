"""The steps from which the tables put together how a resource is created, read, updated and deleted.

A step is a function of an `Operation`; where resources differ only in an address or a word, a function here makes the
step from these. The order of the requests, their bodies, and the texts of failures are those of the real plugin. Its
waits are not: it lets seconds pass until Microsoft's replicas agree, a step here asks once, and again only if it must.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sandbox.azuread import wire
from sandbox.azuread.graph import BETA, CancelledError, Graph, GraphError
from sandbox.azuread.plan import equivalent
from sandbox.azuread.schema import Property, find, sending_order
from sandbox.azuread.values import (
    Object,
    Value,
    is_list,
    is_object,
    is_zero,
    texts,
    without_unknowns,
)

_POLLS = (0.0, 1.0, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0)


class Failure(Exception):  # noqa: N818 - it is the real plugin's diagnostic, told to the user as it stands
    """What went wrong, in the real plugin's words."""

    def __init__(self, summary: str, cause: Exception | str | None = None, *, at: str = "") -> None:
        where = f"[{at}] " if at else ""
        super().__init__(where + (summary if cause is None else f"{summary}: {cause}"))


class GoneError(Exception):
    """The object does not exist any more."""


@dataclass(frozen=True, slots=True)
class Identity:
    """How a resource's id is formed and spoken of."""

    form: str
    kind: str
    parts: tuple[str, ...]

    def of(self, *keys: str) -> str:
        """The id of the object with these keys."""
        return self.form.format(*keys)

    def keys(self, resource_id: str) -> tuple[str, ...]:
        """The keys in an id."""
        pattern = re.escape(self.form).replace(re.escape("{}"), "([^/]+)")
        match = re.fullmatch(pattern, resource_id)
        if match is None:
            expected = self.form.format(*(f"<{part}>" for part in self.parts))
            raise Failure(f'parsing "{resource_id}": expected an ID of the form {expected}')
        return match.groups()

    def described(self, *keys: str) -> str:
        """The object with these keys, as failures name it."""
        lines = "\n".join(f'{part}: "{key}"' for part, key in zip(self.parts, keys, strict=True))
        return f"{self.kind} ({lines})"


@dataclass(slots=True)
class Operation:
    """One creation, reading, update or deletion under way."""

    resource: Resource
    graph: Graph
    plan: Object
    prior: Object = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    read: Object = field(default_factory=dict)
    """What has been read, or is known from an answer, about the resource."""

    @property
    def key(self) -> str:
        """The key of the object itself."""
        return self.keys[-1]

    @property
    def id(self) -> str:
        """The resource's id."""
        return self.resource.identity.of(*self.keys)

    @property
    def path(self) -> str:
        """The object's own address."""
        return self.resource.path.format(*self.keys)

    @property
    def described(self) -> str:
        """The object as failures name it."""
        return self.resource.identity.described(*self.keys)

    def changed(self, name: str) -> bool:
        """Whether a property changes."""
        row = find(self.resource.rows, name)
        return row is not None and not equivalent(row, self.prior.get(name), self.plan.get(name))

    def sent(self, name: str) -> list[str]:
        """The members of a planned set of texts, in the order in which they are sent."""
        row = find(self.resource.rows, name)
        value = self.plan.get(name)
        return texts(sending_order(row, value)) if row is not None and is_list(value) else []

    def body(self, *, update: bool = False) -> Object:
        """The request that the table makes of the plan."""
        plan = without_unknowns(self.plan)
        known = plan if is_object(plan) else {}
        fields = wire.outgoing(self.resource.rows, known, prior=self.prior if update else None)
        return {"@odata.type": f"#microsoft.graph.{self.resource.graph_type}", **fields}


Step = Callable[[Operation], None]
PlanStep = Callable[[Graph, Object, Object], None]
"""Completes or refuses a plan, given what was and what is planned."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource: its properties and its life."""

    token: str
    terraform: str
    graph_type: str
    identity: Identity
    path: str
    rows: tuple[Property, ...]
    create: tuple[Step, ...]
    reading: tuple[Step, ...]
    update: tuple[Step, ...]
    delete: tuple[Step, ...]
    planning: tuple[PlanStep, ...] = ()
    importable: bool = True

    def run(self, steps: Sequence[Step], operation: Operation) -> None:
        """Does the steps in their order."""
        for step in steps:
            step(operation)


def tags_at_creation(operation: Operation) -> list[Value]:
    """The tags of a new object: those of its features where it states any."""
    for name in ("featureTags", "features"):
        if not is_zero(without_unknowns(operation.plan.get(name))):
            return wire.tags_of_features(operation.plan[name])
    return [*operation.sent("tags")]


def _tags_at_update(operation: Operation) -> list[Value]:
    for name in ("featureTags", "features"):
        if not is_zero(operation.plan.get(name)) and operation.changed(name):
            return wire.tags_of_features(operation.plan[name])
    return [*operation.sent("tags")]


def patch(
    failure: str,
    *,
    with_tags: bool = False,
    with_key: bool = False,
) -> Step:
    """Sends what the table says an update sends."""

    def step(operation: Operation) -> None:
        body = operation.body(update=True)
        if with_tags:
            body["tags"] = _tags_at_update(operation)
        if with_key:
            body["id"] = operation.key
        try:
            operation.graph.send("PATCH", operation.path, body)
        except GraphError as error:
            raise Failure(filled(failure, operation), error) from error

    return step


def get(failure: str, *, at: str = "") -> Step:
    """Reads the object."""

    def step(operation: Operation) -> None:
        try:
            found = operation.graph.get(operation.path).fields
        except GraphError as error:
            if error.is_not_found:
                raise GoneError from error
            raise Failure(filled(failure, operation), error, at=at) from error
        operation.read |= wire.incoming(operation.resource.rows, found)

    return step


def get_beta(field_name: str, name: str, failure: str) -> Step:
    """Reads the one property that only Graph's beta version tells."""

    def step(operation: Operation) -> None:
        try:
            found = operation.graph.get(operation.path, version=BETA, query={"$select": field_name}).fields
        except GraphError as error:
            raise Failure(filled(failure, operation), error) from error
        row = find(operation.resource.rows, name)
        if row is not None:
            operation.read[name] = wire.read(row, found.get(field_name))

    return step


def keep(**defaults: Value) -> Step:
    """Keeps what Graph does not know as the plan or the state had it, or else as stated here."""

    def step(operation: Operation) -> None:
        for name, default in defaults.items():
            value = without_unknowns(operation.plan.get(name))
            operation.read[name] = default if value is None else value

    return step


def delete(failure: str, *, at: str = "") -> Step:
    """Deletes the object."""

    def step(operation: Operation) -> None:
        try:
            operation.graph.send("DELETE", operation.path)
        except GraphError as error:
            raise Failure(filled(failure, operation, error), error, at=at) from error

    return step


def until_gone(failure: str) -> Step:
    """Waits until the object is not found any more."""

    def step(operation: Operation) -> None:
        def gone() -> bool:
            try:
                operation.graph.get(operation.path)
            except GraphError as error:
                if error.is_not_found:
                    return True
                raise
            return False

        wait_until(operation, gone, failure)

    return step


def wait_until(operation: Operation, condition: Callable[[], bool], failure: str) -> None:
    """Asks until the answer is yes."""
    try:
        for pause in _POLLS:
            if operation.graph.cancelled.wait(pause):
                raise CancelledError("cancelled while waiting for a change to show")
            if condition():
                return
    except GraphError as error:
        raise Failure(filled(failure, operation), f"retrieving resource: {error}") from error
    raise Failure(filled(failure, operation), "timeout while waiting for state")


def escaped(value: str) -> str:
    """A text for use between the quotes of a filter."""
    return value.replace("'", "''")


def filled(failure: str, operation: Operation, error: Exception | None = None) -> str:
    """A failure's text with the object and the plan's values in it."""
    if not operation.keys:
        return failure.format(plan=operation.plan, error=error)
    return failure.format(
        described=operation.described,
        key=operation.key,
        keys=operation.keys,
        id=operation.id,
        plan=operation.plan,
        error=error,
    )
