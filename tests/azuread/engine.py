"""A small engine for the plugin: enough of Pulumi's to run many programs quickly.

A program is a mapping from names to resources, in the order of their dependencies. Like Pulumi's engine it checks,
diffs, previews, creates, updates and replaces (the new one first), and it knows only what the protocol tells.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import grpc
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from tests.azuread.sandbox import ROOT, Sandbox

Json = dict[str, Any]
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
NONE = provider_pb2.DiffResponse.DIFF_NONE


@dataclass(frozen=True)
class Ref:
    """An output of another resource of the program."""

    name: str
    output: str


@dataclass(frozen=True)
class Declared:
    """A resource of a program; some have to be deleted before they are made anew."""

    token: str
    inputs: Json
    delete_first: bool = False


Program = Mapping[str, Declared]


@dataclass
class Made:
    """A resource as the engine's state has it."""

    token: str
    id: str
    inputs: Json
    outputs: Json


@dataclass(frozen=True)
class Plan:
    """What an up would do with one resource, and why."""

    action: str
    detailed: Json = field(default_factory=dict)


class CheckFailed(Exception):  # noqa: N818 - a test double
    """The plugin refused the inputs."""


class Plugin:
    """A running plugin process."""

    def __init__(self, sandbox: Sandbox, **variables: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "sandbox.azuread"],
            env={**sandbox.environment, "PYTHONPATH": str(ROOT), **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.channel = grpc.insecure_channel(f"127.0.0.1:{int(self.process.stdout.readline())}")
        self.calls: Any = provider_pb2_grpc.ResourceProviderStub(self.channel)

    def configure(self, **settings: str) -> None:
        """Sign in."""
        self.calls.Configure(provider_pb2.ConfigureRequest(args=to_struct(settings)))

    def invoke(self, function: str, **arguments: object) -> Json:
        """Run a function."""
        token = f"azuread:index/{function}:{function}"
        answer = self.calls.Invoke(provider_pb2.InvokeRequest(tok=token, args=to_struct(arguments)))
        assert not answer.failures, answer.failures
        return from_struct(getattr(answer, "return"))

    def close(self) -> int:
        """Ask for the end and wait for it."""
        self.calls.Cancel(empty_pb2.Empty())
        self.channel.close()
        self.process.communicate(timeout=20)
        return self.process.returncode


class Engine:
    """One stack."""

    def __init__(self, plugin: Plugin) -> None:
        self.calls = plugin.calls
        self.state: dict[str, Made] = {}

    # ------------------------------------------------------------------------------------------------ commands

    def preview(self, program: Program) -> dict[str, Plan]:
        """What an up would do."""
        outputs: dict[str, Json] = {}
        plans: dict[str, Plan] = {}
        for name, declared in program.items():
            made = self.state.get(name)
            inputs = self._checked(name, declared, outputs, made)
            if made is None:
                plans[name] = Plan("create")
                outputs[name] = self._create(name, declared.token, inputs, preview=True).outputs
                continue
            diff = self._diff(name, made, inputs)
            detailed = json_format.MessageToDict(diff).get("detailedDiff", {})
            if diff.replaces:
                plans[name] = Plan("replace", detailed)
                outputs[name] = self._create(name, declared.token, inputs, preview=True).outputs
            elif diff.changes != NONE:
                plans[name] = Plan("update", detailed)
                outputs[name] = self._update(name, made, inputs, preview=True)
            else:
                outputs[name] = made.outputs
        plans.update({name: Plan("delete") for name in self.state if name not in program})
        return plans

    def up(self, program: Program) -> None:
        """Make the resources those of the program."""
        outgoing: list[tuple[str, Made]] = []
        for name, declared in program.items():
            made = self.state.get(name)
            outputs = {other: one.outputs for other, one in self.state.items()}
            inputs = self._checked(name, declared, outputs, made)
            if made is None:
                self.state[name] = self._create(name, declared.token, inputs)
                continue
            diff = self._diff(name, made, inputs)
            if diff.replaces and declared.delete_first:
                self._delete(name, made)
                self.state[name] = self._create(name, declared.token, inputs)
            elif diff.replaces:
                self.state[name] = self._create(name, declared.token, inputs)
                outgoing.append((name, made))
            elif diff.changes != NONE:
                made.outputs = self._update(name, made, inputs)
            self.state[name].inputs = inputs
        outgoing += [(name, self.state.pop(name)) for name in list(self.state) if name not in program]
        for name, made in reversed(outgoing):
            self._delete(name, made)

    def refresh(self) -> None:
        """Make the state what the directory says."""
        for name, made in list(self.state.items()):
            request = provider_pb2.ReadRequest(
                id=made.id, urn=urn(name, made.token), properties=to_struct(made.outputs), inputs=to_struct(made.inputs)
            )
            read = self.calls.Read(request)
            if read.id:
                made.outputs, made.inputs = from_struct(read.properties), from_struct(read.inputs)
            else:
                del self.state[name]

    def adopt(self, name: str, token: str, resource_id: str) -> None:
        """Import a resource."""
        read = self.calls.Read(provider_pb2.ReadRequest(id=resource_id, urn=urn(name, token)))
        assert read.id == resource_id
        self.state[name] = Made(token, read.id, from_struct(read.inputs), from_struct(read.properties))

    def keep(self, name: str, token: str, half_made: provider_pb2.ErrorResourceInitFailed, inputs: Json) -> None:
        """Take over what a failed creation told of the resource."""
        self.state[name] = Made(token, half_made.id, inputs, from_struct(half_made.properties))

    def destroy(self) -> None:
        """Delete everything, dependents first."""
        for name in reversed(list(self.state)):
            self._delete(name, self.state.pop(name))

    # ------------------------------------------------------------------------------------------------ calls

    def _checked(self, name: str, declared: Declared, outputs: Mapping[str, Json], made: Made | None) -> Json:
        news = cast("Json", _resolved(declared.inputs, outputs))
        olds = made.inputs if made is not None else {}
        request = provider_pb2.CheckRequest(
            urn=urn(name, declared.token), olds=to_struct(olds), news=to_struct(news), randomSeed=b"seed"
        )
        answer = self.calls.Check(request)
        if answer.failures:
            raise CheckFailed("; ".join(failure.reason for failure in answer.failures))
        return from_struct(answer.inputs)

    def _diff(self, name: str, made: Made, inputs: Json) -> provider_pb2.DiffResponse:
        request = provider_pb2.DiffRequest(
            id=made.id,
            urn=urn(name, made.token),
            olds=to_struct(made.outputs),
            news=to_struct(inputs),
            old_inputs=to_struct(made.inputs),
        )
        return cast("provider_pb2.DiffResponse", self.calls.Diff(request))

    def _create(self, name: str, token: str, inputs: Json, *, preview: bool = False) -> Made:
        request = provider_pb2.CreateRequest(urn=urn(name, token), properties=to_struct(inputs), preview=preview)
        answer = self.calls.Create(request)
        return Made(token, answer.id, inputs, from_struct(answer.properties))

    def _update(self, name: str, made: Made, inputs: Json, *, preview: bool = False) -> Json:
        request = provider_pb2.UpdateRequest(
            id=made.id,
            urn=urn(name, made.token),
            olds=to_struct(made.outputs),
            news=to_struct(inputs),
            old_inputs=to_struct(made.inputs),
            preview=preview,
        )
        return from_struct(self.calls.Update(request).properties)

    def _delete(self, name: str, made: Made) -> None:
        request = provider_pb2.DeleteRequest(
            id=made.id, urn=urn(name, made.token), properties=to_struct(made.outputs), old_inputs=to_struct(made.inputs)
        )
        self.calls.Delete(request)


def urn(name: str, token: str) -> str:
    """The URN of a resource of the one stack there is."""
    return f"urn:pulumi:test::random::{token}::{name}"


def _resolved(value: object, outputs: Mapping[str, Json]) -> object:
    if isinstance(value, Ref):
        return outputs[value.name].get(value.output, UNKNOWN)
    if isinstance(value, dict):
        return {name: _resolved(item, outputs) for name, item in value.items()}
    if isinstance(value, list):
        return [_resolved(item, outputs) for item in value]
    return value


def to_struct(fields: Mapping[str, object]) -> struct_pb2.Struct:
    """JSON for the wire."""
    struct = struct_pb2.Struct()
    struct.update(cast("dict[str, Any]", fields))
    return struct


def from_struct(struct: struct_pb2.Struct) -> Json:
    """JSON from the wire, with secrets unwrapped as the engine does for a plugin that does not accept them."""
    return cast("Json", _unwrapped(json_format.MessageToDict(struct)))


def _unwrapped(value: object) -> object:
    if isinstance(value, dict):
        if "4dabf18193072939515e22adb298388d" in value:
            return _unwrapped(value["value"])
        return {name: _unwrapped(item) for name, item in value.items()}
    return [_unwrapped(item) for item in value] if isinstance(value, list) else value
