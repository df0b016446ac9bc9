"""The tenant's clock: the machine's, moved by what the test control says.

Everything that depends on time (tokens, expiry of credentials, dates of objects) asks this clock, so that a rehearsal
can be held a year ahead without waiting for it.
"""

from datetime import UTC, datetime, timedelta


class Clock:
    """The time in the tenant."""

    def __init__(self) -> None:
        self.shift = timedelta()

    def now(self) -> datetime:
        """The tenant's present, in UTC, to the second as the directory keeps it."""
        return (datetime.now(UTC) + self.shift).replace(microsecond=0)

    def stamp(self) -> str:
        """The tenant's present as Graph writes it."""
        return written(self.now())


def written(moment: datetime) -> str:
    """A moment in the form that Graph answers with."""
    form = "%Y-%m-%dT%H:%M:%S.%fZ" if moment.microsecond else "%Y-%m-%dT%H:%M:%SZ"
    return moment.astimezone(UTC).strftime(form)


def parsed(text: str) -> datetime:
    """A moment from an Edm.DateTimeOffset.

    Raises:
        ValueError: the text is not a date and time with an offset.
    """
    if "T" not in text.upper():
        raise ValueError(text)
    moment = datetime.fromisoformat(text.upper())
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment.astimezone(UTC)
