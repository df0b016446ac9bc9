"""The day. The only place of the pack that reads the clock.

IDENTITY_MANAGER_TODAY sets another day, as it does for the operations, so that a plan can be rehearsed a year ahead.
"""

import os
from datetime import UTC, date, datetime

VARIABLE = "IDENTITY_MANAGER_TODAY"


def today() -> date:
    """The present day in UTC, in which secrets expire; that of IDENTITY_MANAGER_TODAY where it is set."""
    rehearsed = os.environ.get(VARIABLE)
    return date.fromisoformat(rehearsed) if rehearsed else datetime.now(UTC).date()


def two_years_from_today() -> date:
    """The last day on which a secret made today may end."""
    day = today()
    try:
        return day.replace(year=day.year + 2)
    except ValueError:
        # 29 February
        return day.replace(year=day.year + 2, day=28)
