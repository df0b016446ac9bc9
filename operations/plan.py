"""The engine's plan, read from the events of a `pulumi preview`.

Owns the way from the event log (one JSON object per line) to one change per resource. The engine has taken secrets out
of the log before; what stands there in their place is read as `MASKED`. It judges nothing.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from pydantic.alias_generators import to_camel

from operations.errors import OperationError

MASKED = "[secret]"
FORMER = "[secret before]"
"""In place of a secret that changes, so that the change can be seen."""
UNKNOWN = "(known after the deployment)"

_SECRET_MARK = "4dabf18193072939515e22adb298388d"  # noqa: S105 - how the engine marks a secret
_UNKNOWN_MARK = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_COLOR = re.compile(r"<\{%.*?%\}>")


class Kind(StrEnum):
    """What becomes of a resource."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    SAME = "same"


_KINDS: Mapping[str, Kind] = {
    "create": Kind.CREATE,
    "import": Kind.CREATE,
    "update": Kind.UPDATE,
    "delete": Kind.DELETE,
    "create-replacement": Kind.REPLACE,
    "replace": Kind.REPLACE,
    "delete-replaced": Kind.REPLACE,
    "import-replacement": Kind.REPLACE,
    "discard-replaced": Kind.REPLACE,
    "same": Kind.SAME,
}


class _Read(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, frozen=True)


class State(_Read):
    """A resource as it is, or as it is going to be."""

    urn: str = ""
    custom: bool = False
    protect: bool = False
    parent: str = ""
    inputs: dict[str, JsonValue] = Field(default_factory=dict)
    outputs: dict[str, JsonValue] = Field(default_factory=dict)


class _Metadata(_Read):
    op: str
    urn: str
    type: str
    old: State | None = None
    new: State | None = None
    diffs: list[str] | None = None


class _Step(_Read):
    metadata: _Metadata


class _Diagnostic(_Read):
    message: str
    severity: str


class _Violation(_Read):
    message: str
    policy_name: str
    enforcement_level: str


class _Summary(_Read):
    result: str = "succeeded"


class _Event(_Read):
    resource_pre_event: _Step | None = None
    res_outputs_event: _Step | None = None
    diagnostic_event: _Diagnostic | None = None
    policy_event: _Violation | None = None
    summary_event: _Summary | None = None


@dataclass(frozen=True)
class Change:
    """What becomes of one resource."""

    kind: Kind
    urn: str
    type: str
    old: State | None
    new: State | None
    diffs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The resource's name in the program."""
        return self.urn.rpartition("::")[2]

    @property
    def former_name(self) -> str:
        """The name that the program had for the resource before; the same unless it was renamed."""
        return (self.old.urn if self.old and self.old.urn else self.urn).rpartition("::")[2]

    @property
    def parent(self) -> str:
        """The URN of the component that the resource belongs to."""
        state = self.new or self.old
        return state.parent if state else ""

    @property
    def custom(self) -> bool:
        """Whether a plugin, or the engine for one, takes care of it; not so a component or the stack."""
        return any(state.custom for state in (self.old, self.new) if state)

    @property
    def in_directory(self) -> bool:
        """Whether it stands for something in the directory."""
        return self.custom and not self.type.startswith("pulumi:")

    @property
    def loses_protection(self) -> bool:
        """Whether the resource was protected from deletion and is no more."""
        return bool(self.old and self.new and self.old.protect and not self.new.protect)

    @property
    def is_one(self) -> bool:
        """Whether anything at all becomes of it."""
        return self.kind is not Kind.SAME or self.loses_protection or self._gains_protection

    @property
    def _gains_protection(self) -> bool:
        return bool(self.old and self.new and self.new.protect and not self.old.protect)

    def before(self) -> Mapping[str, JsonValue]:
        """The inputs as they are: what the directory shows of those that the plan changes, else what was declared.

        They differ where somebody changed the directory by hand.
        """
        declared, after = _shown(self.old), self.after()
        if self.old is None or self.new is None:
            return declared
        outputs = {key: _cleaned(self.old.outputs[key]) for key in self.diffs if key in self.old.outputs}
        there = {key: _said(value, after.get(key)) for key, value in outputs.items()}
        # What is declared as a secret may stand in plain text among the outputs.
        hidden = {key for key in self.diffs if _holds_secret(declared.get(key)) or _holds_secret(after.get(key))}
        there |= dict.fromkeys(hidden, FORMER)
        return {key: value for key, value in {**declared, **there}.items() if not _is_empty(value) or key in after}

    def after(self) -> Mapping[str, JsonValue]:
        """The inputs as they are going to be."""
        return _shown(self.new)


