"""The fault matrix on the real engine: whatever strikes, at most two more ups finish the job."""

import re
from collections.abc import Sequence

import pytest

from tests.faults.matrix import MATRIX, Fault, Row
from tests.faults.project import FIRST, SECOND, UP, StruckProject
from tests.stack.project import ROOT


def _struck() -> list[object]:
    return [
        pytest.param(row, faults, id=f"{row.strikes} - {_requests(faults)}") for row in MATRIX for faults in row.cases
    ]


def _requests(faults: Sequence[Fault]) -> str:
    return f"{faults[0]['method']} {faults[0]['path']}" if len(faults) == 1 else f"{len(faults)} requests"


def _killed(what: str) -> list[object]:
    return [pytest.param(row, point, id=str(point)) for row in MATRIX if row.killed == what for point in row.points]


@pytest.mark.parametrize(("row", "faults"), _struck())
def test_after_a_fault_running_pulumi_up_again_finishes_the_job(
    project: StruckProject, row: Row, faults: Sequence[Fault]
) -> None:
    project.start_from("nothing")
    for fault in faults:
        project.fault(**fault)
    status, output = project.pulumi_prints(*UP)
    assert (status == 0) == row.ends_well, output
    assert re.search(row.says, output), output
    assert [one for one in project.faults() if one["struck"] != one["times"]] == []
    project.no_faults()
    if not row.ends_well:
        project.finish(adopts=row.adopts)
    project.check([FIRST], orphans=row.orphans)


@pytest.mark.parametrize(("row", "point"), _killed("engine in an up"))
def test_after_the_engine_is_killed_in_an_up_the_next_finishes_the_job(
    project: StruckProject, row: Row, point: int
) -> None:
    project.start_from("nothing")
    project.kill_engine(point)
    project.finish(adopts=row.adopts)
    project.check([FIRST], orphans=row.orphans)


@pytest.mark.parametrize(("row", "point"), _killed("engine in a rotation"))
def test_after_the_engine_is_killed_in_a_rotation_the_next_finishes_it(
    project: StruckProject, row: Row, point: int
) -> None:
    project.start_from("registered")
    project.configure(secrets=[FIRST, SECOND])
    project.kill_engine(point)
    project.finish(adopts=row.adopts)
    project.check([FIRST, SECOND], orphans=row.orphans)


@pytest.mark.parametrize(("row", "point"), _killed("tenant"))
def test_after_the_tenant_is_killed_the_next_up_finishes_the_job(project: StruckProject, row: Row, point: int) -> None:
    project.start_from("nothing")
    project.kill_tenant(point)
    project.finish(adopts=row.adopts)
    project.check([FIRST], orphans=row.orphans)


def test_the_table_in_the_documentation_is_the_table_of_the_tests() -> None:
    page = (ROOT / "docs" / "faults.md").read_text()
    shown = [
        tuple(cell.strip() for cell in line.strip("|").split("|")) for line in page.splitlines() if line.startswith("|")
    ]
    assert shown[2:] == [row.cells for row in MATRIX]
