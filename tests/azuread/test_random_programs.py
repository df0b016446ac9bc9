"""Random programs through their whole life: nothing to do after an up, nothing left after a destroy."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.azuread.engine import Engine, Json, Plugin
from tests.azuread.programs import NAME, programs
from tests.azuread.sandbox import Sandbox

PARTS = 2
PROGRAMS = 150
"""How many programs each part runs; each is made, changed into another one, and destroyed."""


@pytest.fixture(scope="module")
def permissions(plugin: Plugin) -> Json:
    """What Microsoft Graph of the tenant offers, and who asks."""
    api = plugin.invoke("getServicePrincipal", displayName="Microsoft Graph")
    roles, scopes = api["appRoleIds"], api["oauth2PermissionScopeIds"]
    accesses = [{"id": key, "type": "Role"} for key in list(roles.values())[:3]]
    accesses += [{"id": key, "type": "Scope"} for key in list(scopes.values())[:3]]
    return {
        "accesses": accesses,
        "caller": plugin.invoke("getClientConfig")["objectId"],
        "clientId": api["clientId"],
        "objectId": api["objectId"],
        "roles": list(roles.values())[:3],
        "scopes": list(scopes)[:3],
    }


@pytest.mark.parametrize("part", range(PARTS))
def test_a_program_has_no_diff_after_up_and_leaves_nothing_after_destroy(
    part: int, plugin: Plugin, sandbox: Sandbox, permissions: Json
) -> None:
    # Nothing is made smaller: a failing program is short enough, and each try takes a while.
    @settings(
        max_examples=PROGRAMS,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @seed(part)
    @given(st.data())
    def run(data: st.DataObject) -> None:
        sandbox.control("POST", "/snapshots/seed/restore")
        engine = Engine(plugin)
        for _ in range(2):
            program = data.draw(programs(permissions))
            engine.preview(program)
            engine.up(program)
            assert engine.preview(program) == {}
            engine.refresh()
            assert engine.preview(program) == {}
        engine.destroy()
        assert left(sandbox) == []

    run()


def left(sandbox: Sandbox) -> list[str]:
    """The applications and service principals of these programs that are still there."""
    condition = f"$filter=startswith(displayName,'{NAME}')"
    return [
        str(one["displayName"])
        for kind in ("applications", "servicePrincipals")
        for one in sandbox.graph("GET", f"/{kind}?{condition}")["value"]
    ]
