"""What the engine hands to no policy pack: the stack's settings and its state before the update.

Owns the questions to the `pulumi` command, which answers them from the same backend as the run that is judged, and
needs no passphrase for them. Secrets stay encrypted.
"""

import functools
import json
import os
import subprocess
from dataclasses import dataclass
from typing import NotRequired, TypedDict, cast


class StackError(Exception):
    """The stack could not be read; the text says why."""


class StateResource(TypedDict):
    """What the rules read of one resource in a state."""

    urn: str
    type: str
    id: NotRequired[str]
    delete: NotRequired[bool]
    outputs: NotRequired[dict[str, object]]


class _Deployment(TypedDict):
    resources: NotRequired[list[StateResource]]


class _Export(TypedDict):
    deployment: _Deployment


class _Setting(TypedDict):
    value: NotRequired[str]


@dataclass(frozen=True)
class Stack:
    """One stack, as every URN in it names it."""

    name: str
    project: str

    @classmethod
    def of(cls, urn: str) -> "Stack":
        """The stack of a resource."""
        stack, project, *_ = urn.removeprefix("urn:pulumi:").split("::")
        return cls(stack, project)

    def setting(self, key: str) -> str | None:
        """A plain setting of the stack.

        Raises:
            StackError: The settings could not be read.
        """
        settings = cast("dict[str, _Setting]", json.loads(_pulumi("config", "--json", "--stack", self._reference)))
        return settings.get(f"{self.project}:{key}", {}).get("value")

    def state(self) -> list[StateResource]:
        """The resources in the stack's state, those that wait for their deletion left out.

        Raises:
            StackError: The state could not be read.
        """
        export = cast("_Export", json.loads(_pulumi("stack", "export", "--stack", self._reference)))
        return [one for one in export["deployment"].get("resources") or [] if not one.get("delete")]

    @property
    def _reference(self) -> str:
        organization = os.environ.get("PULUMI_ORGANIZATION")
        return f"{organization}/{self.project}/{self.name}" if organization else self.name


@functools.cache
def _pulumi(*arguments: str) -> str:
    try:
        ran = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],  # noqa: S607 - the one that PATH gives to the run, too
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise StackError(f"pulumi {' '.join(arguments)}: {error}") from error
    if ran.returncode != 0:
        raise StackError(f"pulumi {' '.join(arguments)}: {ran.stderr.strip()}")
    return ran.stdout
