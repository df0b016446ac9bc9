"""The plugin's face to the engine: Pulumi's provider protocol over gRPC.

The SDK's `Provider` class is not used: it cannot keep the id and state of a resource whose creation failed half way,
tell an error without a traceback, or say which kind of change a property undergoes. The SDK's generated servicer can.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NoReturn, TypeVar

import grpc
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from sandbox.azuread import provider
from sandbox.azuread.configuration import ConfigurationError, connect, version
from sandbox.azuread.connections import FAILURES
from sandbox.azuread.graph import CancelledError
from sandbox.azuread.provider import InitialisationError, Provider, ProviderError
from sandbox.azuread.values import Object, from_struct, to_struct

_Response = TypeVar("_Response")
_Context = grpc.ServicerContext

_FAILURES = (ProviderError, ConfigurationError, CancelledError, *FAILURES)
"""What is told in one sentence; anything else is a fault of the stand-in and keeps its traceback."""


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """Answers the engine."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self._provider: Provider | None = None

    def GetPluginInfo(self, request: empty_pb2.Empty, context: _Context) -> plugin_pb2.PluginInfo:  # noqa: N802, ARG002
        """Says which version of the plugin this stands in for."""
        return plugin_pb2.PluginInfo(version=version())

    def CheckConfig(  # noqa: N802
        self,
        request: provider_pb2.CheckRequest,
        context: _Context,  # noqa: ARG002
    ) -> provider_pb2.CheckResponse:
        """Takes the configuration as it is; what it leads to shows when it is used."""
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(  # noqa: N802
        self,
        request: provider_pb2.DiffRequest,  # noqa: ARG002
        context: _Context,  # noqa: ARG002
    ) -> provider_pb2.DiffResponse:
        """Replaces nothing for a changed configuration."""
        return provider_pb2.DiffResponse()

    def Configure(  # noqa: N802
        self, request: provider_pb2.ConfigureRequest, context: _Context
    ) -> provider_pb2.ConfigureResponse:
        """Signs in to the sandbox's tenant."""
        self._provider = Provider(_told(context, lambda: connect(from_struct(request.args))))
        return provider_pb2.ConfigureResponse(supportsPreview=True, supports_autonaming_configuration=True)

    def Check(self, request: provider_pb2.CheckRequest, context: _Context) -> provider_pb2.CheckResponse:  # noqa: N802
        """Fills in defaults and says what is wrong."""
        olds, news = from_struct(request.olds), from_struct(request.news)
        inputs, failures = _told(context, lambda: provider.check(request.urn, olds, news))
        return provider_pb2.CheckResponse(inputs=to_struct(inputs), failures=_failures(failures))

    def Diff(self, request: provider_pb2.DiffRequest, context: _Context) -> provider_pb2.DiffResponse:  # noqa: N802
        """Says what would change."""
        olds, news = from_struct(request.olds), from_struct(request.news)
        found = _told(context, lambda: self._ready.diff(request.urn, olds, news, request.ignoreChanges))
        kinds = {path: provider_pb2.PropertyDiff(kind=_kind(change.name)) for path, change in found.detailed.items()}
        some, none = provider_pb2.DiffResponse.DIFF_SOME, provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(
            changes=some if found.changed else none,
            diffs=found.properties,
            replaces=found.replaces,
            stables=found.stables,
            detailedDiff=kinds,
            hasDetailedDiff=True,
        )

    def Create(self, request: provider_pb2.CreateRequest, context: _Context) -> provider_pb2.CreateResponse:  # noqa: N802
        """Creates, or previews what creating would give."""
        inputs = from_struct(request.properties)
        made, state = _told(context, lambda: self._ready.create(request.urn, inputs, preview=request.preview))
        return provider_pb2.CreateResponse(id=made, properties=to_struct(state))

    def Read(self, request: provider_pb2.ReadRequest, context: _Context) -> provider_pb2.ReadResponse:  # noqa: N802
        """Reads for a refresh or an import."""
        state, inputs = from_struct(request.properties), from_struct(request.inputs)
        found = _told(context, lambda: self._ready.read(request.urn, request.id, state, inputs))
        if found is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(id=request.id, properties=to_struct(found[0]), inputs=to_struct(found[1]))

    def Update(self, request: provider_pb2.UpdateRequest, context: _Context) -> provider_pb2.UpdateResponse:  # noqa: N802
        """Updates, or previews what updating would give."""
        olds, news = from_struct(request.olds), from_struct(request.news)
        ignored = list(request.ignoreChanges)
        state = _told(
            context,
            lambda: self._ready.update(request.urn, request.id, olds, news, ignored, preview=request.preview),
        )
        return provider_pb2.UpdateResponse(properties=to_struct(state))

    def Delete(self, request: provider_pb2.DeleteRequest, context: _Context) -> empty_pb2.Empty:  # noqa: N802
        """Deletes."""
        _told(context, lambda: self._ready.delete(request.urn, request.id, from_struct(request.properties)))
        return empty_pb2.Empty()

    def Invoke(self, request: provider_pb2.InvokeRequest, context: _Context) -> provider_pb2.InvokeResponse:  # noqa: N802
        """Runs a function."""
        answer, failures = _told(context, lambda: self._ready.invoke(request.tok, from_struct(request.args)))
        return provider_pb2.InvokeResponse(**{"return": to_struct(answer)}, failures=_failures(failures))

    def Cancel(self, request: empty_pb2.Empty, context: _Context) -> empty_pb2.Empty:  # noqa: N802, ARG002
        """Ends whatever waits."""
        self.cancel()
        return empty_pb2.Empty()

    def cancel(self) -> None:
        """Ends whatever waits, and lets the process end."""
        if self._provider is not None:
            self._provider.graph.cancelled.set()
        self.ended.set()

    @property
    def _ready(self) -> Provider:
        if self._provider is None:
            raise ConfigurationError("the provider has not been configured")
        return self._provider


_kind = provider_pb2.PropertyDiff.Kind.Value


def _failures(reasons: list[str]) -> list[provider_pb2.CheckFailure]:
    return [provider_pb2.CheckFailure(reason=reason) for reason in reasons]


def _told(context: _Context, call: Callable[[], _Response]) -> _Response:
    """What the call gives, or its failure as the engine wants to be told of it."""
    try:
        return call()
    except InitialisationError as error:
        _tell_of_half_made(context, error)
    except _FAILURES as error:
        context.abort(grpc.StatusCode.UNKNOWN, str(error))


def _tell_of_half_made(context: _Context, error: InitialisationError) -> NoReturn:
    """The resource exists and its state is to be kept, but it is not as asked for."""
    detail = any_pb2.Any()
    state: Object = error.state
    detail.Pack(
        provider_pb2.ErrorResourceInitFailed(id=error.resource_id, properties=to_struct(state), reasons=[str(error)])
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error), details=[detail])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, str(error))
