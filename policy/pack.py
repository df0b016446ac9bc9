"""The pack itself: all policies, mandatory, with the configuration beside this file.

`config.json` has the form of a file for `--policy-pack-config`; such a file changes single properties of it.
"""

import json
from pathlib import Path

from pulumi_policy import EnforcementLevel, PolicyPack

from policy import applications, client_secrets, kinds, permissions


def serve() -> None:
    """Serve the policies to the engine until it ends this process."""
    configured: dict[str, dict[str, object]] = json.loads((Path(__file__).parent / "config.json").read_text())
    PolicyPack(
        "identity-manager",
        [*permissions.POLICIES, *applications.POLICIES, *client_secrets.POLICIES, *kinds.POLICIES],
        EnforcementLevel.MANDATORY,
        # Without a level of its own, a configured policy would only advise.
        {name: {"enforcementLevel": EnforcementLevel.MANDATORY, **given} for name, given in configured.items()},
    )
