"""The fault matrix: what strikes, what a person then sees and does, and what comes of it.

One table, `MATRIX`. The tests strike each row's cases on the real engine; docs/faults.md shows its rows to people. The
faults are in the words of the sandbox tenant's test control.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Fault = Mapping[str, str | int | float]

POST_APPLICATION: Fault = {"method": "POST", "path": "/v1.0/applications"}
PATCH_APPLICATION: Fault = {"method": "PATCH", "path": "/v1.0/applications/*"}
POST_SERVICE_PRINCIPAL: Fault = {"method": "POST", "path": "/v1.0/servicePrincipals"}
PATCH_SERVICE_PRINCIPAL: Fault = {"method": "PATCH", "path": "/v1.0/servicePrincipals/*"}
ADD_PASSWORD: Fault = {"method": "POST", "path": "*/addPassword"}
GRANT: Fault = {"method": "POST", "path": "*/appRoleAssignedTo"}
WRITES = (POST_APPLICATION, PATCH_APPLICATION, POST_SERVICE_PRINCIPAL, PATCH_SERVICE_PRINCIPAL, ADD_PASSWORD, GRANT)

TOKEN: Fault = {"method": "POST", "path": "*/oauth2/v2.0/token"}
LIST_APPLICATIONS: Fault = {"method": "GET", "path": "/v1.0/applications"}
READ_APPLICATION: Fault = {"method": "GET", "path": "/v1.0/applications/*"}
READ_API: Fault = {"method": "GET", "path": "/v1.0/servicePrincipals"}
READ_SERVICE_PRINCIPAL: Fault = {"method": "GET", "path": "/v1.0/servicePrincipals/*"}
READ_GRANT: Fault = {"method": "GET", "path": "*/appRoleAssignedTo/*"}
APPLICATION_OWNERS: Fault = {"method": "GET", "path": "/v1.0/applications/*/owners"}
SERVICE_PRINCIPAL_OWNERS: Fault = {"method": "GET", "path": "/v1.0/servicePrincipals/*/owners"}
READS = (LIST_APPLICATIONS, READ_APPLICATION, READ_API, READ_SERVICE_PRINCIPAL, APPLICATION_OWNERS)

Killed = Literal["engine in an up", "engine in a rotation", "tenant"]


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        strikes: What strikes.
        seen: What a person sees.
        done: What they do next.
        result: What comes of it.
        cases: The faults of each case, all of them in one `pulumi up`.
        says: Pattern of what that `pulumi up` prints.
        ends_well: Whether that `pulumi up` succeeds.
        adopts: Whether it takes the command that the next error names.
        orphans: Whether a secret may stay that only `verify` lists.
        killed: Which process is killed with -9, instead of a fault.
        points: At which calls of the plugin.
    """

    strikes: str
    seen: str
    done: str
    result: str
    cases: Sequence[Sequence[Fault]] = ()
    says: str = ""
    ends_well: bool = False
    adopts: bool = False
    orphans: bool = False
    killed: Killed | None = None
    points: Sequence[int] = ()

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """The row as people read it."""
        return self.strikes, self.seen, self.done, self.result


def _each(struck: Sequence[Fault], **fault: str | float) -> Sequence[Sequence[Fault]]:
    """One case for each request."""
    return [({**one, **fault},) for one in struck]


def _together(struck: Sequence[Fault], **fault: str | float) -> Sequence[Sequence[Fault]]:
    """One case in which every request is struck."""
    return [[{**one, **fault} for one in struck]]


NOTHING = "nothing"
UP_AGAIN = "`pulumi up`"
ADOPT = "`pulumi up`, the `adopt` command that its error names, `pulumi up`"
DONE = "finished in the same run"
FINISHED = "finished by that run"
TAKEN_OVER = "what was made is taken over; nothing is made twice"

