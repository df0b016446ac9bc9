"""The day. The only place that reads the clock.

A rehearsal of another day sets IDENTITY_MANAGER_TODAY, so that a rotation a year ahead can be tried now.
"""

import os
from datetime import UTC, date, datetime

from operations.errors import OperationError

VARIABLE = "IDENTITY_MANAGER_TODAY"


def today() -> date:
    """The present day in UTC, in which secrets expire; that of IDENTITY_MANAGER_TODAY where it is set.

    Raises:
        OperationError: The variable holds no date.
    """
    rehearsed = os.environ.get(VARIABLE)
    if not rehearsed:
        return datetime.now(UTC).date()
    day = parsed(rehearsed)
    if day is None:
        raise OperationError(
            f"{VARIABLE} is {rehearsed!r}, which is no date.",
            "The command would count from no day.",
            f"unset {VARIABLE}",
        )
    return day


def parsed(text: str) -> date | None:
    """The date written as YYYY-MM-DD, None for any other text."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.isoformat() == text else None
