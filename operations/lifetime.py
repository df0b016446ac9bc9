"""How long a client secret may live: never past, never longer than two years.

A secret of a date ends at that day's midnight, UTC: on its own date it no longer works.
"""

import calendar
from datetime import date

LONGEST_YEARS = 2


def latest(today: date) -> date:
    """The last expiry date that a secret made today may have."""
    year = today.year + LONGEST_YEARS
    is_leap_day = (today.month, today.day) == (2, 29) and not calendar.isleap(year)
    return today.replace(year=year, day=28 if is_leap_day else today.day)


def is_past(expires: date, today: date) -> bool:
    """Whether a secret of this date no longer works."""
    return expires <= today


def refusal(expires: date, today: date) -> str | None:
    """Why a secret may not have this expiry date; None where it may."""
    if is_past(expires, today):
        return f"{expires} is past: a secret of that date does not work."
    if expires > latest(today):
        return f"{expires} is more than {LONGEST_YEARS} years away: the latest is {latest(today)}."
    return None