MATRIX: Sequence[Row] = (
    Row(
        "429, any request, with Retry-After",
        "a longer run",
        NOTHING,
        DONE,
        _together((*WRITES, *READS, TOKEN), status=429, retryAfter=0),
        ends_well=True,
    ),
    *(
        Row(
            f"{status}, any request",
            "a longer run",
            NOTHING,
            DONE,
            _together((*WRITES, *READS, TOKEN), status=status, retryAfter=0),
            ends_well=True,
        )
        for status in (500, 503, 504)
    ),
    Row(
        "503 that does not end",
        "the plugin's error, after its own tries",
        UP_AGAIN,
        FINISHED,
        [({**PATCH_SERVICE_PRINCIPAL, "status": 503, "retryAfter": 0, "times": 10},)],
        says="503",
    ),
    Row(
        "slow answers",
        "a longer run",
        NOTHING,
        DONE,
        _together((*WRITES, *READS, TOKEN), delay=0.2),
        ends_well=True,
    ),
    Row(
        "409, two changes at a time, any write",
        "`waiting 1 s for another change of the same application to end`",
        NOTHING,
        DONE,
        _together(WRITES, status=409, retryAfter=0),
        says=r"waiting \S+ s for another change",
        ends_well=True,
    ),
    Row(
        "404 on a change right after the creation",
        "`waiting 1 s for every replica to show the new service principal`",
        NOTHING,
        DONE,
        [
            (
                {**PATCH_APPLICATION, "status": 404, "retryAfter": 0, "times": 2},
                {**PATCH_SERVICE_PRINCIPAL, "status": 404, "times": 2},
            )
        ],
        says=r"(?s)waiting \S+ s for .*, then try 2 of 7 .*, then try 3 of 7",
        ends_well=True,
    ),
    Row(
        "404 on a relation: owners, secrets, grants",
        "`waiting 1 s for every replica to show the new application`",
        NOTHING,
        DONE,
        [
            (
                {**APPLICATION_OWNERS, "status": 404},
                {**SERVICE_PRINCIPAL_OWNERS, "status": 404},
                {**ADD_PASSWORD, "status": 404},
                {**GRANT, "status": 404, "retryAfter": 0, "times": 2},
            )
        ],
        says=r"waiting \S+ s for every replica to show the new application",
        ends_well=True,
    ),
    Row(
        "404 that does not end",
        "a waiting message per try, then `7 tries in 61 seconds were not enough`",
        UP_AGAIN,
        FINISHED,
        [({**PATCH_SERVICE_PRINCIPAL, "status": 404, "times": 7},)],
        says=r"7 tries in \S+ seconds were not enough",
    ),
    Row(
        "404 when a new application, service principal or grant is first read",
        "the plugin's error; in the next run, that it exists already",
        ADOPT,
        TAKEN_OVER,
        _each((READ_APPLICATION, READ_SERVICE_PRINCIPAL, READ_GRANT), status=404),
        adopts=True,
    ),
    Row(
        "connection cut before the effect",
        "the plugin's error",
        UP_AGAIN,
        FINISHED,
        _each((*WRITES, LIST_APPLICATIONS, APPLICATION_OWNERS), cut="before"),
    ),
    Row(
        "connection cut after a change had its effect",
        "the plugin's error",
        UP_AGAIN,
        FINISHED,
        _each((PATCH_APPLICATION, PATCH_SERVICE_PRINCIPAL), cut="after"),
    ),
    Row(
        "connection cut after an application, service principal or grant was made",
        "the plugin's error; in the next run, that it exists already",
        ADOPT,
        TAKEN_OVER,
        _each((POST_APPLICATION, POST_SERVICE_PRINCIPAL, GRANT), cut="after"),
        adopts=True,
    ),
    Row(
        "connection cut after a client secret was made",
        "the plugin's error; `operations verify` lists the lost secret",
        "`pulumi up`, then `operations retire --orphans`",
        "another secret is made; nobody ever held the lost one",
        _each((ADD_PASSWORD,), cut="after"),
        orphans=True,
    ),
    Row(
        "token refused midway (401)",
        "the plugin's error",
        f"sign in again, {UP_AGAIN}",
        FINISHED,
        _each((POST_APPLICATION, PATCH_SERVICE_PRINCIPAL, ADD_PASSWORD, GRANT), status=401),
        says="401",
    ),
    Row(
        "no token (401 of the token endpoint)",
        "the plugin's error; nothing was changed",
        f"sign in again, {UP_AGAIN}",
        FINISHED,
        _each((TOKEN,), status=401),
        says="401",
    ),
    Row(
        "Pulumi killed with -9 in the first `pulumi up`",
        "in the next run, that the stack is locked",
        "`pulumi cancel`, `pulumi up`; where its error names one, the `adopt` command and `pulumi up`",
        "finished; a secret may be left that `operations verify` lists",
        killed="engine in an up",
        points=range(6, 26),
        adopts=True,
        orphans=True,
    ),
    Row(
        "Pulumi killed with -9 in a rotation",
        "in the next run, that the stack is locked",
        "`pulumi cancel`, `pulumi up`",
        "finished; a secret may be left that `operations verify` lists",
        killed="engine in a rotation",
        points=range(1, 21),
        orphans=True,
    ),
    Row(
        "the sandbox's tenant killed with -9",
        "the plugin's error",
        "`pulumi up`; where its error names one, the `adopt` command and `pulumi up`",
        "finished; a secret may be left that `operations verify` lists",
        killed="tenant",
        points=(7, 15, 18, 24),
        adopts=True,
        orphans=True,
    ),
)
