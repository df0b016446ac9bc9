"""The components as a Pulumi package, for programs in other languages.

Owns the package's name and version, and what its host has to add to Pulumi's own. It declares no resources: each
component says itself what it is made of, and the package's schema is read from the components.
"""

import inspect
import json
import re
import sys
from pathlib import Path

import pulumi
from pulumi.errors import InputPropertiesError
from pulumi.provider import ConstructResult, main
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.provider.server import ComponentInitError
from pulumi.runtime.settings import SETTINGS, get_monitor, is_dry_run

# Started as a folder, Python looks for modules in it, not beside it.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from components import EntraApplication, IdentityManagerRegistration  # noqa: E402

NAME = "identity-manager"
VERSION = "1.0.0"


class Package(ComponentProvider):
    """The host of both components."""

    def __init__(self) -> None:
        super().__init__([EntraApplication, IdentityManagerRegistration], NAME, version=VERSION)
        # Each language adds "Args" to the name of a type that is an input.
        schema = re.sub(r"(:index:\w+)Args\b", r"\1", self.schema or "")
        self.schema = json.dumps(json.loads(schema, object_hook=_without_indentation))
        self._monitors: dict[bool, object] = {}

    def construct(
        self,
        name: str,
        resource_type: str,
        inputs: pulumi.Inputs,
        options: pulumi.ResourceOptions | None = None,
    ) -> ConstructResult:
        """Make one component.

        Raises:
            InputPropertiesError: The component refused; the engine shows its text with no traceback.
        """
        # A process serves one run, but the SDK connects anew for each component. What a run may do once only, such as
        # naming a hook, is remembered by its monitor: so all components get the first.
        SETTINGS.monitor = self._monitors.setdefault(is_dry_run(), get_monitor())
        try:
            return super().construct(name, resource_type, inputs, options)
        except ComponentInitError as refused:
            if isinstance(refused.inner, pulumi.RunError):
                raise InputPropertiesError(str(refused.inner), []) from None
            raise


def _without_indentation(value: dict[str, object]) -> dict[str, object]:
    description = value.get("description")
    return {**value, "description": inspect.cleandoc(description)} if isinstance(description, str) else value


if __name__ == "__main__":
    main(Package(), sys.argv[1:])