@dataclass
class Plan:
    """What a preview foresees.

    Attributes:
        changes: One per resource, ordered by URN; resources that stay are among them.
        drifted: What a refresh found changed or gone in the directory.
        errors: Why the preview failed.
        warnings: What the program or the engine warned of.
        violations: What breaks policies that stop a deployment.
        advice: What breaks policies that only advise.
        succeeded: Whether the engine says that the preview came to its end.
    """

    changes: list[Change] = field(default_factory=list)
    drifted: list[Change] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)
    succeeded: bool = False

    @property
    def failed(self) -> bool:
        """Whether the plan is none that can be deployed."""
        return bool(not self.succeeded or self.errors or self.violations)


def read_plan(lines: Iterable[str], source: str) -> Plan:
    """Read the event log of a preview.

    Args:
        lines: The log.
        source: Where it comes from, for the refusal.

    Raises:
        OperationError: It is no event log.
    """
    plan = Plan()
    steps: dict[str, list[_Metadata]] = {}
    refreshing: set[str] = set()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            event = _Event.model_validate_json(line)
        except ValidationError:
            raise OperationError(
                f"{source} is no event log of a preview: line {number} is no event.",
                "No comment was made.",
                "PULUMI_DEBUG_COMMANDS=true pulumi preview --event-log plan.jsonl --stack STACK",
            ) from None
        if event.resource_pre_event:
            step = event.resource_pre_event.metadata
            if step.op == "refresh":
                refreshing.add(step.urn)
            else:
                steps.setdefault(step.urn, []).append(step)
        if event.res_outputs_event and event.res_outputs_event.metadata.urn in refreshing:
            step = event.res_outputs_event.metadata
            refreshing.remove(step.urn)
            drift = Change(Kind.UPDATE if step.new else Kind.DELETE, step.urn, step.type, step.old, step.new)
            if drift.kind is Kind.DELETE or drifted_keys(drift):
                plan.drifted.append(drift)
        _take_messages(plan, event)
    # The engine works in parallel: its order is another one each time.
    plan.changes = [_change(of_one) for _, of_one in sorted(steps.items()) if any(step.op in _KINDS for step in of_one)]
    plan.drifted.sort(key=lambda change: change.urn)
    return plan


def drifted_keys(change: Change) -> list[str]:
    """Which values of a resource a refresh found changed; an empty value is like none."""
    before, after = (state.outputs if state else {} for state in (change.old, change.new))
    return sorted(
        key
        for key in {*before, *after}
        if before.get(key) != after.get(key) and not (_is_empty(before.get(key)) and _is_empty(after.get(key)))
    )


def _take_messages(plan: Plan, event: _Event) -> None:
    if event.summary_event:
        plan.succeeded = event.summary_event.result == "succeeded"
    if event.policy_event:
        violation = event.policy_event
        stops = violation.enforcement_level == "mandatory"
        (plan.violations if stops else plan.advice).append(f"{violation.policy_name}: {_plain(violation.message)}")
    if event.diagnostic_event:
        said = event.diagnostic_event
        kept = {"error": plan.errors, "warning": plan.warnings}.get(said.severity)
        if kept is not None and (text := _plain(said.message)) not in kept:
            kept.append(text)


def _plain(text: str) -> str:
    return _COLOR.sub("", text).strip()


def _change(steps: list[_Metadata]) -> Change:
    """One change from the one to three steps that the engine takes with a resource."""
    known = [step for step in steps if step.op in _KINDS]
    old = next((step.old for step in known if step.old), None)
    new = next((step.new for step in known if step.new), None)
    diffs = tuple(key for step in known for key in step.diffs or ())
    return Change(_KINDS[known[0].op], known[0].urn, known[0].type, old, new, diffs)


def _shown(state: State | None) -> Mapping[str, JsonValue]:
    """The inputs of a state for people: without the engine's own marks."""
    return {key: _cleaned(value) for key, value in state.inputs.items() if key != "__defaults"} if state else {}


def _cleaned(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        if _SECRET_MARK in value:
            return MASKED
        return {key: _cleaned(one) for key, one in value.items() if key != "__defaults"}
    if isinstance(value, list):
        return [_cleaned(one) for one in value]
    return UNKNOWN if value == _UNKNOWN_MARK else value


def _holds_secret(value: JsonValue) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_secret, value.values()))
    return any(map(_holds_secret, value)) if isinstance(value, list) else value == MASKED


def _is_empty(value: JsonValue) -> bool:
    """Whether it is what the directory shows where nothing was set."""
    if isinstance(value, dict):
        return all(map(_is_empty, value.values()))
    return value in ("", False, None, [])


def _said(value: JsonValue, declared: JsonValue) -> JsonValue:
    """A value that the directory shows, without the empty parts that nobody declared."""
    if isinstance(value, dict):
        by_key = declared if isinstance(declared, dict) else {}
        return {key: _said(one, by_key.get(key)) for key, one in value.items() if not _is_empty(one) or key in by_key}
    if isinstance(value, list):
        by_place = declared if isinstance(declared, list) else []
        return [_said(one, by_place[place] if place < len(by_place) else None) for place, one in enumerate(value)]
    return value
