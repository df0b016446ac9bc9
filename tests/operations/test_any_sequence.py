"""Whatever the order of rotate, retire, days, failed deployments and lost answers: the secrets stay in order."""

from datetime import date

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.operations.project import OperatedProject

STEPS = ("rotate", "retire", "days", "up", "refused up", "lost answer", "agent")


class Years:
    """A registration over the years, with the agent that must be able to sign in all the time."""

    def __init__(self, project: OperatedProject) -> None:
        self.project = project
        self.exported, self.values = project.outputs_and_secrets()
        self.held: str = self.exported["ClientSecret"]
        self.retired = False

    def _look(self) -> None:
        self.exported, self.values = self.project.outputs_and_secrets()

    def rotate(self) -> None:
        assert self.project.operate("rotate").status == 0

    def retire(self) -> None:
        # Nobody retires before the agent holds the newest: the command says so, and only a person can know.
        if self.held == self.exported["ClientSecret"]:
            self.retired = self.project.operate("retire").status == 0

    def days(self) -> None:
        # The calendar moves as far as the secret that the agent holds allows: letting it expire is no rotation.
        last = min(map(date.fromisoformat, self.values))
        self.project.pass_days(min(45, max((last - self.project.day).days - 1, 0)))

    def up(self) -> None:
        self.project.no_faults()
        self.project.deploy()
        self._look()
        assert self.exported["SecretExpiresOn"] == max(self.project.dates())
        if self.retired:
            assert len(self.project.in_tenant()) == len(self.project.dates()) <= 2
            self.retired = len(self.project.dates()) == 1

    def refused_up(self) -> None:
        self.project.fault(method="POST", path="*/addPassword", status=403, times=1)
        self._fails()

    def lost_answer(self) -> None:
        self.project.fault(method="POST", path="*/addPassword", cut="after", times=1)
        self._fails()

    def agent(self) -> None:
        self.held = self.exported["ClientSecret"]

    def _fails(self) -> None:
        self.project.direct("pulumi", "up", "--yes", "--skip-preview", "--non-interactive", "--stack", "dev")
        self.project.no_faults()
        self._look()

    def check(self) -> None:
        """What holds at every moment."""
        assert self.project.signs_in(self.held)
        assert self.exported["ClientSecret"] == self.values[self.exported["SecretExpiresOn"]]

    def settle(self) -> None:
        """What holds after a deployment that went well and the removal of orphans."""
        self.up()
        assert self.project.operate("retire", "--orphans").status == 0
        assert self.project.in_tenant() == self.project.known()
        assert self.project.operate("verify").status == 0
        self.agent()
        self.retire()
        self.up()
        assert len(self.project.in_tenant()) == 1
        self.check()


@pytest.mark.parametrize("_part", range(2))
@settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(steps=st.lists(st.sampled_from(STEPS), min_size=3, max_size=6))
def test_a_valid_secret_at_every_moment_and_none_orphaned(
    deployed: OperatedProject, _part: int, steps: list[str]
) -> None:
    deployed.restore()
    years = Years(deployed)
    for step in steps:
        getattr(years, step.replace(" ", "_"))()
        years.check()
    years.settle()


def test_a_lost_answer_orphans_nothing_that_is_not_reported(deployed: OperatedProject) -> None:
    years = Years(deployed)
    deployed.pass_days(30)
    years.rotate()
    years.lost_answer()
    years.check()
    orphans = deployed.in_tenant() - deployed.known()
    found = deployed.operate("verify", "--json")
    assert {one["keyId"] for one in found.json["orphans"]} == orphans
    assert (found.status == 1) == bool(orphans)
    years.settle()
